#include "pipeline/pipeline.h"

#include "pipeline/answer.h"

/* The order is security policy: each row says why it stands where it does. */
static const struct stage *const request_stages[] = {
    &stage_admit,        /* address, canonical form, listener-wide limits: before anything else costs */
    &stage_deadline,     /* whatever it waits for from here on counts */
    &stage_route,        /* every later policy belongs to the route */
    &stage_local,        /* answered here: redirects to https, CORS preflight */
    &stage_limit_client, /* by address, before any crypto: a flood is shed cheaply */
    &stage_capacity,     /* where the upstream has no place for it, crypto would be spent in vain */
    &stage_tunnel,       /* a page that may not open one is told so before its cookie counts */
    &stage_authenticate, /* who */
    &stage_authorize,    /* may they */
    &stage_limit_caller, /* by verified identity, so only after it is known */
    &stage_validate,     /* the body's size and a call's messages, once the caller is known to be allowed */
    &stage_admin,        /* answered here, for who may: what it changes is no upstream's */
    &stage_relay,        /* strips spoofed identity and unowned credentials, adds the proven identity */
    &stage_filter,       /* what the route makes of it: last, so that nothing is decided on what it made */
    &stage_fault,        /* in tests alone: as if the upstream were slow or away */
    &stage_forward,      /* last: the upstream */
};

#define STAGE_COUNT (sizeof request_stages / sizeof request_stages[0])

void pipeline_run(struct exchange *exchange)
{
    exchange->state = EXCHANGE_RUNNING;
    for (; exchange->stage < STAGE_COUNT; exchange->stage++) {
        switch (request_stages[exchange->stage]->on_request(exchange)) {
        case STAGE_NEXT:
            continue;
        case STAGE_DENY:
            answer_denial(exchange);
            return;
        case STAGE_WAIT:
            if (exchange->state == EXCHANGE_RUNNING) {
                exchange->state = EXCHANGE_WAITING;
            }
            return;
        case STAGE_RESPONDED:
            return;
        }
    }
}

void pipeline_body(struct exchange *exchange, struct slice data)
{
    exchange->body_received += data.len;
    for (size_t i = 0; i < STAGE_COUNT && exchange->state == EXCHANGE_STREAMING; i++) {
        if (request_stages[i]->on_body == NULL) {
            continue;
        }
        enum deny_reason reason = request_stages[i]->on_body(exchange, data);
        if (reason != DENY_NONE) {
            exchange_fail(exchange, reason, exchange->detail);
            return;
        }
    }
}

void pipeline_body_end(struct exchange *exchange, const struct headers *trailers)
{
    for (size_t i = 0; i < STAGE_COUNT && exchange->state == EXCHANGE_STREAMING; i++) {
        if (request_stages[i]->on_body_end == NULL) {
            continue;
        }
        enum deny_reason reason = request_stages[i]->on_body_end(exchange, trailers);
        if (reason != DENY_NONE) {
            exchange_fail(exchange, reason, exchange->detail);
            return;
        }
    }
}

void pipeline_response(struct exchange *exchange)
{
    size_t reached = exchange->stage < STAGE_COUNT ? exchange->stage + 1 : STAGE_COUNT;
    for (size_t i = reached; i-- > 0;) {
        if (request_stages[i]->on_response != NULL) {
            request_stages[i]->on_response(exchange);
        }
    }
}

void pipeline_done(struct exchange *exchange)
{
    for (size_t i = STAGE_COUNT; i-- > 0;) {
        if (request_stages[i]->done != NULL) {
            request_stages[i]->done(exchange);
        }
    }
}
