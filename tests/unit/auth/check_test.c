#include "unit.h"

#include "auth/settings.h"

#define BIT(id) (UINT64_C(1) << JWT_##id)

static struct slice orders[] = { SLICE_INIT("orders") };

static struct issuer_settings good(void)
{
    return (struct issuer_settings){
        .name = SLICE("main"),
        .issuer = SLICE("https://idp"),
        .audiences = { orders, 1 },
        .algorithms = BIT(RS256) | BIT(ES256),
        .jwks_url = SLICE("https://idp/keys"),
    };
}

static void takes_complete_issuers(void **state)
{
    (void)state;
    struct issuer_settings settings = good();
    assert_null(issuer_check_settings(&settings));
    settings.jwks_url = SLICE("");
    settings.jwks_file = SLICE("/etc/keys.json");
    assert_null(issuer_check_settings(&settings));
    settings = good();
    settings.jwks_url = SLICE("");
    settings.algorithms = BIT(HS256);
    settings.secret = SLICE("0123456789abcdef0123456789abcdef");
    assert_null(issuer_check_settings(&settings));
    settings.jwks_url = SLICE("https://idp/keys");
    settings.algorithms = BIT(HS256) | BIT(RS256);
    assert_null(issuer_check_settings(&settings));
}

static void refuses_what_lets_in_anybody_or_nobody(void **state)
{
    (void)state;
    struct issuer_settings settings = good();
    settings.audiences.count = 0;
    assert_non_null(issuer_check_settings(&settings));
    settings = good();
    settings.issuer = SLICE("");
    assert_non_null(issuer_check_settings(&settings));
    settings = good();
    settings.jwks_url = SLICE("");
    assert_non_null(issuer_check_settings(&settings));
    settings = good();
    settings.jwks_file = SLICE("/etc/keys.json");
    assert_non_null(issuer_check_settings(&settings));
    struct tls_client_settings tls = { 0 };
    settings.jwks_url = SLICE("");
    settings.jwks_tls = &tls;
    assert_non_null(issuer_check_settings(&settings));
}

static void a_secret_fits_its_algorithms(void **state)
{
    (void)state;
    static const char text[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const struct {
        uint64_t algorithms;
        size_t size;
        bool good;
    } cases[] = {
        { BIT(HS256), 0, false },  { BIT(HS256), 31, false },
        { BIT(HS256), 32, true },  { BIT(HS384), 47, false },
        { BIT(HS384), 48, true },  { BIT(HS512), 63, false },
        { BIT(HS512), 64, true },  { BIT(HS256) | BIT(HS512), 32, false },
        { BIT(RS256), 64, false }, { BIT(RS256), 0, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct issuer_settings settings = good();
        settings.algorithms = cases[i].algorithms;
        settings.secret = slice_of(text, cases[i].size);
        assert_int_equal(issuer_check_settings(&settings) == NULL, cases[i].good);
    }
}

static void keys_come_over_https(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool good;
    } cases[] = {
        { "https://idp.example.com/keys", true },
        { "https://idp.example.com", true },
        { "http://127.0.0.1:8080/keys", true },
        { "http://localhost/keys", true },
        { "http://[::1]:9/keys", true },
        { "http://idp.example.com/keys", false },
        { "http://127.0.0.1.example.com/keys", false },
        { "http://localhost.example.com/keys", false },
        { "http://127.0.0.1@example.com/keys", false },
        { "http://localhost:80@example.com/keys", false },
        { "https://user:pass@idp/keys", false },
        { "https:///keys", false },
        { "https://", false },
        { "file:///etc/keys.json", false },
        { "HTTP://127.0.0.1/", false },
        { "https://idp/a b", false },
        { "https://idp/\n", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct issuer_settings settings = good();
        settings.jwks_url = slice_from_string(cases[i].url);
        assert_int_equal(issuer_check_settings(&settings) == NULL, cases[i].good);
    }
}

static void a_route_names_issuers_or_is_public(void **state)
{
    (void)state;
    struct auth_settings settings = { .mode = AUTH_REQUIRED };
    assert_non_null(auth_check_settings(&settings));
    settings.mode = AUTH_OPTIONAL;
    assert_non_null(auth_check_settings(&settings));
    settings.jwt = (struct conf_strings){ orders, 1 };
    assert_null(auth_check_settings(&settings));
    settings = (struct auth_settings){ .mode = AUTH_NONE };
    assert_null(auth_check_settings(&settings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_complete_issuers),
        cmocka_unit_test(refuses_what_lets_in_anybody_or_nobody),
        cmocka_unit_test(a_secret_fits_its_algorithms),
        cmocka_unit_test(keys_come_over_https),
        cmocka_unit_test(a_route_names_issuers_or_is_public),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
