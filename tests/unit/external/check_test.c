#include "told.h"

#include "base/clock.h"

static void good_url(const char *url, int contract)
{
    const char *problem = authorizer_url_problem(slice_from_string(url), contract);
    if (problem != NULL) {
        fail_msg("%s: %s", url, problem);
    }
}

static void bad_url(const char *url, int contract)
{
    if (authorizer_url_problem(slice_from_string(url), contract) == NULL) {
        fail_msg("%s passes", url);
    }
}

static void test_urls(void **state)
{
    (void)state;
    static const char *const good[] = { "http://127.0.0.1",
                                        "https://sso.internal:9091/verify?rd=https%3A%2F%2Fx",
                                        "http://[::1]:8080/a" };
    static const char *const bad[] = { "",
                                       "sso",
                                       "ftp://sso",
                                       "http://",
                                       "http://u@sso/",
                                       "http://sso/a b",
                                       "http://sso/#a",
                                       "http://sso?x",
                                       "unix:/run/sso",
                                       "http://sso:99999/" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        good_url(good[i], AUTHORIZER_FORWARD_AUTH);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bad_url(bad[i], AUTHORIZER_FORWARD_AUTH);
        bad_url(bad[i], AUTHORIZER_EXT_AUTHZ);
    }
    good_url("http://opa:8181/authz", AUTHORIZER_EXT_AUTHZ);
    good_url("http://opa:8181", AUTHORIZER_EXT_AUTHZ);
    bad_url("http://opa:8181/authz/", AUTHORIZER_EXT_AUTHZ);
    bad_url("http://opa:8181/authz?x=1", AUTHORIZER_EXT_AUTHZ);
}

static void names(const char *(*problem_of)(struct slice), const char *const *good, const char *const *bad)
{
    for (size_t i = 0; good[i] != NULL; i++) {
        const char *problem = problem_of(slice_from_string(good[i]));
        if (problem != NULL) {
            fail_msg("%s: %s", good[i], problem);
        }
    }
    for (size_t i = 0; bad[i] != NULL; i++) {
        if (problem_of(slice_from_string(bad[i])) == NULL) {
            fail_msg("%s passes", bad[i]);
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    names(authorizer_request_header_problem,
          (const char *const[]){ "Authorization", "Cookie", "Accept", "X-Tenant", "DPoP", NULL },
          (const char *const[]){ "Host", "Connection", "Content-Length", "Transfer-Encoding",
                                 "X-Forwarded-For", "X-Forwarded-Uri", "x-forwarded-user", "Forwarded",
                                 "X-Real-IP", "X-Original-URL", "X-Request-Id", "traceparent", "X_Tenant",
                                 "X Tenant", "Upgrade", "TE", "Client-Cert", "", NULL });
    names(authorizer_upstream_header_problem,
          (const char *const[]){ "Remote-User", "X-User", "Authorization", "X-Forwarded-User",
                                 "x-forwarded-email", NULL },
          (const char *const[]){ "X-Forwarded-For", "X-Forwarded-Host", "Host", "Connection",
                                 "Content-Length", "Cookie", "Set-Cookie", "Content-Type", "Via",
                                 "X-Request-Id", "X-HTTP-Method-Override", "Proxy", "X_User", "Client-Cert",
                                 "DPoP", NULL });
    names(authorizer_client_header_problem,
          (const char *const[]){ "Location", "Set-Cookie", "WWW-Authenticate", "Retry-After", "X-Why", NULL },
          (const char *const[]){ "Content-Type", "Content-Length", "Content-Encoding", "Connection",
                                 "Cache-Control", "X-Request-Id", "Alt-Svc", "Access-Control-Allow-Origin",
                                 "Keep-Alive", "Via", "Upgrade", "X_Why", NULL });
    names(authorizer_identity_header_problem, (const char *const[]){ "X-Caller", NULL },
          (const char *const[]){ "Authorization", "X-Forwarded-User", "Host", "Cookie", "X_Caller", NULL });
}

static void test_preparing(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct slice by[] = { SLICE("credential"), SLICE("path"), SLICE("header:X-Tenant") };
    struct decision_cache_settings cache = { .duration = NS_PER_S, .by = { by, 3 } };
    struct authorizer_settings settings = { .name = SLICE("opa"),
                                            .contract = AUTHORIZER_EXT_AUTHZ,
                                            .url = SLICE("https://opa.internal:8443/authz"),
                                            .timeout = 7,
                                            .max_connections = 3,
                                            .max_pending = 4,
                                            .cache = &cache,
                                            .request_headers = NAMES(SLICE("x-tenant")) };
    assert_ok(authorizer_prepare(&settings, &arena));
    assert_slice(settings.target, "/authz");
    assert_slice(settings.authority, "opa.internal:8443");
    assert_slice(settings.issuer, "authorizer:opa");
    assert_int_equal(settings.service.endpoints.count, 1);
    assert_true(settings.service.parsed[0].tls);
    assert_int_equal(settings.service.parsed[0].port, 8443);
    assert_int_equal(settings.service.max_connections, 3);
    assert_int_equal(settings.service.max_pending, 4);
    assert_int_equal(settings.service.pending_timeout, 7);
    assert_int_equal(cache.parts, (1U << DECISION_CREDENTIAL) | (1U << DECISION_PATH));
    assert_int_equal(cache.headers.count, 1);
    assert_null(authorizer_cache_problem(&settings, by[2]));
    assert_non_null(authorizer_cache_problem(&settings, SLICE("header:X-Other")));
    assert_non_null(authorizer_cache_problem(&settings, SLICE("token")));
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_preparing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
