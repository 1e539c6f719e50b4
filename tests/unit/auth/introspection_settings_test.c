#include "unit.h"

#include "auth/introspection_settings.h"

static struct slice audience[] = { SLICE_INIT("orders") };

static struct introspection_settings good(void)
{
    return (struct introspection_settings){ .endpoint = SLICE("https://idp.example.com/introspect"),
                                            .client_id = SLICE("gateway"),
                                            .client_secret = SLICE("secret"),
                                            .audiences = { audience, 1 } };
}

static void assert_problem(const struct introspection_settings *settings, const char *part)
{
    const char *problem = introspection_check_settings(settings);
    assert_non_null(problem);
    assert_non_null(strstr(problem, part));
}

static void good_ones(void **state)
{
    (void)state;
    struct introspection_settings settings = good();
    assert_null(introspection_check_settings(&settings));
    settings.endpoint = SLICE("http://127.0.0.1:8080/introspect?realm=a");
    assert_null(introspection_check_settings(&settings));
    settings.client_authentication = CLIENT_SECRET_POST;
    assert_null(introspection_check_settings(&settings));
    settings.audiences.count = 0;
    settings.server_checks_audience = true;
    assert_null(introspection_check_settings(&settings));
}

static void endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *url, *problem;
    } cases[] = {
        { "http://idp.example.com/", "loopback" },
        { "ftp://idp/", "no https URL" },
        { "https://", "no host" },
        { "https://a:b@idp/", "user information" },
        { "https://idp/a b", "white space" },
        { "https://idp/#x", "fragment" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct introspection_settings settings = good();
        settings.endpoint = slice_from_string(cases[i].url);
        assert_problem(&settings, cases[i].problem);
    }
}

static void audiences(void **state)
{
    (void)state;
    struct introspection_settings settings = good();
    settings.server_checks_audience = true;
    assert_problem(&settings, "exclude each other");
    settings.server_checks_audience = false;
    settings.audiences.count = 0;
    assert_problem(&settings, "audiences is missing");
}

static void clients(void **state)
{
    (void)state;
    struct tls_client_settings tls = { .cert = SLICE("c"), .key = SLICE("k") };
    struct introspection_settings settings = good();
    settings.client_secret = SLICE_NONE;
    assert_problem(&settings, "client_secret is missing");
    settings.client_authentication = CLIENT_PRIVATE_KEY_JWT;
    assert_problem(&settings, "client_key is missing");
    settings.client_key = SLICE("key.pem");
    assert_null(introspection_check_settings(&settings));
    settings.client_secret = SLICE("secret");
    assert_problem(&settings, "does not use it");
    settings.client_authentication = CLIENT_SECRET_BASIC;
    assert_problem(&settings, "private_key_jwt");
    settings = good();
    settings.client_secret = SLICE_NONE;
    settings.client_authentication = CLIENT_TLS;
    assert_problem(&settings, "tls.cert");
    settings.tls = &tls;
    assert_null(introspection_check_settings(&settings));
    settings.endpoint = SLICE("http://localhost/introspect");
    assert_problem(&settings, "https");
}

static void roles(void **state)
{
    (void)state;
    struct introspection_settings settings = good();
    settings.roles_claim = SLICE("realm_access.roles");
    assert_null(introspection_check_settings(&settings));
    settings.roles_claim = SLICE("a..b");
    assert_problem(&settings, "roles_claim");
}

/* RFC 7523 section 3: the audience is the authorization server. */
static void the_assertions_audience(void **state)
{
    (void)state;
    struct introspection_settings settings = good();
    assert_true(slice_equal(introspection_client(&settings).audience, settings.endpoint));
    settings.issuer = SLICE("https://idp.example.com");
    assert_true(slice_equal(introspection_client(&settings).audience, settings.issuer));
    settings.assertion_audience = SLICE("https://idp.example.com/token");
    assert_true(slice_equal(introspection_client(&settings).audience, settings.assertion_audience));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones), cmocka_unit_test(endpoints), cmocka_unit_test(audiences),
        cmocka_unit_test(clients),   cmocka_unit_test(roles),     cmocka_unit_test(the_assertions_audience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
