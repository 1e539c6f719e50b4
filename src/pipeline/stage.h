/* A stage of the pipeline: what every request passes, in the order of the table in pipeline.c.
 *
 * A stage works on an exchange and never sees a protocol. A denial is stage_deny(exchange, reason): status and codes come
 * from pipeline/deny_reasons.h. Responses, denials too, pass `on_response` of the stages in reverse, from the stage that
 * answered. */
#ifndef SALLYPORT_PIPELINE_STAGE_H
#define SALLYPORT_PIPELINE_STAGE_H

#include "pipeline/exchange.h"

enum stage_verdict {
    STAGE_NEXT,
    STAGE_DENY,      /* exchange->reason says why */
    STAGE_WAIT,      /* exchange_resume will be called */
    STAGE_RESPONDED, /* the stage has taken over the answer */
};

struct stage {
    const char *name;
    enum stage_verdict (*on_request)(struct exchange *exchange);
    /* A piece of the request body, and its end. DENY_NONE: goes on to the next stage; else exchange->detail may say more. */
    enum deny_reason (*on_body)(struct exchange *exchange, struct slice data);
    enum deny_reason (*on_body_end)(struct exchange *exchange, const struct headers *trailers);
    /* The response's head may be changed. */
    void (*on_response)(struct exchange *exchange);
    /* The exchange ends: let go of what the stage holds. */
    void (*done)(struct exchange *exchange);
};

extern const struct stage stage_admit, stage_deadline, stage_route, stage_local, stage_limit_client,
    stage_capacity, stage_tunnel, stage_authenticate, stage_authorize, stage_limit_caller, stage_validate,
    stage_admin, stage_relay, stage_filter, stage_fault, stage_forward;

/* Of stage_fault: what another program puts in their place (src/fault_injection.c). `fault_forget` where exchange->fault is set. */
enum stage_verdict fault_make(struct exchange *exchange, const struct fault_settings *settings);
void fault_forget(struct exchange *exchange);

static inline enum stage_verdict stage_deny(struct exchange *exchange, enum deny_reason reason,
                                            struct slice detail)
{
    exchange->reason = reason;
    exchange->detail = detail;
    return STAGE_DENY;
}

/* What a rule that is only observed would have denied: logged and counted, once for each request, by the first. */
static inline void stage_would_deny(struct exchange *exchange, enum deny_reason reason)
{
    if (exchange->would_deny == DENY_NONE) {
        exchange->would_deny = reason;
    }
}

/* Adds a field to the response; a field too many is an internal error that must not pass silently: false. */
bool stage_add_header(struct exchange *exchange, enum header_id id, struct slice value);

#endif
