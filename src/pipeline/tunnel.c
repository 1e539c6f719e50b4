#include "pipeline/tunnel.h"

#include "pipeline/record.h"
#include "pipeline/tunnel_internal.h"

#include <stdlib.h>

/* ---- the record ---- */

/* All but `closed`, which it has not yet: most are of the exchange or its snapshot, which the tunnel outlives. */
static const size_t texts[] = {
    offsetof(struct log_record, request_id), offsetof(struct log_record, trace_id),
    offsetof(struct log_record, listener),   offsetof(struct log_record, route),
    offsetof(struct log_record, upstream),   offsetof(struct log_record, endpoint),
    offsetof(struct log_record, method),     offsetof(struct log_record, host),
    offsetof(struct log_record, path),       offsetof(struct log_record, detail),
    offsetof(struct log_record, issuer),     offsetof(struct log_record, subject),
    offsetof(struct log_record, client_id),  offsetof(struct log_record, tls_version),
    offsetof(struct log_record, user_agent), offsetof(struct log_record, authorizer),
    offsetof(struct log_record, action),     offsetof(struct log_record, upstream_protocol),
};
#define TEXTS (sizeof texts / sizeof texts[0])

static struct slice *text_at(struct log_record *record, size_t index)
{
    return (struct slice *)(void *)((char *)record + texts[index]);
}

/* A tunnel with room for a record's texts, which are moved there. */
static struct tunnel *new_with_record(const struct log_record *record)
{
    struct log_record copy = *record;
    size_t size = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        size += text_at(&copy, i)->len;
    }
    struct tunnel *tunnel = malloc(sizeof *tunnel + size);
    if (tunnel == NULL) {
        return NULL;
    }
    char *at = (char *)(tunnel + 1);
    for (size_t i = 0; i < TEXTS; i++) {
        struct slice *text = text_at(&copy, i);
        if (text->len > 0) {
            memcpy(at, text->ptr, text->len);
        }
        text->ptr = at;
        at += text->len;
    }
    *tunnel = (struct tunnel){ .record = copy };
    return tunnel;
}

/* ---- from the client ---- */

static void on_client_bytes(struct http_stream *stream, struct slice data)
{
    struct tunnel *tunnel = stream->exchange;
    if (tunnel->state != TUNNEL_OPEN) {
        return;
    }
    tunnel->active = tunnel->worker->loop.now;
    websocket_frames_follow(&tunnel->from_client, data);
    if (tunnel->from_client.closed) {
        tunnel_note_end(tunnel, TUNNEL_CLIENT);
    }
    metrics_add(tunnel->worker->metrics, METRIC_TUNNEL_RECEIVED, (int64_t)data.len);
    if (!http_call_send_body(tunnel->call, data)) {
        stream->ops->pause(stream, true);
    }
}

static void on_client_end(struct http_stream *stream, const struct headers *trailers)
{
    (void)trailers;
    struct tunnel *tunnel = stream->exchange;
    tunnel->client_ended = true;
    tunnel_note_end(tunnel, TUNNEL_CLIENT);
    if (tunnel->upstream_ended) {
        tunnel_finish(tunnel, TUNNEL_CLIENT);
    } else if (tunnel->call != NULL) {
        http_call_send_end(tunnel->call, NULL);
    }
}

static void on_client_writable(struct http_stream *stream)
{
    struct tunnel *tunnel = stream->exchange;
    if (tunnel->call != NULL) {
        http_call_pause(tunnel->call, false);
    }
}

static void on_client_failed(struct http_stream *stream, enum deny_reason reason)
{
    (void)reason;
    tunnel_cut(stream->exchange, TUNNEL_CLIENT_ABORTED);
}

static void on_client_abort(struct http_stream *stream, enum http_abort why)
{
    struct tunnel *tunnel = stream->exchange;
    tunnel->record.aborted = true;
    tunnel_finish(tunnel, why == HTTP_ABORT_SHUTDOWN      ? TUNNEL_DRAINING
                          : why == HTTP_ABORT_SLOW_READER ? TUNNEL_CLIENT_SLOW
                                                          : TUNNEL_CLIENT_ABORTED);
}

/* Our direction has ended. */
static void on_client_sent(struct http_stream *stream)
{
    struct tunnel *tunnel = stream->exchange;
    if (tunnel->state == TUNNEL_CLOSING || tunnel->client_ended) {
        tunnel_finish(tunnel, TUNNEL_UPSTREAM);
    }
}

static const struct http_handler client_handler = {
    .on_body = on_client_bytes,
    .on_body_end = on_client_end,
    .on_writable = on_client_writable,
    .on_body_failed = on_client_failed,
    .on_abort = on_client_abort,
    .on_sent = on_client_sent,
};

/* ---- from the upstream ---- */

/* How much of it goes to the client. */
static struct slice follow_upstream(struct tunnel *tunnel, struct slice data)
{
    struct websocket_frames *frames = &tunnel->from_upstream;
    if (tunnel->state == TUNNEL_LAST_FRAME) {
        data = slice_part(data, 0, websocket_frames_step(frames, data));
    } else {
        websocket_frames_follow(frames, data);
    }
    if (frames->closed) {
        tunnel_note_end(tunnel, TUNNEL_UPSTREAM);
    }
    metrics_add(tunnel->worker->metrics, METRIC_TUNNEL_SENT, (int64_t)data.len);
    return data;
}

static void on_upstream_bytes(void *caller, struct slice data)
{
    struct tunnel *tunnel = caller;
    tunnel->active = tunnel->worker->loop.now;
    if (tunnel->is_websocket) {
        data = follow_upstream(tunnel, data);
    }
    bool room = true;
    if (!tunnel_send(tunnel, data, &room)) {
        return;
    }
    if (tunnel->state == TUNNEL_LAST_FRAME && !tunnel_is_within_frame(&tunnel->from_upstream)) {
        tunnel_say_goodbye(tunnel);
    } else if (!room) {
        http_call_pause(tunnel->call, true);
    }
}

static void on_upstream_end(void *caller, const struct headers *trailers)
{
    (void)trailers;
    struct tunnel *tunnel = caller;
    tunnel->upstream_ended = true;
    tunnel_note_end(tunnel, TUNNEL_UPSTREAM);
    if (tunnel->state == TUNNEL_LAST_FRAME) {
        tunnel_cut(tunnel, tunnel->why); /* a frame that nobody will end */
    } else {
        tunnel->stream->ops->send_end(tunnel->stream, NULL);
    }
}

static void on_upstream_writable(void *caller)
{
    struct tunnel *tunnel = caller;
    tunnel->stream->ops->pause(tunnel->stream, false);
}

static void on_upstream_failed(void *caller, const struct http_call_failure *failure)
{
    struct tunnel *tunnel = caller;
    tunnel->record.reason = failure->reason;
    /* The text may be the connection's, which goes. */
    (void)snprintf(tunnel->detail, sizeof tunnel->detail, "%s", failure->detail);
    tunnel->record.detail = slice_from_string(tunnel->detail);
    tunnel_cut(tunnel, TUNNEL_UPSTREAM_FAILED);
}

/* Small events wait for no others. Of a WebSocket every piece has been written already. */
static void on_upstream_pause(void *caller)
{
    struct tunnel *tunnel = caller;
    if (!tunnel->is_websocket) {
        tunnel->stream->ops->flush(tunnel->stream);
    }
}

static const struct http_call_events upstream_events = {
    .on_body = on_upstream_bytes,
    .on_pause = on_upstream_pause,
    .on_end = on_upstream_end,
    .on_writable = on_upstream_writable,
    .on_failed = on_upstream_failed,
};

/* ---- opening ---- */

static int64_t skew_of(const struct principal *principal)
{
    switch (principal->kind) {
    case PRINCIPAL_JWT:
        return ((const struct issuer_settings *)principal->settings)->clock_skew;
    case PRINCIPAL_INTROSPECTION:
        return ((const struct introspection_settings *)principal->settings)->clock_skew;
    default:
        return 0;
    }
}

/* When the token would be refused, as it would be for a request (auth/claims.c). */
static int64_t token_until(const struct exchange *exchange)
{
    const struct principal *principal = &exchange->principal;
    if (principal->kind == PRINCIPAL_ANONYMOUS || principal->expires > INT64_MAX / NS_PER_S / 2) {
        return INT64_MAX;
    }
    return principal->expires * NS_PER_S + skew_of(principal);
}

static int64_t certificate_until(const struct exchange *exchange)
{
    const struct http_connection_facts *facts = exchange->stream->connection;
    bool known =
        facts->is_tls && facts->tls.client != NULL && facts->tls.client->not_after < INT64_MAX / NS_PER_S / 2;
    return known ? facts->tls.client->not_after * NS_PER_S : INT64_MAX;
}

static void set_times(struct tunnel *tunnel, const struct exchange *exchange)
{
    const struct route_policy *policy = exchange_policy(exchange);
    int64_t now = exchange->worker->loop.now;
    tunnel->started = exchange->started;
    tunnel->active = now;
    /* How long an event stream may be silent its call knows already: as any answer. */
    tunnel->idle_timeout = tunnel->is_websocket ? policy->websocket->idle_timeout : policy->max_stream_age;
    tunnel->ends_at = now + policy->max_stream_age - tunnel_random_below(policy->max_stream_age / 10);
    tunnel->token_until = policy->outlive_token ? INT64_MAX : token_until(exchange);
    tunnel->certificate_until = policy->outlive_token ? INT64_MAX : certificate_until(exchange);
}

bool tunnel_is_event_stream(const struct exchange *exchange)
{
    const struct exchange_response *response = &exchange->response;
    const struct header *type = headers_find(&response->headers, HEADER_CONTENT_TYPE);
    ssize_t semicolon = type != NULL ? slice_find(type->value, ';') : -1;
    return type != NULL && response->status == 200 && exchange->request_sent && !exchange->is_grpc &&
           slice_equal_nocase(
               slice_trim(semicolon < 0 ? type->value : slice_part(type->value, 0, (size_t)semicolon)),
               SLICE("text/event-stream"));
}

static void put_in(struct tunnel *tunnel)
{
    struct worker *worker = tunnel->worker;
    tunnel->next = worker->tunnels;
    if (worker->tunnels != NULL) {
        worker->tunnels->previous = tunnel;
    }
    worker->tunnels = tunnel;
}

bool tunnel_open(struct exchange *exchange)
{
    struct log_record record;
    record_fill(exchange, 0, &record);
    struct tunnel *tunnel = new_with_record(&record);
    if (tunnel == NULL) {
        return false;
    }
    struct worker *worker = exchange->worker;
    struct http_stream *stream = exchange->stream;
    tunnel->worker = worker;
    tunnel->listener = exchange->listener;
    tunnel->stream = stream;
    tunnel->metrics_slot = exchange->route->metrics_slot;
    tunnel->call = exchange->ticket.call;
    tunnel->is_websocket = exchange->response.body == BODY_TUNNEL;
    tunnel->client_ended = !tunnel->is_websocket;
    tunnel->deadline.expired = tunnel_look;
    set_times(tunnel, exchange);
    tunnel->mark_count = blocks_marks_of(exchange, tunnel->marks);
    put_in(tunnel);
    tunnel_look_soon(tunnel);
    if (worker->draining) {
        tunnel_drain_late(tunnel);
    }
    tunnel->connection = upstream_keep(&exchange->ticket);
    http_call_hand_over(tunnel->call, &upstream_events, tunnel);
    stream->handler = &client_handler;
    stream->exchange = tunnel;
    metrics_tunnel(worker->metrics, tunnel->metrics_slot, 1);
    exchange_let_go(exchange);
    if (tunnel->is_websocket) {
        stream->ops->pause(stream, false);
    }
    stream->ops->flush(stream); /* last: it may be the tunnel's end */
    return true;
}
