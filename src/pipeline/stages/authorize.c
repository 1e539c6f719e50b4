/* May they: scopes, roles and rules of the route, and then whoever else is to be asked. */
#include "pipeline/external.h"
#include "pipeline/method.h"
#include "pipeline/stage.h"

static const struct authorize_settings *rules_of(const struct exchange *exchange)
{
    return exchange_policy(exchange)->authorize;
}

static bool is_public(const struct exchange *exchange)
{
    return exchange_policy(exchange)->auth->mode == AUTH_NONE;
}

static const struct service_tokens_settings *marks_of(const struct exchange *exchange)
{
    const struct principal *caller = &exchange->principal;
    const struct issuer_settings *issuer = caller->kind == PRINCIPAL_JWT ? caller->settings : NULL;
    return issuer != NULL ? issuer->service_tokens : NULL;
}

static enum deny_reason decide(struct exchange *exchange)
{
    const struct authorize_request request = {
        .variables = &exchange->match.variables,
        .query = exchange->request.query,
        .headers = external_seen(exchange),
        .kind = rules_of(exchange)->kinds != 0 ? caller_kind_of(&exchange->principal, marks_of(exchange))
                                               : CALLER_USER,
        .now = exchange->started_real / NS_PER_S,
    };
    return request.headers == NULL ? DENY_INTERNAL
                                   : authorize_decide(rules_of(exchange), &exchange->principal, &request);
}

/* A rule that is tried out lets pass what it would deny: DENY_NONE. What could not be decided stays denied. */
static enum deny_reason unless_observed(struct exchange *exchange, enum deny_reason reason)
{
    bool is_decided = reason != DENY_AUTHORIZATION_ERROR && reason != DENY_INTERNAL && reason != DENY_NONE;
    if (!is_decided || !shadow_observes(&rules_of(exchange)->shadow, exchange->started_real / NS_PER_S)) {
        return reason;
    }
    stage_would_deny(exchange, reason);
    return DENY_NONE;
}

/* The authorizer says yes. What it has added to the request is as good a reason for a deny rule as what was there. */
static enum deny_reason conclude(struct exchange *exchange)
{
    return is_public(exchange) || exchange->external.permitted->upstream_count == 0
               ? DENY_NONE
               : unless_observed(exchange, decide(exchange));
}

static void resumed(struct exchange *exchange, enum external_verdict verdict)
{
    if (verdict == EXTERNAL_YES) {
        exchange_resume(exchange, conclude(exchange), SLICE_NONE);
    } else {
        exchange_resume(exchange, exchange->reason, exchange->detail);
    }
}

/* Last, since it costs most. */
static enum stage_verdict consult(struct exchange *exchange)
{
    switch (external_consult(exchange, exchange->route->authorizer, &exchange->external.permitted, resumed)) {
    case EXTERNAL_YES: {
        enum deny_reason reason = conclude(exchange);
        return reason == DENY_NONE ? STAGE_NEXT : stage_deny(exchange, reason, SLICE_NONE);
    }
    case EXTERNAL_WAIT:
        return STAGE_WAIT;
    case EXTERNAL_NO:
        break;
    }
    return STAGE_DENY;
}

static enum stage_verdict authorize(struct exchange *exchange)
{
    const struct authorize_settings *rules = rules_of(exchange);
    bool asks = exchange->route->authorizer != NULL;
    if (is_public(exchange)) {
        return asks ? consult(exchange) : STAGE_NEXT;
    }
    if (rules == NULL) {
        return stage_deny(exchange, DENY_AUTHORIZATION_ERROR, SLICE("the route has no authorize"));
    }
    /* Optional authentication, and rules that only an identity can meet: asking for one is the honest answer. */
    bool lacks_identity = exchange->principal.kind == PRINCIPAL_ANONYMOUS && !rules->any_caller &&
                          (authorize_demands(rules) || !asks);
    enum deny_reason reason =
        unless_observed(exchange, lacks_identity ? authenticate_missing(exchange) : decide(exchange));
    if (reason != DENY_NONE) {
        return stage_deny(exchange, reason, SLICE_NONE);
    }
    return asks ? consult(exchange) : STAGE_NEXT;
}

const struct stage stage_authorize = {
    .name = "authorize",
    .on_request = authorize,
};
