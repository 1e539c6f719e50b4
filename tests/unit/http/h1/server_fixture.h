/* A connection of a client over a socket pair, and a handler that the test plays: what the tests of server.h share. */
#ifndef SALLYPORT_TESTS_UNIT_HTTP_H1_SERVER_FIXTURE_H
#define SALLYPORT_TESTS_UNIT_HTTP_H1_SERVER_FIXTURE_H

#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/connections.h"
#include "http/scarcity.h"

/* A connection over a socket pair, its handler an echo that the tests steer. */
struct fixture {
    struct net_loop loop;
    struct http_connections list;
    int peer;
    struct http_stream *stream;
    char received[1 << 20]; /* request bodies */
    size_t received_size, largest_piece;
    unsigned int requests, rejects, aborts, body_failures, ends;
    enum deny_reason reason;
    bool answer_at_once; /* within on_request: a denial, the body unread */
    bool hold;           /* answer only when the test says so */
    unsigned int events, writables;
    int owner; /* something to point to */
    char printed[4 << 20];
    size_t printed_size;
};

static struct fixture *fixture;
static bool held_off_seen; /* of the last request */

static inline void answer(struct http_stream *stream, unsigned int status, struct slice body, bool chunked)
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

static inline void on_request(struct http_stream *stream, const struct http_request *request,
                              struct slice raw)
{
    (void)raw;
    fixture->stream = stream;
    fixture->requests++;
    held_off_seen = stream->held_off;
    bool has_body =
        request->body == BODY_CHUNKED || (request->body == BODY_LENGTH && request->content_length > 0);
    if (fixture->answer_at_once) {
        stream->ops->discard_body(stream);
        answer(stream, 403, SLICE("no"), false);
    } else if (has_body && !fixture->hold) {
        stream->ops->pause(stream, false);
    } else if (!fixture->hold) {
        answer(stream, 200, request->target, false);
    }
}

static inline void on_reject(struct http_stream *stream, enum deny_reason reason, const char *why)
{
    fixture->rejects++;
    fixture->reason = reason;
    answer(stream, deny_infos[reason].status, slice_from_string(why), false);
}

static inline void on_body(struct http_stream *stream, struct slice data)
{
    (void)stream;
    assert_true(fixture->received_size + data.len <= sizeof fixture->received);
    memcpy(fixture->received + fixture->received_size, data.ptr, data.len);
    fixture->received_size += data.len;
    fixture->largest_piece = data.len > fixture->largest_piece ? data.len : fixture->largest_piece;
}

static inline void on_body_end(struct http_stream *stream, const struct headers *trailers)
{
    (void)trailers;
    fixture->ends++;
    answer(stream, 200, slice_of(fixture->received, fixture->received_size), true);
}

static inline void on_body_failed(struct http_stream *stream, enum deny_reason reason)
{
    fixture->body_failures++;
    fixture->reason = reason;
    answer(stream, deny_infos[reason].status, SLICE("bad body"), false);
}

static inline void on_writable(struct http_stream *stream)
{
    (void)stream;
    fixture->writables++;
}

static inline void on_abort(struct http_stream *stream, enum http_abort why)
{
    (void)why;
    fixture->aborts++;
    stream->ops->release(stream);
}

static inline void on_sent(struct http_stream *stream)
{
    stream->ops->release(stream);
}

static unsigned int hold_again;

static inline int64_t on_held_off(struct http_stream *stream)
{
    assert_int_equal(stream->ops->unread(stream), -1); /* no TCP: not known */
    if (hold_again == 0) {
        return 0;
    }
    hold_again--;
    return NS_PER_MS;
}

static const struct http_handler handler = {
    .on_held_off = on_held_off,
    .on_request = on_request,
    .on_reject = on_reject,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_body_failed = on_body_failed,
    .on_writable = on_writable,
    .on_abort = on_abort,
    .on_sent = on_sent,
};

static inline void on_event(const struct http_connection_facts *facts, enum http_connection_event event)
{
    assert_ptr_equal(facts->owner, &fixture->owner);
    (void)event;
    fixture->events++;
}

static inline struct http_server_settings settings_of(int64_t drain, int64_t write)
{
    return (struct http_server_settings){
        .timeouts = { .handshake = 60 * NS_PER_S,
                      .head = 60 * NS_PER_S,
                      .body = 60 * NS_PER_S,
                      .idle = 60 * NS_PER_S,
                      .write = write,
                      .drain = drain,
                      .min_rate = 500 },
        .limits = { .head_max = 4096, .target_max = 1024, .fields_max = 50 },
        .handler = &handler,
        .owner = &fixture->owner,
        .on_event = on_event,
    };
}

static inline void make_fixture(int ends[2])
{
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->loop));
    http_connections_init(&fixture->list);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    fixture->peer = ends[1];
}

static inline int accept_with(int fd, int64_t drain, int64_t write)
{
    struct http_server_settings settings = settings_of(drain, write);
    struct address peer = { .port = 1 };
    assert_ok(http_connections_accept(&fixture->list, &fixture->loop, fd, &peer, &settings));
    return 0;
}

static inline int setup(void **state)
{
    (void)state;
    int ends[2];
    make_fixture(ends);
    return accept_with(ends[0], 60 * NS_PER_S, 60 * NS_PER_S);
}

/* Unread bodies are waited for no longer than 30 ms. */
static inline int setup_short_drain(void **state)
{
    (void)state;
    int ends[2];
    make_fixture(ends);
    return accept_with(ends[0], 30 * NS_PER_MS, 60 * NS_PER_S);
}

static inline int setup_short_write(void **state)
{
    (void)state;
    int ends[2];
    make_fixture(ends);
    return accept_with(ends[0], 60 * NS_PER_S, 60 * NS_PER_MS);
}

/* Over TCP, where a reset is told from an end. */
static inline int setup_tcp(void **state)
{
    (void)state;
    int ends[2];
    make_fixture(ends);
    close(ends[0]);
    close(ends[1]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    fixture->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fixture->peer, (struct sockaddr *)&address, size), 0);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fixture->peer, F_SETFL, O_NONBLOCK), 0);
    close(listener);
    return accept_with(fd, 60 * NS_PER_S, 60 * NS_PER_S);
}

static inline int teardown(void **state)
{
    (void)state;
    close(fixture->peer);
    http_connections_close_all(&fixture->list);
    assert_int_equal(fixture->list.count, 0);
    net_loop_done(&fixture->loop);
    http_connections_done(&fixture->list);
    free(fixture);
    return 0;
}

static inline void turn(void)
{
    for (int i = 0; i < 6; i++) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
        ssize_t got = read(fixture->peer, fixture->printed + fixture->printed_size,
                           sizeof fixture->printed - fixture->printed_size - 1);
        fixture->printed_size += got > 0 ? (size_t)got : 0;
    }
}

static inline void say(const char *text, size_t size)
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

static inline void say_string(const char *text)
{
    say(text, strlen(text));
}

static inline bool peer_sees_end(void)
{
    char byte;
    turn();
    return read(fixture->peer, &byte, 1) == 0;
}

static inline size_t count_printed(const char *text)
{
    size_t count = 0;
    for (const char *at = fixture->printed; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

#endif
