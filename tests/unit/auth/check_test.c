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

static void roles_stand_in_a_claim(void **state)
{
    (void)state;
    static const char *const paths[] = { "roles", "realm_access.roles", "cognito:groups",
                                         "[\"https://example.com/roles\"]" };
    static const char *const wrong[] = { ".", "a..b", "a.", "[roles]", "[\"\"]" };
    struct issuer_settings settings = good();
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        settings.roles_claim = slice_from_string(paths[i]);
        assert_null(issuer_check_settings(&settings));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        settings.roles_claim = slice_from_string(wrong[i]);
        assert_non_null(issuer_check_settings(&settings));
    }
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
    settings.secret = SLICE("0123456789abcdef0123456789abcdef");
    settings.algorithms |= BIT(HS256);
    assert_non_null(issuer_check_settings(&settings));
    settings = good();
    settings.jwks_file = SLICE("/etc/keys.json");
    assert_non_null(issuer_check_settings(&settings));
    struct tls_client_settings tls = { 0 };
    settings.jwks_url = SLICE("");
    settings.jwks_tls = &tls;
    assert_non_null(issuer_check_settings(&settings));
}

static void keys_are_discovered_where_none_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *issuer;
        bool good;
    } cases[] = {
        { "https://idp.example.com", true },
        { "https://idp.example.com/", true },
        { "https://idp.example.com:8443/realms/main", true },
        { "http://127.0.0.1:8080/realms/main", true },
        { "http://127.0.0.1", true },
        { "http://localhost", true },
        { "http://idp.example.com", false },
        { "http://localhost.example.com", false },
        { "https://user@idp.example.com", false },
        { "https://idp.example.com/?tenant=1", false },
        { "https://idp.example.com#1", false },
        { "https://idp.example.com/a b", false },
        { "https://", false },
        { "idp.example.com", false },
        { "accounts", false },
    };
    struct tls_client_settings tls = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct issuer_settings settings = good();
        settings.issuer = slice_from_string(cases[i].issuer);
        assert_false(issuer_discovers_keys(&settings));
        assert_true(issuer_fetches_keys(&settings));
        assert_null(issuer_check_settings(&settings)); /* it may be any text where keys are named */
        settings.jwks_url = SLICE("");
        settings.jwks_tls = &tls;
        assert_true(issuer_discovers_keys(&settings));
        assert_true(issuer_fetches_keys(&settings));
        const char *problem = issuer_check_settings(&settings);
        if ((problem == NULL) != cases[i].good) {
            fail_msg("%s: %s", cases[i].issuer, problem != NULL ? problem : "taken");
        }
        settings.jwks_file = SLICE("keys.json");
        assert_false(issuer_fetches_keys(&settings));
    }
    struct issuer_settings settings = good();
    settings.jwks_url = SLICE("");
    settings.jwks_tls = &tls;
    tls.server_name = SLICE("idp");
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
    settings.way.names[AUTH_JWT] = (struct conf_strings){ orders, 1 };
    assert_null(auth_check_settings(&settings));
    settings.mode = AUTH_NONE;
    assert_non_null(auth_check_settings(&settings));
    settings = (struct auth_settings){ .mode = AUTH_NONE };
    assert_null(auth_check_settings(&settings));
}

static void a_route_says_one_thing(void **state)
{
    (void)state;
    struct auth_way_settings way = { .names[AUTH_JWT] = { orders, 1 } };
    struct auth_entry_settings entries[] = { { .way = way }, { .inner = { &way, 1 } } };
    struct auth_settings settings = { .any_of = { entries, 2 } };
    assert_null(auth_check_settings(&settings));
    settings.all_of = settings.any_of;
    assert_non_null(auth_check_settings(&settings));
    settings.any_of.count = 0;
    assert_null(auth_check_settings(&settings));
    settings.way = way;
    assert_non_null(auth_check_settings(&settings));

    assert_null(auth_check_entry(&entries[0]));
    assert_null(auth_check_entry(&entries[1]));
    entries[1].way = way;
    assert_non_null(auth_check_entry(&entries[1]));
    entries[1] = (struct auth_entry_settings){ .way = { { { 0 } } } };
    assert_non_null(auth_check_entry(&entries[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_complete_issuers),
        cmocka_unit_test(roles_stand_in_a_claim),
        cmocka_unit_test(refuses_what_lets_in_anybody_or_nobody),
        cmocka_unit_test(a_secret_fits_its_algorithms),
        cmocka_unit_test(keys_come_over_https),
        cmocka_unit_test(keys_are_discovered_where_none_are_named),
        cmocka_unit_test(a_route_names_issuers_or_is_public),
        cmocka_unit_test(a_route_says_one_thing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
