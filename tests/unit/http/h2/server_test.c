#include "http/connections.h"
#include "http/h2/server_internal.h"
#include "unit.h"

#include <sys/socket.h>
#include <unistd.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
/* An empty SETTINGS frame. */
#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define HOLD     (150 * NS_PER_MS)

static struct net_loop loop;
static struct http_connections list;
static struct {
    unsigned int requests, sent, aborts, asked, holds, retractions;
    int minor_version;
    bool held_off, hold, retract;
} seen;
static int client;

/* ---- a handler ---- */

static void answer(struct http_stream *stream, unsigned int status)
{
    struct http_response response = { .status = status, .body = BODY_LENGTH, .content_length = 2 };
    stream->ops->discard_body(stream);
    stream->ops->send_head(stream, &response);
    stream->ops->send_body(stream, SLICE("ok"));
    stream->ops->send_end(stream, NULL);
}

static void on_request(struct http_stream *stream, const struct http_request *request, struct slice raw)
{
    (void)raw;
    stream->exchange = &seen;
    seen.requests++;
    seen.minor_version = request->minor_version;
    seen.held_off = stream->held_off;
    if (seen.hold) {
        stream->ops->hold_off(stream, HOLD);
    }
    if (seen.retract) {
        struct http_response response = { .status = 200, .body = BODY_LENGTH, .content_length = 100 };
        stream->ops->send_head(stream, &response);
        stream->ops->send_body(stream, SLICE("something that is taken back"));
        seen.retractions += stream->ops->retract(stream);
    }
    answer(stream, seen.hold ? 503 : 200);
}

static void on_reject(struct http_stream *stream, enum deny_reason reason, const char *why)
{
    (void)reason;
    (void)why;
    stream->exchange = &seen;
    answer(stream, 400);
}

static void on_abort(struct http_stream *stream, enum http_abort why)
{
    (void)why;
    seen.aborts++;
    stream->ops->release(stream);
}

static void on_sent(struct http_stream *stream)
{
    seen.sent++;
    stream->ops->release(stream);
}

static int64_t on_held_off(struct http_stream *stream)
{
    assert_true(stream->ops->unread(stream) >= -1);
    seen.asked++;
    return 0;
}

static const struct http_handler handler = {
    .on_request = on_request,
    .on_reject = on_reject,
    .on_abort = on_abort,
    .on_held_off = on_held_off,
    .on_sent = on_sent,
};

/* ---- a client ---- */

static void turn(int times)
{
    for (int i = 0; i < times; i++) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
}

static void put(const void *bytes, size_t size)
{
    assert_int_equal(send(client, bytes, size, MSG_NOSIGNAL), size);
}

/* GET / of host "a", the whole request in one frame. */
static void put_request(unsigned char id)
{
    const unsigned char frame[] = { 0,
                                    0,
                                    6,
                                    NGHTTP2_HEADERS,
                                    NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS,
                                    0,
                                    0,
                                    0,
                                    id,
                                    0x82,
                                    0x86,
                                    0x84,
                                    0x41,
                                    1,
                                    'a' };
    put(frame, sizeof frame);
}

/* How many frames of that type have come since the last look, and the code of the last GOAWAY. */
static unsigned char input[65536];
static size_t input_size;

static size_t frames_of(unsigned char type, uint32_t *ret_last)
{
    ssize_t got;
    while ((got = recv(client, input + input_size, sizeof input - input_size, MSG_DONTWAIT)) > 0) {
        input_size += (size_t)got;
    }
    size_t count = 0;
    for (size_t at = 0; at + 9 <= input_size;) {
        size_t size = (size_t)input[at] << 16 | (size_t)input[at + 1] << 8 | input[at + 2];
        if (input[at + 3] == type) {
            count++;
            if (ret_last != NULL) {
                memcpy(ret_last, input + at + 9, sizeof *ret_last);
                *ret_last = be32toh(*ret_last);
            }
        }
        at += 9 + size;
    }
    return count;
}

static void open_connection(unsigned int protocols)
{
    int fds[2];
    const struct address peer = { 0 };
    const struct http_server_settings settings = {
        .timeouts = { .head = 5 * NS_PER_S,
                      .idle = 5 * NS_PER_S,
                      .body = 5 * NS_PER_S,
                      .write = 5 * NS_PER_S,
                      .drain = NS_PER_S / 10 },
        .limits = { 16 * 1024, 8 * 1024, 100 },
        .protocols = protocols,
        .handler = &handler,
    };
    memset(&seen, 0, sizeof seen);
    input_size = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    client = fds[1];
    assert_ok(http_connections_accept(&list, &loop, fds[0], &peer, &settings));
}

static void close_connection(void)
{
    http_connections_close_all(&list);
    turn(4);
    assert_int_equal(list.count, 0);
    close(client);
}

/* ---- tests ---- */

static void test_a_preface_byte_by_byte(void **state)
{
    (void)state;
    open_connection(HTTP_SPEAKS_H1 | HTTP_SPEAKS_H2);
    for (size_t i = 0; i < sizeof PREFACE - 1; i++) {
        put(&(PREFACE)[i], 1);
        turn(2);
    }
    put(SETTINGS, 9);
    put_request(1);
    turn(4);
    assert_int_equal(seen.requests, 1);
    assert_int_equal(seen.minor_version, 2);
    assert_int_equal(seen.sent, 1);
    assert_int_equal(frames_of(NGHTTP2_HEADERS, NULL), 1);
    close_connection();
}

static void test_what_is_no_preface_is_http1(void **state)
{
    (void)state;
    static const char alike[] = "PRI * HTTP/1.1\r\nHost: a\r\n\r\n";
    open_connection(HTTP_SPEAKS_H1 | HTTP_SPEAKS_H2);
    put("P", 1);
    turn(2);
    put("UT / HTTP/1.1\r\nHost: a\r\n\r\n", 26);
    turn(4);
    assert_int_equal(seen.requests, 1);
    assert_int_equal(seen.minor_version, 1);
    close_connection();
    open_connection(HTTP_SPEAKS_H1 | HTTP_SPEAKS_H2);
    put(alike, sizeof alike - 1);
    turn(4);
    assert_int_equal(seen.minor_version, 1);
    close_connection();
    /* Where it is not spoken, a preface is no request. */
    open_connection(HTTP_SPEAKS_H1);
    put(PREFACE SETTINGS, sizeof PREFACE - 1 + 9);
    turn(4);
    assert_int_equal(seen.requests, 0);
    close_connection();
}

static void start(void)
{
    open_connection(HTTP_SPEAKS_H2);
    put(PREFACE, sizeof PREFACE - 1);
    put(SETTINGS, 9);
    turn(4);
}

static void test_a_connection_is_held_off(void **state)
{
    (void)state;
    start();
    seen.hold = true;
    put_request(1);
    turn(4);
    assert_int_equal(seen.sent, 1);
    seen.hold = false;
    int64_t from = clock_monotonic_ns();
    put_request(3);
    while (seen.requests < 2 && clock_monotonic_ns() - from < 5 * NS_PER_S) {
        turn(1);
    }
    assert_true(clock_monotonic_ns() - from >= HOLD - 20 * NS_PER_MS);
    assert_int_equal(seen.requests, 2);
    assert_int_equal(seen.asked, 1);
    assert_true(seen.held_off); /* it was told to wait: overload.h asks how long it has */
    put_request(5);
    turn(4);
    assert_int_equal(seen.requests, 3);
    assert_false(seen.held_off);
    close_connection();
}

static void test_a_response_is_taken_back(void **state)
{
    (void)state;
    start();
    seen.retract = true;
    put_request(1);
    turn(4);
    assert_int_equal(seen.retractions, 1);
    assert_int_equal(seen.sent, 1);
    assert_int_equal(frames_of(NGHTTP2_HEADERS, NULL), 1);
    assert_int_equal(frames_of(NGHTTP2_DATA, NULL), 1);
    close_connection();
}

static void test_a_drain_in_two_steps(void **state)
{
    (void)state;
    uint32_t last = 0;
    start();
    put_request(1);
    turn(4);
    http_connections_drain_patiently(&list);
    turn(2);
    assert_int_equal(frames_of(NGHTTP2_GOAWAY, &last), 1);
    assert_int_equal(last, 0x7fffffff);
    put_request(3); /* sent before it knew */
    turn(4);
    assert_int_equal(seen.requests, 2);
    http_connections_drain_all(&list);
    turn(2);
    assert_int_equal(frames_of(NGHTTP2_GOAWAY, &last), 2);
    assert_int_equal(last, 3);
    int64_t from = clock_monotonic_ns();
    while (list.count > 0 && clock_monotonic_ns() - from < 5 * NS_PER_S) {
        turn(1);
    }
    assert_int_equal(list.count, 0);
    assert_int_equal(seen.aborts, 0);
    list.draining = list.patient = false;
    close_connection();
}

static int set_up(void **state)
{
    (void)state;
    http_connections_init(&list);
    return failed(net_loop_init(&loop)) ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_connections_done(&list);
    net_loop_done(&loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_preface_byte_by_byte),   cmocka_unit_test(test_what_is_no_preface_is_http1),
        cmocka_unit_test(test_a_connection_is_held_off), cmocka_unit_test(test_a_response_is_taken_back),
        cmocka_unit_test(test_a_drain_in_two_steps),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
