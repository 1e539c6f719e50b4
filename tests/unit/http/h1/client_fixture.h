/* A connection to an upstream that the test plays, over a socket pair: what the tests of client.h share. */
#ifndef SALLYPORT_TESTS_UNIT_HTTP_H1_CLIENT_FIXTURE_H
#define SALLYPORT_TESTS_UNIT_HTTP_H1_CLIENT_FIXTURE_H

#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "http/client.h"
#include "net/stream.h"

/* A connection to a socket that the test plays the upstream on. */
struct fixture {
    struct net_loop loop;
    int listener, upstream;
    struct sockaddr_in address;
    struct http_client *client;
    struct http_call *call;
    bool connected, connect_failed, idle_lost, finished, kept;
    unsigned int responses, ends, failures, informational;
    unsigned int status;
    struct http_call_failure failure;
    char body[1 << 20];
    size_t body_size;
    char seen[1 << 16]; /* what the upstream received */
    size_t seen_size;
    bool pause, writable;
};

static struct fixture *fixture;

static inline void on_response(void *caller, const struct http_response *response)
{
    (void)caller;
    fixture->responses++;
    fixture->status = response->status;
    if (fixture->pause) {
        http_call_pause(fixture->call, true);
    }
}

static inline void on_informational(void *caller, const struct http_response *response)
{
    (void)caller;
    (void)response;
    fixture->informational++;
}

static inline void on_body(void *caller, struct slice data)
{
    (void)caller;
    memcpy(fixture->body + fixture->body_size, data.ptr, data.len);
    fixture->body_size += data.len;
}

static inline void on_pause(void *caller)
{
    (void)caller;
}

static inline void finish(void)
{
    fixture->finished = true;
    fixture->kept = http_call_finish(fixture->call) == HTTP_CLIENT_USABLE;
}

static inline void on_end(void *caller, const struct headers *trailers)
{
    (void)caller;
    (void)trailers;
    fixture->ends++;
    finish();
}

static inline void on_writable(void *caller)
{
    (void)caller;
    fixture->writable = true;
}

static inline void on_failed(void *caller, const struct http_call_failure *failure)
{
    (void)caller;
    fixture->failures++;
    fixture->failure = *failure;
    finish();
}

static const struct http_call_events events = {
    .on_response = on_response,
    .on_informational = on_informational,
    .on_body = on_body,
    .on_pause = on_pause,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_failed = on_failed,
};

static inline void on_connected(struct http_client *client, const struct http_call_failure *failure)
{
    (void)client;
    fixture->connected = failure == NULL;
    fixture->connect_failed = failure != NULL;
}

static inline void on_idle_lost(struct http_client *client)
{
    (void)client;
    fixture->idle_lost = true;
}

/* Turns of the loop until `done`, five seconds at the most. */
static inline void turn_until(const bool *done)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (!*done && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_true(*done);
}

static inline void turn_while_nothing_happens(void)
{
    for (int i = 0; i < 50; i++) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
}

static inline void see_request(void)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (clock_monotonic_ns() < limit && strstr(fixture->seen, "\r\n\r\n") == NULL) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
        ssize_t got = recv(fixture->upstream, fixture->seen + fixture->seen_size,
                           sizeof fixture->seen - fixture->seen_size - 1, MSG_DONTWAIT);
        fixture->seen_size += got > 0 ? (size_t)got : 0;
    }
}

static inline int setup(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->loop));
    fixture->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fixture->address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof fixture->address;
    assert_int_equal(bind(fixture->listener, (struct sockaddr *)&fixture->address, size), 0);
    assert_int_equal(listen(fixture->listener, 4), 0);
    assert_int_equal(getsockname(fixture->listener, (struct sockaddr *)&fixture->address, &size), 0);
    struct http_client_settings settings = {
        .loop = &fixture->loop,
        .connect_timeout = 60 * NS_PER_S,
        .on_connected = on_connected,
        .on_idle_lost = on_idle_lost,
    };
    assert_ok(http_client_open(&settings, (struct sockaddr *)&fixture->address, size, &fixture->client));
    turn_until(&fixture->connected);
    fixture->upstream = accept(fixture->listener, NULL, NULL);
    assert_true(fixture->upstream >= 0);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    if (!fixture->idle_lost && (!fixture->finished || fixture->kept)) {
        http_client_close(fixture->client);
    }
    turn_while_nothing_happens(); /* what is queued frees the connection */
    close(fixture->upstream);
    close(fixture->listener);
    net_loop_done(&fixture->loop);
    free(fixture);
    return 0;
}

static inline void begin(enum http_method method, enum http_body body, int64_t timeout)
{
    struct headers none = { .count = 0 };
    struct http_call_request request = {
        .events = &events,
        .method = method,
        .method_text = SLICE("GET"),
        .target = SLICE("/x"),
        .host = SLICE("up"),
        .headers = &none,
        .body = body,
        .content_length = 3,
        .response_timeout = timeout,
        .idle_timeout = timeout,
    };
    fixture->finished = fixture->kept = false;
    fixture->seen_size = 0;
    memset(fixture->seen, 0, sizeof fixture->seen);
    fixture->call = http_client_take(fixture->client);
    assert_true(http_call_begin(fixture->call, &request));
    if (body == BODY_NONE) {
        http_call_send_end(fixture->call, NULL);
    } else {
        http_call_flush(fixture->call);
    }
}

static inline void get(void)
{
    begin(METHOD_GET, BODY_NONE, 60 * NS_PER_S);
    see_request();
    assert_non_null(strstr(fixture->seen, "GET /x HTTP/1.1\r\n"));
}

static inline void upstream_says(const char *text)
{
    assert_int_equal(write(fixture->upstream, text, strlen(text)), (ssize_t)strlen(text));
}

#endif
