#include "upstream/pool.h"

#include "upstream/pool_internal.h"

#include <stdlib.h>

const struct upstream_settings *upstream_pool_settings(const struct upstream_pool *pool)
{
    return pool->settings;
}

void pool_begin_serving(struct upstream_pool *pool)
{
    pool->serving++;
}

static void dispose(struct upstream_pool *pool)
{
    if (pool->serving > 0 || pool->pending.task.queued) {
        pool->orphaned = true;
        return;
    }
    for (size_t i = 0; i < pool->count && pool->endpoints[i].pool != NULL; i++) {
        for (size_t place = 0; place < POOL_PLACES; place++) {
            pool_let_go(pool->endpoints[i].connections[place]);
        }
        resolved_done(&pool->endpoints[i].addresses);
    }
    tls_client_free(pool->tls);
    balancer_done(&pool->balancer);
    pool_line_leave(pool);
    endpoint_set_unref(pool->set);
    free(pool);
}

void pool_end_serving(struct upstream_pool *pool)
{
    if (--pool->serving == 0 && pool->orphaned) {
        dispose(pool);
    }
}

static struct error balance(struct upstream_pool *pool)
{
    const struct upstream_settings *settings = pool->settings;
    TRY(balancer_init(&pool->balancer, (enum upstream_balance)settings->balance, settings->maglev,
                      pool->count));
    for (size_t i = 0; i < pool->count; i++) {
        pool->balancer.targets[i].weight = settings->parsed[i].weight;
        pool->balancer.targets[i].tier = settings->parsed[i].tier;
    }
    pool->balancer.rules = (struct usable_rules){ .panic_threshold = settings->panic_threshold,
                                                  .zone_spill = settings->zone_spill };
    pool->balancer.max_load = settings->max_load;
    pool->balancer.slow_start = settings->slow_start;
    pool->marks_seen = health_marks_version() - 1; /* none yet */
    return OK;
}

static struct error add_endpoint(struct upstream_pool *pool, size_t index)
{
    static const struct tls_client_settings no_settings = { 0 };
    const struct upstream_settings *settings = pool->settings;
    struct pool_endpoint *endpoint = &pool->endpoints[index];
    endpoint->pool = pool;
    endpoint->settings = &settings->parsed[index];
    endpoint->protocol = upstream_protocol_of(settings->protocol, endpoint->settings);
    resolved_init(&endpoint->addresses, pool->loop);
    if (endpoint->settings->is_address) {
        resolved_set(&endpoint->addresses, &endpoint->settings->address);
    }
    if (endpoint->settings->tls && pool->tls == NULL) {
        TRY(tls_client_new(settings->tls != NULL ? settings->tls : &no_settings, &pool->tls));
    }
    endpoint->tls = endpoint->settings->tls ? pool->tls : NULL;
    return OK;
}

static struct error fill(struct upstream_pool *pool)
{
    TRY(balance(pool));
    for (size_t i = 0; i < pool->count; i++) {
        TRY(add_endpoint(pool, i));
    }
    return OK;
}

struct error pool_make(const struct upstream_settings *settings, struct net_loop *loop,
                       struct metrics_worker *metrics, struct pool_line *line,
                       struct upstream_pool **ret_pool)
{
    size_t count = settings->endpoints.count;
    struct upstream_pool *pool = calloc(1, sizeof *pool + count * sizeof pool->endpoints[0]);
    if (pool == NULL) {
        return FAIL(ERROR_MEMORY, "upstream pool");
    }
    *pool = (struct upstream_pool){
        .settings = settings,
        .line = line,
        .references = 1,
        .loop = loop,
        .metrics = metrics,
        .count = count,
    };
    line->references++;
    pool_pending_init(pool);
    struct error error = fill(pool);
    if (failed(error)) {
        upstream_pool_free(pool);
        return error;
    }
    *ret_pool = pool;
    return OK;
}

struct upstream_pool *upstream_pool_ref(struct upstream_pool *pool)
{
    pool->references++;
    return pool;
}

void upstream_pool_retire(struct upstream_pool *pool)
{
    pool->retired = true;
    for (size_t i = 0; i < pool->count; i++) {
        struct pool_endpoint *heir = pool_heir_of(&pool->endpoints[i]);
        struct pool_connection *next;
        for (struct pool_connection *idle = pool->endpoints[i].connections[POOL_IDLE]; idle != NULL;
             idle = next) {
            next = idle->next;
            if (heir != NULL) {
                pool_hand_over(idle, heir);
            } else {
                pool_close(idle);
            }
        }
    }
}

void upstream_pool_free(struct upstream_pool *pool)
{
    if (pool != NULL && --pool->references == 0) {
        dispose(pool);
    }
}
