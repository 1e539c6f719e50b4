#include "pipeline/harness.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: api.example.com\r\n\r\n"

static struct limit_settings rules[LIMIT_KEYS_MAX + 1];

static int setup(void **state)
{
    harness_setup(state);
    memset(rules, 0, sizeof rules);
    return 0;
}

/* A rule by `by`, `count` a minute. */
static void rule(size_t index, const char *name, const char *by, int64_t count)
{
    rules[index] = (struct limit_settings){ .name = slice_from_string(name),
                                            .limit = { count, 60 * NS_PER_S },
                                            .by = slice_from_string(by) };
}

static struct client *ask_from(const char *address, const char *text)
{
    struct client *client = client_new();
    assert_true(address_parse(slice_from_string(address), &client->facts.peer));
    client_asks(client, text);
    return client;
}

/* The answer is not waited for: forwarded is enough. */
static void assert_passed(struct client *client)
{
    assert_int_equal(client->heads, 0);
    exchange_handler.on_abort(&client->stream, HTTP_ABORT_CLIENT);
}

static void each_network_has_its_own_count(void **state)
{
    (void)state;
    rule(0, "a", "address", 1);
    add_limits(add_route("open", "/open/**", &harness->public_auth), rules, 1);
    harness_start();
    assert_passed(ask_from("192.0.2.1", GET("/open/a")));
    assert_denied(ask_from("192.0.2.1", GET("/open/a")), DENY_RATE_CLIENT);
    assert_denied(ask_from("::ffff:192.0.2.1", GET("/open/a")), DENY_RATE_CLIENT);
    assert_passed(ask_from("192.0.2.2", GET("/open/a")));
}

/* One network of IPv6 is one caller: it has 2^64 addresses to choose from. */
static void addresses_of_one_ipv6_network_are_one(void **state)
{
    (void)state;
    rule(0, "a", "address", 1);
    add_limits(add_route("open", "/open/**", &harness->public_auth), rules, 1);
    harness_start();
    assert_passed(ask_from("2001:db8:0:1::1", GET("/open/a")));
    assert_denied(ask_from("2001:db8:0:1:ffff::2", GET("/open/a")), DENY_RATE_CLIENT);
    assert_passed(ask_from("2001:db8:0:2::1", GET("/open/a")));
}

/* Another client cannot use up what is somebody else's by sending his value of the header. */
static void a_header_counts_together_with_the_address(void **state)
{
    (void)state;
    static const char text[] = "GET /open/a HTTP/1.1\r\nHost: api.example.com\r\nX-Client: one\r\n\r\n";
    static const char other[] = "GET /open/a HTTP/1.1\r\nHost: api.example.com\r\nX-Client: two\r\n\r\n";
    rule(0, "h", "header:X-Client", 1);
    add_limits(add_route("open", "/open/**", &harness->public_auth), rules, 1);
    harness_start();
    assert_passed(ask_from("192.0.2.1", text));
    assert_denied(ask_from("192.0.2.1", text), DENY_RATE_CLIENT);
    assert_passed(ask_from("192.0.2.1", other));
    assert_passed(ask_from("192.0.2.2", text));
    assert_passed(ask_from("192.0.2.1", GET("/open/a"))); /* none is a value of its own */
    assert_denied(ask_from("192.0.2.1", GET("/open/a")), DENY_RATE_CLIENT);
}

#define WITH(fields) "GET /open/a HTTP/1.1\r\nHost: api.example.com\r\n" fields "\r\n"

/* Two lines could be one key here and another one at the upstream. Whichever a client varied, it would have an allowance for
 * each. */
static void a_repeated_header_is_no_key(void **state)
{
    (void)state;
    rule(0, "h", "header:X-Client", 2);
    add_limits(add_route("open", "/open/**", &harness->public_auth), rules, 1);
    harness_start();
    assert_passed(ask_from("192.0.2.1", WITH("X-Client: one\r\n")));
    assert_denied(ask_from("192.0.2.1", WITH("X-Client: one\r\nX-Client: 1\r\n")), DENY_LIMIT_FIELD_REPEATED);
    assert_denied(ask_from("192.0.2.1", WITH("X-Client: 2\r\nx-client: one\r\n")), DENY_LIMIT_FIELD_REPEATED);
    assert_denied(ask_from("192.0.2.1", WITH("X-Client: 3\r\nA: b\r\nX.Client: one\r\n")),
                  DENY_LIMIT_FIELD_REPEATED);
    assert_denied(ask_from("192.0.2.1", WITH("X-Client: one\r\nX-Client: one\r\n")),
                  DENY_LIMIT_FIELD_REPEATED);
    /* Dropped on the way to the upstream, so it is no second one; other fields may be repeated. */
    assert_passed(
        ask_from("192.0.2.1", WITH("X-Client: one\r\nX_Client: two\r\nX-Other: 1\r\nX-Other: 2\r\n")));
    assert_denied(ask_from("192.0.2.1", WITH("X-Client: one\r\n")), DENY_RATE_CLIENT);
}

/* The same request where the route has no such limit, and where names with "_" pass. */
static void a_header_is_repeated_only_where_it_counts(void **state)
{
    (void)state;
    static struct relay_settings relay = { .underscores = true };
    rule(0, "h", "header:X-Client", 2);
    rule(1, "a", "address", 2);
    struct route_settings *open = add_route("open", "/open/**", &harness->public_auth);
    open->policy.relay = &relay;
    add_limits(open, rules, 1);
    add_limits(add_route("other", "/other/**", &harness->public_auth), rules + 1, 1);
    harness_start();
    assert_denied(ask_from("192.0.2.1", WITH("X-Client: one\r\nX_Client: two\r\n")),
                  DENY_LIMIT_FIELD_REPEATED);
    assert_passed(ask_from("192.0.2.1", "GET /other/a HTTP/1.1\r\nHost: api.example.com\r\n"
                                        "X-Client: one\r\nX-Client: two\r\n\r\n"));
}

/* Passed? Whatever the answer, the client is gone with it. */
static bool passes(const char *address, const char *request)
{
    struct client *client = ask_from(address, request);
    bool passed = client->heads == 0;
    if (passed) {
        assert_passed(client);
    }
    turn();
    assert_int_equal(client->releases, 1);
    assert_ptr_equal(harness->clients[--harness->client_count], client);
    free(client);
    return passed;
}

/* What a table of 1024 and its crowd let pass of more since `began`: the crowd regains its share of a minute meanwhile. */
static size_t most_of_table(int64_t began)
{
    int64_t regained = (clock_monotonic_ns() - began) / (60 * NS_PER_S / LIMIT_CROWD_LEAST) + 1;
    return 1024 + LIMIT_CROWD_LEAST + 16 + (size_t)regained;
}

/* One client that makes up a value for each request has an allowance for each only as long as there is room: in a full
 * table they are one crowd. Clients of many sites are none. */
static void made_up_values_of_one_client_are_a_crowd(void **state)
{
    (void)state;
    enum {
        REQUESTS = 3 * 1024 /* of a table of 1024 */
    };
    rule(0, "h", "header:X-Client", 1);
    add_limits(add_route("open", "/open/**", &harness->public_auth), rules, 1);
    harness_start();
    size_t passed = 0, of_others = 0;
    int64_t began = clock_monotonic_ns();
    char request[128], address[32];
    for (int i = 0; i < REQUESTS; i++) {
        snprintf(request, sizeof request,
                 "GET /open/a HTTP/1.1\r\nHost: api.example.com\r\nX-Client: %d\r\n\r\n", i);
        passed += passes("192.0.2.1", request);
    }
    assert_in_range(passed, 1024, most_of_table(began));
    for (int i = 0; i < REQUESTS; i++) {
        snprintf(address, sizeof address, "2001:db8:%x::1", i);
        of_others += passes(address, request);
    }
    assert_int_equal(of_others, REQUESTS);
}

/* By address, the networks of one site belong together. */
static void networks_of_one_site_are_a_crowd(void **state)
{
    (void)state;
    rule(0, "a", "address", 1);
    add_limits(add_route("open", "/open/**", &harness->public_auth), rules, 1);
    harness_start();
    size_t passed = 0;
    int64_t began = clock_monotonic_ns();
    char address[32];
    for (int i = 0; i < 3 * 1024; i++) {
        snprintf(address, sizeof address, "2001:db8:1:%x::1", i);
        passed += passes(address, GET("/open/a"));
    }
    assert_in_range(passed, 1024, most_of_table(began));
    assert_true(passes("2001:db8:2::1", GET("/open/a")));
}

static void a_route_counts_everybody(void **state)
{
    (void)state;
    rule(0, "r", "route", 1);
    add_limits(add_route("open", "/open/**", &harness->public_auth), rules, 1);
    harness_start();
    assert_passed(ask_from("192.0.2.1", GET("/open/a")));
    assert_denied(ask_from("192.0.2.2", GET("/open/b")), DENY_RATE_CLIENT);
}

static void callers_are_told_apart_by_who_they_are(void **state)
{
    (void)state;
    rule(0, "c", "caller", 1);
    add_limits(add_route("orders", "/orders/**", &harness->jwt_auth), rules, 1);
    harness_start();
    assert_passed(ask_with_token("GET /orders/1", ""));
    assert_denied(ask_with_token("GET /orders/1", ",\"jti\":\"another token\""), DENY_RATE_CALLER);
    /* Another subject is somebody else: a later member would be a duplicate, so the whole payload is its own. */
    char payload[512], request[2048];
    long long now = (long long)(clock_real_ns() / NS_PER_S);
    struct mint_key key = mint_secret(HARNESS_SECRET);
    snprintf(payload, sizeof payload,
             "{\"iss\":\"https://idp.example.com\",\"aud\":\"orders\",\"sub\":\"bob\",\"exp\":%lld}",
             now + 60);
    char *bob = mint_token(&key, JWT_HS256, "{\"alg\":\"HS256\"}", payload);
    snprintf(request, sizeof request,
             "GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer %s\r\n\r\n", bob);
    assert_passed(ask(request));
    free(bob);
}

static void a_claim_counts_by_its_value(void **state)
{
    (void)state;
    rule(0, "t", "claims.tenant", 1);
    add_limits(add_route("orders", "/orders/**", &harness->jwt_auth), rules, 1);
    harness_start();
    assert_passed(ask_with_token("GET /orders/1", ",\"tenant\":\"a\""));
    assert_denied(ask_with_token("GET /orders/1", ",\"tenant\":\"a\""), DENY_RATE_CALLER);
    assert_passed(ask_with_token("GET /orders/1", ",\"tenant\":\"b\""));
    assert_passed(ask_with_token("GET /orders/1", ",\"tenant\":7"));
}

/* What cannot be counted is not let through. */
static void a_claim_that_is_missing_is_denied(void **state)
{
    (void)state;
    rule(0, "t", "claims.tenant", 100);
    add_limits(add_route("orders", "/orders/**", &harness->jwt_auth), rules, 1);
    harness_start();
    assert_denied(ask_with_token("GET /orders/1", ""), DENY_AUTHORIZATION_ERROR);
    assert_denied(ask_with_token("GET /orders/1", ",\"tenant\":[\"a\"]"), DENY_AUTHORIZATION_ERROR);
    assert_denied(ask_with_token("GET /orders/1", ",\"tenant\":null"), DENY_AUTHORIZATION_ERROR);
}

static void more_rules_than_a_request_may_have_are_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < LIMIT_KEYS_MAX; i++) {
        rule(i, "x", "address", 1000);
    }
    struct route_settings *route = add_route("open", "/open/**", &harness->public_auth);
    add_limits(route, rules, LIMIT_KEYS_MAX);
    rules[LIMIT_KEYS_MAX] = rules[0];
    route->policy.limits.count++;
    harness_start();
    assert_denied(ask(GET("/open/a")), DENY_INTERNAL);
}

static void more_rules_of_a_listener_than_a_request_may_have_are_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < LIMIT_KEYS_MAX; i++) {
        rule(i, "x", "address", 1000);
        assert_null(limit_check_settings(&rules[i], SLICE("listener public"), (unsigned int)i));
    }
    rules[LIMIT_KEYS_MAX] = rules[0];
    add_route("open", "/open/**", &harness->public_auth);
    harness->listeners[0].limits = (struct conf_list){ rules, LIMIT_KEYS_MAX + 1 };
    harness_start();
    assert_denied(ask(GET("/open/a")), DENY_INTERNAL);
}

/* Whichever stage counted, all of it is told, also where the upstream answers. */
static void the_fields_of_all_stages_are_joined(void **state)
{
    (void)state;
    static struct limit_settings listener_rule = { .name = SLICE_INIT("all"),
                                                   .limit = { 9, 60 * NS_PER_S },
                                                   .by = SLICE_INIT("address") };
    assert_null(limit_check_settings(&listener_rule, SLICE("listener public"), 0));
    harness->listeners[0].limits = (struct conf_list){ &listener_rule, 1 };
    rule(0, "few", "address", 5);
    rule(1, "own", "caller", 3);
    add_limits(add_route("orders", "/orders/**", &harness->jwt_auth), rules, 2);
    harness_start();
    struct client *client = ask_with_token("GET /orders/1", "");
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 204 No Content\r\n\r\n");
    wait_for_release(client);
    assert_field(client, "ratelimit-policy", "\"all\";q=9;w=60, \"few\";q=5;w=60, \"own\";q=3;w=60");
    const char *state_field = field(client, "ratelimit");
    assert_non_null(strstr(state_field, "\"all\";r=8;"));
    assert_non_null(strstr(state_field, "\"few\";r=4;"));
    assert_non_null(strstr(state_field, "\"own\";r=2;"));
}

static void without_rules_nothing_is_told(void **state)
{
    (void)state;
    add_route("open", "/open/**", &harness->public_auth);
    harness_start();
    struct client *client = ask(GET("/open/a"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 204 No Content\r\n\r\n");
    wait_for_release(client);
    assert_no_field(client, "ratelimit");
    assert_no_field(client, "ratelimit-policy");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_network_has_its_own_count),
        TEST(addresses_of_one_ipv6_network_are_one),
        TEST(a_header_counts_together_with_the_address),
        TEST(a_repeated_header_is_no_key),
        TEST(a_header_is_repeated_only_where_it_counts),
        TEST(made_up_values_of_one_client_are_a_crowd),
        TEST(networks_of_one_site_are_a_crowd),
        TEST(a_route_counts_everybody),
        TEST(callers_are_told_apart_by_who_they_are),
        TEST(a_claim_counts_by_its_value),
        TEST(a_claim_that_is_missing_is_denied),
        TEST(more_rules_than_a_request_may_have_are_an_error),
        TEST(more_rules_of_a_listener_than_a_request_may_have_are_an_error),
        TEST(the_fields_of_all_stages_are_joined),
        TEST(without_rules_nothing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
