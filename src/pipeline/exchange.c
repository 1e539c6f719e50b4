#include "pipeline/exchange.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "base/random.h"
#include "pipeline/answer.h"
#include "pipeline/candidate.h"
#include "pipeline/hedge.h"
#include "pipeline/pipeline.h"
#include "pipeline/record.h"

#include <stdlib.h>

/* Recycled exchanges that a worker keeps, each with one block of its arena. */
#define SPARES_MAX 256
/* Fields of a response: the upstream's, and room for ours. */
#define RESPONSE_HEADERS_MAX (HTTP_HEADERS_MAX + 32)

/* ---- life and death ---- */

static struct exchange *take_spare(struct worker *worker)
{
    struct exchange *exchange = worker->spare;
    struct arena arena;
    if (exchange != NULL) {
        worker->spare = exchange->next;
        worker->spare_count--;
        arena = exchange->arena;
    } else {
        exchange = malloc(sizeof *exchange);
        if (exchange == NULL) {
            return NULL;
        }
        arena_init(&arena, EXCHANGE_ARENA_MAX);
    }
    memset(exchange, 0, EXCHANGE_CLEARED);
    exchange->arena = arena;
    return exchange;
}

static void recycle(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    arena_reset(&exchange->arena);
    if (worker->spare_count >= SPARES_MAX) {
        arena_done(&exchange->arena);
        free(exchange);
        return;
    }
    exchange->next = worker->spare;
    worker->spare = exchange;
    worker->spare_count++;
}

void exchange_free_spares(struct worker *worker)
{
    while (worker->spare != NULL) {
        struct exchange *exchange = worker->spare;
        worker->spare = exchange->next;
        arena_done(&exchange->arena);
        free(exchange);
    }
    worker->spare_count = 0;
}

static struct slice new_request_id(struct exchange *exchange)
{
    /* Unpredictable, so that nobody can guess another request's id; drawn in batches to save system calls. */
    static _Thread_local unsigned char pool[512];
    static _Thread_local size_t left;
    if (left < REQUEST_ID_LENGTH / 2) {
        random_bytes(pool, sizeof pool);
        left = sizeof pool;
    }
    left -= REQUEST_ID_LENGTH / 2;
    char *text = arena_alloc(&exchange->arena, REQUEST_ID_LENGTH);
    if (text == NULL) {
        return SLICE_NONE;
    }
    hex_encode(pool + left, REQUEST_ID_LENGTH / 2, text);
    return slice_of(text, REQUEST_ID_LENGTH);
}

/* The listener as the current snapshot knows it; a connection may have come by a listener that is gone since. */
static const struct listener_settings *listener_settings_of(const struct exchange *exchange)
{
    const struct settings *settings = exchange->snapshot->snapshot->settings;
    return exchange->listener->index >= 0 ? &settings->listeners[exchange->listener->index] : NULL;
}

static void put_in(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    exchange->open_next = worker->exchanges;
    if (worker->exchanges != NULL) {
        worker->exchanges->open_previous = exchange;
    }
    worker->exchanges = exchange;
    worker->exchange_count++;
}

static void take_out(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    *(exchange->open_previous != NULL ? &exchange->open_previous->open_next : &worker->exchanges) =
        exchange->open_next;
    if (exchange->open_next != NULL) {
        exchange->open_next->open_previous = exchange->open_previous;
    }
    worker->exchange_count--;
}

static struct exchange *exchange_new(struct http_stream *stream)
{
    const struct worker_listener *listener = stream->connection->owner;
    struct exchange *exchange = take_spare(listener->worker);
    if (exchange == NULL) {
        return NULL;
    }
    exchange->worker = listener->worker;
    exchange->snapshot = worker_snapshot_take(listener->worker);
    exchange->stream = stream;
    exchange->listener = listener;
    exchange->listener_settings = listener_settings_of(exchange);
    exchange->client = stream->connection->peer;
    exchange->tls_version = slice_from_string(stream->connection->tls.version);
    exchange->started = clock_monotonic_ns();
    exchange->started_real = exchange->worker->loop.now_real;
    exchange->request_id = new_request_id(exchange);
    exchange->response.headers.items =
        arena_alloc(&exchange->arena, RESPONSE_HEADERS_MAX * sizeof exchange->response.headers.items[0]);
    exchange->response.headers.capacity = RESPONSE_HEADERS_MAX;
    put_in(exchange);
    metrics_add(exchange->worker->metrics, METRIC_EXCHANGES_OPEN, 1);
    stream->exchange = exchange;
    return exchange;
}

struct exchange *exchange_view(struct exchange *exchange)
{
    struct exchange *view = take_spare(exchange->worker);
    if (view == NULL) {
        return NULL;
    }
    view->judges = exchange_hold(exchange);
    view->worker = exchange->worker;
    view->snapshot = exchange->snapshot;
    view->listener = exchange->listener;
    view->listener_settings = exchange->listener_settings;
    view->route = exchange->route;
    view->input = exchange->input;
    view->request = exchange->request;
    view->client = exchange->client;
    view->asks_tunnel = exchange->asks_tunnel;
    view->started = exchange->started;
    view->started_real = exchange->started_real;
    return view;
}

static void view_end(struct exchange *view)
{
    struct exchange *exchange = view->judges;
    candidate_end(view);
    recycle(view);
    exchange_pending_done(exchange);
}

/* The last look: record, release, recycle. */
static void exchange_end(struct exchange *exchange)
{
    record_exchange(exchange);
    pipeline_done(exchange);
    metrics_add(exchange->worker->metrics, METRIC_EXCHANGES_OPEN, -1);
    take_out(exchange);
    worker_snapshot_give(exchange->snapshot);
    recycle(exchange);
}

static void end_if_over(struct exchange *exchange)
{
    if (exchange->state != EXCHANGE_OVER || exchange->pending > 0 || exchange->stream != NULL) {
        return;
    }
    if (exchange->judges != NULL) {
        view_end(exchange);
    } else {
        exchange_end(exchange);
    }
}

static void release_stream(struct exchange *exchange)
{
    struct http_stream *stream = exchange->stream;
    candidate_lets_go(exchange);
    exchange->bytes_received = stream->received;
    exchange->bytes_sent = stream->sent;
    exchange->stream = NULL;
    stream->ops->release(stream);
}

static void finish(struct exchange *exchange)
{
    exchange->state = EXCHANGE_OVER;
    exchange->ended = clock_monotonic_ns();
    hedge_end(exchange);
    upstream_release(&exchange->ticket);
    if (exchange->stream != NULL) {
        release_stream(exchange);
    }
    end_if_over(exchange);
}

void exchange_let_go(struct exchange *exchange)
{
    candidate_lets_go(exchange);
    exchange->let_go = true;
    exchange->ended = clock_monotonic_ns();
    exchange->stream = NULL;
    exchange->state = EXCHANGE_OVER;
    end_if_over(exchange);
}

void exchange_pending_done(struct exchange *exchange)
{
    exchange->pending--;
    end_if_over(exchange);
}

/* ---- the request ---- */

/* A copy of the head, so that every slice of it stays good until the log line is written. */
static bool copy_input(struct exchange *exchange, const struct http_request *request, struct slice raw)
{
    char *head = arena_alloc(&exchange->arena, raw.len);
    struct header *items = arena_alloc(&exchange->arena, (request->headers.count + 1) * sizeof *items);
    if (head == NULL || items == NULL) {
        return false;
    }
    memcpy(head, raw.ptr, raw.len);
    ptrdiff_t moved = head - raw.ptr;
    exchange->input = *request;
    exchange->input.method_text.ptr += moved;
    exchange->input.target.ptr += moved;
    exchange->input.headers.items = items;
    exchange->input.headers.capacity = request->headers.count;
    for (size_t i = 0; i < request->headers.count; i++) {
        items[i] = request->headers.items[i];
        items[i].name.ptr += moved;
        items[i].value.ptr += moved;
    }
    return true;
}

static bool usable(const struct exchange *exchange)
{
    return exchange->request_id.ptr != NULL && exchange->response.headers.items != NULL;
}

/* Without memory there is not even a denial. */
static void give_up(struct exchange *exchange)
{
    exchange->reason = DENY_INTERNAL;
    exchange->detail = SLICE("no memory for the request");
    exchange->aborted = true;
    exchange->stream->ops->reset(exchange->stream);
    finish(exchange);
}

static void on_request(struct http_stream *stream, const struct http_request *request, struct slice raw)
{
    struct exchange *exchange = exchange_new(stream);
    if (exchange == NULL) {
        stream->ops->reset(stream);
        stream->ops->release(stream);
        return;
    }
    if (!usable(exchange) || !copy_input(exchange, request, raw)) {
        give_up(exchange);
        return;
    }
    exchange->is_grpc = grpc_is_call(&exchange->input);
    exchange->grpc_status = GRPC_NO_STATUS;
    pipeline_run(exchange);
}

static void on_reject(struct http_stream *stream, enum deny_reason reason, const char *why)
{
    struct exchange *exchange = exchange_new(stream);
    if (exchange == NULL) {
        stream->ops->reset(stream);
        stream->ops->release(stream);
        return;
    }
    if (!usable(exchange)) {
        give_up(exchange);
        return;
    }
    exchange->input.minor_version = stream->minor_version;
    /* What cannot be recorded is answered as that: so every other denial that was answered is in the audit log. */
    exchange->audit_reserved = log_audit_reserve(exchange->worker->logs);
    exchange->reason = exchange->audit_reserved ? reason : DENY_AUDIT_FULL;
    exchange->detail = slice_from_string(why);
    answer_denial(exchange);
}

static void on_body(struct http_stream *stream, struct slice data)
{
    struct exchange *exchange = exchange_hold(stream->exchange);
    pipeline_body(exchange, data);
    exchange_pending_done(exchange);
}

static void on_body_end(struct http_stream *stream, const struct headers *trailers)
{
    struct exchange *exchange = exchange_hold(stream->exchange);
    pipeline_body_end(exchange, trailers);
    exchange_pending_done(exchange);
}

static void on_body_failed(struct http_stream *stream, enum deny_reason reason)
{
    exchange_fail(stream->exchange, reason, SLICE_NONE);
}

static void on_writable(struct http_stream *stream)
{
    struct exchange *exchange = stream->exchange;
    if (exchange->ticket.call != NULL && exchange->state == EXCHANGE_STREAMING) {
        http_call_pause(exchange->ticket.call, false);
    }
}

static void on_abort(struct http_stream *stream, enum http_abort why)
{
    struct exchange *exchange = stream->exchange;
    exchange->aborted = true;
    exchange->abort_why = (int)why;
    exchange->cancelled = true;
    if (why == HTTP_ABORT_INTERNAL) {
        exchange->reason = DENY_INTERNAL;
        exchange->detail = SLICE("the response could not be written");
    } else {
        metrics_add(exchange->worker->metrics, METRIC_CLIENT_ABORTS, 1);
    }
    finish(exchange);
}

static int64_t on_held_off(struct http_stream *stream)
{
    const struct worker_listener *listener = stream->connection->owner;
    struct worker *worker = listener->worker;
    return overload_holds_again(&worker->overload, &worker->loop, stream, worker->loop.now);
}

static void on_sent(struct http_stream *stream)
{
    finish(stream->exchange);
}

const struct http_handler exchange_handler = {
    .on_request = on_request,
    .on_reject = on_reject,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_body_failed = on_body_failed,
    .on_writable = on_writable,
    .on_abort = on_abort,
    .on_held_off = on_held_off,
    .on_sent = on_sent,
};

/* ---- the answer ---- */

bool stage_add_header(struct exchange *exchange, enum header_id id, struct slice value)
{
    return value.ptr != NULL && headers_add(&exchange->response.headers, id, header_name(id), value);
}

void exchange_send_head(struct exchange *exchange)
{
    pipeline_response(exchange);
    exchange->response_begun = true;
    struct http_response response = {
        .status = exchange->response.status,
        .headers = exchange->response.headers,
        .body = exchange->response.body,
        .content_length = exchange->response.content_length,
        .upgrade = exchange->response.body == BODY_TUNNEL || exchange->reason == DENY_WEBSOCKET_VERSION ||
                   (exchange->response.status == 426 && exchange->asks_tunnel),
    };
    exchange->stream->ops->send_head(exchange->stream, &response);
}

void exchange_answer(struct exchange *exchange, unsigned int status, struct slice body)
{
    struct http_stream *stream = exchange->stream;
    exchange_hold(exchange);
    exchange->state = EXCHANGE_ANSWERING;
    exchange->response.status = status;
    exchange->response.body = status == 204 || (exchange->is_grpc && body.len == 0) ? BODY_NONE : BODY_LENGTH;
    exchange->response.content_length = body.len;
    /* Whatever is left of the request's body, nobody will look at it. */
    stream->ops->discard_body(stream);
    exchange_send_head(exchange);
    if (exchange->stream != NULL) {
        stream->ops->send_body(stream, body);
    }
    if (exchange->stream != NULL) {
        stream->ops->send_end(stream, NULL);
    }
    exchange_pending_done(exchange);
}

void exchange_resume(struct exchange *exchange, enum deny_reason reason, struct slice detail)
{
    if (exchange->state != EXCHANGE_WAITING) {
        return;
    }
    if (reason != DENY_NONE) {
        exchange->reason = reason;
        exchange->detail = detail;
        answer_denial(exchange);
        return;
    }
    exchange->stage++;
    pipeline_run(exchange);
}

void exchange_fail(struct exchange *exchange, enum deny_reason reason, struct slice detail)
{
    if (exchange == NULL || exchange->stream == NULL || exchange->state == EXCHANGE_OVER) {
        return;
    }
    if (exchange->reason == DENY_NONE) {
        exchange->reason = reason;
        exchange->detail = detail;
    }
    hedge_end(exchange);
    upstream_release(&exchange->ticket);
    if (exchange->response_begun && exchange->state == EXCHANGE_ANSWERING) {
        return; /* the answer is on its way already, and says something else */
    }
    /* As long as nothing of the upstream's answer has left, the client gets ours. */
    if (!exchange->response_begun || exchange->stream->ops->retract(exchange->stream)) {
        exchange->response_begun = false;
        answer_denial(exchange);
        return;
    }
    metrics_add(exchange->worker->metrics, METRIC_RESPONSES_CUT, 1);
    exchange->aborted = true;
    exchange->stream->ops->reset(exchange->stream);
    finish(exchange);
}
