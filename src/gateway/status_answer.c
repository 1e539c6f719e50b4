/* What the status listeners say. */
#include "base/clock.h"
#include "gateway/status_internal.h"
#include "http/date.h"

#include <stdlib.h>

#define METRICS_TEXT_MAX (64 * 1024 * 1024)
#define PIECE            (16 * 1024) /* of an answer that is longer than what a connection buffers */

struct answer {
    unsigned int status;
    struct slice type, body;
};

static void send_head(struct http_stream *stream, const struct answer *answer)
{
    struct header items[6];
    struct headers headers = { .items = items, .capacity = 6 };
    headers_add(&headers, HEADER_CONTENT_TYPE, SLICE("content-type"), answer->type);
    headers_add(&headers, HEADER_CACHE_CONTROL, SLICE("cache-control"), SLICE("no-store"));
    headers_add(&headers, HEADER_DATE, SLICE("date"), http_date(clock_real_ns()));
    if (answer->status == 405) {
        headers_add(&headers, HEADER_ALLOW, SLICE("allow"), SLICE("GET, HEAD"));
    }
    struct http_response response = {
        .status = answer->status,
        .headers = headers,
        .body = BODY_LENGTH,
        .content_length = answer->body.len,
    };
    stream->ops->discard_body(stream);
    stream->ops->send_head(stream, &response);
}

static void send_answer(struct http_stream *stream, const struct answer *answer)
{
    send_head(stream, answer);
    stream->ops->send_body(stream, answer->body);
    stream->ops->send_end(stream, NULL);
}

/* The counters' text goes out in pieces, as the peer takes them. It is the stream's `exchange` until then. */
struct metrics_answer {
    struct buffer text;
};

static void free_metrics_answer(struct http_stream *stream)
{
    struct metrics_answer *answer = stream->exchange;
    stream->exchange = NULL;
    if (answer != NULL) {
        buffer_done(&answer->text);
        free(answer);
    }
}

static void send_pieces(struct http_stream *stream)
{
    struct metrics_answer *answer = stream->exchange;
    bool room = true;
    while (room && buffer_length(&answer->text) > 0) {
        struct slice text = buffer_slice(&answer->text);
        struct slice piece = slice_part(text, 0, text.len < PIECE ? text.len : PIECE);
        room = stream->ops->send_body(stream, piece);
        if (stream->exchange == NULL) {
            return; /* the peer is gone */
        }
        buffer_consume(&answer->text, piece.len);
    }
    if (buffer_length(&answer->text) == 0) {
        stream->ops->send_end(stream, NULL);
    }
}

static struct status_server *status_of(const struct http_stream *stream)
{
    const struct status_socket *socket = stream->connection->owner;
    return socket->status;
}

static void send_metrics(struct http_stream *stream)
{
    static const struct answer too_many = { 500, SLICE_INIT("text/plain"), SLICE_INIT("too many metrics\n") };
    struct metrics_answer *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL) {
        send_answer(stream, &too_many);
        return;
    }
    buffer_init(&metrics->text, METRICS_TEXT_MAX);
    if (!metrics_render(status_of(stream)->metrics, &metrics->text)) {
        buffer_done(&metrics->text);
        free(metrics);
        send_answer(stream, &too_many);
        return;
    }
    struct answer answer = { 200, SLICE_INIT("text/plain; version=0.0.4; charset=utf-8"),
                             buffer_slice(&metrics->text) };
    stream->exchange = metrics;
    send_head(stream, &answer);
    if (stream->exchange != NULL) {
        send_pieces(stream);
    }
}

static void send_readiness(struct http_stream *stream)
{
    const struct status_server *status = status_of(stream);
    const char *why_not = status->why_not_ready;
    const char *remark = status->remark != NULL ? status->remark(status->remark_context) : NULL;
    struct answer answer = { 200, SLICE_INIT("text/plain"), SLICE_INIT("ready\n") };
    char text[512];
    if (remark != NULL) {
        int size = snprintf(text, sizeof text, "ready\n%s", remark);
        answer.body = slice_of(text, size < (int)sizeof text ? (size_t)size : sizeof text - 1);
    }
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

static void on_writable(struct http_stream *stream)
{
    if (stream->exchange != NULL && buffer_length(&((struct metrics_answer *)stream->exchange)->text) > 0) {
        send_pieces(stream);
    }
}

static void on_abort(struct http_stream *stream, enum http_abort why)
{
    (void)why;
    free_metrics_answer(stream);
    stream->ops->release(stream);
}

static void on_sent(struct http_stream *stream)
{
    free_metrics_answer(stream);
    stream->ops->release(stream);
}

const struct http_handler status_handler = {
    .on_request = on_request,
    .on_reject = on_reject,
    .on_body = ignore_body,
    .on_body_end = ignore_body_end,
    .on_body_failed = ignore_body_failure,
    .on_writable = on_writable,
    .on_abort = on_abort,
    .on_sent = on_sent,
};
