/* Which endpoint, and which of its connections: by health, room, and the balance that is wanted. */
#include "upstream/pool_internal.h"

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

/* By its checks, and by its requests. */
static bool is_healthy(const struct upstream_endpoint *endpoint)
{
    return !health_mark_is_unhealthy(endpoint->mark) && !outlier_mark_is_ejected(endpoint->outlier);
}

/* When it joined, or came back; ns, 0: it was always there. */
static int64_t since(const struct upstream_endpoint *endpoint)
{
    int64_t checked =
        endpoint->mark != NULL ? atomic_load_explicit(&endpoint->mark->since, memory_order_relaxed) : 0;
    int64_t counted =
        endpoint->outlier != NULL ? atomic_load_explicit(&endpoint->outlier->since, memory_order_relaxed) : 0;
    return checked > counted ? checked : counted;
}

/* Which endpoints may be chosen at all: looked at anew where any mark has changed. */
static void look_at_marks(struct upstream_pool *pool)
{
    uint64_t version = health_marks_version();
    if (version == pool->marks_seen) {
        return;
    }
    pool->marks_seen = version;
    for (size_t i = 0; i < pool->count; i++) {
        pool->balancer.targets[i].healthy = is_healthy(pool->endpoints[i].settings);
        pool->balancer.targets[i].since = since(pool->endpoints[i].settings);
    }
    balancer_refresh(&pool->balancer);
}

static bool number_has_room(void *context, size_t number)
{
    struct upstream_pool *pool = context;
    return has_room(&pool->endpoints[number]);
}

bool pool_has_room(struct upstream_pool *pool)
{
    look_at_marks(pool);
    for (size_t i = 0; i < pool->balancer.usable_count; i++) {
        if (has_room(&pool->endpoints[pool->balancer.usable[i]])) {
            return true;
        }
    }
    return false;
}

struct pool_endpoint *pool_choose(struct upstream_pool *pool, const struct upstream_ticket *ticket)
{
    const struct balance_ask ask = {
        .now = pool->loop->now,
        .keyed = ticket->keyed,
        .key = ticket->key,
        .tried = ticket->tried,
        .tried_count = ticket->tried_count,
        .has_room = number_has_room,
        .context = pool,
    };
    if (pool->count == 0) {
        return NULL;
    }
    look_at_marks(pool);
    size_t number = balancer_pick(&pool->balancer, &ask);
    return number != BALANCE_NONE ? &pool->endpoints[number] : NULL;
}
