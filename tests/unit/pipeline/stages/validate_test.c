#include "pipeline/harness.h"

static int setup(void **state)
{
    harness_setup(state);
    add_route("open", "/open", &harness->public_auth)->policy.body = 5;
    struct route_policy *calls = &add_route("calls", "/calls", &harness->public_auth)->policy;
    calls->body = 100;
    calls->max_grpc_message = 4;
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

/* A call whose upstream has its head. */
static struct client *call_over(bool http2)
{
    struct client *client = client_new();
    client->stream.minor_version = http2 ? 2 : 1;
    client_asks(client, "POST /calls HTTP/1.1\r\nHost: api.example.com\r\nContent-Type: application/grpc\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n");
    assert_true(upstream_sees("\r\n\r\n"));
    return client;
}

static struct client *call(void)
{
    harness_start();
    return call_over(true);
}

#define GIVES(client, bytes) client_gives_bytes((client), (struct slice){ (bytes), sizeof(bytes) - 1 })

/* Trailers-Only, and the upstream's connection is closed without an end of the request. */
static void assert_call_denied(const struct client *client, enum deny_reason reason)
{
    char status[8];
    snprintf(status, sizeof status, "%u", deny_infos[reason].grpc);
    assert_int_equal(client->status, 200);
    assert_int_equal(client->heads, 1);
    assert_int_equal(client->ends, 1);
    assert_int_equal(client->framing, BODY_NONE);
    assert_field(client, "grpc-status", status);
    turn();
    assert_null(memmem(harness->seen, harness->seen_size, "\r\n0\r\n", 5));
    char byte[64];
    ssize_t got;
    while ((got = recv(harness->upstream, byte, sizeof byte, 0)) > 0) {
        assert_null(memmem(byte, (size_t)got, "\r\n0\r\n", 5));
        assert_null(memmem(byte, (size_t)got, "large", 5));
    }
    assert_int_equal(got, 0);
}

static void a_call_passes_message_by_message(void **state)
{
    (void)state;
    struct client *client = call();
    GIVES(client, "\0\0\0\0\4four");
    GIVES(client, "\1\0");
    GIVES(client, "\0\0\0\0\0\0\0\4last");
    client_ends_body(client);
    assert_int_equal(client->heads, 0);
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    wait_for_release(client);
    assert_int_equal(client->status, 200);
    assert_no_field(client, "grpc-status");
}

static void a_message_too_large_does_not_begin(void **state)
{
    (void)state;
    struct client *client = call();
    GIVES(client, "\0\0\0\0\4four");
    GIVES(client, "\0\0\0\0\5large");
    assert_call_denied(client, DENY_GRPC_MESSAGE_TOO_LARGE);
    assert_field(client, "grpc-message", "Message too large (message_too_large)");
    assert_int_equal(client->discards, 1);
}

static void a_prefix_in_two_pieces_is_one(void **state)
{
    (void)state;
    struct client *client = call();
    GIVES(client, "\0\0\0");
    assert_int_equal(client->heads, 0);
    GIVES(client, "\1\0large");
    assert_call_denied(client, DENY_GRPC_MESSAGE_TOO_LARGE);
}

static void a_flag_that_is_none(void **state)
{
    (void)state;
    struct client *client = call();
    GIVES(client, "\2");
    assert_call_denied(client, DENY_GRPC_MESSAGE_FLAG);
}

static void a_message_cut_is_no_end(void **state)
{
    (void)state;
    struct client *client = call();
    GIVES(client, "\0\0\0\0\4fou");
    client_ends_body(client);
    assert_call_denied(client, DENY_GRPC_MESSAGE_CUT);
}

static void behind_an_early_answer_a_call_is_cut(void **state)
{
    (void)state;
    struct client *client = call();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    GIVES(client, "\0\0\0\0\5large");
    assert_int_equal(client->resets, 1);
    assert_int_equal(client->releases, 1);
}

static void what_is_no_call_may_hold_anything(void **state)
{
    (void)state;
    harness_start();
    struct client *client = call_over(false);
    GIVES(client, "\7\377\377\377\377");
    client_ends_body(client);
    assert_true(upstream_sees("5\r\n\7\377\377\377\377\r\n0\r\n\r\n"));
    assert_int_equal(client->heads, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_length_is_denied_before_the_body_comes),
        TEST(bytes_are_counted_where_no_length_is_told),
        TEST(as_much_as_is_allowed_passes),
        TEST(too_much_behind_an_early_answer_cuts_it),
        TEST(a_call_passes_message_by_message),
        TEST(a_message_too_large_does_not_begin),
        TEST(a_prefix_in_two_pieces_is_one),
        TEST(a_flag_that_is_none),
        TEST(a_message_cut_is_no_end),
        TEST(behind_an_early_answer_a_call_is_cut),
        TEST(what_is_no_call_may_hold_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
