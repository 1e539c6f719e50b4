#include "gateway/status.h"

#include "base/clock.h"
#include "gateway/acceptor.h"
#include "http/date.h"
#include "http/h1/server.h"
#include "http/uri.h"

#include <stdlib.h>
#include <unistd.h>

#define METRICS_TEXT_MAX (64 * 1024 * 1024)

struct status_socket {
    struct acceptor acceptor;
    struct status_server *status;
    int listener; /* index in the snapshot; -1: no longer one of ours */
    char *name;
    struct status_socket *next;
};

struct status_server {
    struct net_loop *loop;
    struct metrics *metrics;
    struct snapshot *snapshot; /* held */
    struct tls_server **tls;   /* by listener */
    size_t tls_count;
    struct h1_server_list connections;
    struct status_socket *sockets;
    const char *why_not_ready;
};

struct answer {
    unsigned int status;
    struct slice type, body;
};

/* ---- answers ---- */

static void send_answer(struct http_stream *stream, const struct answer *answer)
{
    struct header items[6];
    struct headers headers = { .items = items, .capacity = 6 };
    headers_add(&headers, HEADER_CONTENT_TYPE, SLICE("content-type"), answer->type);
    headers_add(&headers, HEADER_CACHE_CONTROL, SLICE("cache-control"), SLICE("no-store"));
    headers_add(&headers, HEADER_DATE, SLICE("date"), http_date(clock_real_ns()));
    struct http_response response = {
        .status = answer->status,
        .headers = headers,
        .body = BODY_LENGTH,
        .content_length = answer->body.len,
    };
    stream->ops->discard_body(stream);
    stream->ops->send_head(stream, &response);
    /* The body may be larger than one write buffer: it goes in pieces, and what the peer does not take at once is cut. */
    stream->ops->send_body(stream, answer->body);
    stream->ops->send_end(stream, NULL);
}

static struct status_server *status_of(const struct http_stream *stream)
{
    const struct status_socket *socket = stream->connection->owner;
    return socket->status;
}

static void send_metrics(struct http_stream *stream)
{
    struct buffer text;
    buffer_init(&text, METRICS_TEXT_MAX);
    struct answer answer = { 200, SLICE_INIT("text/plain; version=0.0.4; charset=utf-8"), { NULL, 0 } };
    if (metrics_render(status_of(stream)->metrics, &text)) {
        answer.body = buffer_slice(&text);
    } else {
        answer = (struct answer){ 500, SLICE_INIT("text/plain"), SLICE_INIT("too many metrics\n") };
    }
    send_answer(stream, &answer);
    buffer_done(&text);
}

static void send_readiness(struct http_stream *stream)
{
    const char *why_not = status_of(stream)->why_not_ready;
    struct answer answer = { 200, SLICE_INIT("text/plain"), SLICE_INIT("ready\n") };
    if (why_not != NULL) {
        answer.status = 503;
        answer.body = slice_from_string(why_not);
    }
    send_answer(stream, &answer);
}

static void on_request(struct http_stream *stream, const struct http_request *request, struct slice raw)
{
    (void)raw;
    static const struct answer healthy = { 200, SLICE_INIT("text/plain"), SLICE_INIT("ok\n") };
    static const struct answer unknown = {
        404, SLICE_INIT("text/plain"), SLICE_INIT("this listener serves /metrics, /healthz and /readyz\n")
    };
    static const struct answer not_allowed = { 405, SLICE_INIT("text/plain"), SLICE_INIT("GET or HEAD\n") };
    struct slice path = request->target;
    if (request->method != METHOD_GET && request->method != METHOD_HEAD) {
        send_answer(stream, &not_allowed);
    } else if (slice_equal(path, SLICE("/metrics"))) {
        send_metrics(stream);
    } else if (slice_equal(path, SLICE("/healthz"))) {
        send_answer(stream, &healthy);
    } else if (slice_equal(path, SLICE("/readyz"))) {
        send_readiness(stream);
    } else {
        send_answer(stream, &unknown);
    }
}

static void on_reject(struct http_stream *stream, enum deny_reason reason, const char *why)
{
    struct answer answer = { deny_infos[reason].status, SLICE_INIT("text/plain"), slice_from_string(why) };
    send_answer(stream, &answer);
}

static void ignore_body(struct http_stream *stream, struct slice data)
{
    (void)stream;
    (void)data;
}

static void ignore_body_end(struct http_stream *stream, const struct headers *trailers)
{
    (void)stream;
    (void)trailers;
}

static void ignore_body_failure(struct http_stream *stream, enum deny_reason reason)
{
    (void)stream;
    (void)reason;
}

static void ignore_writable(struct http_stream *stream)
{
    (void)stream;
}

static void on_abort(struct http_stream *stream, enum http_abort why)
{
    (void)why;
    stream->ops->release(stream);
}

static void on_sent(struct http_stream *stream)
{
    stream->ops->release(stream);
}

static const struct http_handler status_handler = {
    .on_request = on_request,
    .on_reject = on_reject,
    .on_body = ignore_body,
    .on_body_end = ignore_body_end,
    .on_body_failed = ignore_body_failure,
    .on_writable = ignore_writable,
    .on_abort = on_abort,
    .on_sent = on_sent,
};

/* ---- sockets ---- */

static void on_accept(struct acceptor *acceptor, int fd, const struct address *peer)
{
    struct status_socket *socket = (struct status_socket *)acceptor;
    struct status_server *status = socket->status;
    const struct listener_settings *settings = &status->snapshot->settings->listeners[socket->listener];
    const struct timeout_settings *timeouts = settings->timeouts;
    if (status->connections.count >= (size_t)settings->max_connections) {
        close(fd);
        return;
    }
    struct http_server_settings server = {
        .timeouts = { .handshake = timeouts->handshake,
                      .head = timeouts->head,
                      .body = timeouts->body,
                      .idle = timeouts->idle,
                      .write = timeouts->write,
                      .drain = timeouts->drain,
                      .min_rate = timeouts->min_rate },
        .limits = { .head_max = (uint32_t)settings->max_head,
                    .target_max = HTTP_TARGET_MAX,
                    .fields_max = HTTP_HEADERS_MAX },
        .handler = &status_handler,
        .tls = status->tls[socket->listener],
        .owner = socket,
    };
    /* A refusal concerns this one peer, and it sees its connection closed. */
    struct error error = h1_server_accept(&status->connections, status->loop, fd, peer, &server);
    (void)error;
}

static void on_closed(struct acceptor *acceptor)
{
    struct status_socket *socket = (struct status_socket *)acceptor;
    free(socket->name);
    free(socket);
}

static int find_listener(const struct snapshot *snapshot, const char *name)
{
    const struct settings *settings = snapshot->settings;
    for (size_t i = 0; i < settings->listener_count; i++) {
        if (settings->listeners[i].status &&
            slice_equal(settings->listeners[i].name, slice_from_string(name))) {
            return (int)i;
        }
    }
    return -1;
}

void status_add_socket(struct status_server *status, struct slice listener, int fd)
{
    for (struct status_socket *socket = status->sockets; socket != NULL; socket = socket->next) {
        if (socket->acceptor.inode == acceptor_inode(fd)) {
            close(fd);
            return;
        }
    }
    struct status_socket *socket = calloc(1, sizeof *socket);
    char *name = socket != NULL ? strndup(listener.ptr, listener.len) : NULL;
    if (name == NULL || failed(acceptor_open(&socket->acceptor, status->loop, fd, on_accept))) {
        free(name);
        free(socket);
        close(fd);
        return;
    }
    socket->status = status;
    socket->name = name;
    socket->listener = find_listener(status->snapshot, name);
    socket->next = status->sockets;
    status->sockets = socket;
}

static void free_tls(struct status_server *status)
{
    for (size_t i = 0; i < status->tls_count; i++) {
        if (status->tls[i] != NULL) {
            tls_server_free(status->tls[i]);
        }
    }
    free(status->tls);
    status->tls = NULL;
    status->tls_count = 0;
}

struct error status_configure(struct status_server *status, struct snapshot *snapshot,
                              struct tls_tickets *tickets)
{
    const struct settings *settings = snapshot->settings;
    free_tls(status);
    status->tls = calloc(settings->listener_count + 1, sizeof *status->tls);
    if (status->tls == NULL) {
        return FAIL(ERROR_MEMORY, "status listener");
    }
    status->tls_count = settings->listener_count;
    struct snapshot *old = status->snapshot;
    status->snapshot = snapshot_ref(snapshot);
    if (old != NULL) {
        snapshot_unref(old);
    }
    for (size_t i = 0; i < settings->listener_count; i++) {
        int certificate = -1;
        if (settings->listeners[i].status && settings->listeners[i].tls != NULL) {
            TRY(tls_server_new(settings->listeners[i].tls, tickets, SLICE("\x08http/1.1"), &status->tls[i],
                               &certificate));
        }
    }
    for (struct status_socket **at = &status->sockets; *at != NULL;) {
        struct status_socket *socket = *at;
        socket->listener = find_listener(snapshot, socket->name);
        if (socket->listener >= 0) {
            at = &socket->next;
            continue;
        }
        *at = socket->next;
        acceptor_close(&socket->acceptor, on_closed);
    }
    return OK;
}

void status_set_ready(struct status_server *status, const char *why_not)
{
    status->why_not_ready = why_not;
}

struct error status_new(struct net_loop *loop, struct metrics *metrics, struct status_server **ret_status)
{
    struct status_server *status = calloc(1, sizeof *status);
    if (status == NULL) {
        return FAIL(ERROR_MEMORY, "status listener");
    }
    struct error error = h1_server_list_init(&status->connections);
    if (failed(error)) {
        free(status);
        return error;
    }
    status->loop = loop;
    status->metrics = metrics;
    status->why_not_ready = "starting\n";
    *ret_status = status;
    return OK;
}

void status_free(struct status_server *status)
{
    while (status->sockets != NULL) {
        struct status_socket *socket = status->sockets;
        status->sockets = socket->next;
        acceptor_close(&socket->acceptor, on_closed);
    }
    h1_server_close_all(&status->connections);
    h1_server_list_done(&status->connections);
    free_tls(status);
    if (status->snapshot != NULL) {
        snapshot_unref(status->snapshot);
    }
    free(status);
}
