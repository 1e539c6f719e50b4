/* A pool's connections: where each stands with its endpoint, which are kept, and what becomes of them when the pool goes. */
#include "upstream/pool_internal.h"

#include <stdlib.h>

/* ---- places ---- */

static void leave_place(struct pool_connection *connection)
{
    struct pool_endpoint *endpoint = connection->endpoint;
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        endpoint->connections[connection->place] = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    endpoint->counts[connection->place]--;
}

void pool_put(struct pool_connection *connection, enum pool_place place)
{
    struct pool_connection **list = &connection->endpoint->connections[place];
    connection->place = place;
    connection->previous = NULL;
    connection->next = *list;
    if (*list != NULL) {
        (*list)->previous = connection;
    }
    *list = connection;
    connection->endpoint->counts[place]++;
}

static void move(struct pool_connection *connection, enum pool_place place)
{
    if (connection->place != place) {
        leave_place(connection);
        pool_put(connection, place);
    }
}

void pool_forget(struct pool_connection *connection)
{
    struct pool_endpoint *endpoint = connection->endpoint;
    leave_place(connection);
    endpoint->promising -= connection->promising ? 1 : 0;
    deadline_clear(&connection->idle_deadline);
    metrics_add(endpoint->pool->metrics, METRIC_UPSTREAM_OPEN, -1);
    free(connection);
}

void pool_close(struct pool_connection *connection)
{
    struct http_client *client = connection->client;
    pool_forget(connection);
    http_client_close(client);
}

void pool_on_idle_deadline(struct deadline *deadline)
{
    pool_close(
        (struct pool_connection *)((char *)deadline - offsetof(struct pool_connection, idle_deadline)));
}

void pool_on_idle_lost(struct http_client *client)
{
    pool_forget(http_client_owner(client));
}

/* Speaks what its endpoint is not spoken to in any more. */
static bool is_outdated(const struct pool_connection *connection)
{
    return connection->h2 && connection->endpoint->protocol == HTTP_PROTOCOL_1;
}

void pool_hand_over(struct pool_connection *connection, struct pool_endpoint *heir)
{
    leave_place(connection);
    connection->endpoint = heir;
    pool_put(connection, POOL_IDLE);
    pool_wake_pending(heir->pool);
}

void pool_keep(struct pool_connection *connection)
{
    struct pool_endpoint *heir =
        connection->endpoint->pool->retired ? pool_heir_of(connection->endpoint) : NULL;
    if (heir != NULL) {
        pool_hand_over(connection, heir);
    }
    struct pool_endpoint *endpoint = connection->endpoint;
    struct upstream_pool *pool = endpoint->pool;
    move(connection, POOL_IDLE);
    deadline_set(&pool->loop->deadlines, &connection->idle_deadline, pool->loop->now,
                 pool->settings->idle_timeout);
    if (pool->retired || endpoint->counts[POOL_IDLE] > (size_t)pool->settings->max_idle ||
        is_outdated(connection)) {
        pool_close(connection);
    }
}

void pool_place_used(struct pool_connection *connection, enum http_client_state state)
{
    if (state != HTTP_CLIENT_USABLE || is_outdated(connection)) {
        move(connection, POOL_DRAINING);
    } else {
        move(connection, http_client_room(connection->client) > 0 ? POOL_SHARED : POOL_FULL);
    }
}

void pool_replace(struct pool_connection *connection)
{
    enum http_client_state state = http_client_state(connection->client);
    if (connection->calls > 0) {
        pool_place_used(connection, state);
    } else if (state == HTTP_CLIENT_CLOSING) {
        pool_close(connection);
    }
}

void pool_stay_with_http1(struct pool_endpoint *endpoint)
{
    static const enum pool_place places[] = { POOL_IDLE, POOL_SHARED, POOL_FULL };
    endpoint->protocol = HTTP_PROTOCOL_1;
    endpoint->takes_one = true;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct pool_connection *next;
        for (struct pool_connection *at = endpoint->connections[places[i]]; at != NULL; at = next) {
            next = at->next;
            if (is_outdated(at) && at->calls > 0) {
                move(at, POOL_DRAINING);
            } else if (is_outdated(at)) {
                pool_close(at);
            }
        }
    }
}

/* One that has something to say is closed: see http_client_is_quiet. So is one to an address that is avoided. */
struct pool_connection *pool_find_idle(struct pool_endpoint *endpoint)
{
    struct pool_connection *connection;
    while ((connection = endpoint->connections[POOL_IDLE]) != NULL &&
           /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is closed is taken off the list */
           (pool_is_avoided(connection) || !http_client_is_quiet(connection->client))) {
        pool_close(connection);
    }
    return connection;
}

void pool_give_back(struct pool_connection *connection, struct http_call *call)
{
    connection->calls--;
    enum http_client_state state = http_call_finish(call);
    if (state == HTTP_CLIENT_CLOSING) {
        pool_forget(connection);
    } else if (connection->calls > 0) {
        pool_place_used(connection, state);
    } else {
        pool_keep(connection);
    }
}

/* ---- tunnels ---- */

struct pool_connection *upstream_keep(struct upstream_ticket *ticket)
{
    struct pool_connection *connection = ticket->connection;
    ticket->endpoint = NULL;
    ticket->connection = NULL;
    ticket->call = NULL;
    return connection;
}

/* Its pool is no more: the last call takes it along. */
static void end_orphan(struct pool_connection *connection, struct http_call *call)
{
    struct http_client *client = connection->client;
    connection->calls--;
    bool closing = http_call_finish(call) == HTTP_CLIENT_CLOSING;
    if (!closing && connection->calls > 0) {
        return;
    }
    metrics_add(connection->metrics, METRIC_UPSTREAM_OPEN, -1);
    free(connection);
    if (!closing) {
        http_client_close(client);
    }
}

void upstream_end_kept(struct pool_connection *connection, struct http_call *call)
{
    struct pool_endpoint *endpoint = connection->endpoint;
    if (endpoint == NULL) {
        end_orphan(connection, call);
        return;
    }
    pool_leave(endpoint);
    pool_give_back(connection, call);
    pool_wake_pending(endpoint->pool);
}

void pool_let_go(struct pool_connection *first)
{
    struct pool_connection *next;
    for (struct pool_connection *connection = first; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->calls == 0) {
            pool_close(connection);
        } else {
            deadline_clear(&connection->idle_deadline);
            connection->endpoint = NULL;
        }
    }
}
