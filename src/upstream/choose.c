/* Which endpoint, and which of its connections: by health, room, and the balance that is wanted. */
#include "upstream/pool_internal.h"

static bool is_fuller(const struct pool_endpoint *a, const struct pool_endpoint *b)
{
    return a->active > b->active;
}

/* Each has a connection that counts, or will. */
bool pool_may_open(const struct pool_endpoint *endpoint)
{
    size_t used = endpoint->counts[POOL_SHARED] + endpoint->counts[POOL_FULL] + endpoint->naming.count +
                  endpoint->served.count;
    return used < (size_t)endpoint->pool->settings->max_connections;
}

bool pool_is_avoided(const struct pool_connection *connection)
{
    return health_mark_is_down(connection->endpoint->settings->mark, connection->address_key);
}

/* What has changed without a word, its age, is seen here. */
struct pool_connection *pool_find_shared(struct pool_endpoint *endpoint)
{
    struct pool_connection *next;
    for (struct pool_connection *connection = endpoint->connections[POOL_SHARED]; connection != NULL;
         connection = next) {
        next = connection->next;
        if (http_client_room(connection->client) == 0) {
            pool_replace(connection);
        } else if (!pool_is_avoided(connection)) {
            return connection;
        }
    }
    return NULL;
}

static bool has_room(struct pool_endpoint *endpoint)
{
    return pool_may_open(endpoint) || pool_find_shared(endpoint) != NULL || pool_may_share(endpoint);
}

bool pool_is_unhealthy(const struct pool_endpoint *endpoint)
{
    return health_mark_is_unhealthy(endpoint->settings->mark);
}

/* Which endpoints may be chosen at all, a bit each. Where all failed their health checks, all may: it is more likely that the
 * checks are wrong, or the way there, than that nothing would answer, and an answer is worth a try. What else is to keep
 * endpoints out of the choice, and how many may be kept out, belongs here. */
static uint64_t eligible(const struct upstream_pool *pool)
{
    uint64_t healthy = 0;
    for (size_t i = 0; i < pool->count; i++) {
        healthy |= pool_is_unhealthy(&pool->endpoints[i]) ? 0 : UINT64_C(1) << i;
    }
    return healthy != 0 ? healthy : UINT64_MAX;
}

bool pool_has_room(struct upstream_pool *pool)
{
    uint64_t may = eligible(pool);
    for (size_t i = 0; i < pool->count; i++) {
        if ((may & (UINT64_C(1) << i)) != 0 && has_room(&pool->endpoints[i])) {
            return true;
        }
    }
    return false;
}

struct pool_endpoint *pool_choose(struct upstream_pool *pool, const struct upstream_ticket *ticket)
{
    struct pool_endpoint *best = NULL;
    uint64_t may = eligible(pool);
    for (size_t i = 0; i < pool->count; i++) {
        size_t at = (pool->next + i) % pool->count;
        struct pool_endpoint *endpoint = &pool->endpoints[at];
        if ((may & ~ticket->tried & (UINT64_C(1) << at)) == 0 || !has_room(endpoint)) {
            continue;
        }
        if (best == NULL ||
            (pool->settings->balance == BALANCE_LEAST_REQUESTS && is_fuller(best, endpoint))) {
            best = endpoint;
        }
        if (pool->settings->balance == BALANCE_ROUND_ROBIN) {
            break;
        }
    }
    if (best != NULL) {
        pool->next = (size_t)(best - pool->endpoints + 1) % pool->count;
    }
    return best;
}
