/* Requests that wait for one of the connections that an upstream allows: in the order in which they came, as many and as long
 * as the settings say. */
#include "upstream/pool_internal.h"

static void leave(struct upstream_ticket *ticket)
{
    struct pool_pending *pending = &ticket->pool->pending;
    struct upstream_ticket **from_before =
        ticket->previous_waiting != NULL ? &ticket->previous_waiting->next_waiting : &pending->first;
    struct upstream_ticket **from_behind =
        ticket->next_waiting != NULL ? &ticket->next_waiting->previous_waiting : &pending->last;
    *from_before = ticket->next_waiting;
    *from_behind = ticket->previous_waiting;
    ticket->next_waiting = ticket->previous_waiting = NULL;
    ticket->pending = false;
    pending->count--;
    deadline_clear(&ticket->patience);
    metrics_add(ticket->pool->metrics, METRIC_UPSTREAM_PENDING, -1);
}

static void on_waited_too_long(struct deadline *deadline)
{
    static const struct http_call_failure late = { DENY_UPSTREAM_PENDING, "no connection became free",
                                                   false };
    struct upstream_ticket *ticket =
        (struct upstream_ticket *)((char *)deadline - offsetof(struct upstream_ticket, patience));
    leave(ticket);
    ticket->on_ready(ticket, &late);
}

bool pool_pend(struct upstream_ticket *ticket)
{
    struct upstream_pool *pool = ticket->pool;
    struct pool_pending *pending = &pool->pending;
    if (pending->count >= (size_t)pool->settings->max_pending) {
        return false;
    }
    ticket->previous_waiting = pending->last;
    ticket->next_waiting = NULL;
    *(pending->last != NULL ? &pending->last->next_waiting : &pending->first) = ticket;
    pending->last = ticket;
    ticket->pending_since = pool->loop->now;
    ticket->pending_behind = pending->count++;
    ticket->pending = true;
    ticket->patience.expired = on_waited_too_long;
    deadline_set(&pool->loop->deadlines, &ticket->patience, pool->loop->now, pool->settings->pending_timeout);
    metrics_add(pool->metrics, METRIC_UPSTREAM_PENDING, 1);
    return true;
}

/* Served in order, all would in the end wait just too long, and each place go to one that has given up or soon will. So who
 * comes is refused while the queue is longer than what half of pending_timeout serves. The head tells how fast that goes: it
 * has waited until those before it had their places, and a newcomer has to wait for that of all that are there. Requests that
 * began together end together, and tell nothing before: the head's wait counts from a quarter of pending_timeout on. */
static bool would_wait_in_vain(const struct upstream_pool *pool)
{
    const struct upstream_ticket *head = pool->pending.first;
    int64_t waited = pool->loop->now - head->pending_since;
    int64_t expected = waited * (int64_t)(pool->pending.count + 1) / (int64_t)(head->pending_behind + 1);
    return waited > pool->settings->pending_timeout / 4 && expected > pool->settings->pending_timeout / 2;
}

enum deny_reason upstream_shortage(const struct upstream_pool *pool)
{
    if (pool->pending.count >= (size_t)pool->settings->max_pending) {
        /* A place that has just become free is for one of those that wait. */
        return pool->pending.first != NULL || !pool_has_room(pool) ? DENY_UPSTREAM_BUSY : DENY_NONE;
    }
    return pool->pending.first != NULL && would_wait_in_vain(pool) ? DENY_UPSTREAM_PENDING : DENY_NONE;
}

void pool_stop_pending(struct upstream_ticket *ticket)
{
    leave(ticket);
}

/* In a turn of its own: what one request's end sets free must not be taken from within that end, where it might end the next
 * one, and so on. */
void pool_wake_pending(struct upstream_pool *pool)
{
    if (pool->pending.first != NULL) {
        net_loop_post(pool->loop, &pool->pending.task);
    }
}

static void serve(struct net_task *task)
{
    struct upstream_pool *pool =
        (struct upstream_pool *)((char *)task - offsetof(struct upstream_pool, pending.task));
    pool->serving = true;
    while (pool->pending.first != NULL && pool_has_room(pool)) {
        struct upstream_ticket *ticket = pool->pending.first;
        leave(ticket);
        pool_attempt(ticket);
    }
    pool->serving = false;
    if (pool->orphaned) {
        upstream_pool_free(pool);
    }
}

void pool_pending_init(struct upstream_pool *pool)
{
    pool->pending.task.run = serve;
}
