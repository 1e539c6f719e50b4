#include "http/h1/server_fixture.h"

static void keeps_the_connection(void **state)
{
    (void)state;
    say_string(GET("/one"));
    say_string(GET("/two"));
    assert_int_equal(fixture->requests, 2);
    assert_int_equal(count_printed("HTTP/1.1 200"), 2);
    assert_int_equal(count_printed("onnection: close"), 0);
    assert_false(peer_sees_end());
}

static void answers_pipelined_requests_in_order(void **state)
{
    (void)state;
    say_string(GET("/first") GET("/second") GET("/third"));
    assert_int_equal(fixture->requests, 3);
    char *first = strstr(fixture->printed, "/first");
    char *second = strstr(fixture->printed, "/second");
    char *third = strstr(fixture->printed, "/third");
    assert_true(first != NULL && first < second && second < third);
}

static void pipelined_requests_wait_for_the_answer(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/first") GET("/second"));
    assert_int_equal(fixture->requests, 1);
    fixture->hold = false;
    answer(fixture->stream, 200, SLICE("slow"), false);
    turn();
    assert_int_equal(fixture->requests, 2);
}

static void bytes_one_by_one_give_the_same(void **state)
{
    (void)state;
    const char *text = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n" GET("/after");
    for (const char *at = text; *at != '\0'; at++) {
        say(at, 1);
    }
    assert_int_equal(fixture->ends, 1);
    assert_int_equal(fixture->requests, 2);
    assert_memory_equal(fixture->received, "hello world", 11);
    assert_non_null(strstr(fixture->printed, "b\r\nhello world\r\n0\r\n\r\n"));
}

static void what_could_not_be_accepted_was_no_connection(void **state)
{
    (void)state;
    struct http_server_settings settings = settings_of(NS_PER_S, NS_PER_S);
    struct address peer = { .port = 1 };
    unsigned int before = fixture->events;
    assert_true(failed(http_connections_accept(&fixture->list, &fixture->loop, -1, &peer, &settings)));
    assert_int_equal(fixture->events, before);
    assert_int_equal(fixture->list.count, 1);
}

static void the_connections_of_one_owner_are_drained(void **state)
{
    (void)state;
    int other = 0;
    http_connections_drain_owner(&fixture->list, &other);
    turn();
    assert_int_equal(fixture->list.count, 1);
    fixture->hold = true;
    say_string(GET("/busy"));
    http_connections_drain_owner(&fixture->list, &fixture->owner);
    turn();
    assert_int_equal(fixture->aborts, 0);
    answer(fixture->stream, 200, SLICE("last"), false);
    turn();
    assert_int_equal(count_printed("onnection: close"), 1);
    assert_true(peer_sees_end());
}

static void http_1_0_closes_unless_asked(void **state)
{
    (void)state;
    say_string("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_int_equal(count_printed("onnection: keep-alive"), 1);
    assert_false(peer_sees_end());
    say_string("GET /old HTTP/1.0\r\n\r\n");
    assert_true(peer_sees_end());
    assert_int_equal(fixture->requests, 2);
}

static void head_has_no_body(void **state)
{
    (void)state;
    say_string("HEAD /12345 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(strstr(fixture->printed, "ontent-Length: 6\r\n"));
    assert_null(strstr(fixture->printed, "/12345"));
}

static void what_is_no_request_is_refused_and_closed(void **state)
{
    (void)state;
    say_string("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" GET(
        "/smuggled"));
    assert_int_equal(fixture->requests, 0);
    assert_int_equal(fixture->rejects, 1);
    assert_int_equal(fixture->reason, DENY_BAD_REQUEST);
    assert_int_equal(count_printed("HTTP/1.1 400"), 1);
    assert_true(peer_sees_end());
}

static void a_head_that_is_too_large_is_431(void **state)
{
    (void)state;
    char *big = malloc(8192);
    memset(big, 'x', 8192);
    say_string("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    say(big, 8192);
    free(big);
    assert_int_equal(fixture->reason, DENY_HEAD_TOO_LARGE);
    assert_int_equal(count_printed("HTTP/1.1 431"), 1);
}

static void a_client_that_goes_aborts_its_exchange(void **state)
{
    (void)state;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    shutdown(fixture->peer, SHUT_RDWR);
    turn();
    assert_int_equal(fixture->aborts, 1);
    assert_int_equal(fixture->list.count, 0);
}

static void a_half_closed_client_gets_its_answer(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/half"));
    shutdown(fixture->peer, SHUT_WR);
    turn();
    assert_int_equal(fixture->aborts, 0);
    answer(fixture->stream, 200, SLICE("still here"), false);
    turn();
    assert_non_null(strstr(fixture->printed, "still here"));
}

static void draining_ends_idle_connections_and_says_so_to_busy_ones(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/busy"));
    http_connections_drain_all(&fixture->list);
    turn();
    assert_int_equal(fixture->list.count, 1);
    answer(fixture->stream, 200, SLICE("last"), false);
    turn();
    assert_int_equal(count_printed("onnection: close"), 1);
    assert_true(peer_sees_end());
}

/* What is sent before the time is over stays in the socket, and is read after it; the request knows. */
static void who_is_held_off_is_not_listened_to(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/first"));
    fixture->stream->ops->hold_off(fixture->stream, 60 * NS_PER_MS);
    answer(fixture->stream, 503, SLICE("later"), false);
    turn();
    assert_int_equal(count_printed("HTTP/1.1 503"), 1);
    assert_int_equal(count_printed("onnection: close"), 0);
    fixture->hold = false;
    int64_t until = clock_monotonic_ns() + 40 * NS_PER_MS;
    say_string(GET("/early"));
    unsigned int seen = fixture->requests;
    if (clock_monotonic_ns() < until) {
        assert_int_equal(seen, 1);
    }
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    fixture->hold = true;
    while (fixture->requests < 2 && clock_monotonic_ns() < limit) {
        turn();
    }
    assert_int_equal(fixture->requests, 2);
}

static void a_request_after_a_hold_off_knows_and_the_next_does_not(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/first"));
    fixture->stream->ops->hold_off(fixture->stream, NS_PER_MS);
    hold_again = 2;
    answer(fixture->stream, 503, SLICE("later"), false);
    turn();
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    say_string(GET("/second") GET("/third"));
    while (fixture->requests < 2 && clock_monotonic_ns() < limit) {
        turn();
    }
    assert_int_equal(fixture->requests, 2);
    assert_int_equal(hold_again, 0);
    assert_true(held_off_seen);
    answer(fixture->stream, 200, SLICE("ok"), false);
    turn();
    assert_int_equal(fixture->requests, 3);
    assert_false(held_off_seen);
}

static void one_that_is_held_off_is_drained_and_pipelined_requests_wait(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/first") GET("/second"));
    fixture->stream->ops->hold_off(fixture->stream, 60 * NS_PER_S);
    answer(fixture->stream, 503, SLICE("later"), false);
    turn();
    assert_int_equal(fixture->requests, 1);
    http_connections_drain_all(&fixture->list);
    assert_true(peer_sees_end());
    assert_int_equal(fixture->requests, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(keeps_the_connection),
        TEST(answers_pipelined_requests_in_order),
        TEST(pipelined_requests_wait_for_the_answer),
        TEST(bytes_one_by_one_give_the_same),
        TEST(http_1_0_closes_unless_asked),
        TEST(what_could_not_be_accepted_was_no_connection),
        TEST(the_connections_of_one_owner_are_drained),
        TEST(head_has_no_body),
        TEST(what_is_no_request_is_refused_and_closed),
        TEST(a_head_that_is_too_large_is_431),
        TEST(a_client_that_goes_aborts_its_exchange),
        TEST(a_half_closed_client_gets_its_answer),
        TEST(draining_ends_idle_connections_and_says_so_to_busy_ones),
        TEST(who_is_held_off_is_not_listened_to),
        TEST(a_request_after_a_hold_off_knows_and_the_next_does_not),
        TEST(one_that_is_held_off_is_drained_and_pipelined_requests_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
