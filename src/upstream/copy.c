/* A request that is under way at one endpoint, and at another one, too. */
#include "upstream/pool_internal.h"

/* A copy is for speed alone: it waits in no queue, is no breaker's probe, and takes no place that others wait for. */
static bool has_leave(const struct upstream_pool *pool)
{
    return pool->line->breaker.state == BREAKER_CLOSED && pool->pending.queue.first == NULL &&
           !pool_is_full(pool);
}

enum upstream_copy upstream_copy(const struct upstream_ticket *first, struct upstream_ticket *copy)
{
    struct upstream_pool *pool = first->pool;
    *copy = (struct upstream_ticket){
        .on_ready = copy->on_ready,
        .keyed = first->keyed,
        .key = first->key,
        .pool = pool,
        .once = true,
        .tried_count = first->tried_count,
    };
    memcpy(copy->tried, first->tried, sizeof copy->tried);
    struct pool_endpoint *endpoint =
        first->endpoint != NULL && has_leave(pool) ? pool_choose(pool, copy) : NULL;
    if (endpoint == NULL) {
        return UPSTREAM_NO_OTHER;
    }
    if (!retry_budget_take(&pool->line->retries)) {
        return UPSTREAM_NO_BUDGET;
    }
    pool_attempt_at(copy, endpoint);
    return UPSTREAM_COPIED;
}

void upstream_take_over(struct upstream_ticket *first, struct upstream_ticket *copy)
{
    const struct upstream_ticket before = *first;
    deadline_clear(&copy->patience); /* of both: no list may know them */
    deadline_clear(&first->patience);
    *first = *copy;
    first->on_ready = before.on_ready;
    first->attempts = before.attempts;
    first->once = false;
    copy->endpoint = NULL;
    copy->connection = NULL;
    copy->call = NULL;
}
