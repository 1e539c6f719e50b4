#include "pipeline/harness.h"

static struct conf_pair pairs[] = { { SLICE_INIT("X-User"), SLICE_INIT("subject") },
                                    { SLICE_INIT("X-Tenant"), SLICE_INIT("claims.tenant") } };
static struct relay_settings forwards = { .token = RELAY_FORWARD, .headers = { pairs, 2 } };

static int setup(void **state)
{
    harness_setup(state);
    add_route("orders", "/orders/**", &harness->jwt_auth)->policy.relay = &forwards;
    add_route("open", "/open/**", &harness->public_auth);
    return 0;
}

static void proven_identity_replaces_what_was_claimed(void **state)
{
    (void)state;
    harness_start();
    char text[4096];
    snprintf(text, sizeof text,
             "GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nX-User: admin\r\nx-tenant: evil\r\n"
             "Connection: X-User, X-Request-Id\r\nAuthorization: Bearer %s\r\n\r\n",
             token(",\"tenant\":\"a\""));
    struct client *client = ask(text);
    assert_int_equal(client->heads, 0);
    assert_true(upstream_sees("\r\n\r\n"));
    assert_non_null(strstr(harness->seen, "X-User: alice\r\n"));
    assert_non_null(strstr(harness->seen, "X-Tenant: a\r\n"));
    assert_null(strstr(harness->seen, "admin"));
    assert_null(strstr(harness->seen, "evil"));
    assert_non_null(strstr(harness->seen, "X-Request-Id: "));
    assert_non_null(strstr(harness->seen, "Authorization: Bearer eyJ"));
}

/* Another route's identity headers are stripped here, too: the upstream may be the same. */
static void identity_of_any_route_is_stripped_on_all(void **state)
{
    (void)state;
    harness_start();
    ask("GET /open/1 HTTP/1.1\r\nHost: api.example.com\r\nX-User: admin\r\nX_User: admin\r\n"
        "Authorization: Bearer x\r\n\r\n");
    assert_true(upstream_sees("\r\n\r\n"));
    assert_null(strstr(harness->seen, "admin"));
    assert_null(strstr(harness->seen, "Authorization"));
}

static void a_claim_that_is_no_field_value_is_denied(void **state)
{
    (void)state;
    harness_start();
    assert_denied(ask_with_token("GET /orders/1", ",\"tenant\":\"a\\r\\nX-Role: admin\""),
                  DENY_AUTHORIZATION_ERROR);
    assert_false(upstream_accept());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(proven_identity_replaces_what_was_claimed),
        TEST(identity_of_any_route_is_stripped_on_all),
        TEST(a_claim_that_is_no_field_value_is_denied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
