#include "http/h1/client_fixture.h"

static void keeps_the_connection(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        get();
        upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        turn_until(&fixture->finished);
        assert_true(fixture->kept);
    }
    assert_int_equal(fixture->ends, 3);
    assert_memory_equal(fixture->body, "hellohellohello", 15);
}

static void split_bytes_give_the_same(void **state)
{
    (void)state;
    get();
    for (const char *at =
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n";
         *at != '\0'; at++) {
        assert_int_equal(write(fixture->upstream, at, 1), 1);
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    turn_until(&fixture->finished);
    assert_true(fixture->kept);
    assert_int_equal(fixture->body_size, 5);
    assert_memory_equal(fixture->body, "abcde", 5);
}

static void bytes_behind_the_answer_end_the_connection(void **state)
{
    (void)state;
    get();
    upstream_says(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    turn_until(&fixture->finished);
    assert_int_equal(fixture->ends, 1);
    assert_false(fixture->kept);
}

static void bytes_that_nobody_asked_for_end_an_idle_connection(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    turn_until(&fixture->finished);
    assert_true(fixture->kept);
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    turn_until(&fixture->idle_lost);
}

static void a_body_may_end_with_the_connection(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    shutdown(fixture->upstream, SHUT_WR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->ends, 1);
    assert_false(fixture->kept);
    assert_memory_equal(fixture->body, "until the end", 13);
}

static void informational_answers_come_before(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                  "HTTP/1.1 204 No Content\r\n\r\n");
    turn_until(&fixture->finished);
    assert_int_equal(fixture->informational, 1);
    assert_int_equal(fixture->status, 204);
    assert_true(fixture->kept);
}

static void refused(const char *text)
{
    get();
    upstream_says(text);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_PROTOCOL);
    assert_int_equal(fixture->responses, 0);
    assert_false(fixture->kept);
}

static void both_lengths_are_refused(void **state)
{
    (void)state;
    refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

static void a_switch_of_protocols_is_refused(void **state)
{
    (void)state;
    refused("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
}

static void a_flood_of_informational_answers_is_refused(void **state)
{
    (void)state;
    char text[4096];
    size_t used = 0;
    for (int i = 0; i < HTTP_INFORMATIONAL_MAX + 1; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "HTTP/1.1 102 Processing\r\n\r\n");
    }
    refused(text);
}

static void rubbish_is_refused(void **state)
{
    (void)state;
    refused("SSH-2.0-OpenSSH_9.2\r\n\r\n");
}

static void an_early_answer_ends_the_connection(void **state)
{
    (void)state;
    begin(METHOD_POST, BODY_LENGTH, 60 * NS_PER_S);
    see_request();
    upstream_says("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    turn_until(&fixture->finished);
    assert_int_equal(fixture->status, 413);
    assert_false(
        fixture->kept); /* the request was not complete: what follows on it would be taken for a head */
}

static void a_paused_body_waits(void **state)
{
    (void)state;
    fixture->pause = true;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    turn_while_nothing_happens();
    assert_int_equal(fixture->responses, 1);
    assert_int_equal(fixture->body_size, 0);
    http_call_pause(fixture->call, false);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->body_size, 5);
    assert_true(fixture->kept);
}

/* Somebody who gets its turn before the connection does, of what one look at the sockets found: as a request that wants it. */
struct rival {
    struct stream stream; /* first */
    int other;            /* the other end */
    bool asked, quiet, closed;
};

static void on_rival_ready(struct stream *stream, unsigned int ready)
{
    struct rival *rival = (struct rival *)stream;
    (void)ready;
    rival->asked = true;
    rival->quiet = http_client_is_quiet(fixture->client);
    stream_want(stream, 0);
}

static void on_rival_closed(struct stream *stream)
{
    ((struct rival *)stream)->closed = true;
}

/* What is_quiet tells in the turn whose look at the sockets finds what `happens` at the upstream's end. */
static bool is_quiet_when(void (*happens)(void))
{
    struct rival rival = { 0 };
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_ok(stream_open(&rival.stream, &fixture->loop, fds[0], on_rival_ready));
    stream_want(&rival.stream, STREAM_READABLE);
    turn_while_nothing_happens();
    assert_int_equal(write(fds[1], "x", 1), 1); /* the first to be ready is the first to be told */
    happens();
    turn_until(&rival.asked);
    stream_close(&rival.stream, on_rival_closed);
    turn_until(&rival.closed);
    close(fds[1]);
    return rival.quiet;
}

static void nothing_happens(void)
{
}

static void an_answer_comes_in_advance(void)
{
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
}

static void it_ends(void)
{
    shutdown(fixture->upstream, SHUT_WR);
}

static void become_idle(void)
{
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    turn_until(&fixture->finished);
    assert_true(fixture->kept);
}

static void an_idle_connection_is_quiet(void **state)
{
    (void)state;
    become_idle();
    assert_true(http_client_is_quiet(fixture->client));
    assert_true(is_quiet_when(nothing_happens));
    assert_false(fixture->idle_lost);
}

/* An answer in advance must not become the next request's. */
static void an_idle_connection_that_speaks_is_not_quiet(void **state)
{
    (void)state;
    become_idle();
    assert_false(is_quiet_when(an_answer_comes_in_advance));
}

static void a_closed_idle_connection_is_not_quiet(void **state)
{
    (void)state;
    become_idle();
    assert_false(is_quiet_when(it_ends));
}

/* The loop's next look finds what came since. */
static void what_this_turn_has_told_is_not_asked_again(void **state)
{
    (void)state;
    become_idle();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    assert_true(http_client_is_quiet(fixture->client));
    turn_until(&fixture->idle_lost);
}

/* Where memory is scarce less is read at once: behind an answer that fills that to the last byte there may be another one. */
static void an_answer_behind_a_read_that_was_filled_is_not_the_next_one(void **state)
{
    (void)state;
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 8151\r\n\r\n";
    char text[HTTP_SCARCE_BUFFER + 1] = { 0 };
    _Atomic int64_t bytes = INT64_C(1) << 20;
    memset(text, 'x', HTTP_SCARCE_BUFFER);
    memcpy(text, head, sizeof head - 1);
    buffer_count_in(&bytes);
    buffer_set_budget(2);
    assert_true(buffer_is_scarce());
    get();
    upstream_says(text);
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    turn_until(&fixture->finished);
    buffer_set_budget(0);
    buffer_count_in(NULL);
    assert_int_equal(fixture->body_size, HTTP_SCARCE_BUFFER - (sizeof head - 1));
    assert_false(fixture->kept && http_client_is_quiet(fixture->client));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(keeps_the_connection),
        TEST(split_bytes_give_the_same),
        TEST(bytes_behind_the_answer_end_the_connection),
        TEST(bytes_that_nobody_asked_for_end_an_idle_connection),
        TEST(a_body_may_end_with_the_connection),
        TEST(informational_answers_come_before),
        TEST(both_lengths_are_refused),
        TEST(a_switch_of_protocols_is_refused),
        TEST(a_flood_of_informational_answers_is_refused),
        TEST(rubbish_is_refused),
        TEST(an_early_answer_ends_the_connection),
        TEST(a_paused_body_waits),
        TEST(an_idle_connection_is_quiet),
        TEST(an_idle_connection_that_speaks_is_not_quiet),
        TEST(what_this_turn_has_told_is_not_asked_again),
        TEST(an_answer_behind_a_read_that_was_filled_is_not_the_next_one),
        TEST(a_closed_idle_connection_is_not_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
