#include "http/h1/server_fixture.h"

static void sends_100_only_when_asked_for_the_body(void **state)
{
    (void)state;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(count_printed("HTTP/1.1 100 Continue\r\n\r\n"), 1);
    say_string("ok");
    assert_int_equal(count_printed("HTTP/1.1 200"), 1);
}

static void a_denial_sends_no_100_and_closes(void **state)
{
    (void)state;
    fixture->answer_at_once = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(count_printed("HTTP/1.1 100"), 0);
    assert_int_equal(count_printed("HTTP/1.1 403"), 1);
    assert_int_equal(count_printed("onnection: close"), 1);
    assert_true(peer_sees_end());
}

static void a_small_unread_body_is_dropped_and_the_connection_goes_on(void **state)
{
    (void)state;
    fixture->answer_at_once = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    assert_int_equal(count_printed("HTTP/1.1 403"), 1);
    say_string("01234");
    fixture->answer_at_once = false;
    say_string(GET("/next"));
    assert_int_equal(fixture->requests, 2);
    assert_int_equal(count_printed("HTTP/1.1 200"), 1);
}

/* Sends junk until the server closes the connection; how much it took. */
static size_t flood(size_t most)
{
    static char junk[64 * 1024];
    size_t sent = 0;
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (sent < most && clock_monotonic_ns() < limit) {
        ssize_t written = send(fixture->peer, junk, sizeof junk, MSG_NOSIGNAL);
        if (written < 0 && errno != EAGAIN) {
            break;
        }
        sent += written > 0 ? (size_t)written : 0;
        turn();
    }
    return sent;
}

static void a_large_unread_body_is_dropped_within_bounds(void **state)
{
    (void)state;
    fixture->answer_at_once = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    assert_true(flood(8 * HTTP_DRAIN_MAX) < 8 * HTTP_DRAIN_MAX);
    assert_int_equal(count_printed("HTTP/1.1 403"), 1);
    assert_int_equal(fixture->received_size, 0);
    assert_int_equal(fixture->list.count, 0);
}

/* Past the bound the connection is not cut, for the reset would destroy the answer: it is only read no more. */
static void a_large_unread_body_does_not_destroy_the_answer(void **state)
{
    (void)state;
    fixture->answer_at_once = true;
    static char junk[64 * 1024];
    size_t sent = 0;
    const char *head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n";
    assert_int_equal(write(fixture->peer, head, strlen(head)), (ssize_t)strlen(head));
    for (int i = 0; i < 2000; i++) {
        ssize_t written = send(fixture->peer, junk, sizeof junk, MSG_NOSIGNAL);
        sent += written > 0 ? (size_t)written : 0;
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_true(sent > HTTP_DRAIN_MAX && sent < 4 * HTTP_DRAIN_MAX);
    assert_int_equal(fixture->list.count, 1);
    turn();
    assert_int_equal(count_printed("HTTP/1.1 403"), 1);
}

static void turn_for(int64_t duration)
{
    int64_t limit = clock_monotonic_ns() + duration;
    while (clock_monotonic_ns() < limit) {
        turn();
    }
}

/* The exchange of a discarded body used to be closed without being told, and stayed for ever. */
static void an_unread_body_that_stops_does_not_lose_the_exchange(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    struct http_stream *stream = fixture->stream;
    stream->ops->discard_body(stream);
    turn_for(60 * NS_PER_MS);
    assert_int_equal(fixture->list.count, 1);
    assert_int_equal(fixture->aborts, 0);
    answer(stream, 200, SLICE("late"), false);
    turn_for(60 * NS_PER_MS);
    assert_non_null(strstr(fixture->printed, "late"));
    assert_int_equal(fixture->list.count, 0);
}

static void an_unread_body_is_bounded_while_the_answer_waits(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    struct http_stream *stream = fixture->stream;
    stream->ops->discard_body(stream);
    static char junk[64 * 1024];
    size_t sent = 0;
    for (int i = 0; i < 400; i++) {
        ssize_t written = send(fixture->peer, junk, sizeof junk, MSG_NOSIGNAL);
        sent += written > 0 ? (size_t)written : 0;
        turn();
    }
    assert_true(sent < 4 * HTTP_DRAIN_MAX);
    assert_int_equal(fixture->aborts, 0);
    answer(stream, 200, SLICE("in the end"), false);
    turn();
    assert_non_null(strstr(fixture->printed, "in the end"));
}

/* The rest of a body whose answer has begun may be of any length, or never come where 100 is waited for: the connection
 * must not go on, whatever the head said. */
static void an_answer_that_overtakes_its_request_ends_the_connection(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 413, .body = BODY_NONE };
    stream->ops->send_head(stream, &response);
    stream->ops->discard_body(stream);
    stream->ops->send_end(stream, NULL);
    fixture->hold = false;
    say_string(GET("/next"));
    assert_int_equal(fixture->requests, 1);
    assert_true(peer_sees_end());
}

static void a_half_closed_client_with_an_unread_body_is_closed_at_once(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    struct http_stream *stream = fixture->stream;
    stream->ops->discard_body(stream);
    shutdown(fixture->peer, SHUT_WR);
    turn();
    assert_int_equal(fixture->aborts, 0);
    answer(stream, 200, SLICE("enough"), false);
    turn();
    assert_non_null(strstr(fixture->printed, "enough"));
    assert_int_equal(fixture->list.count, 0);
}

static void a_broken_chunk_is_a_failed_body(void **state)
{
    (void)state;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n");
    assert_int_equal(fixture->body_failures, 1);
    assert_int_equal(fixture->reason, DENY_BAD_BODY);
    assert_int_equal(count_printed("HTTP/1.1 400"), 1);
    assert_true(peer_sees_end());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(sends_100_only_when_asked_for_the_body),
        TEST(a_denial_sends_no_100_and_closes),
        TEST(a_small_unread_body_is_dropped_and_the_connection_goes_on),
        cmocka_unit_test_setup_teardown(a_large_unread_body_is_dropped_within_bounds, setup_short_drain,
                                        teardown),
        TEST(an_unread_body_is_bounded_while_the_answer_waits),
        TEST(an_answer_that_overtakes_its_request_ends_the_connection),
        TEST(a_half_closed_client_with_an_unread_body_is_closed_at_once),
        TEST(a_large_unread_body_does_not_destroy_the_answer),
        cmocka_unit_test_setup_teardown(an_unread_body_that_stops_does_not_lose_the_exchange,
                                        setup_short_drain, teardown),
        TEST(a_broken_chunk_is_a_failed_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
