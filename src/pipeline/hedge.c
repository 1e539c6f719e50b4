#include "pipeline/hedge.h"

#include "upstream/hedge.h"

enum hedge_state {
    HEDGE_WAITS,     /* there may be a copy */
    HEDGE_UNDER_WAY, /* there is one: it has a call, or waits for its connection */
    HEDGE_OVER,
};

struct hedge {
    struct exchange *exchange;
    const struct hedge_means *means;
    struct deadline timer;
    struct upstream_ticket ticket; /* of the copy */
    enum hedge_state state;
    bool sent;  /* the copy is: before that it counts for nothing */
    bool alone; /* the first has failed, and the exchange's own ticket is free */
    struct slice outcome;
};

static const struct http_call_events call_events;

/* ---- the end of one of them ---- */

static void over(struct hedge *hedge, struct slice outcome)
{
    hedge->state = HEDGE_OVER;
    hedge->outcome = outcome;
    deadline_clear(&hedge->timer);
}

static void cancel(struct upstream_ticket *ticket)
{
    upstream_note_overtaken(ticket);
    upstream_release(ticket);
}

/* The copy is the exchange's own call from now on. */
static void take_over(struct hedge *hedge)
{
    struct exchange *exchange = hedge->exchange;
    upstream_take_over(&exchange->ticket, &hedge->ticket);
    exchange->upstream_endpoint = upstream_endpoint_of(&exchange->ticket);
}

/* A server that says it cannot serve must not beat one that may. 501 is an answer to the question. */
static bool is_failure(const struct http_response *response)
{
    return response->status >= 500 && response->status != 501;
}

/* ---- the copy ---- */

static void on_response(void *caller, const struct http_response *response)
{
    struct hedge *hedge = caller;
    struct exchange *exchange = exchange_hold(hedge->exchange);
    const bool fails = is_failure(response);
    if (fails && !hedge->alone) {
        upstream_note_outcome(&hedge->ticket, false);
        upstream_release(&hedge->ticket);
        over(hedge, SLICE("failed"));
    } else {
        if (!hedge->alone) {
            cancel(&exchange->ticket);
        }
        metrics_add(exchange->worker->metrics, METRIC_HEDGES_WON, fails ? 0 : 1);
        over(hedge, fails ? SLICE("failed") : SLICE("won"));
        take_over(hedge);
        http_call_hand_over(exchange->ticket.call, hedge->means->events, exchange);
        hedge->means->events->on_response(exchange, response);
    }
    exchange_pending_done(exchange);
}

static void on_informational(void *caller, const struct http_response *response)
{
    (void)caller;
    (void)response;
}

static void on_nothing(void *caller)
{
    (void)caller;
}

static void on_failed(void *caller, const struct http_call_failure *failure)
{
    struct hedge *hedge = caller;
    over(hedge, SLICE("failed"));
    if (hedge->alone) {
        take_over(hedge);
        hedge->means->events->on_failed(hedge->exchange, failure);
        return;
    }
    upstream_note_failure(&hedge->ticket, failure);
    upstream_release(&hedge->ticket);
}

/* What comes behind its head goes where the call was handed over to. */
static const struct http_call_events call_events = {
    .on_response = on_response,
    .on_informational = on_informational,
    .on_pause = on_nothing,
    .on_writable = on_nothing,
    .on_failed = on_failed,
};

static void on_ready(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    struct hedge *hedge = (struct hedge *)((char *)ticket - offsetof(struct hedge, ticket));
    struct exchange *exchange = exchange_hold(hedge->exchange);
    if (failure == NULL && hedge->means->begin(exchange, ticket->call, &call_events, hedge)) {
        hedge->sent = true;
        http_call_send_end(ticket->call, NULL);
    } else {
        upstream_release(ticket);
        over(hedge, SLICE("failed"));
    }
    exchange_pending_done(exchange);
}

static void on_late(struct deadline *deadline)
{
    struct hedge *hedge = (struct hedge *)((char *)deadline - offsetof(struct hedge, timer));
    struct exchange *exchange = exchange_hold(hedge->exchange);
    hedge->state = HEDGE_UNDER_WAY;
    hedge->ticket.on_ready = on_ready;
    enum upstream_copy copy = upstream_copy(&exchange->ticket, &hedge->ticket);
    metrics_add(exchange->worker->metrics, METRIC_HEDGES, copy == UPSTREAM_COPIED ? 1 : 0);
    metrics_add(exchange->worker->metrics, METRIC_HEDGES_REFUSED, copy == UPSTREAM_NO_BUDGET ? 1 : 0);
    if (copy != UPSTREAM_COPIED) {
        over(hedge, SLICE_NONE);
    }
    exchange_pending_done(exchange);
}

/* ---- the first ---- */

static struct hedge *new_hedge(struct exchange *exchange, const struct hedge_means *means)
{
    const struct hedge_settings *settings = exchange_policy(exchange)->hedge;
    const bool has_body = exchange->input.body == BODY_CHUNKED ||
                          (exchange->input.body == BODY_LENGTH && exchange->input.content_length > 0);
    if (has_body || exchange->asks_tunnel || exchange->is_grpc ||
        !hedge_allows(settings, exchange->request.method, exchange->request.method_text)) {
        return NULL;
    }
    struct hedge *hedge = arena_calloc(&exchange->arena, 1, sizeof *hedge);
    if (hedge != NULL) {
        hedge->exchange = exchange;
        hedge->means = means;
        hedge->timer.expired = on_late;
    }
    return hedge;
}

void hedge_arm(struct exchange *exchange, const struct hedge_means *means)
{
    if (exchange->fell_back) {
        return; /* its upstream is another one, which nobody has allowed it */
    }
    if (exchange->hedge == NULL) {
        exchange->hedge = new_hedge(exchange, means);
    }
    if (exchange->hedge != NULL && exchange->hedge->state == HEDGE_WAITS) {
        struct net_loop *loop = &exchange->worker->loop;
        deadline_set(&loop->deadlines, &exchange->hedge->timer, loop->now,
                     exchange_policy(exchange)->hedge->after);
    }
}

/* The first has come to its end. True: the copy may still serve. */
static bool goes_on(struct hedge *hedge, bool failed)
{
    deadline_clear(&hedge->timer); /* set again with the next try */
    if (hedge->state != HEDGE_UNDER_WAY) {
        return false;
    }
    hedge->alone = failed && hedge->sent;
    if (!hedge->alone) {
        cancel(&hedge->ticket);
        over(hedge, SLICE("lost"));
    }
    return hedge->alone;
}

bool hedge_outlives_failure(struct exchange *exchange)
{
    return exchange->hedge != NULL && goes_on(exchange->hedge, true);
}

bool hedge_outlives_response(struct exchange *exchange, const struct http_response *response)
{
    if (exchange->hedge == NULL || !goes_on(exchange->hedge, is_failure(response))) {
        return false;
    }
    upstream_note_outcome(&exchange->ticket, false);
    upstream_release(&exchange->ticket);
    return true;
}

bool hedge_mutes(struct exchange *exchange)
{
    struct hedge *hedge = exchange->hedge;
    if (hedge == NULL || hedge->state == HEDGE_OVER) {
        return false;
    }
    if (hedge->state == HEDGE_UNDER_WAY) {
        return true;
    }
    over(hedge, SLICE_NONE);
    return false;
}

void hedge_end(struct exchange *exchange)
{
    struct hedge *hedge = exchange->hedge;
    if (hedge == NULL) {
        return;
    }
    if (hedge->state == HEDGE_UNDER_WAY) {
        upstream_release(&hedge->ticket);
    }
    over(hedge, hedge->outcome);
}

struct slice hedge_outcome(const struct exchange *exchange)
{
    return exchange->hedge != NULL ? exchange->hedge->outcome : SLICE_NONE;
}
