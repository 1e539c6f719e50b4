/* Has the upstream a place for it? Asked before anybody is known: what would be denied for want of connections in any case is
 * denied before its token is verified. All that a stranger learns by it is that the service is busy. */
#include "pipeline/affinity.h"
#include "pipeline/stage.h"

static enum stage_verdict check_capacity(struct exchange *exchange)
{
    if (exchange->route->settings->admin || filter_redirects(exchange->route->settings->filters)) {
        return STAGE_NEXT; /* it goes to no upstream */
    }
    int64_t wait = 0;
    enum deny_reason reason = affinity_choose_early(exchange)
                                  ? upstream_shortage(exchange->snapshot->pools[exchange->upstream], &wait)
                                  : DENY_NONE;
    /* Who falls back is for `forward` to see, when it is known who asks. */
    if (reason == DENY_NONE || exchange_policy(exchange)->fallback != NULL) {
        return STAGE_NEXT;
    }
    if (reason == DENY_UPSTREAM_OPEN || reason == DENY_UPSTREAM_NO_ENDPOINTS) {
        exchange->retry_after = wait;
        return stage_deny(exchange, reason, SLICE("before authentication"));
    }
    struct worker *worker = exchange->worker;
    exchange->retry_after =
        overload_hold_off(&worker->overload, &worker->loop, exchange->stream, exchange->started);
    return stage_deny(exchange, reason, SLICE("before authentication"));
}

const struct stage stage_capacity = {
    .name = "capacity",
    .on_request = check_capacity,
};
