/* The filters of header fields, and which fields are out of their reach. */
#include "filters.h"

#define ADD(name, value) ((struct filter_settings){ .add_request_header = filtering_pair(f, name, value) })
#define SET(name, value) ((struct filter_settings){ .set_request_header = filtering_pair(f, name, value) })
#define MAP(from, to)    ((struct filter_settings){ .map_request_header = filtering_pair(f, from, to) })
#define DEDUPE(name, which) \
    ((struct filter_settings){ .dedupe_request_header = filtering_pair(f, name, which) })
#define REMOVE(name) ((struct filter_settings){ .remove_request_header = filtering_name(f, name) })

static void run(struct filtering *f)
{
    assert_int_equal(filtering_run(f, "/"), DENY_NONE);
}

static void adds(void **state)
{
    struct filtering *f = *state;
    filtering_field(f, "X-A", "theirs");
    filtering_add(f, ADD("X-A", "ours"));
    filtering_add(f, ADD("Cache-Control", "no-store"));
    run(f);
    assert_fields(f, "X-A: theirs|X-A: ours|Cache-Control: no-store");
    assert_int_equal(filter_request_fields(f->chain), 2);
}

static void sets(void **state)
{
    struct filtering *f = *state;
    filtering_field(f, "x-tenant", "one");
    filtering_field(f, "Accept", "a/b");
    filtering_field(f, "X_Tenant", "two"); /* to many servers the same */
    filtering_field(f, "X-Tenants", "other");
    f->paths[0] = SLICE("/{tenant}");
    filtering_variable(f, "tenant", "acme%0D%0Ax"); /* never decoded: no line can end in it */
    filtering_add(f, SET("X-Tenant", "t-{tenant}"));
    filtering_add(f, SET("User-Agent", "gateway"));
    run(f);
    assert_fields(f, "X-Tenant: t-acme%0D%0Ax|Accept: a/b|X-Tenants: other|User-Agent: gateway");
}

static void removes(void **state)
{
    struct filtering *f = *state;
    filtering_field(f, "X-Debug", "1");
    filtering_field(f, "x_debug", "1");
    filtering_field(f, "Cookie", "a=b");
    filtering_field(f, "Accept", "a/b");
    filtering_add(f, REMOVE("X-Debug"));
    filtering_add(f, REMOVE("Cookie"));
    run(f);
    assert_fields(f, "Accept: a/b");
}

static void removes_from_trailers(void **state)
{
    struct filtering *f = *state;
    filtering_add(f, REMOVE("X-Debug"));
    filtering_add(f, SET("X-Set", "v"));
    filtering_add(f, (struct filter_settings){ .remove_response_header = filtering_name(f, "X-Internal") });
    assert_ok(filtering_compile(f));
    for (int of_request = 0; of_request < 2; of_request++) {
        f->headers.count = 0;
        filtering_field(f, "x-debug", "1");
        filtering_field(f, "x-internal", "1");
        filter_trailers(f->chain, of_request, &f->headers);
        assert_fields(f, of_request ? "x-internal: 1" : "x-debug: 1");
    }
    filter_trailers(NULL, true, &f->headers);
}

static void maps(void **state)
{
    struct filtering *f = *state;
    filtering_field(f, "X-Request-Id", "id");
    filtering_field(f, "X-Correlation-Id", "theirs");
    filtering_add(f, MAP("X-Request-Id", "X-Correlation-Id"));
    filtering_add(f, MAP("X-Absent", "X-Other"));
    run(f);
    assert_fields(f, "X-Request-Id: id|X-Correlation-Id: id");
}

static void dedupes(void **state)
{
    struct filtering *f = *state;
    for (int i = 0; i < 3; i++) {
        static const char *const values[] = { "1", "2", "1" };
        filtering_field(f, "X-First", values[i]);
        filtering_field(f, "X-Last", values[i]);
        filtering_field(f, "X-Unique", values[i]);
    }
    filtering_add(f, DEDUPE("X-First", "first"));
    filtering_add(f, DEDUPE("X-Last", "last"));
    filtering_add(f, DEDUPE("x-unique", "unique"));
    run(f);
    assert_fields(f, "X-First: 1|X-Unique: 1|X-Unique: 2|X-Last: 1");
    assert_filter_refused(f, DEDUPE("X-A", "some"), "first, last or unique");
}

static void changes_answers(void **state)
{
    struct filtering *f = *state;
    struct principal caller = { .kind = PRINCIPAL_JWT, .subject = SLICE_INIT("alice") };
    f->run.principal = &caller;
    filtering_field(f, "Set-Cookie", "a=b");
    filtering_field(f, "Content-Type", "text/plain");
    filtering_field(f, "X-Gone", "1");
    filtering_field(f, "X-Twice", "1");
    filtering_field(f, "X-Twice", "1");
    filtering_add(f, (struct filter_settings){ .remove_response_header = filtering_name(f, "Set-Cookie") });
    filtering_add(
        f, (struct filter_settings){ .set_response_header = filtering_pair(f, "Content-Type", "text/html") });
    filtering_add(
        f, (struct filter_settings){ .set_response_header = filtering_pair(f, "X-Gone", "{client_id}") });
    filtering_add(
        f, (struct filter_settings){ .add_response_header = filtering_pair(f, "X-User", "{subject}") });
    filtering_add(
        f, (struct filter_settings){ .dedupe_response_header = filtering_pair(f, "X-Twice", "unique") });
    assert_ok(filtering_compile(f));
    assert_int_equal(filter_response(f->chain, &f->run), DENY_NONE);
    assert_fields(f, "Content-Type: text/html|X-Twice: 1|X-User: alice");
    assert_int_equal(filter_request_fields(f->chain), 0);
}

/* What was proven has no faithful form in a field: denied, and nothing of it is sent. */
static void what_is_no_value_is_denied(void **state)
{
    struct filtering *f = *state;
    struct principal caller = { .kind = PRINCIPAL_JWT, .subject = SLICE_INIT("a\r\nX-Admin: 1") };
    f->run.principal = &caller;
    filtering_add(
        f, (struct filter_settings){ .set_response_header = filtering_pair(f, "X-User", "u-{subject}") });
    assert_ok(filtering_compile(f));
    assert_int_equal(filter_response(f->chain, &f->run), DENY_AUTHORIZATION_ERROR);
    assert_fields(f, "");
    f->filters.count = 0;
    caller.subject = SLICE("alice"); /* the twin */
    filtering_add(
        f, (struct filter_settings){ .set_response_header = filtering_pair(f, "X-User", "u-{subject}") });
    assert_ok(filtering_compile(f));
    assert_int_equal(filter_response(f->chain, &f->run), DENY_NONE);
    assert_fields(f, "X-User: u-alice");
}

/* Of requests: neither set nor removed, nor made of another one. */
static void what_security_owns_is_refused(void **state)
{
    struct filtering *f = *state;
    static const char *const owned[] = {
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Host",
        "TE",
        "Upgrade",
        "Trailer",
        "Keep-Alive",
        "Expect",
        "Proxy-Connection",
        "Authorization",
        "Proxy-Authorization",
        "DPoP",
        "Client-Cert",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-User",
        "X-Real-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Request-Id",
        "traceparent",
        "tracestate",
        "Via",
        "X-HTTP-Method-Override",
        "Proxy",
        "Content-Encoding",
        "Content-Type",
        "True-Client-IP",
        "Sec-WebSocket-Key",
        "grpc-timeout",
        "X-User-Id",
        "content.length",
        "X-SSL-Client-Verify",
    };
    static struct slice identity = SLICE_INIT("x-user-id");
    static const struct conf_strings identities = { &identity, 1 };
    f->route.identity_headers = &identities;
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        assert_filter_refused(f, ADD(owned[i], "v"), "no filter may");
        assert_filter_refused(f, SET(owned[i], "v"), "no filter may");
        assert_filter_refused(f, REMOVE(owned[i]), "no filter may");
        assert_filter_refused(f, DEDUPE(owned[i], "first"), "no filter may");
        assert_filter_refused(f, MAP("X-A", owned[i]), "no filter may");
    }
    assert_filter_refused(f, SET("Cookie", "a=b"), "no filter may");
    assert_filter_refused(f, MAP("Cookie", "X-A"), "no filter may copy");
    assert_filter_refused(f, MAP("Authorization", "X-A"), "no filter may copy");
    assert_filter_refused(f, MAP("X-User-Id", "X-A"), "no filter may copy");
    assert_filter_refused(f, SET("X_A", "v"), "ambiguous");
    assert_filter_refused(f, SET(":authority", "v"), "not a header name");
    assert_filter_refused(f, SET("X A", "v"), "not a header name");
}

static void of_answers_too(void **state)
{
    struct filtering *f = *state;
    static const char *const owned[] = { "Content-Length", "Transfer-Encoding",   "Connection",
                                         "Trailer",        "X-Request-Id",        "Alt-Svc",
                                         "Upgrade",        "Content-Encoding",    "Content-Range",
                                         "grpc-status",    "Sec-WebSocket-Accept" };
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        assert_filter_refused(
            f, (struct filter_settings){ .set_response_header = filtering_pair(f, owned[i], "v") },
            "no filter may");
        assert_filter_refused(
            f, (struct filter_settings){ .add_response_header = filtering_pair(f, owned[i], "v") },
            "no filter may");
        assert_filter_refused(
            f, (struct filter_settings){ .remove_response_header = filtering_name(f, owned[i]) },
            "no filter may");
    }
    assert_filter_refused(f,
                          (struct filter_settings){
                              .set_response_header = filtering_pair(f, "Access-Control-Allow-Origin", "*") },
                          "made by `cors`");
    assert_filter_refused(
        f, (struct filter_settings){ .set_response_header = filtering_pair(f, "Set-Cookie", "a=b") },
        "cookies");
    f->filters.count = 0; /* the twin: what an upstream says of it itself may go */
    filtering_add(f, (struct filter_settings){ .remove_response_header =
                                                   filtering_name(f, "Access-Control-Allow-Origin") });
    assert_ok(filtering_compile(f));
}

static void values_are_checked(void **state)
{
    struct filtering *f = *state;
    f->paths[0] = SLICE("/{subject}/{b}");
    assert_filter_refused(f, SET("X-A", ""), "not empty");
    assert_filter_refused(f, SET("X-A", " v"), "white space at its ends");
    assert_filter_refused(f, SET("X-A", "v\r\nX-B: w"), "no control characters");
    assert_filter_refused(f, SET("X-A", "{c}"), "no variable {c}");
    assert_filter_refused(f, SET("X-A", "{claims.sub}"), "relay.headers");
    assert_filter_refused(
        f, (struct filter_settings){ .set_response_header = filtering_pair(f, "X-A", "{subject}") },
        "call that something else");
    f->filters.count = 0;
    filtering_variable(f, "subject", "s");
    filtering_variable(f, "b", "b");
    filtering_add(f, SET("X-A", "{{{subject}}"));
    run(f);
    assert_fields(f, "X-A: {s}");
}

static void too_many_fields_are_denied(void **state)
{
    struct filtering *f = *state;
    f->headers.capacity = 1;
    filtering_field(f, "Accept", "a/b");
    filtering_add(f, ADD("X-A", "v"));
    assert_int_equal(filtering_run(f, "/"), DENY_INTERNAL);
    f->filters.count = 0;
    filtering_add(f, SET("Accept", "c/d")); /* in its place */
    run(f);
    assert_fields(f, "Accept: c/d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILTERING_TEST(adds),
        FILTERING_TEST(sets),
        FILTERING_TEST(removes),
        FILTERING_TEST(removes_from_trailers),
        FILTERING_TEST(maps),
        FILTERING_TEST(dedupes),
        FILTERING_TEST(changes_answers),
        FILTERING_TEST(what_is_no_value_is_denied),
        FILTERING_TEST(what_security_owns_is_refused),
        FILTERING_TEST(of_answers_too),
        FILTERING_TEST(values_are_checked),
        FILTERING_TEST(too_many_fields_are_denied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
