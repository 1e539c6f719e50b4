#include "pipeline/harness.h"

static struct limit_settings by_address = { .name = SLICE_INIT("few"),
                                            .limit = { 1, 60 * NS_PER_S },
                                            .by = SLICE_INIT("address") };
static struct slice scope_names[] = { SLICE_INIT("read"), SLICE_INIT("write") };
static struct scope_settings scopes = { .all = { scope_names, 2 } };
static struct authorize_settings needs_scopes = { .scopes = &scopes };

static int setup(void **state)
{
    harness_setup(state);
    add_route("orders", "/orders/**", &harness->jwt_auth);
    return 0;
}

static void no_credential_is_a_challenge_without_error(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask("GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    assert_denied(client, DENY_CREDENTIAL_MISSING);
    assert_field(client, "www-authenticate", "Bearer");
}

static void the_realm_is_named(void **state)
{
    (void)state;
    harness->jwt_auth.realm = SLICE("orders");
    harness_start();
    struct client *client = ask("GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    assert_field(client, "www-authenticate", "Bearer realm=\"orders\"");
}

/* What exactly is wrong with a token goes to the log alone: for the caller all are one. */
static void bad_tokens_are_all_the_same_to_the_caller(void **state)
{
    (void)state;
    harness_start();
    token_lifetime = -3600;
    struct client *expired = ask_with_token("GET /orders/1", "");
    token_lifetime = 600;
    struct client *bound = ask_with_token("GET /orders/1", ",\"cnf\":{\"jkt\":\"x\"}");
    struct client *garbage =
        ask("GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer a.b.c\r\n\r\n");
    assert_denied(garbage, DENY_TOKEN_MALFORMED);
    char challenge[512];
    snprintf(challenge, sizeof challenge, "%.500s", field(garbage, "www-authenticate"));
    assert_non_null(strstr(challenge, "error=\"invalid_token\""));
    assert_int_equal(expired->status, 401);
    assert_field(expired, "www-authenticate", challenge);
    assert_int_equal(bound->status, 401);
    assert_field(bound, "www-authenticate", challenge);
    assert_int_equal(expired->body_size, garbage->body_size);
    assert_null(memmem(expired->body, expired->body_size, "expired", 7));
}

static void a_missing_scope_is_named(void **state)
{
    (void)state;
    harness->routes[0].policy.authorize = &needs_scopes;
    harness_start();
    struct client *client = ask_with_token("GET /orders/1", ",\"scope\":\"read\"");
    assert_denied(client, DENY_SCOPE_MISSING);
    assert_field(client, "www-authenticate", "Bearer error=\"insufficient_scope\", scope=\"read write\"");
}

static void two_credentials_are_an_invalid_request(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask("GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\n"
                                "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n");
    assert_denied(client, DENY_CREDENTIAL_REPEATED);
    assert_field(client, "www-authenticate", "Bearer error=\"invalid_request\"");
}

static void a_limit_says_when_to_come_back(void **state)
{
    (void)state;
    add_limits(&harness->routes[0], &by_address, 1);
    harness_start();
    ask("GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    struct client *client = ask("GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    assert_denied(client, DENY_RATE_CLIENT);
    long seconds = strtol(field(client, "retry-after"), NULL, 10);
    assert_true(seconds >= 56 && seconds <= 64);
    assert_field(client, "ratelimit-policy", "\"few\";q=1;w=60");
    assert_int_equal(strncmp(field(client, "ratelimit"), "\"few\";r=0;t=", 12), 0);
}

static void unavailable_says_when_to_come_back(void **state)
{
    (void)state;
    harness->issuers[0].secret = SLICE_NONE;
    harness->issuers[0].jwks_url = SLICE("https://idp.example.com/keys");
    harness->issuers[0].algorithms = 1 << JWT_ES384;
    harness_start();
    struct mint_key key = mint_ec("P-384");
    char *text = mint_token(&key, JWT_ES384, "{\"alg\":\"ES384\"}", "{\"iss\":\"https://idp.example.com\"}");
    char request[2048];
    snprintf(request, sizeof request,
             "GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer %s\r\n\r\n", text);
    struct client *client = ask(request);
    assert_denied(client, DENY_ISSUER_UNAVAILABLE);
    assert_field(client, "retry-after", "1");
    assert_no_field(client, "www-authenticate");
    free(text);
    mint_done(&key);
}

static void a_method_that_is_not_there_names_those_that_are(void **state)
{
    (void)state;
    static struct slice get = SLICE_INIT("GET");
    harness->routes[0].match.methods = (struct conf_strings){ &get, 1 };
    harness_start();
    struct client *client = ask("DELETE /orders/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    assert_denied(client, DENY_METHOD_NOT_ALLOWED);
    assert_field(client, "allow", "GET, HEAD");
}

static void the_id_is_the_logs(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask("GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    char id[64], member[96], logged[96];
    snprintf(id, sizeof id, "%.60s", field(client, "x-request-id"));
    snprintf(member, sizeof member, "\"request_id\":\"%s\"", id);
    snprintf(logged, sizeof logged, "\"request_id\":\"%s\"", id);
    assert_body_has(client, member);
    assert_non_null(strstr(harness_log(harness->access_log), logged));
    const char *audit = harness_log(harness->audit_log);
    assert_non_null(strstr(audit, logged));
    assert_non_null(strstr(audit, "\"reason\":\"credential_missing\""));
}

/* The client's own id is not taken over: it could be another's. */
static void the_id_is_ours(void **state)
{
    (void)state;
    harness_start();
    struct client *client =
        ask("GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nX-Request-Id: mine\r\n\r\n");
    assert_int_equal(strlen(field(client, "x-request-id")), REQUEST_ID_LENGTH);
}

static void a_denial_of_a_request_with_a_body_leaves_it(void **state)
{
    (void)state;
    harness_start();
    struct client *client =
        ask("POST /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 10\r\n\r\n");
    assert_denied(client, DENY_CREDENTIAL_MISSING);
    assert_int_equal(client->discards, 1);
    assert_true(client->paused); /* and so 100 is never said */
}

/* RFC 9110 section 15.5.2. */
static void whoever_is_told_401_is_told_what_to_send(void **state)
{
    (void)state;
    for (int i = DENY_NONE + 1; i < DENY_REASON_COUNT; i++) {
        bool is_asked = deny_infos[i].asks != DENY_ASKS_NOTHING;
        assert_true(is_asked || deny_infos[i].status != 401);
        assert_true(!is_asked || deny_infos[i].status < 500);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(no_credential_is_a_challenge_without_error),
        TEST(the_realm_is_named),
        TEST(bad_tokens_are_all_the_same_to_the_caller),
        TEST(a_missing_scope_is_named),
        TEST(two_credentials_are_an_invalid_request),
        TEST(a_limit_says_when_to_come_back),
        TEST(unavailable_says_when_to_come_back),
        TEST(a_method_that_is_not_there_names_those_that_are),
        TEST(the_id_is_the_logs),
        TEST(the_id_is_ours),
        TEST(a_denial_of_a_request_with_a_body_leaves_it),
        cmocka_unit_test(whoever_is_told_401_is_told_what_to_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
