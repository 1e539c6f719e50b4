/* The order of the stages is security policy: each test has a request that two stages would refuse, and the earlier one
 * must. */
#include "pipeline/harness.h"

#define WITH_BAD_TOKEN(line, more) \
    line " HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer bad.bad.bad\r\n" more "\r\n"

static struct limit_settings by_address = { .limit = { 1, 3600 * NS_PER_S }, .by = SLICE_INIT("address") };
static struct limit_settings by_caller = { .limit = { 1, 3600 * NS_PER_S }, .by = SLICE_INIT("caller") };
static struct slice read_scope = SLICE_INIT("read");
static struct scope_settings read_scopes = { .all = { &read_scope, 1 } };
static struct authorize_settings needs_read = { .scopes = &read_scopes };
static struct slice app_origin = SLICE_INIT("https://app.example.com");
static struct cors_settings cors = { .origins = { &app_origin, 1 } };

static int setup(void **state)
{
    harness_setup(state);
    add_route("orders", "/orders/**", &harness->jwt_auth);
    return 0;
}

static void audit_before_all(void **state)
{
    (void)state;
    harness->audit_queue = 4096;
    harness_start();
    while (log_audit_reserve(harness->worker.logs)) {
    }
    assert_denied(ask("TRACE /nowhere HTTP/1.1\r\nHost: api.example.com\r\n\r\n"), DENY_AUDIT_FULL);
}

static void listener_limits_before_routing(void **state)
{
    (void)state;
    assert_null(limit_check_settings(&by_address, SLICE("listener public"), 0));
    harness->listeners[0].limits = (struct conf_list){ &by_address, 1 };
    harness_start();
    assert_denied(ask(WITH_BAD_TOKEN("GET /nowhere", "")), DENY_NO_ROUTE);
    assert_denied(ask(WITH_BAD_TOKEN("GET /nowhere", "")), DENY_RATE_LISTENER);
}

static void canonical_form_before_routing(void **state)
{
    (void)state;
    harness_start();
    assert_denied(ask(WITH_BAD_TOKEN("GET /orders/../nowhere", "")), DENY_BAD_PATH);
    assert_denied(ask(WITH_BAD_TOKEN("GET /nowhere", "")), DENY_NO_ROUTE);
}

static void routing_before_authentication(void **state)
{
    (void)state;
    static struct slice get = SLICE_INIT("GET");
    harness->routes[0].match.methods = (struct conf_strings){ &get, 1 };
    harness_start();
    assert_denied(ask(WITH_BAD_TOKEN("DELETE /orders/1", "")), DENY_METHOD_NOT_ALLOWED);
    assert_denied(ask(WITH_BAD_TOKEN("GET /orders/1", "")), DENY_TOKEN_MALFORMED);
}

/* A flood is shed before it costs a signature. */
static void client_limits_before_authentication(void **state)
{
    (void)state;
    add_limits(&harness->routes[0], &by_address, 1);
    harness_start();
    assert_denied(ask(WITH_BAD_TOKEN("GET /orders/1", "")), DENY_TOKEN_MALFORMED);
    assert_denied(ask(WITH_BAD_TOKEN("GET /orders/1", "")), DENY_RATE_CLIENT);
}

static void a_preflight_before_authentication(void **state)
{
    (void)state;
    harness->routes[0].policy.cors = &cors;
    harness_start();
    struct client *client =
        ask("OPTIONS /orders/1 HTTP/1.1\r\nHost: api.example.com\r\n"
            "Origin: https://app.example.com\r\nAccess-Control-Request-Method: GET\r\n\r\n");
    assert_int_equal(client->status, 204);
    assert_field(client, "access-control-allow-origin", "https://app.example.com");
    /* The request itself is asked who it is, and the browser may read the answer. */
    client =
        ask("GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nOrigin: https://app.example.com\r\n\r\n");
    assert_denied(client, DENY_CREDENTIAL_MISSING);
    assert_field(client, "access-control-allow-origin", "https://app.example.com");
}

static void authentication_before_authorization(void **state)
{
    (void)state;
    harness->routes[0].policy.authorize = &needs_read;
    harness_start();
    assert_denied(ask(WITH_BAD_TOKEN("GET /orders/1", "")), DENY_TOKEN_MALFORMED);
    assert_denied(ask_with_token("GET /orders/1", ""), DENY_SCOPE_MISSING);
}

/* Else one caller's requests that are not allowed anyway would use up what is. */
static void authorization_before_caller_limits(void **state)
{
    (void)state;
    harness->routes[0].policy.authorize = &needs_read;
    add_limits(&harness->routes[0], &by_caller, 1);
    harness_start();
    for (int i = 0; i < 3; i++) {
        assert_denied(ask_with_token("GET /orders/1", ""), DENY_SCOPE_MISSING);
    }
    struct client *client = ask_with_token("GET /orders/1", ",\"scope\":\"read\"");
    assert_int_equal(client->heads, 0); /* forwarded */
    assert_denied(ask_with_token("GET /orders/1", ",\"scope\":\"read\""), DENY_RATE_CALLER);
}

/* How large a body may be is nobody's business who may not call at all. */
static void authorization_before_the_bodys_size(void **state)
{
    (void)state;
    harness->routes[0].policy.authorize = &needs_read;
    harness_start();
    assert_denied(ask(WITH_BAD_TOKEN("POST /orders/1", "Content-Length: 99999999\r\n")),
                  DENY_TOKEN_MALFORMED);
    struct client *client = client_new();
    char text[4096];
    snprintf(text, sizeof text,
             "POST /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 99999999\r\n"
             "Authorization: Bearer %s\r\n\r\n",
             token(",\"scope\":\"read\""));
    client_asks(client, text);
    assert_denied(client, DENY_BODY_TOO_LARGE);
}

static void responses_pass_the_stages_that_the_request_reached(void **state)
{
    (void)state;
    harness->routes[0].policy.cors = &cors;
    harness_start();
    /* Refused by the first stage: no route, so no CORS; but the id and the date. */
    struct client *client =
        ask("TRACE /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nOrigin: https://app.example.com\r\n\r\n");
    assert_denied(client, DENY_METHOD_NOT_IMPLEMENTED);
    assert_no_field(client, "access-control-allow-origin");
    assert_non_null(field(client, "x-request-id"));
    assert_non_null(field(client, "date"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(audit_before_all),
        TEST(listener_limits_before_routing),
        TEST(canonical_form_before_routing),
        TEST(routing_before_authentication),
        TEST(client_limits_before_authentication),
        TEST(a_preflight_before_authentication),
        TEST(authentication_before_authorization),
        TEST(authorization_before_caller_limits),
        TEST(authorization_before_the_bodys_size),
        TEST(responses_pass_the_stages_that_the_request_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
