/* Has the upstream a place for it? Asked before anybody is known: what would be denied for want of connections in any case is
 * denied before its token is verified. All that a stranger learns by it is that the service is busy. */
#include "pipeline/stage.h"

static enum stage_verdict check_capacity(struct exchange *exchange)
{
    enum deny_reason reason = upstream_shortage(exchange->snapshot->pools[exchange->route->upstream]);
    return reason == DENY_NONE ? STAGE_NEXT : stage_deny(exchange, reason, SLICE("before authentication"));
}

const struct stage stage_capacity = {
    .name = "capacity",
    .on_request = check_capacity,
};
