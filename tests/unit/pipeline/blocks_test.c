#include "pipeline/harness.h"

#include "auth/token_digest.h"
#include "base/encoding.h"
#include "pipeline/blocks.h"

#define ISSUER "https://idp.example.com"

static struct block_set *the_set;

static int setup(void **state)
{
    harness_setup(state);
    add_route("orders", "/orders/**", &harness->jwt_auth);
    add_route("open", "/open/**", &harness->public_auth);
    assert_ok(block_set_new(&the_set));
    return 0;
}

static int teardown(void **state)
{
    if (the_set != NULL) {
        block_set_unref(the_set);
    }
    blocks_take(&harness->worker, NULL);
    return harness_teardown(state);
}

static int64_t seconds_now(void)
{
    return clock_real_ns() / NS_PER_S;
}

static void add(const char *kind, const char *issuer, const char *value, int64_t expires)
{
    const struct block_record record = {
        .number = 7,
        .kind = slice_from_string(kind),
        .issuer = slice_from_string(issuer),
        .value = slice_from_string(value),
        .reason = SLICE("leaked"),
        .by = SLICE("ada"),
        .created = 1,
        .expires = expires,
        .removed_by = SLICE(""),
        .removal_reason = SLICE(""),
    };
    assert_ok(block_set_add(the_set, &record, SLICE("7"), BLOCK_OF_STORE, seconds_now()));
}

/* From now on the set is in force, and the worker holds it alone. */
static void take_up(void)
{
    assert_ok(block_set_seal(the_set));
    net_loop_woken(&harness->worker.loop);
    blocks_take(&harness->worker, the_set);
    block_set_unref(the_set);
    the_set = NULL;
}

static void assert_passes(struct client *client)
{
    assert_int_equal(client->heads, 0);
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 204 No Content\r\n\r\n");
    wait_for_release(client);
    assert_int_equal(client->status, 204);
    harness->seen_size = 0;
}

static struct client *ask_openly(void)
{
    return ask("GET /open/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
}

static void an_address_is_refused_on_every_route(void **state)
{
    (void)state;
    harness_start();
    add("address", "", "192.0.2.0/24", 0);
    take_up();
    assert_denied(ask_openly(), DENY_ADDRESS_BLOCKED);
    assert_denied(ask_with_token("GET /orders/1", ""), DENY_ADDRESS_BLOCKED);
}

static void another_address_is_not(void **state)
{
    (void)state;
    harness_start();
    add("address", "", "192.0.2.8", 0);
    take_up();
    assert_passes(ask_openly());
}

static void a_token_is_met_by_all_that_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *value, *claim;
        enum deny_reason reason;
    } cases[] = {
        { "sub", "alice", "", DENY_SUBJECT_BLOCKED },
        { "jti", "t-1", ",\"jti\":\"t-1\"", DENY_TOKEN_BLOCKED },
        { "sid", "s-1", ",\"sid\":\"s-1\"", DENY_SESSION_BLOCKED },
    };
    harness_start();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (the_set == NULL) {
            assert_ok(block_set_new(&the_set));
        }
        add(cases[i].kind, ISSUER, cases[i].value, 0);
        take_up();
        assert_denied(ask_with_token("GET /orders/1", cases[i].claim), cases[i].reason);
    }
}

/* By its digest, whatever it says; the next one of the same caller is another. */
static void a_token_is_met_itself(void **state)
{
    (void)state;
    unsigned char digest[TOKEN_DIGEST_SIZE];
    char hex[2 * TOKEN_DIGEST_SIZE + 1] = "", request[4096];
    harness_start();
    const char *text = token(",\"jti\":\"1\"");
    assert_true(token_digest(slice_from_string(text), digest));
    hex_encode(digest, sizeof digest, hex);
    add("token", "", hex, 0);
    take_up();
    snprintf(request, sizeof request,
             "GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer %s\r\n\r\n", text);
    assert_denied(ask(request), DENY_TOKEN_BLOCKED);
    assert_passes(ask_with_token("GET /orders/1", ",\"jti\":\"2\""));
}

static void the_same_subject_of_another_issuer_passes(void **state)
{
    (void)state;
    harness_start();
    add("sub", "https://other.example.com", "alice", 0);
    add("sub", ISSUER, "bob", 0);
    add("jti", ISSUER, "alice", 0); /* of another kind */
    take_up();
    assert_passes(ask_with_token("GET /orders/1", ""));
}

/* A route that is blocked for a while says when to come back, and no later than that. */
static void a_route_says_when_to_come_back(void **state)
{
    (void)state;
    harness_start();
    add("route", "", "open", seconds_now() + 30);
    take_up();
    struct client *client = ask_openly();
    assert_denied(client, DENY_ROUTE_BLOCKED);
    long seconds = strtol(field(client, "retry-after"), NULL, 10);
    assert_true(seconds > 20 && seconds <= 30);
    assert_passes(ask_with_token("GET /orders/1", ""));
}

static void why_is_for_the_logs_alone(void **state)
{
    (void)state;
    harness_start();
    add("sub", ISSUER, "alice", 0);
    take_up();
    struct client *client = ask_with_token("GET /orders/1", "");
    assert_denied(client, DENY_SUBJECT_BLOCKED);
    assert_null(memmem(client->body, client->body_size, "leaked", 6));
    assert_non_null(strstr(harness_log(harness->audit_log), "block 7: leaked"));
}

/* What waits for the upstream when the block comes is not answered by it any more. */
static void what_is_under_way_is_ended(void **state)
{
    (void)state;
    harness_start();
    struct client *met = ask_with_token("GET /orders/1", "");
    assert_true(upstream_sees("GET /orders/1"));
    assert_int_equal(met->heads, 0);
    add("sub", ISSUER, "alice", 0);
    take_up();
    assert_denied(met, DENY_SUBJECT_BLOCKED);
}

static void what_is_not_met_goes_on(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask_with_token("GET /orders/1", "");
    assert_true(upstream_sees("GET /orders/1"));
    add("sub", ISSUER, "bob", 0);
    add("address", "", "192.0.2.8", 0);
    take_up();
    assert_passes(client);
}

/* For what outlives its exchange: the route, and all that the token is known by. */
static void marks_are_of_all_that_could_be_blocked(void **state)
{
    (void)state;
    struct block_mark marks[BLOCK_MARKS_MAX];
    harness_start();
    struct client *client = ask_with_token("GET /orders/1", ",\"jti\":\"t-1\",\"sid\":\"s-1\"");
    assert_true(upstream_sees("GET /orders/1"));
    assert_int_equal(blocks_marks_of(client->stream.exchange, marks), 5);
    const struct block_mark wanted[] = {
        block_mark_of(BLOCK_ROUTE, SLICE_NONE, SLICE("orders")),
        block_mark_of(BLOCK_JTI, SLICE(ISSUER), SLICE("t-1")),
        block_mark_of(BLOCK_SID, SLICE(ISSUER), SLICE("s-1")),
        block_mark_of(BLOCK_SUB, SLICE(ISSUER), SLICE("alice")),
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_memory_equal(&marks[i], &wanted[i], sizeof wanted[i]);
    }
    assert_passes(client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_address_is_refused_on_every_route),
        TEST(another_address_is_not),
        TEST(a_token_is_met_by_all_that_it_says),
        TEST(a_token_is_met_itself),
        TEST(the_same_subject_of_another_issuer_passes),
        TEST(a_route_says_when_to_come_back),
        TEST(why_is_for_the_logs_alone),
        TEST(what_is_under_way_is_ended),
        TEST(what_is_not_met_goes_on),
        TEST(marks_are_of_all_that_could_be_blocked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
