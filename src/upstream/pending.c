/* Requests that wait for one of the connections that an upstream allows: in the order in which they came, as many and as long
 * as the settings say. */
#include "upstream/pool_internal.h"

/* ---- queues ---- */

static void link_between(struct pool_queue *queue, struct upstream_ticket *ticket,
                         struct upstream_ticket *before, struct upstream_ticket *behind)
{
    ticket->queue = queue;
    ticket->previous_waiting = before;
    ticket->next_waiting = behind;
    *(before != NULL ? &before->next_waiting : &queue->first) = ticket;
    *(behind != NULL ? &behind->previous_waiting : &queue->last) = ticket;
    queue->count++;
}

void pool_queue_add(struct pool_queue *queue, struct upstream_ticket *ticket)
{
    link_between(queue, ticket, queue->last, NULL);
}

void pool_queue_add_first(struct pool_queue *queue, struct upstream_ticket *ticket)
{
    link_between(queue, ticket, NULL, queue->first);
}

void pool_queue_leave(struct upstream_ticket *ticket)
{
    struct pool_queue *queue = ticket->queue;
    if (queue == NULL) {
        return;
    }
    struct upstream_ticket *before = ticket->previous_waiting, *behind = ticket->next_waiting;
    *(before != NULL ? &before->next_waiting : &queue->first) = behind;
    *(behind != NULL ? &behind->previous_waiting : &queue->last) = before;
    queue->count--;
    ticket->next_waiting = ticket->previous_waiting = NULL;
    ticket->queue = NULL;
    deadline_clear(&ticket->patience);
    if (queue == &ticket->pool->pending.queue) {
        metrics_add(ticket->pool->metrics, METRIC_UPSTREAM_PENDING, -1);
    }
}

void pool_queue_move(struct pool_queue *from, struct pool_queue *to)
{
    *to = *from;
    *from = (struct pool_queue){ 0 };
    for (struct upstream_ticket *ticket = to->first; ticket != NULL; ticket = ticket->next_waiting) {
        ticket->queue = to;
    }
}

/* ---- those that are pending ---- */

static void on_waited_too_long(struct deadline *deadline)
{
    static const struct http_call_failure late = { .reason = DENY_UPSTREAM_PENDING,
                                                   .detail = "no connection became free" };
    struct upstream_ticket *ticket =
        (struct upstream_ticket *)((char *)deadline - offsetof(struct upstream_ticket, patience));
    pool_queue_leave(ticket);
    ticket->on_ready(ticket, &late);
}

bool pool_pend(struct upstream_ticket *ticket, bool first)
{
    struct upstream_pool *pool = ticket->pool;
    struct pool_queue *queue = &pool->pending.queue;
    if (queue->count >= (size_t)pool->settings->max_pending) {
        return false;
    }
    ticket->pending_since = pool->loop->now;
    ticket->pending_behind = first ? 0 : queue->count;
    (first ? pool_queue_add_first : pool_queue_add)(queue, ticket);
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
    const struct upstream_ticket *head = pool->pending.queue.first;
    int64_t waited = pool->loop->now - head->pending_since;
    int64_t expected =
        waited * (int64_t)(pool->pending.queue.count + 1) / (int64_t)(head->pending_behind + 1);
    return waited > pool->settings->pending_timeout / 4 && expected > pool->settings->pending_timeout / 2;
}

bool pool_is_full(const struct upstream_pool *pool)
{
    return pool->settings->max_requests > 0 &&
           pool->balancer.active + pool->pending.queue.count >= (uint64_t)pool->settings->max_requests;
}

enum deny_reason upstream_shortage(struct upstream_pool *pool, int64_t *ret_wait)
{
    if (pool->count == 0) {
        *ret_wait = NS_PER_S; /* they are looked for as often, or not much later */
        return DENY_UPSTREAM_NO_ENDPOINTS;
    }
    if (!breaker_would_admit(&pool->line->breaker, pool->loop->now, ret_wait)) {
        return DENY_UPSTREAM_OPEN;
    }
    if (pool_is_full(pool)) {
        return DENY_UPSTREAM_BUSY;
    }
    if (pool->pending.queue.count >= (size_t)pool->settings->max_pending) {
        /* A place that has just become free is for one of those that wait. */
        return pool->pending.queue.first != NULL || !pool_has_room(pool) ? DENY_UPSTREAM_BUSY : DENY_NONE;
    }
    return pool->pending.queue.first != NULL && would_wait_in_vain(pool) ? DENY_UPSTREAM_PENDING : DENY_NONE;
}

/* In a turn of its own: what one request's end sets free must not be taken from within that end, where it might end the next
 * one, and so on. */
void pool_wake_pending(struct upstream_pool *pool)
{
    if (pool->pending.queue.first != NULL) {
        net_loop_post(pool->loop, &pool->pending.task);
    }
}

static void serve(struct net_task *task)
{
    struct upstream_pool *pool =
        (struct upstream_pool *)((char *)task - offsetof(struct upstream_pool, pending.task));
    pool_begin_serving(pool);
    while (pool->pending.queue.first != NULL && pool_has_room(pool)) {
        struct upstream_ticket *ticket = pool->pending.queue.first;
        pool_queue_leave(ticket);
        pool_attempt(ticket);
    }
    pool_end_serving(pool);
}

void pool_pending_init(struct upstream_pool *pool)
{
    pool->pending.task.run = serve;
}
