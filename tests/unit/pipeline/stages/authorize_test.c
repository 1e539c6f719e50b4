#include "pipeline/harness.h"

static struct slice read_scope = SLICE_INIT("read");
static struct scope_settings scopes = { .all = { &read_scope, 1 } };
static struct authorize_settings needs_read = { .scopes = &scopes };
static struct claim_settings tenant_rule = { .claim = SLICE_INIT("tenant"),
                                             .path_variable = SLICE_INIT("tenant") };
static struct authorize_settings own_tenant = { .claims = { &tenant_rule, 1 } };

static int setup(void **state)
{
    harness_setup(state);
    add_route("orders", "/orders/{tenant}", &harness->jwt_auth);
    return 0;
}

static void assert_passed(const struct client *client)
{
    assert_int_equal(client->heads, 0);
}

static void a_scope_is_demanded(void **state)
{
    (void)state;
    harness->routes[0].policy.authorize = &needs_read;
    harness_start();
    assert_denied(ask_with_token("GET /orders/a", ""), DENY_SCOPE_MISSING);
    assert_denied(ask_with_token("GET /orders/a", ",\"scope\":\"reader read_all\""), DENY_SCOPE_MISSING);
    assert_passed(ask_with_token("GET /orders/a", ",\"scope\":\"write read\""));
}

static void a_claim_is_compared_with_the_path(void **state)
{
    (void)state;
    harness->routes[0].policy.authorize = &own_tenant;
    harness_start();
    assert_denied(ask_with_token("GET /orders/b", ",\"tenant\":\"a\""), DENY_CLAIM_RULE);
    assert_passed(ask_with_token("GET /orders/a", ",\"tenant\":\"a\""));
    assert_passed(ask_with_token("GET /orders/%61", ",\"tenant\":\"a\""));
}

/* The anonymous of a route with optional authentication have nothing that rules could hold for: they are asked who they
 * are, not told that they may not. */
static void the_anonymous_are_asked_who_they_are(void **state)
{
    (void)state;
    harness->jwt_auth.mode = AUTH_OPTIONAL;
    harness->routes[0].policy.authorize = &needs_read;
    harness_start();
    assert_denied(ask("GET /orders/a HTTP/1.1\r\nHost: api.example.com\r\n\r\n"), DENY_CREDENTIAL_MISSING);
    assert_denied(ask_with_token("GET /orders/a", ""), DENY_SCOPE_MISSING);
    assert_passed(ask_with_token("GET /orders/a", ",\"scope\":\"read\""));
}

static void any_caller_is_any_caller(void **state)
{
    (void)state;
    harness->jwt_auth.mode = AUTH_OPTIONAL;
    harness_start();
    assert_passed(ask("GET /orders/a HTTP/1.1\r\nHost: api.example.com\r\n\r\n"));
    assert_passed(ask_with_token("GET /orders/a", ""));
}

static void a_route_without_authorize_is_closed(void **state)
{
    (void)state;
    harness->routes[0].policy.authorize = NULL;
    harness_start();
    assert_denied(ask_with_token("GET /orders/a", ""), DENY_AUTHORIZATION_ERROR);
}

static void rules_that_demand_nothing_are_closed(void **state)
{
    (void)state;
    static struct authorize_settings nothing;
    harness->routes[0].policy.authorize = &nothing;
    harness_start();
    assert_denied(ask_with_token("GET /orders/a", ""), DENY_AUTHORIZATION_ERROR);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_scope_is_demanded),
        TEST(a_claim_is_compared_with_the_path),
        TEST(the_anonymous_are_asked_who_they_are),
        TEST(any_caller_is_any_caller),
        TEST(a_route_without_authorize_is_closed),
        TEST(rules_that_demand_nothing_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
