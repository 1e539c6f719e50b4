#include "unit.h"

#include "base/clock.h"
#include "http/h1/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection over a socket pair, its handler an echo that the tests steer. */
struct fixture {
    struct net_loop loop;
    struct h1_server_list list;
    int peer;
    struct http_stream *stream;
    char received[1 << 20]; /* request bodies */
    size_t received_size;
    unsigned int requests, rejects, aborts, body_failures, ends;
    enum deny_reason reason;
    bool answer_at_once; /* within on_request: a denial, the body unread */
    bool hold;           /* answer only when the test says so */
    char printed[4 << 20];
    size_t printed_size;
};

static struct fixture *fixture;

static void answer(struct http_stream *stream, unsigned int status, struct slice body, bool chunked)
{
    struct http_response response = {
        .status = status,
        .body = chunked ? BODY_CHUNKED : BODY_LENGTH,
        .content_length = body.len,
    };
    stream->ops->send_head(stream, &response);
    stream->ops->send_body(stream, body);
    stream->ops->send_end(stream, NULL);
}

static void on_request(struct http_stream *stream, const struct http_request *request, struct slice raw)
{
    (void)raw;
    fixture->stream = stream;
    fixture->requests++;
    bool has_body =
        request->body == BODY_CHUNKED || (request->body == BODY_LENGTH && request->content_length > 0);
    if (fixture->answer_at_once) {
        stream->ops->discard_body(stream);
        answer(stream, 403, SLICE("no"), false);
    } else if (has_body) {
        stream->ops->pause(stream, false);
    } else if (!fixture->hold) {
        answer(stream, 200, request->target, false);
    }
}

static void on_reject(struct http_stream *stream, enum deny_reason reason, const char *why)
{
    fixture->rejects++;
    fixture->reason = reason;
    answer(stream, deny_infos[reason].status, slice_from_string(why), false);
}

static void on_body(struct http_stream *stream, struct slice data)
{
    (void)stream;
    assert_true(fixture->received_size + data.len <= sizeof fixture->received);
    memcpy(fixture->received + fixture->received_size, data.ptr, data.len);
    fixture->received_size += data.len;
}

static void on_body_end(struct http_stream *stream, const struct headers *trailers)
{
    (void)trailers;
    fixture->ends++;
    answer(stream, 200, slice_of(fixture->received, fixture->received_size), true);
}

static void on_body_failed(struct http_stream *stream, enum deny_reason reason)
{
    fixture->body_failures++;
    fixture->reason = reason;
    answer(stream, deny_infos[reason].status, SLICE("bad body"), false);
}

static void on_writable(struct http_stream *stream)
{
    (void)stream;
}

static void on_abort(struct http_stream *stream, enum http_abort why)
{
    (void)why;
    fixture->aborts++;
    stream->ops->release(stream);
}

static void on_sent(struct http_stream *stream)
{
    stream->ops->release(stream);
}

static const struct http_handler handler = {
    .on_request = on_request,
    .on_reject = on_reject,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_body_failed = on_body_failed,
    .on_writable = on_writable,
    .on_abort = on_abort,
    .on_sent = on_sent,
};

static int setup(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->loop));
    assert_ok(h1_server_list_init(&fixture->list));
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    fixture->peer = ends[1];
    struct http_server_settings settings = {
        .timeouts = { .handshake = 60 * NS_PER_S,
                      .head = 60 * NS_PER_S,
                      .body = 60 * NS_PER_S,
                      .idle = 60 * NS_PER_S,
                      .write = 60 * NS_PER_S,
                      .drain = 60 * NS_PER_S,
                      .min_rate = 500 },
        .limits = { .head_max = 4096, .target_max = 1024, .fields_max = 50 },
        .handler = &handler,
    };
    struct address peer = { .port = 1 };
    assert_ok(h1_server_accept(&fixture->list, &fixture->loop, ends[0], &peer, &settings));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(fixture->peer);
    h1_server_close_all(&fixture->list);
    assert_int_equal(fixture->list.count, 0);
    net_loop_done(&fixture->loop);
    h1_server_list_done(&fixture->list);
    free(fixture);
    return 0;
}

static void turn(void)
{
    for (int i = 0; i < 6; i++) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
        ssize_t got = read(fixture->peer, fixture->printed + fixture->printed_size,
                           sizeof fixture->printed - fixture->printed_size - 1);
        fixture->printed_size += got > 0 ? (size_t)got : 0;
    }
}

static void say(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fixture->peer, text, size);
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        }
        turn();
    }
}

static void say_string(const char *text)
{
    say(text, strlen(text));
}

static bool peer_sees_end(void)
{
    char byte;
    turn();
    return read(fixture->peer, &byte, 1) == 0;
}

static size_t count_printed(const char *text)
{
    size_t count = 0;
    for (const char *at = fixture->printed; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

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

static void a_large_unread_body_is_dropped_within_bounds(void **state)
{
    (void)state;
    fixture->answer_at_once = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    static char junk[64 * 1024];
    size_t sent = 0;
    while (sent < 8 * HTTP_DRAIN_MAX) {
        ssize_t written = send(fixture->peer, junk, sizeof junk, MSG_NOSIGNAL);
        if (written < 0 && errno != EAGAIN) {
            break;
        }
        sent += written > 0 ? (size_t)written : 0;
        turn();
    }
    assert_true(sent < 8 * HTTP_DRAIN_MAX);
    assert_int_equal(count_printed("HTTP/1.1 403"), 1);
    assert_int_equal(fixture->received_size, 0);
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

static void a_broken_chunk_is_a_failed_body(void **state)
{
    (void)state;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n");
    assert_int_equal(fixture->body_failures, 1);
    assert_int_equal(fixture->reason, DENY_BAD_BODY);
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
    h1_server_drain_all(&fixture->list);
    turn();
    assert_int_equal(fixture->list.count, 1);
    answer(fixture->stream, 200, SLICE("last"), false);
    turn();
    assert_int_equal(count_printed("onnection: close"), 1);
    assert_true(peer_sees_end());
}

static void a_large_answer_waits_for_a_slow_reader(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/large"));
    struct http_response response = { .status = 200, .body = BODY_LENGTH, .content_length = 64 * 16384 };
    struct http_stream *stream = fixture->stream;
    stream->ops->send_head(stream, &response);
    static char piece[16384];
    bool room = true;
    size_t pieces = 0;
    while (room && pieces < 64) {
        room = stream->ops->send_body(stream, slice_of(piece, sizeof piece));
        pieces++;
    }
    assert_true(pieces < 64); /* told to stop: the socket pair holds a few hundred KiB at the most */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(keeps_the_connection),
        TEST(answers_pipelined_requests_in_order),
        TEST(pipelined_requests_wait_for_the_answer),
        TEST(bytes_one_by_one_give_the_same),
        TEST(sends_100_only_when_asked_for_the_body),
        TEST(a_denial_sends_no_100_and_closes),
        TEST(a_small_unread_body_is_dropped_and_the_connection_goes_on),
        TEST(a_large_unread_body_is_dropped_within_bounds),
        TEST(http_1_0_closes_unless_asked),
        TEST(head_has_no_body),
        TEST(what_is_no_request_is_refused_and_closed),
        TEST(a_broken_chunk_is_a_failed_body),
        TEST(a_head_that_is_too_large_is_431),
        TEST(a_client_that_goes_aborts_its_exchange),
        TEST(a_half_closed_client_gets_its_answer),
        TEST(draining_ends_idle_connections_and_says_so_to_busy_ones),
        TEST(a_large_answer_waits_for_a_slow_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
