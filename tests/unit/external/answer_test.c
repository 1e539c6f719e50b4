#include "told.h"

static struct authorizer_settings settings_of(int contract)
{
    static struct slice upstream[] = { SLICE_INIT("X-User"), SLICE_INIT("X-Role") };
    static struct slice client[] = { SLICE_INIT("Location"), SLICE_INIT("Set-Cookie"),
                                     SLICE_INIT("WWW-Authenticate"), SLICE_INIT("X-Told") };
    return (struct authorizer_settings){
        .name = SLICE("sso"),
        .contract = contract,
        .upstream_headers = { upstream, 2 },
        .client_headers = { client, 4 },
        .subject_header = SLICE("X-Subject"),
        .roles_header = SLICE("X-Roles"),
    };
}

static struct external_answer *answer(int contract, unsigned int status, const char *const *fields)
{
    struct fields list;
    struct authorizer_settings settings = settings_of(contract);
    fields_init(&list);
    for (size_t i = 0; fields != NULL && fields[i] != NULL; i += 2) {
        fields_add(&list, fields[i], fields[i + 1]);
    }
    struct http_response response = { .status = status, .headers = list.list };
    struct external_answer *made = external_answer_new(&settings, &response);
    assert_non_null(made);
    memset(&list, 0, sizeof list); /* it keeps nothing of the head */
    return made;
}

static void decided(int contract, unsigned int status, const char *const *fields, enum deny_reason reason,
                    unsigned int told)
{
    struct external_answer *made = answer(contract, status, fields);
    if (made->reason != reason || (reason != DENY_NONE && made->status != told)) {
        fail_msg("%u: reason %s, status %u", status, deny_infos[made->reason].detail, made->status);
    }
    external_answer_unref(made);
}

static void test_statuses(void **state)
{
    (void)state;
    static const char *const to_login[] = { "Location", "/login", NULL };
    static const char *const nowhere[] = { "X-Told", "1", NULL };
    const int forward = AUTHORIZER_FORWARD_AUTH, envoy = AUTHORIZER_EXT_AUTHZ;
    decided(forward, 200, NULL, DENY_NONE, 0);
    decided(forward, 202, NULL, DENY_NONE, 0);
    decided(forward, 299, NULL, DENY_NONE, 0);
    decided(envoy, 200, NULL, DENY_NONE, 0);
    decided(envoy, 201, NULL, DENY_AUTHORIZER_ERROR, 503);
    decided(forward, 401, NULL, DENY_AUTHORIZER_UNAUTHENTICATED, 401);
    decided(envoy, 401, NULL, DENY_AUTHORIZER_UNAUTHENTICATED, 401);
    decided(forward, 403, NULL, DENY_AUTHORIZER_DENIED, 403);
    decided(forward, 404, NULL, DENY_AUTHORIZER_ERROR, 503);
    decided(envoy, 404, NULL, DENY_AUTHORIZER_DENIED, 404);
    decided(envoy, 407, NULL, DENY_AUTHORIZER_DENIED, 403);
    decided(forward, 500, NULL, DENY_AUTHORIZER_ERROR, 503);
    decided(envoy, 599, NULL, DENY_AUTHORIZER_ERROR, 503);
    decided(forward, 302, to_login, DENY_AUTHORIZER_REDIRECT, 302);
    decided(envoy, 307, to_login, DENY_AUTHORIZER_REDIRECT, 307);
    decided(forward, 302, nowhere, DENY_AUTHORIZER_DENIED, 403);
    decided(forward, 304, to_login, DENY_AUTHORIZER_ERROR, 503);
    decided(forward, 300, to_login, DENY_AUTHORIZER_ERROR, 503);
}

static void test_fields_by_list(void **state)
{
    (void)state;
    static const char *const fields[] = { "x-user", "alice",      "X-Admin",  "yes",        "X_Role",
                                          "admin",  "Set-Cookie", "a=1",      "Set-Cookie", "b=2",
                                          "X-Told", "t",          "Location", "/x",         "X-Subject",
                                          "alice",  "X-Roles",    "b, a,b",   NULL };
    struct external_answer *yes = answer(AUTHORIZER_FORWARD_AUTH, 200, fields);
    assert_int_equal(yes->reason, DENY_NONE);
    assert_int_equal(yes->upstream_count, 1);
    assert_slice(yes->upstream[0].value, "alice");
    assert_int_equal(yes->client_count, 3); /* no Location beside a yes */
    assert_int_equal(yes->client[0].id, HEADER_SET_COOKIE);
    assert_slice(yes->client[2].value, "t");
    assert_slice(yes->subject, "alice");
    assert_int_equal(yes->role_count, 2);
    assert_slice(yes->roles[0], "a");
    assert_slice(yes->roles[1], "b");
    assert_false(yes->may_be_kept); /* it sets a cookie */
    external_answer_unref(yes);
    struct external_answer *no = answer(AUTHORIZER_FORWARD_AUTH, 403, fields);
    assert_int_equal(no->upstream_count, 0);
    assert_int_equal(no->client_count, 4);
    assert_int_equal(no->subject.len, 0);
    assert_int_equal(no->role_count, 0);
    external_answer_unref(no);
}

static void refused(const char *const *fields)
{
    decided(AUTHORIZER_FORWARD_AUTH, 200, fields, DENY_AUTHORIZER_ANSWER, 503);
}

/* T16. */
static void test_what_no_field_may_be(void **state)
{
    (void)state;
    refused((const char *const[]){ "X-User", "a", "x-user", "b", NULL });
    refused((const char *const[]){ "X-User", "a\r\nX-Admin: yes", NULL });
    refused((const char *const[]){ "X-Told", "a\nb", NULL });
    refused((const char *const[]){ "X-Told", "a", "X-Told", "b", NULL });
    refused((const char *const[]){ "X-Subject", "a\001", NULL });
    refused((const char *const[]){ "X-Subject", "a", "X-Subject", "a", NULL });
    refused((const char *const[]){ "X-Roles", "a", "X-Roles", "b", NULL });
    char longest[EXTERNAL_SUBJECT_MAX + 2];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    refused((const char *const[]){ "X-Subject", longest, NULL });
    decided(AUTHORIZER_FORWARD_AUTH, 200, (const char *const[]){ "X-Subject", longest + 1, NULL }, DENY_NONE,
            0);
    /* What is not listed is nobody's business. */
    decided(AUTHORIZER_FORWARD_AUTH, 200, (const char *const[]){ "X-Other", "a", "X-Other", "b", NULL },
            DENY_NONE, 0);
    const char *cookies[2 * EXTERNAL_FIELDS_MAX + 3];
    for (size_t i = 0; i <= EXTERNAL_FIELDS_MAX; i++) {
        cookies[2 * i] = "Set-Cookie";
        cookies[2 * i + 1] = "a=1";
    }
    cookies[2 * EXTERNAL_FIELDS_MAX + 2] = NULL;
    refused(cookies);
    cookies[2 * EXTERNAL_FIELDS_MAX] = NULL;
    decided(AUTHORIZER_FORWARD_AUTH, 200, cookies, DENY_NONE, 0);
}

static void test_what_may_be_kept(void **state)
{
    (void)state;
    char large[EXTERNAL_KEPT_MAX];
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    static const struct {
        unsigned int status;
        bool kept;
    } cases[] = { { 200, true }, { 401, false }, { 403, false }, { 500, false } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct external_answer *made = answer(AUTHORIZER_FORWARD_AUTH, cases[i].status, NULL);
        assert_int_equal(made->may_be_kept, cases[i].kept);
        external_answer_unref(made);
    }
    struct external_answer *made =
        answer(AUTHORIZER_FORWARD_AUTH, 200, (const char *const[]){ "X-User", large, NULL });
    assert_int_equal(made->reason, DENY_NONE);
    assert_false(made->may_be_kept);
    external_answer_unref(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_fields_by_list),
        cmocka_unit_test(test_what_no_field_may_be),
        cmocka_unit_test(test_what_may_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
