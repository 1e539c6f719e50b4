#include "http/h1/client_fixture.h"

static void a_kept_connection_that_dies_is_told_apart(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    turn_until(&fixture->finished);
    assert_true(fixture->kept);
    begin(METHOD_GET, BODY_NONE, 60 * NS_PER_S);
    shutdown(fixture->upstream, SHUT_RDWR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->failures, 1);
    assert_true(fixture->failure.reused);
}

static void a_fresh_connection_that_dies_is_not_retried(void **state)
{
    (void)state;
    get();
    shutdown(fixture->upstream, SHUT_RDWR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_CLOSED);
    assert_false(fixture->failure.reused);
}

static void a_cut_body_is_a_failure(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    shutdown(fixture->upstream, SHUT_WR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->ends, 0);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_CLOSED);
}

static void no_answer_in_time(void **state)
{
    (void)state;
    begin(METHOD_GET, BODY_NONE, 20 * NS_PER_MS);
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (!fixture->finished && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_TIMEOUT);
}

/* Half a head that nothing will complete: a failure at once, not a socket that is looked at until the time is up. */
static void half_a_head_is_a_failure_at_once(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Len");
    shutdown(fixture->upstream, SHUT_WR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_CLOSED);
    assert_false(fixture->kept);
}

static void half_a_trailer_is_a_failure_at_once(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ");
    shutdown(fixture->upstream, SHUT_WR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->ends, 0);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_CLOSED);
}

static void a_head_that_trickles_is_not_in_time(void **state)
{
    (void)state;
    begin(METHOD_GET, BODY_NONE, 60 * NS_PER_MS);
    see_request();
    upstream_says("HTTP/1.1 200 OK\r\nX: ");
    int64_t limit = clock_monotonic_ns() + 2 * NS_PER_S;
    while (!fixture->finished && clock_monotonic_ns() < limit) {
        upstream_says("x");
        for (int i = 0; i < 20; i++) {
            uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
        }
    }
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_TIMEOUT);
    assert_int_equal(fixture->responses, 0);
}

static void a_request_that_is_not_taken_is_not_in_time(void **state)
{
    (void)state;
    begin(METHOD_POST, BODY_CHUNKED, 60 * NS_PER_MS);
    static char piece[16384];
    while (http_call_send_body(fixture->call, slice_of(piece, sizeof piece))) {
    }
    int64_t limit = clock_monotonic_ns() + 2 * NS_PER_S;
    while (!fixture->finished && clock_monotonic_ns() < limit) {
        /* The kernel's buffers grow for a while; then trying again is no progress. */
        http_call_flush(fixture->call);
        if (fixture->writable) {
            fixture->writable = http_call_send_body(fixture->call, slice_of(piece, 4096));
        }
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_TIMEOUT);
}

/* An upstream that refuses a body answers, and closes without reading the rest: what it said still counts. */
static void the_answer_of_an_upstream_that_reads_no_more_is_read(void **state)
{
    (void)state;
    begin(METHOD_POST, BODY_CHUNKED, 60 * NS_PER_S);
    see_request();
    static char piece[16384];
    while (http_call_send_body(fixture->call, slice_of(piece, sizeof piece))) {
    }
    upstream_says("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    close(fixture->upstream);
    fixture->upstream = -1;
    turn_until(&fixture->finished);
    assert_int_equal(fixture->status, 413);
    assert_int_equal(fixture->failures, 0);
    assert_false(fixture->kept);
}

static void a_request_that_cannot_be_sent_fails(void **state)
{
    (void)state;
    begin(METHOD_POST, BODY_CHUNKED, 60 * NS_PER_S);
    see_request();
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    assert_int_equal(setsockopt(fixture->upstream, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fixture->upstream);
    fixture->upstream = -1;
    static char piece[16384];
    for (int i = 0; i < 4; i++) {
        http_call_send_body(fixture->call, slice_of(piece, sizeof piece));
    }
    turn_until(&fixture->finished);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_CLOSED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_kept_connection_that_dies_is_told_apart),
        TEST(a_fresh_connection_that_dies_is_not_retried),
        TEST(a_cut_body_is_a_failure),
        TEST(no_answer_in_time),
        TEST(half_a_head_is_a_failure_at_once),
        TEST(half_a_trailer_is_a_failure_at_once),
        TEST(a_head_that_trickles_is_not_in_time),
        TEST(a_request_that_is_not_taken_is_not_in_time),
        TEST(the_answer_of_an_upstream_that_reads_no_more_is_read),
        TEST(a_request_that_cannot_be_sent_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
