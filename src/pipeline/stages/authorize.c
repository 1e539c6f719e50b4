/* May they: scopes and claim rules of the route. */
#include "pipeline/stage.h"

static enum stage_verdict authorize(struct exchange *exchange)
{
    const struct route_policy *policy = exchange_policy(exchange);
    if (policy->auth->mode == AUTH_NONE) {
        return STAGE_NEXT;
    }
    if (policy->authorize == NULL) {
        return stage_deny(exchange, DENY_AUTHORIZATION_ERROR, SLICE("the route has no authorize"));
    }
    if (exchange->principal.kind == PRINCIPAL_ANONYMOUS && !policy->authorize->any_caller) {
        /* Optional authentication, and rules that only an identity can meet: asking for one is the honest answer. */
        return stage_deny(exchange, DENY_CREDENTIAL_MISSING, SLICE_NONE);
    }
    enum deny_reason reason =
        authorize_decide(policy->authorize, &exchange->principal, &exchange->match.variables);
    return reason == DENY_NONE ? STAGE_NEXT : stage_deny(exchange, reason, SLICE_NONE);
}

const struct stage stage_authorize = {
    .name = "authorize",
    .on_request = authorize,
};
