#include "pipeline/harness.h"

#define GET(fields) "GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\n" fields "\r\n"

static int setup(void **state)
{
    harness_setup(state);
    add_route("orders", "/orders/**", &harness->jwt_auth);
    return 0;
}

static void assert_passed(const struct client *client)
{
    if (client->heads > 0) {
        fail_msg("denied with %u: %.*s", client->status, (int)client->body_size, client->body);
    }
}

static void a_good_token_passes(void **state)
{
    (void)state;
    harness_start();
    assert_passed(ask_with_token("GET /orders/1", ""));
    assert_int_equal(counter("sallyport_token_cache_misses_total"), 1);
    char text[2048];
    snprintf(text, sizeof text, GET("Authorization: Bearer %s\r\n"), token(""));
    assert_passed(ask(text));
    assert_passed(ask(text));
    assert_true(counter("sallyport_token_cache_hits_total") >= 1);
}

static void without_a_credential_it_is_asked_for(void **state)
{
    (void)state;
    harness_start();
    assert_denied(ask(GET("")), DENY_CREDENTIAL_MISSING);
    assert_denied(ask(GET("Authorization: Basic YTpi\r\n")), DENY_CREDENTIAL_MISSING);
}

static void a_credential_whose_syntax_is_broken(void **state)
{
    (void)state;
    harness_start();
    assert_denied(ask(GET("Authorization: Bearer\r\n")), DENY_CREDENTIAL_MALFORMED);
    assert_denied(ask(GET("Authorization: Bearer a b\r\n")), DENY_CREDENTIAL_MALFORMED);
}

static void an_optional_credential_may_be_absent_and_not_wrong(void **state)
{
    (void)state;
    harness->jwt_auth.mode = AUTH_OPTIONAL;
    harness_start();
    assert_passed(ask(GET("")));
    assert_passed(ask_with_token("GET /orders/1", ""));
    assert_denied(ask(GET("Authorization: Bearer a.b.c\r\n")), DENY_TOKEN_MALFORMED);
    token_lifetime = -3600;
    assert_denied(ask_with_token("GET /orders/1", ""), DENY_TOKEN_EXPIRED);
}

static void another_audience_is_refused(void **state)
{
    (void)state;
    static struct slice other = SLICE_INIT("payments");
    harness->issuers[0].audiences = (struct conf_strings){ &other, 1 };
    harness_start();
    assert_denied(ask_with_token("GET /orders/1", ""), DENY_TOKEN_AUDIENCE);
}

/* A route names its issuers: another issuer of the same gateway is a stranger to it. */
static void an_issuer_of_another_route_is_refused(void **state)
{
    (void)state;
    static struct slice other = SLICE_INIT("partner");
    static struct auth_settings partner;
    partner = (struct auth_settings){ .mode = AUTH_REQUIRED, .way.names[AUTH_JWT] = { &other, 1 } };
    add_route("partner", "/partner/**", &partner);
    harness_start();
    assert_passed(ask_with_token("GET /orders/1", ""));
    assert_denied(ask_with_token("GET /partner/1", ""), DENY_TOKEN_ISSUER);
}

static struct slice both[] = { SLICE_INIT("main"), SLICE_INIT("partner") };
static struct auth_entry_settings either[] = { { .way.names[AUTH_API_KEY] = { &both[1], 1 } },
                                               { .way.names[AUTH_JWT] = { &both[0], 1 } } };

static void one_alternative_is_enough(void **state)
{
    (void)state;
    static struct auth_settings any;
    any = (struct auth_settings){ .mode = AUTH_REQUIRED, .any_of = { either, 2 } };
    add_route("any", "/any/**", &any);
    harness_start();
    assert_passed(ask_with_token("GET /any/1", ""));
    assert_denied(ask("GET /any/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n"), DENY_CREDENTIAL_MISSING);
    assert_denied(ask("GET /any/1 HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer a.b.c\r\n\r\n"),
                  DENY_TOKEN_MALFORMED);
}

/* Not even for the anonymous of an optional route: it said who it is, and that was too little. */
static void a_part_of_what_is_demanded_is_not_enough(void **state)
{
    (void)state;
    static struct auth_settings demands[2];
    for (int mode = AUTH_REQUIRED; mode <= AUTH_OPTIONAL; mode++) {
        demands[mode] = (struct auth_settings){ .mode = mode, .all_of = { either, 2 } };
        add_route(mode == AUTH_REQUIRED ? "all" : "some", mode == AUTH_REQUIRED ? "/all/**" : "/some/**",
                  &demands[mode]);
    }
    harness_start();
    assert_denied(ask_with_token("GET /all/1", ""), DENY_CREDENTIAL_MISSING);
    assert_denied(ask_with_token("GET /some/1", ""), DENY_CREDENTIAL_MISSING);
    assert_passed(ask("GET /some/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n"));
}

static void a_public_route_looks_at_no_credential(void **state)
{
    (void)state;
    add_route("open", "/open/**", &harness->public_auth);
    harness_start();
    struct client *client =
        ask("GET /open/1 HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer rubbish\r\n\r\n");
    assert_passed(client);
    assert_true(upstream_sees("\r\n\r\n"));
    assert_null(strstr(harness->seen, "Authorization"));
    assert_null(strstr(harness->seen, "rubbish"));
}

/* The reader of configurations sees to it that there is one; a route without is closed all the same. */
static void a_route_without_auth_is_closed(void **state)
{
    (void)state;
    harness->routes[0].policy.auth = NULL;
    harness_start();
    assert_denied(ask_with_token("GET /orders/1", ""), DENY_INTERNAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_good_token_passes),
        TEST(without_a_credential_it_is_asked_for),
        TEST(a_credential_whose_syntax_is_broken),
        TEST(an_optional_credential_may_be_absent_and_not_wrong),
        TEST(another_audience_is_refused),
        TEST(an_issuer_of_another_route_is_refused),
        TEST(one_alternative_is_enough),
        TEST(a_part_of_what_is_demanded_is_not_enough),
        TEST(a_public_route_looks_at_no_credential),
        TEST(a_route_without_auth_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
