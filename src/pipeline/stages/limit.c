/* The two stages of a route's limits: before authentication by what a client cannot help showing, after it by who it is. */
#include "pipeline/limits.h"
#include "pipeline/stage.h"

static enum stage_verdict limit_client(struct exchange *exchange)
{
    return limits_apply(exchange, exchange->route->client_limits, exchange->route->client_limit_count,
                        DENY_RATE_CLIENT);
}

static enum stage_verdict limit_caller(struct exchange *exchange)
{
    /* An anonymous caller of a route with optional authentication has no identity to count by; its address was counted. */
    if (exchange->principal.kind == PRINCIPAL_ANONYMOUS) {
        return STAGE_NEXT;
    }
    return limits_apply(exchange, exchange->route->caller_limits, exchange->route->caller_limit_count,
                        DENY_RATE_CALLER);
}

const struct stage stage_limit_client = {
    .name = "limit_client",
    .on_request = limit_client,
};

const struct stage stage_limit_caller = {
    .name = "limit_caller",
    .on_request = limit_caller,
};
