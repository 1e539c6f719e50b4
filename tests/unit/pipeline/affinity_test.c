#include "pipeline/harness.h"

#define WITH(fields) "GET /open/a HTTP/1.1\r\nHost: api.example.com\r\n" fields "\r\n"

static int setup(void **state)
{
    harness_setup(state);
    harness->upstreams[0].balance = BALANCE_HASH;
    harness->upstreams[0].maglev = maglev_new(&harness->config->arena, &harness->url, 1);
    assert_non_null(harness->upstreams[0].maglev);
    add_route("open", "/open/**", &harness->public_auth);
    add_route("orders", "/orders/**", &harness->jwt_auth);
    return 0;
}

static void start(const char *by)
{
    assert_null(balance_source_parse(slice_from_string(by), &harness->upstreams[0].hash_source));
    harness_start();
}

/* The key of the exchange that the client has begun, which is over then; 0: it has none. */
static uint64_t key_of(struct client *client)
{
    const struct exchange *exchange = client->stream.exchange;
    assert_non_null(exchange);
    assert_int_equal(client->heads, 0);
    uint64_t key = exchange->ticket.keyed ? exchange->ticket.key : 0;
    exchange_handler.on_abort(&client->stream, HTTP_ABORT_CLIENT);
    return key;
}

static struct client *ask_from(const char *address, const char *text)
{
    struct client *client = client_new();
    assert_true(address_parse(slice_from_string(address), &client->facts.peer));
    client_asks(client, text);
    return client;
}

static void a_header_is_the_key(void **state)
{
    (void)state;
    start("header:X-User");
    assert_int_equal(key_of(ask(WITH("X-User: alice\r\n"))), balance_key(SLICE("alice")));
    assert_int_equal(key_of(ask(WITH("x-user: alice\r\n"))), balance_key(SLICE("alice")));
    assert_int_not_equal(key_of(ask(WITH("X-User: bob\r\n"))), balance_key(SLICE("alice")));
    assert_int_equal(key_of(ask(WITH("X-User: \r\n"))), 0);
    assert_int_equal(key_of(ask(WITH("X-Users: alice\r\n"))), 0);
}

static void a_cookie_is_the_key(void **state)
{
    (void)state;
    start("cookie:sid");
    assert_int_equal(key_of(ask(WITH("Cookie: a=b; sid=s1; c=d\r\n"))), balance_key(SLICE("s1")));
    assert_int_equal(key_of(ask(WITH("Cookie: SID=s1\r\n"))), 0);
    assert_int_equal(key_of(ask(WITH(""))), 0);
}

static void a_network_is_the_key(void **state)
{
    (void)state;
    start("address");
    uint64_t one = key_of(ask_from("192.0.2.1", WITH("")));
    assert_int_not_equal(one, 0);
    assert_int_equal(key_of(ask_from("192.0.2.1", WITH("X-User: a\r\n"))), one);
    assert_int_not_equal(key_of(ask_from("192.0.2.2", WITH(""))), one);
    uint64_t six = key_of(ask_from("2001:db8:0:1::1", WITH("")));
    assert_int_equal(key_of(ask_from("2001:db8:0:1:ffff::2", WITH(""))), six);
    assert_int_not_equal(key_of(ask_from("2001:db8:0:2::1", WITH(""))), six);
}

/* By who it is, not by what proves it; the anonymous by their address. */
static void a_caller_is_the_key(void **state)
{
    (void)state;
    start("caller");
    uint64_t alice = key_of(ask_with_token("GET /orders/a", ",\"jti\":\"1\""));
    assert_int_not_equal(alice, 0);
    assert_int_equal(key_of(ask_with_token("GET /orders/b", ",\"jti\":\"2\"")), alice);
    uint64_t nobody = key_of(ask_from("192.0.2.1", WITH("")));
    assert_int_not_equal(nobody, 0);
    assert_int_not_equal(nobody, alice);
    assert_int_equal(key_of(ask_from("192.0.2.1", WITH(""))), nobody);
    assert_int_not_equal(key_of(ask_from("192.0.2.2", WITH(""))), nobody);
}

static void who_balances_otherwise_needs_no_key(void **state)
{
    (void)state;
    harness->upstreams[0].balance = BALANCE_ROUND_ROBIN;
    start("address");
    assert_int_equal(key_of(ask(WITH(""))), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_header_is_the_key),
        TEST(a_cookie_is_the_key),
        TEST(a_network_is_the_key),
        TEST(a_caller_is_the_key),
        TEST(who_balances_otherwise_needs_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
