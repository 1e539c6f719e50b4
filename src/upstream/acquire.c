/* From a request's claim to its connection: attempts at endpoints, one after the other, and what was lent comes back. */
#include "upstream/pool_internal.h"

#include <assert.h>

static void settle(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    bool unreachable = failure != NULL && failure->reason >= DENY_UPSTREAM_CONNECT &&
                       failure->reason <= DENY_UPSTREAM_TIMEOUT;
    if (unreachable) {
        pool_tell_breaker(ticket, false);
    }
    ticket->on_ready(ticket, failure);
}

void pool_lend(struct upstream_ticket *ticket, struct pool_connection *connection)
{
    static const struct http_call_failure no_memory = { .reason = DENY_OVERLOADED,
                                                        .detail = "no memory for a call to the upstream" };
    struct pool_endpoint *endpoint = ticket->endpoint;
    ticket->call = http_client_take(connection->client);
    if (ticket->call == NULL) {
        if (connection->calls > 0) {
            pool_replace(connection);
        } else {
            pool_keep(connection);
        }
        pool_leave(endpoint);
        ticket->endpoint = NULL;
        settle(ticket, &no_memory);
        return;
    }
    deadline_park(&connection->idle_deadline);
    connection->calls++;
    ticket->connection = connection;
    ticket->lent_at = endpoint->pool->loop->now;
    ticket->protocol = http_client_protocol(connection->client);
    pool_place_used(connection, HTTP_CLIENT_USABLE);
    settle(ticket, NULL);
}

static void lend_kept(struct upstream_ticket *ticket, struct pool_connection *connection)
{
    metrics_add(ticket->pool->metrics, METRIC_UPSTREAM_REUSED, 1);
    pool_lend(ticket, connection);
}

static void pend(struct upstream_ticket *ticket)
{
    static const struct http_call_failure busy = { .reason = DENY_UPSTREAM_BUSY,
                                                   .detail = "all connections are in use" };
    if (!pool_pend(ticket, false)) {
        settle(ticket, &busy);
    }
}

void pool_attempt_here(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    struct pool_connection *kept = NULL;
    if (!ticket->fresh || !pool_may_open(endpoint)) {
        kept = pool_find_shared(endpoint);
        kept = kept != NULL ? kept : pool_find_idle(endpoint);
    }
    if (kept != NULL) {
        lend_kept(ticket, kept);
    } else {
        pool_connect(ticket);
    }
}

void pool_attempt(struct upstream_ticket *ticket)
{
    struct upstream_pool *pool = ticket->pool;
    struct pool_endpoint *endpoint = pool_choose(pool, ticket);
    if (endpoint == NULL && ticket->tried_count > 0) {
        /* Each was tried once: a further attempt may go to any of them again. */
        ticket->tried_count = 0;
        endpoint = pool_choose(pool, ticket);
    }
    if (endpoint == NULL) {
        pend(ticket);
    } else {
        pool_attempt_at(ticket, endpoint);
    }
}

void pool_attempt_at(struct upstream_ticket *ticket, struct pool_endpoint *endpoint)
{
    struct upstream_pool *pool = ticket->pool;
    size_t number = pool_number_of(endpoint);
    ticket->tried_count -= ticket->tried_count == BALANCE_TRIES_MAX ? 1 : 0;
    ticket->tried[ticket->tried_count++] = (uint16_t)number;
    ticket->endpoint = endpoint;
    ticket->url = endpoint->settings->url;
    balancer_begin(&pool->balancer, number);
    const struct balance_target *target = &pool->balancer.targets[number];
    metrics_add(pool->metrics, METRIC_UPSTREAM_UNHEALTHY_USED, target->healthy ? 0 : 1);
    metrics_add(pool->metrics, METRIC_UPSTREAM_OTHER_ZONE,
                pool->settings->has_local && target->tier > 0 ? 1 : 0);
    pool_attempt_here(ticket);
}

void pool_attempt_failed(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    if (ticket->endpoint != NULL) {
        upstream_note_failure(ticket, failure);
        pool_leave(ticket->endpoint);
        ticket->endpoint = NULL;
        pool_wake_pending(ticket->pool);
    }
    if (upstream_may_retry(ticket)) {
        pool_attempt(ticket);
        return;
    }
    settle(ticket, failure);
}

void upstream_acquire(struct upstream_pool *pool, struct upstream_ticket *ticket)
{
    static const struct http_call_failure open = { .reason = DENY_UPSTREAM_OPEN,
                                                   .detail = "too many of its requests have failed" };
    static const struct http_call_failure none = { .reason = DENY_UPSTREAM_NO_ENDPOINTS,
                                                   .detail = "no endpoint was discovered" };
    static const struct http_call_failure full = {
        .reason = DENY_UPSTREAM_BUSY, .detail = "as many requests are under way as max_requests says"
    };
    assert(pool != NULL);
    if (ticket->pool == NULL) {
        retry_budget_pay_in(&pool->line->retries, pool->settings->retry_budget);
    }
    ticket->pool = pool;
    ticket->call = NULL;
    ticket->connection = NULL;
    if (pool->count == 0) {
        settle(ticket, &none);
    } else if (pool_is_full(pool)) {
        settle(ticket, &full);
    } else if (ticket->probe == 0 && !breaker_admit(&pool->line->breaker, pool->loop->now, &ticket->probe)) {
        settle(ticket, &open);
    } else if (pool->pending.queue.first == NULL) {
        pool_attempt(ticket);
    } else {
        pend(ticket); /* nobody overtakes those that wait, even where a place has just become free */
        pool_wake_pending(pool); /* or an endpoint has become healthy, of which nobody tells */
    }
}

bool upstream_may_retry(struct upstream_ticket *ticket)
{
    if (ticket->once || ticket->attempts >= (unsigned int)ticket->pool->settings->retries) {
        return false;
    }
    ticket->attempts++;
    return true;
}

bool upstream_spend_retry(struct upstream_ticket *ticket)
{
    return retry_budget_take(&ticket->pool->line->retries);
}

static void on_delay_over(struct deadline *deadline)
{
    struct upstream_ticket *ticket =
        (struct upstream_ticket *)((char *)deadline - offsetof(struct upstream_ticket, patience));
    upstream_acquire(ticket->pool, ticket);
}

void upstream_acquire_later(struct upstream_pool *pool, struct upstream_ticket *ticket, int64_t delay)
{
    if (delay <= 0) {
        upstream_acquire(pool, ticket);
        return;
    }
    ticket->pool = pool;
    ticket->patience.expired = on_delay_over;
    deadline_set(&pool->loop->deadlines, &ticket->patience, pool->loop->now, deadline_step(delay));
}

void upstream_release(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    struct pool_connection *connection = ticket->connection;
    pool_queue_leave(ticket);
    deadline_clear(&ticket->patience);
    if (ticket->probe != 0) {
        breaker_forget(&ticket->pool->line->breaker, ticket->probe);
        ticket->probe = 0;
    }
    if (endpoint == NULL) {
        return;
    }
    pool_leave(endpoint);
    if (ticket->call != NULL) {
        pool_give_back(connection, ticket->call);
    } else if (connection != NULL && !pool_bequeath(ticket)) {
        pool_close(connection); /* it is not open yet, and nobody else wants it */
    }
    ticket->endpoint = NULL;
    ticket->connection = NULL;
    ticket->call = NULL;
    pool_wake_pending(ticket->pool);
}

struct slice upstream_endpoint_of(const struct upstream_ticket *ticket)
{
    return ticket->url;
}
