/* The two stages of a route's limits: before authentication by what a client cannot help showing, after it by who it is. */
#include "pipeline/limits.h"
#include "pipeline/stage.h"

static enum stage_verdict limit_client(struct exchange *exchange)
{
    return limits_apply(exchange, exchange->route->client_limits, exchange->route->client_limit_count,
                        DENY_RATE_CLIENT);
}

/* What the caller brings along counts over all routes, together with what the route says: all or none is charged. */
static enum stage_verdict limit_own(struct exchange *exchange, const struct limit_settings *own,
                                    const struct limit_settings *const *rules, size_t count)
{
    const struct limit_settings *all[LIMIT_KEYS_MAX];
    if (count >= LIMIT_KEYS_MAX) {
        enum stage_verdict verdict = limits_apply(exchange, &own, 1, DENY_RATE_CALLER);
        return verdict == STAGE_NEXT ? limits_apply(exchange, rules, count, DENY_RATE_CALLER) : verdict;
    }
    for (size_t i = 0; i < count; i++) {
        all[i] = rules[i];
    }
    all[count] = own;
    return limits_apply(exchange, all, count + 1, DENY_RATE_CALLER);
}

static enum stage_verdict limit_caller(struct exchange *exchange)
{
    /* An anonymous caller of a route with optional authentication has no identity to count by; its address was counted. */
    if (exchange->principal.kind == PRINCIPAL_ANONYMOUS) {
        return STAGE_NEXT;
    }
    const struct route *route = exchange->route;
    if (exchange->principal.own_limit != NULL) {
        return limit_own(exchange, exchange->principal.own_limit, route->caller_limits,
                         route->caller_limit_count);
    }
    return limits_apply(exchange, route->caller_limits, route->caller_limit_count, DENY_RATE_CALLER);
}

const struct stage stage_limit_client = {
    .name = "limit_client",
    .on_request = limit_client,
};

const struct stage stage_limit_caller = {
    .name = "limit_caller",
    .on_request = limit_caller,
};
