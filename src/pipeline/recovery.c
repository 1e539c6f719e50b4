#include "pipeline/recovery.h"

#include "base/random.h"
#include "pipeline/affinity.h"
#include "pipeline/stage.h"
#include "upstream/retry.h"

/* ns of the route's timeout that are left for the answer's head; it is for all tries that the route allows. */
static int64_t time_left(const struct exchange *exchange)
{
    return exchange_policy(exchange)->timeout - (clock_monotonic_ns() - exchange->forwarded_at);
}

int64_t recovery_response_timeout(const struct exchange *exchange)
{
    const struct route_policy *policy = exchange_policy(exchange);
    if ((policy->retry == NULL && policy->hedge == NULL) || exchange->fell_back) {
        return policy->timeout;
    }
    int64_t left = time_left(exchange), try_timeout = policy->retry != NULL ? policy->retry->try_timeout : 0;
    left = left > NS_PER_MS ? left : NS_PER_MS;
    return try_timeout > 0 && try_timeout < left ? try_timeout : left;
}

/* Where the route allows it beyond what is always safe, its upstream can bear it, and there is time. */
static bool try_again(struct exchange *exchange, enum retry_event event)
{
    const struct retry_settings *retry = exchange_policy(exchange)->retry;
    if (retry == NULL || exchange->tries >= (unsigned int)retry->attempts || exchange->response_begun ||
        exchange->body_started || exchange->asks_tunnel || exchange->stream == NULL ||
        !retry_allows(retry, event, exchange->request.method, exchange->request.method_text)) {
        return false;
    }
    uint64_t random;
    random_bytes(&random, sizeof random);
    int64_t delay = retry_delay(retry, exchange->tries + 1, random);
    if (time_left(exchange) <= delay) {
        return false;
    }
    if (!upstream_spend_retry(&exchange->ticket)) {
        metrics_add(exchange->worker->metrics, METRIC_UPSTREAM_RETRIES_REFUSED, 1);
        return false;
    }
    exchange->tries++;
    metrics_add(exchange->worker->metrics, METRIC_UPSTREAM_RETRIES, 1);
    if (exchange->ticket.call != NULL) {
        upstream_note_outcome(&exchange->ticket, false); /* it has answered, and is not asked for the rest */
    }
    upstream_release(&exchange->ticket);
    /* Until there is a connection for it, the body has to wait. */
    exchange->stream->ops->pause(exchange->stream, true);
    upstream_acquire_later(exchange->snapshot->pools[exchange->upstream], &exchange->ticket, delay);
    return true;
}

static bool ask_another(struct exchange *exchange)
{
    exchange->upstream = exchange->route->fallback_upstream;
    exchange->ticket = (struct upstream_ticket){ .on_ready = exchange->ticket.on_ready };
    affinity_set(exchange);
    exchange->stream->ops->pause(exchange->stream, true);
    upstream_acquire(exchange->snapshot->pools[exchange->upstream], &exchange->ticket);
    return true;
}

static bool answer_instead(struct exchange *exchange, const struct fallback_settings *fallback)
{
    exchange->response.headers.count = 0;
    if (fallback->content_type.len > 0 &&
        !stage_add_header(exchange, HEADER_CONTENT_TYPE, fallback->content_type)) {
        return false;
    }
    exchange_answer(exchange, (unsigned int)fallback->status, fallback->body);
    return true;
}

/* Another upstream needs the whole of the body; a response of the configuration would tell the caller of a gRPC call no status. */
static bool may_fall_back(const struct exchange *exchange, const struct fallback_settings *fallback)
{
    return fallback->upstream.len > 0 ? !exchange->body_started : !exchange->is_grpc;
}

/* The upstream has given no answer, or none that counts. False: then that is what the client gets to hear, and its call goes on. */
static bool fall_back(struct exchange *exchange, const char *why)
{
    const struct fallback_settings *fallback = exchange_policy(exchange)->fallback;
    if (fallback == NULL || exchange->fell_back || exchange->response_begun || exchange->stream == NULL ||
        exchange->asks_tunnel || exchange->state != EXCHANGE_STREAMING ||
        !may_fall_back(exchange, fallback)) {
        return false;
    }
    exchange->fell_back = true;
    exchange->detail = ARENA_CONCAT(&exchange->arena, SLICE("fallback: "), slice_from_string(why));
    if (exchange->ticket.call != NULL) {
        upstream_note_outcome(&exchange->ticket, false); /* it has answered, and is not asked for the rest */
    }
    upstream_release(&exchange->ticket);
    struct metrics_worker *metrics = exchange->worker->metrics; /* an answer may be the exchange's end */
    bool answered = fallback->upstream.len > 0 ? ask_another(exchange) : answer_instead(exchange, fallback);
    metrics_add(metrics, METRIC_FALLBACKS, answered ? 1 : 0);
    return answered;
}

/* TLS that ended within a call had carried the request already: it may have been looked at, as after any reset. */
static enum retry_event event_of_failure(enum deny_reason reason, bool begun)
{
    switch (reason) {
    case DENY_UPSTREAM_CONNECT:
        return RETRY_ON_CONNECT;
    case DENY_UPSTREAM_TLS:
        return begun ? RETRY_ON_RESET : RETRY_ON_CONNECT;
    case DENY_UPSTREAM_CLOSED:
        return RETRY_ON_RESET;
    case DENY_UPSTREAM_TIMEOUT:
        return RETRY_ON_TIMEOUT;
    default:
        return RETRY_EVENT_COUNT;
    }
}

bool recovery_from_failure(struct exchange *exchange, enum deny_reason reason, bool begun)
{
    if (reason < DENY_UPSTREAM_CONNECT || reason > DENY_UPSTREAM_NO_ENDPOINTS) {
        return false;
    }
    return try_again(exchange, event_of_failure(reason, begun)) ||
           fall_back(exchange, deny_infos[reason].detail);
}

/* A call's status stands in a head behind which nothing comes, where its service cannot serve it. */
static enum retry_event event_of_response(const struct exchange *exchange,
                                          const struct http_response *response)
{
    return exchange->is_grpc && grpc_status_of(&response->headers) == GRPC_UNAVAILABLE
               ? RETRY_ON_503
               : retry_event_of(response->status);
}

bool recovery_from_response(struct exchange *exchange, const struct http_response *response)
{
    if (try_again(exchange, event_of_response(exchange, response))) {
        return true;
    }
    const struct fallback_settings *fallback = exchange_policy(exchange)->fallback;
    if (fallback == NULL || exchange->fell_back || !fallback_covers(fallback, response->status)) {
        return false;
    }
    return fall_back(exchange, "its status");
}
