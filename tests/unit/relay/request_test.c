#include "messages.h"

struct relaying {
    struct arena arena;
    struct fields fields;
    struct http_request input;
    struct principal principal;
    struct conf_pair pairs[4];
    struct relay_settings settings;
    struct slice identity_names[4];
    struct conf_strings identity;
    struct relay_request request;
    struct headers out;
};

static int setup(void **state)
{
    static struct relaying relaying;
    memset(&relaying, 0, sizeof relaying);
    arena_init(&relaying.arena, 1 << 20);
    fields_init(&relaying.fields);
    relaying.principal =
        (struct principal){ .kind = PRINCIPAL_JWT, .subject = SLICE("u1"), .issuer = SLICE("iss") };
    relaying.input = (struct http_request){ .method = METHOD_GET, .minor_version = 1 };
    relaying.identity = (struct conf_strings){ relaying.identity_names, 0 };
    relaying.settings.headers = (struct conf_pairs){ relaying.pairs, 0 };
    relaying.request = (struct relay_request){
        .settings = &relaying.settings,
        .input = &relaying.input,
        .principal = &relaying.principal,
        .host = SLICE("api.example"),
        .is_tls = true,
        .request_id = SLICE("id-1"),
        .identity_headers = &relaying.identity,
    };
    assert_true(address_parse(SLICE("192.0.2.7"), &relaying.request.client));
    *state = &relaying;
    return 0;
}

static int teardown(void **state)
{
    struct relaying *relaying = *state;
    arena_done(&relaying->arena);
    return 0;
}

static void add(struct relaying *relaying, const char *name, const char *value)
{
    fields_add(&relaying->fields, name, value);
}

static void set_identity(struct relaying *relaying, const char *name, const char *expression)
{
    relaying->pairs[relaying->settings.headers.count++] =
        (struct conf_pair){ slice_from_string(name), slice_from_string(expression) };
}

static struct headers *build(struct relaying *relaying)
{
    relaying->input.headers = relaying->fields.list;
    assert_ok(relay_build_request(&relaying->request, &relaying->arena, &relaying->out));
    return &relaying->out;
}

static void test_what_passes(void **state)
{
    struct relaying *relaying = *state;
    add(relaying, "Accept", "text/plain");
    add(relaying, "Content-Type", "application/json");
    add(relaying, "Cookie", "a=1");
    add(relaying, "Cookie", "b=2");
    add(relaying, "X-Custom", "v");
    struct headers *out = build(relaying);
    assert_value(out, "Accept", "text/plain");
    assert_value(out, "Content-Type", "application/json");
    assert_value(out, "X-Custom", "v");
    assert_int_equal(fields_count(out, "Cookie"), 2);
    assert_value(out, "X-Forwarded-For", "192.0.2.7");
    assert_value(out, "X-Forwarded-Proto", "https");
    assert_value(out, "X-Forwarded-Host", "api.example");
    assert_value(out, "X-Request-Id", "id-1");
    assert_value(out, "Via", "1.1 sallyport");
    assert_int_equal(out->count, 10);
    for (size_t i = 0; i < out->count; i++) {
        assert_int_equal(out->items[i].id, header_id_of(out->items[i].name));
    }
}

/* T11 and what else a client may not say. */
static void test_what_does_not_pass(void **state)
{
    struct relaying *relaying = *state;
    static const char *const names[] = {
        "Host",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "HTTP2-Settings",
        "Content-Length",
        "Expect",
        "Authorization",
        "Proxy-Authorization",
        "DPoP",
        "Forwarded",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-User",
        "X-Real-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "Client-Cert",
        "Client-Cert-Chain",
        "Proxy",
        "traceparent",
        "tracestate",
        "X_Anything",
        "x_forwarded_for",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        add(relaying, names[i], "evil");
    }
    add(relaying, "X-Forwarded-For", "6.6.6.6");
    add(relaying, "X-Forwarded-Proto", "evil");
    add(relaying, "X-Forwarded-Host", "evil");
    add(relaying, "X-Request-Id", "evil");
    add(relaying, "X-Good", "good");
    for (int round = 0; round < 2; round++) {
        struct headers *out = build(relaying);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            assert_gone(out, names[i]);
        }
        assert_value(out, "X-Good", "good");
        assert_value(out, "X-Forwarded-For", "192.0.2.7");
        assert_value(out, "X-Forwarded-Proto", "https");
        assert_value(out, "X-Forwarded-Host", "api.example");
        assert_value(out, "X-Request-Id", "id-1");
        /* Without settings: the same. */
        relaying->request.settings = NULL;
    }
}

/* T12, T13: identity headers of any route, in any spelling, however often. */
static void test_identity_spoofing(void **state)
{
    struct relaying *relaying = *state;
    set_identity(relaying, "X-User-Id", "subject");
    relaying->identity_names[relaying->identity.count++] = SLICE("X-User-Id");
    relaying->identity_names[relaying->identity.count++] = SLICE("X-Other-Route");
    relaying->settings.underscores = true;
    static const char *const spoofed[] = { "x-user-id", "X_User_Id",     "X-USER_ID",    "X.User.Id",
                                           "X-User-Id", "X-Other-Route", "x_other_route" };
    for (size_t i = 0; i < sizeof spoofed / sizeof spoofed[0]; i++) {
        add(relaying, spoofed[i], "admin");
    }
    add(relaying, "X-User-Idx", "fine");
    add(relaying, "X_Fine", "fine");
    struct headers *out = build(relaying);
    assert_value(out, "X-User-Id", "u1");
    assert_gone(out, "X-Other-Route");
    for (size_t i = 0; i < out->count; i++) {
        assert_false(slice_equal(out->items[i].value, SLICE("admin")));
    }
    assert_value(out, "X-User-Idx", "fine");
    assert_value(out, "X_Fine", "fine");
    /* Nothing proven: nothing sent, nothing passed. Also where the list of all routes is missing. */
    relaying->principal.kind = PRINCIPAL_ANONYMOUS;
    relaying->request.identity_headers = NULL;
    out = build(relaying);
    assert_gone(out, "X-User-Id");
    assert_gone(out, "X_User_Id");
    /* A route without identity strips what other routes set. */
    relaying->request.identity_headers = &relaying->identity;
    relaying->request.settings = NULL;
    out = build(relaying);
    assert_gone(out, "X-User-Id");
    assert_gone(out, "X-Other-Route");
    assert_gone(out, "X_Fine");
}

/* T14: what the gateway sets cannot be named away; what the client names of its own goes. */
static void test_connection_abuse(void **state)
{
    struct relaying *relaying = *state;
    set_identity(relaying, "X-User", "subject");
    relaying->settings.token = RELAY_FORWARD;
    relaying->request.token = SLICE("aaa.bbb.ccc");
    relaying->request.traceparent = SLICE("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    add(relaying, "Connection",
        "close, X-User, Authorization, X-Forwarded-For, X-Forwarded-Proto, X-Request-Id, traceparent, Via, "
        "X-Mine");
    add(relaying, "X-Mine", "v");
    add(relaying, "x-mine", "v");
    add(relaying, "X-Yours", "v");
    struct headers *out = build(relaying);
    assert_gone(out, "Connection");
    assert_gone(out, "X-Mine");
    assert_value(out, "X-Yours", "v");
    assert_value(out, "X-User", "u1");
    assert_value(out, "Authorization", "Bearer aaa.bbb.ccc");
    assert_value(out, "X-Forwarded-For", "192.0.2.7");
    assert_value(out, "X-Forwarded-Proto", "https");
    assert_value(out, "X-Request-Id", "id-1");
    assert_value(out, "Via", "1.1 sallyport");
    assert_value(out, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}

static void test_connection_floods(void **state)
{
    struct relaying *relaying = *state;
    add(relaying, "Connection", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,1,2,3,4,5,6,7");
    relaying->input.headers = relaying->fields.list;
    relaying->out.count = 77;
    assert_fails(relay_build_request(&relaying->request, &relaying->arena, &relaying->out), ERROR_LIMIT);
    assert_int_equal(relaying->out.count, 77);
}

/* What holds credentials on any route goes no further: the cookie alone, and a Referer that tells of one. */
static void test_places_of_credentials(void **state)
{
    struct relaying *relaying = *state;
    struct slice cookies[] = { SLICE_INIT("token") }, queries[] = { SLICE_INIT("access_token") };
    const struct relay_credentials credentials = { .cookies = { cookies, 1 }, .queries = { queries, 1 } };
    relaying->request.credentials = &credentials;
    add(relaying, "Cookie", "a=1; token=secret; b=2");
    add(relaying, "cookie", "token=secret");
    add(relaying, "Referer", "https://a.example/x?access_token=secret#f");
    add(relaying, "X-Custom", "token=stays");
    struct headers *out = build(relaying);
    assert_int_equal(fields_count(out, "Cookie"), 1);
    assert_value(out, "Cookie", "a=1; b=2");
    assert_int_equal(fields_count(out, "Referer"), 0);
    assert_value(out, "X-Custom", "token=stays");
}

static void test_places_leave_others_alone(void **state)
{
    struct relaying *relaying = *state;
    struct slice cookies[] = { SLICE_INIT("token") }, queries[] = { SLICE_INIT("access_token") };
    const struct relay_credentials credentials = { .cookies = { cookies, 1 }, .queries = { queries, 1 } };
    relaying->request.credentials = &credentials;
    add(relaying, "Cookie", "Token=1; tokens=2");
    add(relaying, "Referer", "https://a.example/access_token=1?page=2");
    struct headers *out = build(relaying);
    assert_value(out, "Cookie", "Token=1; tokens=2");
    assert_value(out, "Referer", "https://a.example/access_token=1?page=2");
}

static void test_token(void **state)
{
    struct relaying *relaying = *state;
    add(relaying, "Authorization", "Bearer aaa.bbb.ccc");
    relaying->request.token = SLICE("aaa.bbb.ccc");
    assert_gone(build(relaying), "Authorization");
    relaying->settings.token = RELAY_FORWARD;
    assert_value(build(relaying), "Authorization", "Bearer aaa.bbb.ccc");
    /* A bound token is never handed on. */
    relaying->principal.bound = true;
    assert_gone(build(relaying), "Authorization");
    relaying->principal.bound = false;
    relaying->principal.kind = PRINCIPAL_ANONYMOUS;
    assert_gone(build(relaying), "Authorization");
    relaying->principal.kind = PRINCIPAL_JWT;
    relaying->request.principal = NULL;
    assert_gone(build(relaying), "Authorization");
    relaying->request.principal = &relaying->principal;
    relaying->request.token = SLICE("");
    assert_gone(build(relaying), "Authorization");
    relaying->request.token = SLICE("aaa.bbb.ccc");
    relaying->request.settings = NULL;
    assert_gone(build(relaying), "Authorization");
}

static void test_forwarded_fields(void **state)
{
    struct relaying *relaying = *state;
    relaying->request.is_tls = false;
    relaying->request.port = 8443;
    relaying->input.minor_version = 0;
    assert_true(address_parse(SLICE("2001:db8::1"), &relaying->request.client));
    add(relaying, "Via", "1.1 edge");
    struct headers *out = build(relaying);
    assert_value(out, "X-Forwarded-For", "2001:db8::1");
    relaying->out.count = 0;
    relaying->request.client = (struct address){ .port = 0 };
    assert_value(build(relaying), "X-Forwarded-For", "unknown"); /* who connects by a Unix socket */
    assert_value(out, "X-Forwarded-Proto", "http");
    assert_value(out, "X-Forwarded-Host", "api.example:8443");
    assert_int_equal(fields_count(out, "Via"), 2);
    assert_slice(out->items[0].value, "1.1 edge");
    relaying->request.host = SLICE("2001:db8::5");
    relaying->request.port = 0;
    relaying->input.minor_version = 2;
    relaying->fields.list.count = 0;
    out = build(relaying);
    assert_value(out, "X-Forwarded-Host", "[2001:db8::5]");
    assert_value(out, "Via", "2 sallyport");
    relaying->request.port = 443;
    assert_value(build(relaying), "X-Forwarded-Host", "[2001:db8::5]:443");
}

static void test_trace(void **state)
{
    struct relaying *relaying = *state;
    add(relaying, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01");
    add(relaying, "tracestate", "vendor=1");
    struct headers *out = build(relaying);
    assert_gone(out, "traceparent");
    assert_gone(out, "tracestate");
    /* The client's trace goes on under a new parent. */
    relaying->request.traceparent = SLICE("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    out = build(relaying);
    assert_value(out, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_value(out, "tracestate", "vendor=1");
    relaying->request.traceparent = SLICE("00-11111111111111111111111111111111-b7ad6b7169203331-01");
    assert_gone(build(relaying), "tracestate");
    relaying->request.traceparent = SLICE("short");
    assert_gone(build(relaying), "tracestate");
}

static void test_a_value_that_cannot_be_sent(void **state)
{
    struct relaying *relaying = *state;
    set_identity(relaying, "X-User", "subject");
    set_identity(relaying, "X-Literal", "'text'");
    struct headers *out = build(relaying);
    assert_value(out, "X-User", "u1");
    assert_value(out, "X-Literal", "text");
    relaying->principal.subject = SLICE("u1\r\nX-Admin: 1");
    relaying->out.count = 77;
    assert_fails(relay_build_request(&relaying->request, &relaying->arena, &relaying->out), ERROR_VALUE);
    assert_int_equal(relaying->out.count, 77);
}

static void test_without_memory(void **state)
{
    struct relaying *relaying = *state;
    add(relaying, "Accept", "a");
    set_identity(relaying, "X-User", "subject");
    relaying->request.port = 80;
    relaying->settings.token = RELAY_FORWARD;
    relaying->request.token = SLICE("aaa.bbb.ccc");
    relaying->input.headers = relaying->fields.list;
    size_t failures = 0;
    for (size_t maximum = 0; maximum < 4096; maximum += 16) {
        struct arena arena;
        arena_init(&arena, maximum);
        struct error error = relay_build_request(&relaying->request, &arena, &relaying->out);
        arena_done(&arena);
        if (!failed(error)) {
            break;
        }
        assert_int_equal(error.kind, ERROR_MEMORY);
        failures++;
    }
    assert_true(failures > 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_passes),
        TEST(test_what_does_not_pass),
        TEST(test_identity_spoofing),
        TEST(test_connection_abuse),
        TEST(test_connection_floods),
        TEST(test_places_of_credentials),
        TEST(test_places_leave_others_alone),
        TEST(test_token),
        TEST(test_forwarded_fields),
        TEST(test_trace),
        TEST(test_a_value_that_cannot_be_sent),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
