/* The last stage: the upstream. Sends the request, streams both bodies with back-pressure, tries again where that is safe. */
#include "pipeline/stage.h"

#include "http/websocket.h"
#include "pipeline/affinity.h"
#include "pipeline/compression.h"
#include "pipeline/filters.h"
#include "pipeline/hedge.h"
#include "pipeline/mirror.h"
#include "pipeline/recovery.h"
#include "pipeline/tunnel.h"
#include "upstream/retry.h"

static void start_call(struct exchange *exchange);

static struct exchange *exchange_of(struct upstream_ticket *ticket)
{
    return (struct exchange *)((char *)ticket - offsetof(struct exchange, ticket));
}

/* ---- the request's way ---- */

static bool has_body(const struct exchange *exchange)
{
    return exchange->input.body == BODY_CHUNKED ||
           (exchange->input.body == BODY_LENGTH && exchange->input.content_length > 0);
}

/* Where the route says so, and always those of a gRPC call, whose outcome is one. */
static bool passes_trailers(const struct exchange *exchange)
{
    const struct relay_settings *relay = exchange_policy(exchange)->relay;
    return exchange->is_grpc || (relay != NULL && relay->trailers);
}

/* What of them goes on, into `kept`. False: none do. */
static bool take_trailers(const struct exchange *exchange, const struct headers *trailers, bool of_request,
                          struct headers *kept)
{
    if (trailers == NULL || !passes_trailers(exchange) ||
        !relay_build_trailers(trailers, &exchange->snapshot->snapshot->identity_headers, kept)) {
        return false;
    }
    filter_trailers(exchange->route->settings->filters, of_request, kept);
    return true;
}

/* Does the client take trailers, and would they reach it? */
static bool takes_trailers(const struct exchange *exchange)
{
    if (!passes_trailers(exchange)) {
        return false;
    }
    const struct header *te = headers_find(&exchange->input.headers, HEADER_TE);
    return te != NULL && http_list_contains(te->value, SLICE("trailers"));
}

/* The upstream hears what is left of the call's time: what waiting for a connection or another try has used up, it has not
 * got. False: there is none left. */
static bool tell_time_left(struct exchange *exchange)
{
    if (exchange->call_ends_at == 0) {
        return true;
    }
    int64_t left = exchange->call_ends_at - clock_monotonic_ns();
    if (left <= 0) {
        return false;
    }
    for (size_t i = 0; i < exchange->relayed.count; i++) {
        struct header *header = &exchange->relayed.items[i];
        if (slice_equal_nocase(header->name, SLICE("grpc-timeout"))) {
            header->value = grpc_timeout_text(left, exchange->time_left);
        }
    }
    return true;
}

static bool begin_call(struct exchange *exchange, struct http_call *call,
                       const struct http_call_events *events, void *caller)
{
    const struct route_policy *policy = exchange_policy(exchange);
    struct http_call_request request = {
        .events = events,
        .caller = caller,
        .method = exchange->request.method,
        .method_text = exchange->request.method_text,
        .target = exchange->upstream_target,
        .host = filters_host(exchange),
        .headers = &exchange->relayed,
        .takes_trailers = takes_trailers(exchange),
        .tunnel = exchange->asks_tunnel,
        .body = exchange->asks_tunnel ? BODY_NONE : exchange->input.body,
        .content_length = exchange->input.content_length,
        .response_timeout = recovery_response_timeout(exchange),
        .idle_timeout = policy->idle_timeout,
    };
    return request.target.ptr != NULL && request.host.ptr != NULL && http_call_begin(call, &request);
}

static const struct http_call_events call_events;
static const struct hedge_means hedge_means = { .events = &call_events, .begin = begin_call };

static void send_whole(struct exchange *exchange)
{
    exchange->request_sent = true;
    if (exchange_policy(exchange)->hedge != NULL) {
        hedge_arm(exchange, &hedge_means);
    }
    http_call_send_end(exchange->ticket.call, NULL);
}

static void on_connection(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    struct exchange *exchange = exchange_hold(exchange_of(ticket));
    exchange->upstream_endpoint = upstream_endpoint_of(ticket);
    if (failure != NULL && recovery_from_failure(exchange, failure->reason, false)) {
        /* it is asked again, or another one, or answered */
    } else if (failure != NULL) {
        /* The text may be the connection's, and the log line is written later. */
        exchange_fail(exchange, failure->reason,
                      arena_copy(&exchange->arena, slice_from_string(failure->detail)));
    } else if (exchange->asks_tunnel && !http_call_may_tunnel(ticket->call)) {
        exchange_fail(exchange, DENY_UPSTREAM_PROTOCOL,
                      SLICE("the upstream speaks HTTP/2 without SETTINGS_ENABLE_CONNECT_PROTOCOL: it takes "
                            "no WebSocket, unless by protocol: http1"));
    } else if (!tell_time_left(exchange)) {
        exchange_fail(exchange, DENY_GRPC_DEADLINE, SLICE("before the upstream was asked"));
    } else if (!begin_call(exchange, ticket->call, &call_events, exchange)) {
        exchange_fail(exchange, DENY_INTERNAL, SLICE("the request could not be written"));
    } else if (has_body(exchange)) {
        http_call_flush(ticket->call);
        /* Last: saying 100 to a client that is gone ends the exchange, and with it the call. */
        exchange->stream->ops->pause(exchange->stream, false);
    } else {
        send_whole(exchange);
    }
    exchange_pending_done(exchange);
}

static void start_call(struct exchange *exchange)
{
    exchange->ticket.on_ready = on_connection;
    exchange->forwarded_at = exchange->forwarded_at != 0 ? exchange->forwarded_at : clock_monotonic_ns();
    upstream_acquire(exchange->snapshot->pools[exchange->upstream], &exchange->ticket);
}

static enum stage_verdict forward(struct exchange *exchange)
{
    if (exchange_policy(exchange)->compress != NULL && !compression_ask(exchange)) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("no room for the upstream's Accept-Encoding"));
    }
    exchange->state = EXCHANGE_STREAMING;
    affinity_choose_late(exchange);
    affinity_set(exchange);
    if (exchange_policy(exchange)->mirror != NULL) {
        mirror_begin(exchange, exchange->upstream_target, filters_host(exchange));
    }
    start_call(exchange);
    return STAGE_RESPONDED;
}

/* A body is held back: by a slow reader alone, or earlier because memory is scarce? */
static void note_pause(struct exchange *exchange)
{
    metrics_add(exchange->worker->metrics, METRIC_BUFFER_PAUSES, buffer_is_scarce() ? 1 : 0);
}

static enum deny_reason forward_body(struct exchange *exchange, struct slice data)
{
    exchange->body_started = true;
    mirror_body(exchange, data);
    if (exchange->ticket.call != NULL && !http_call_send_body(exchange->ticket.call, data) &&
        exchange->stream != NULL) {
        note_pause(exchange);
        exchange->stream->ops->pause(exchange->stream, true);
    }
    return DENY_NONE;
}

static enum deny_reason forward_body_end(struct exchange *exchange, const struct headers *trailers)
{
    exchange->body_started = true;
    exchange->request_sent = true;
    mirror_body_end(exchange);
    if (exchange->ticket.call == NULL) {
        return DENY_NONE;
    }
    HEADERS_SCRATCH(items);
    struct headers kept = { .items = items, .capacity = HTTP_HEADERS_MAX };
    bool pass = take_trailers(exchange, trailers, true, &kept);
    http_call_send_end(exchange->ticket.call, pass ? &kept : NULL);
    return DENY_NONE;
}

static void on_request_writable(void *caller)
{
    struct exchange *exchange = caller;
    if (exchange->stream != NULL && exchange->state == EXCHANGE_STREAMING) {
        exchange->stream->ops->pause(exchange->stream, false);
    }
}

/* ---- the answer's way ---- */

/* How the answer is delimited towards the client. A HEAD answer tells the length that GET would have. */
static void take_framing(struct exchange *exchange, const struct http_response *response)
{
    struct exchange_response *out = &exchange->response;
    const struct header *length = headers_find(&response->headers, HEADER_CONTENT_LENGTH);
    out->body = response->body == BODY_CLOSE ? BODY_CHUNKED : response->body;
    out->content_length = response->content_length;
    if (exchange->request.method == METHOD_HEAD && length != NULL &&
        slice_to_u64(length->value, &out->content_length)) {
        out->body = BODY_LENGTH;
    }
}

static void become_tunnel(struct exchange *exchange)
{
    if (exchange->stream != NULL && !tunnel_open(exchange)) {
        exchange_fail(exchange, DENY_INTERNAL, SLICE("no memory for the stream"));
    }
}

/* The upstream says that it has switched protocols: not before that is true does a byte of the client's pass, for what it has not
 * understood it would read as requests. */
static void open_tunnel(struct exchange *exchange, const struct http_response *response)
{
    const char *wrong = websocket_check_response(&exchange->input, response);
    if (wrong != NULL) {
        exchange_fail(exchange, DENY_UPSTREAM_PROTOCOL, slice_from_string(wrong));
        return;
    }
    upstream_note_outcome(&exchange->ticket, true);
    exchange->response.body = BODY_TUNNEL;
    exchange_send_head(exchange);
    become_tunnel(exchange);
}

/* A call's outcome stands in its trailers, or in a head behind which nothing comes. */
static void note_outcome(struct exchange *exchange, const struct headers *fields)
{
    if (exchange->is_grpc) {
        exchange->grpc_status = grpc_status_of(fields);
    }
}

static bool is_whole_answer(const struct exchange_response *response)
{
    return response->body == BODY_NONE || (response->body == BODY_LENGTH && response->content_length == 0);
}

/* Has the server itself failed, by what its answer says? 501 is an answer to the question. */
static bool is_well(const struct exchange *exchange)
{
    const int32_t grpc = exchange->grpc_status;
    return (exchange->response.status < 500 || exchange->response.status == 501) && grpc != GRPC_UNKNOWN &&
           grpc != GRPC_INTERNAL && grpc != GRPC_UNAVAILABLE && grpc != GRPC_DATA_LOSS;
}

/* Of a gRPC call that is answered in good order, the outcome stands behind its messages. */
static bool head_tells_outcome(const struct exchange *exchange)
{
    return !exchange->is_grpc || exchange->response.status / 100 != 2 || is_whole_answer(&exchange->response);
}

/* The fields that the client gets, before the stages add theirs. False: it has failed. */
static bool take_fields(struct exchange *exchange, const struct http_response *response)
{
    if (!relay_build_response(response, exchange_policy(exchange)->hide_upstream,
                              &exchange->response.headers)) {
        exchange_fail(exchange, DENY_UPSTREAM_PROTOCOL, SLICE("too many response fields"));
        return false;
    }
    enum deny_reason reason = filters_of_response(exchange);
    if (reason != DENY_NONE) {
        exchange_fail(exchange, reason, exchange->detail);
    }
    return reason == DENY_NONE;
}

/* The head is serialised before this returns. */
static void on_response(void *caller, const struct http_response *response)
{
    struct exchange *exchange = exchange_hold(caller);
    if (hedge_outlives_response(exchange, response) || recovery_from_response(exchange, response)) {
        exchange_pending_done(exchange);
        return;
    }
    exchange->answered_at = exchange->worker->loop.now;
    exchange->response.status = response->status;
    exchange->response.headers.count = 0;
    upstream_note_head(&exchange->ticket);
    if (!take_fields(exchange, response)) {
        /* it has been told */
    } else if (response->body == BODY_TUNNEL) {
        open_tunnel(exchange, response);
    } else if (exchange->asks_tunnel && exchange->input.minor_version == 2 && response->status / 100 == 2) {
        /* An HTTP/2 client would take it for a tunnel (RFC 8441 section 5). */
        exchange_fail(exchange, DENY_UPSTREAM_PROTOCOL, SLICE("2xx instead of 101"));
    } else {
        take_framing(exchange, response);
        if (is_whole_answer(&exchange->response)) {
            note_outcome(exchange, &exchange->response.headers);
        }
        if (head_tells_outcome(exchange)) {
            upstream_note_outcome(&exchange->ticket, is_well(exchange));
        }
        if (exchange_policy(exchange)->compress != NULL) {
            compression_begin(exchange);
        }
        exchange_send_head(exchange);
        if (exchange->response.body == BODY_CHUNKED && tunnel_is_event_stream(exchange)) {
            become_tunnel(exchange);
        }
    }
    exchange_pending_done(exchange);
}

static void on_informational(void *caller, const struct http_response *response)
{
    struct exchange *exchange = caller;
    HEADERS_SCRATCH(items);
    struct headers kept = { .items = items, .capacity = HTTP_HEADERS_MAX };
    if (exchange->stream != NULL && !hedge_mutes(exchange) &&
        relay_build_response(response, exchange_policy(exchange)->hide_upstream, &kept)) {
        exchange->stream->ops->send_informational(exchange->stream, response->status, &kept);
    }
}

/* The client has no room. */
static void hold_up(struct exchange *exchange)
{
    if (exchange->ticket.call != NULL) {
        note_pause(exchange);
        http_call_pause(exchange->ticket.call, true);
    }
}

static void on_response_body(void *caller, struct slice data)
{
    struct exchange *exchange = exchange_hold(caller);
    if (exchange->stream != NULL &&
        !(exchange->encoder == NULL ? exchange->stream->ops->send_body(exchange->stream, data)
                                    : compression_body(exchange, data))) {
        hold_up(exchange);
    }
    exchange_pending_done(exchange);
}

/* What the encoder keeps goes on first. */
static void flush_compressed(struct exchange *exchange)
{
    exchange_hold(exchange);
    if (!compression_flush(exchange)) {
        hold_up(exchange);
    }
    if (exchange->stream != NULL) {
        exchange->stream->ops->flush(exchange->stream);
    }
    exchange_pending_done(exchange);
}

static void on_response_pause(void *caller)
{
    struct exchange *exchange = caller;
    if (exchange->stream == NULL || exchange->state != EXCHANGE_STREAMING) {
        return;
    }
    if (exchange->encoder != NULL) {
        flush_compressed(exchange);
    } else {
        exchange->stream->ops->flush(exchange->stream);
    }
}

static void on_response_end(void *caller, const struct headers *trailers)
{
    struct exchange *exchange = exchange_hold(caller);
    HEADERS_SCRATCH(items);
    struct headers kept = { .items = items, .capacity = HTTP_HEADERS_MAX };
    bool pass = take_trailers(exchange, trailers, false, &kept);
    if (pass) {
        note_outcome(exchange, &kept);
    }
    if (!head_tells_outcome(exchange)) {
        upstream_note_outcome(&exchange->ticket, is_well(exchange));
    }
    upstream_release(&exchange->ticket);
    bool whole = exchange->encoder == NULL || compression_end(exchange, &kept);
    exchange->state = exchange->state == EXCHANGE_STREAMING ? EXCHANGE_ANSWERING : exchange->state;
    if (whole && exchange->stream != NULL) {
        if (!exchange->request_sent) {
            exchange->stream->ops->discard_body(exchange->stream);
        }
        exchange->stream->ops->send_end(exchange->stream, pass ? &kept : NULL);
    }
    exchange_pending_done(exchange);
}

/* A kept connection that was closed under us answered nothing, so an idempotent request may go again, if nothing of its
 * body is gone (RFC 9110 section 9.2.2). One that the upstream refused unseen may, whatever it asks for (RFC 9113 section
 * 8.7). */
static bool may_retry(const struct exchange *exchange, const struct http_call_failure *failure)
{
    return (failure->refused || (failure->reused && retry_is_idempotent(exchange->request.method))) &&
           !exchange->response_begun && !exchange->body_started;
}

static void on_call_failed(void *caller, const struct http_call_failure *failure)
{
    struct exchange *exchange = caller;
    struct http_call_failure copy = *failure;
    /* The text may be the connection's, which may go. */
    struct slice detail = arena_copy(&exchange->arena, slice_from_string(failure->detail));
    upstream_note_failure(&exchange->ticket, failure);
    upstream_release(&exchange->ticket);
    if (hedge_outlives_failure(exchange)) {
        return;
    }
    if (may_retry(exchange, &copy) && upstream_may_retry(&exchange->ticket)) {
        metrics_add(exchange->worker->metrics, METRIC_UPSTREAM_RETRIES, 1);
        exchange->ticket.fresh = copy.reused;
        /* Until there is a connection for it, the body has to wait. */
        exchange->stream->ops->pause(exchange->stream, true);
        start_call(exchange);
        return;
    }
    if (!recovery_from_failure(exchange, copy.reason, true)) {
        exchange_fail(exchange, copy.reason, detail);
    }
}

static void forget(struct exchange *exchange)
{
    compression_forget(exchange);
    mirror_forget(exchange);
}

static const struct http_call_events call_events = {
    .on_response = on_response,
    .on_informational = on_informational,
    .on_body = on_response_body,
    .on_pause = on_response_pause,
    .on_end = on_response_end,
    .on_writable = on_request_writable,
    .on_failed = on_call_failed,
};

const struct stage stage_forward = {
    .name = "forward",
    .on_request = forward,
    .on_body = forward_body,
    .on_body_end = forward_body_end,
    .done = forget,
};
