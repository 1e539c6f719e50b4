/* Endpoints that come and go: an upstream gets a new pool, the next generation, and what both have goes on in it. A request stays
 * with the generation that it began with, which goes with the last of them. */
#include "upstream/pool_internal.h"

#include <stdlib.h>

struct error pool_line_new(const struct upstream_settings *settings, struct pool_line **ret_line)
{
    struct pool_line *line = calloc(1, sizeof *line);
    if (line == NULL) {
        return FAIL(ERROR_MEMORY, "upstream pool");
    }
    retry_budget_init(&line->retries, settings->retry_budget);
    breaker_init(&line->breaker, settings->breaker);
    *ret_line = line;
    return OK;
}

static void unref(struct pool_line *line)
{
    if (--line->references == 0) {
        free(line);
    }
}

void pool_line_leave(struct upstream_pool *pool)
{
    struct pool_line *line = pool->line;
    line->newest = line->newest == pool ? NULL : line->newest;
    unref(line);
}

static struct pool_endpoint *find(struct upstream_pool *pool, struct slice url)
{
    for (size_t i = 0; i < pool->count; i++) {
        if (slice_equal(pool->endpoints[i].settings->url, url)) {
            return &pool->endpoints[i];
        }
    }
    return NULL;
}

struct pool_endpoint *pool_heir_of(const struct pool_endpoint *endpoint)
{
    struct upstream_pool *newest = endpoint->pool->line->newest;
    bool is_newer = newest != NULL && newest != endpoint->pool && !newest->retired;
    return is_newer ? find(newest, endpoint->settings->url) : NULL;
}

/* What was learned about it: how fast it is, where its name leads, what it speaks, whether it serves well. */
static void inherit(struct pool_endpoint *endpoint, struct pool_endpoint *before)
{
    size_t number = pool_number_of(endpoint);
    endpoint->pool->balancer.targets[number].latency =
        before->pool->balancer.targets[pool_number_of(before)].latency;
    endpoint->protocol = before->protocol;
    endpoint->takes_one = before->takes_one;
    endpoint->next_address = before->next_address;
    endpoint->outlier_count = before->outlier_count;
    before->outlier_count = (struct outlier_count){ 0 };
    if (!endpoint->settings->is_address) {
        struct resolved *addresses = &endpoint->addresses;
        memcpy(addresses->addresses, before->addresses.addresses, sizeof addresses->addresses);
        addresses->count = before->addresses.count;
        addresses->until = before->addresses.until;
    }
}

struct error upstream_pool_new(const struct upstream_settings *settings, struct net_loop *loop,
                               struct metrics_worker *metrics, struct upstream_pool **ret_pool)
{
    struct pool_line *line = NULL;
    TRY(pool_line_new(settings, &line));
    line->references++; /* ours, until there is a pool, or none */
    struct error error = pool_make(settings, loop, metrics, line, ret_pool);
    if (!failed(error)) {
        line->newest = *ret_pool;
    }
    unref(line);
    return error;
}

struct error upstream_pool_follow(struct upstream_pool *pool, struct endpoint_set *set,
                                  struct upstream_pool **ret_pool)
{
    struct upstream_pool *made = NULL;
    TRY(pool_make(&set->settings, pool->loop, pool->metrics, pool->line, &made));
    made->set = endpoint_set_ref(set);
    for (size_t i = 0; i < made->count; i++) {
        struct pool_endpoint *before = find(pool, made->endpoints[i].settings->url);
        if (before != NULL) {
            inherit(&made->endpoints[i], before);
        }
    }
    if (pool->count > 0) {
        made->balancer.next = made->count > 0 ? pool->balancer.next % made->count : 0;
    }
    pool->line->newest = made;
    *ret_pool = made;
    return OK;
}
