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
    /* A failing answer that waits for what becomes of the other. Its call is paused. */
    struct upstream_ticket *holder; /* of that call; NULL: no answer waits */
    struct http_response held;
    bool held_ended;
};

static const struct http_call_events call_events, held_events;

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

/* Whose answer will reach nobody. A failing one was an answer all the same. */
static void give_up(struct hedge *hedge, struct upstream_ticket *ticket)
{
    if (hedge->holder == ticket) {
        hedge->holder = NULL;
        upstream_note_outcome(ticket, false);
        upstream_release(ticket);
    } else {
        cancel(ticket);
    }
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

/* ---- a failing answer that waits ---- */

static bool copy_response(const struct http_response *from, struct arena *arena, struct http_response *out)
{
    const size_t count = from->headers.count;
    struct header *items = arena_calloc(arena, count + 1, sizeof *items);
    bool copied = items != NULL;
    for (size_t i = 0; copied && i < count; i++) {
        const struct header *header = &from->headers.items[i];
        items[i] =
            (struct header){ arena_copy(arena, header->name), arena_copy(arena, header->value), header->id };
        copied = items[i].name.ptr != NULL && items[i].value.ptr != NULL;
    }
    *out = *from;
    out->reason = SLICE_NONE;
    out->headers = (struct headers){ .items = items, .count = count, .capacity = count };
    return copied;
}

/* False: there is no room for it. */
static bool hold(struct hedge *hedge, struct upstream_ticket *ticket, const struct http_response *response)
{
    if (!copy_response(response, &hedge->exchange->arena, &hedge->held)) {
        return false;
    }
    hedge->holder = ticket;
    hedge->held_ended = false;
    http_call_hand_over(ticket->call, &held_events, hedge);
    http_call_pause(ticket->call, true);
    return true;
}

/* The other one has brought nothing: this is the request's answer. It may be the exchange's end. */
static void serve_held(struct hedge *hedge)
{
    struct exchange *exchange = exchange_hold(hedge->exchange);
    const struct http_call_events *events = hedge->means->events;
    over(hedge, SLICE("failed"));
    if (hedge->holder == &hedge->ticket) {
        take_over(hedge);
    }
    hedge->holder = NULL;
    struct http_call *call = exchange->ticket.call;
    http_call_hand_over(call, events, exchange);
    http_call_pause(call, false);
    events->on_response(exchange, &hedge->held);
    /* Unless it is asked again, or answered otherwise. */
    if (hedge->held_ended && exchange->response_begun && exchange->ticket.call == call) {
        events->on_end(exchange, NULL);
    }
    exchange_pending_done(exchange);
}

/* One without a body: a pause does not keep its end back. */
static void on_held_end(void *caller, const struct headers *trailers)
{
    struct hedge *hedge = caller;
    (void)trailers;
    hedge->held_ended = true;
}

static void on_held_failed(void *caller, const struct http_call_failure *failure)
{
    struct hedge *hedge = caller;
    struct upstream_ticket *ticket = hedge->holder;
    hedge->holder = NULL;
    upstream_note_failure(ticket, failure);
    upstream_release(ticket);
    if (ticket == &hedge->ticket) {
        over(hedge, SLICE("failed"));
    } else {
        hedge->alone = true;
    }
}

/* ---- the copy ---- */

static void lose(struct hedge *hedge, const struct http_response *response)
{
    if (!hold(hedge, &hedge->ticket, response)) {
        upstream_note_outcome(&hedge->ticket, false);
        upstream_release(&hedge->ticket);
        over(hedge, SLICE("failed"));
    }
}

static void on_response(void *caller, const struct http_response *response)
{
    struct hedge *hedge = caller;
    struct exchange *exchange = exchange_hold(hedge->exchange);
    const bool fails = is_failure(response);
    if (fails && !hedge->alone && hedge->holder == NULL) {
        lose(hedge, response);
    } else {
        if (!hedge->alone) {
            give_up(hedge, &exchange->ticket);
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
    if (hedge->holder != NULL) {
        serve_held(hedge);
    }
}

/* What comes behind its head goes where the call was handed over to. */
static const struct http_call_events call_events = {
    .on_response = on_response,
    .on_informational = on_informational,
    .on_pause = on_nothing,
    .on_writable = on_nothing,
    .on_failed = on_failed,
};

static const struct http_call_events held_events = {
    .on_pause = on_nothing,
    .on_end = on_held_end,
    .on_writable = on_nothing,
    .on_failed = on_held_failed,
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

/* The first has come to its end. True: there is a copy under way. */
static bool has_copy(struct hedge *hedge)
{
    if (hedge != NULL) {
        deadline_clear(&hedge->timer); /* set again with the next try */
    }
    return hedge != NULL && hedge->state == HEDGE_UNDER_WAY;
}

static void drop_copy(struct hedge *hedge)
{
    const bool failed = hedge->holder == &hedge->ticket;
    give_up(hedge, &hedge->ticket);
    over(hedge, failed ? SLICE("failed") : SLICE("lost"));
}

bool hedge_outlives_failure(struct exchange *exchange)
{
    struct hedge *hedge = exchange->hedge;
    if (!has_copy(hedge)) {
        return false;
    }
    if (hedge->holder != NULL) {
        serve_held(hedge);
        return true;
    }
    hedge->alone = hedge->sent;
    if (!hedge->alone) {
        drop_copy(hedge);
        return false;
    }
    return true;
}

bool hedge_outlives_response(struct exchange *exchange, const struct http_response *response)
{
    struct hedge *hedge = exchange->hedge;
    if (!has_copy(hedge)) {
        return false;
    }
    if (!is_failure(response) || !hedge->sent || hedge->holder != NULL) {
        drop_copy(hedge);
        return false;
    }
    if (!hold(hedge, &exchange->ticket, response)) {
        hedge->alone = true;
        upstream_note_outcome(&exchange->ticket, false);
        upstream_release(&exchange->ticket);
    }
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
    if (hedge->holder != NULL) {
        upstream_note_outcome(hedge->holder, false);
        hedge->holder = NULL;
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
