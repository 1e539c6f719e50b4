/* What came of calls: what the balance, passive health and the breaker go by. */
#include "upstream/pool_internal.h"

#include "base/log.h"

static void learn(const struct upstream_ticket *ticket, int64_t took, bool well)
{
    struct upstream_pool *pool = ticket->pool;
    balancer_note(&pool->balancer, pool_number_of(ticket->endpoint), took, well, pool->loop->now);
}

static void count(const struct upstream_ticket *ticket, bool well)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    const struct outlier_settings *outliers = ticket->pool->settings->outliers;
    if (outliers != NULL && endpoint->settings->outlier != NULL) {
        outlier_mark_count(endpoint->settings->outlier, &endpoint->outlier_count, well, outliers->failures);
    }
}

void pool_tell_breaker(struct upstream_ticket *ticket, bool well)
{
    struct upstream_pool *pool = ticket->pool;
    uint32_t all, failed;
    enum breaker_change change = breaker_note(&pool->line->breaker, pool->loop->now, ticket->probe, well);
    ticket->probe = 0;
    if (change == BREAKER_OPENS) {
        breaker_count(&pool->line->breaker, &all, &failed);
        metrics_add(pool->metrics, METRIC_BREAKER_OPENED, 1);
        log_event(LOG_WARNING, "breaker_opened", LOG_TEXT("upstream", pool->settings->name),
                  LOG_NUMBER("requests", all), LOG_NUMBER("failed", failed));
    } else if (change == BREAKER_CLOSES) {
        log_event(LOG_INFO, "breaker_closed", LOG_TEXT("upstream", pool->settings->name));
    }
}

void upstream_note_head(struct upstream_ticket *ticket)
{
    if (ticket->endpoint != NULL) {
        learn(ticket, ticket->pool->loop->now - ticket->lent_at, true);
    }
}

/* A mean that is longer already would only be pulled down. */
void upstream_note_overtaken(struct upstream_ticket *ticket)
{
    if (ticket->endpoint == NULL || ticket->call == NULL) {
        return;
    }
    const struct upstream_pool *pool = ticket->pool;
    const struct balance_target *target = &pool->balancer.targets[pool_number_of(ticket->endpoint)];
    const int64_t took = pool->loop->now - ticket->lent_at;
    if (took > (int64_t)latency_at(&target->latency, pool->loop->now)) {
        learn(ticket, took, true);
    }
}

void upstream_note_outcome(struct upstream_ticket *ticket, bool well)
{
    if (ticket->endpoint == NULL) {
        return;
    }
    count(ticket, well);
    pool_tell_breaker(ticket, well);
    if (!well) {
        learn(ticket, 0, false);
    }
}

/* What is short here, or was refused in good order, says nothing about the server; nor does a kept connection that it had closed
 * already. */
static bool is_servers_fault(const struct http_call_failure *failure)
{
    return failure->reason != DENY_OVERLOADED && !failure->refused && !failure->reused;
}

void upstream_note_failure(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    if (ticket->endpoint != NULL && is_servers_fault(failure)) {
        count(ticket, false);
        learn(ticket, ticket->call != NULL ? ticket->pool->loop->now - ticket->lent_at : 0, false);
        if (ticket->call != NULL) {
            pool_tell_breaker(ticket,
                              false); /* that no connection could be had is told once for all endpoints */
        }
    }
}
