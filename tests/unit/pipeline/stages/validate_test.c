#include "pipeline/harness.h"

static int setup(void **state)
{
    harness_setup(state);
    add_route("open", "/open", &harness->public_auth)->policy.body = 5;
    return 0;
}

#define POST(fields) "POST /open HTTP/1.1\r\nHost: api.example.com\r\n" fields "\r\n"

static void a_length_is_denied_before_the_body_comes(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(POST("Content-Length: 6\r\n"));
    assert_denied(client, DENY_BODY_TOO_LARGE);
    assert_true(client->paused);
    assert_false(upstream_accept());
    assert_int_equal(ask(POST("Content-Length: 5\r\n"))->heads, 0);
}

static void bytes_are_counted_where_no_length_is_told(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(POST("Transfer-Encoding: chunked\r\n"));
    assert_true(upstream_sees("\r\n\r\n"));
    client_gives(client, "1234");
    assert_true(upstream_sees("4\r\n1234\r\n"));
    assert_int_equal(client->heads, 0);
    client_gives(client, "zz");
    assert_denied(client, DENY_BODY_TOO_LARGE);
    assert_int_equal(client->discards, 1);
    /* What was too much never went on, and the upstream does not take what went for the whole. */
    turn();
    assert_null(strstr(harness->seen, "zz"));
    assert_null(strstr(harness->seen, "\r\n0\r\n"));
    char byte;
    assert_int_equal(recv(harness->upstream, &byte, 1, 0), 0);
}

static void as_much_as_is_allowed_passes(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(POST("Transfer-Encoding: chunked\r\n"));
    assert_true(upstream_sees("\r\n\r\n"));
    client_gives(client, "123");
    client_gives(client, "45");
    client_ends_body(client);
    assert_true(upstream_sees("3\r\n123\r\n2\r\n45\r\n0\r\n\r\n"));
    assert_int_equal(client->heads, 0);
}

/* The answer has begun: a denial can no longer be said. */
static void too_much_behind_an_early_answer_cuts_it(void **state)
{
    (void)state;
    harness_start();
    struct client *client = ask(POST("Transfer-Encoding: chunked\r\n"));
    assert_true(upstream_sees("\r\n\r\n"));
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    client_gives(client, "123456");
    assert_int_equal(client->resets, 1);
    assert_int_equal(client->releases, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_length_is_denied_before_the_body_comes),
        TEST(bytes_are_counted_where_no_length_is_told),
        TEST(as_much_as_is_allowed_passes),
        TEST(too_much_behind_an_early_answer_cuts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
