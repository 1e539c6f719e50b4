#include "upstream/pool.h"

#include "upstream/pool_internal.h"

#include <stdlib.h>

#define ENDPOINTS_MAX 64 /* bits of upstream_ticket.tried */

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

static void close_connection(struct pool_connection *connection)
{
    struct http_client *client = connection->client;
    pool_forget(connection);
    http_client_close(client);
}

void pool_on_idle_deadline(struct deadline *deadline)
{
    close_connection(
        (struct pool_connection *)((char *)deadline - offsetof(struct pool_connection, idle_deadline)));
}

void pool_on_idle_lost(struct http_client *client)
{
    pool_forget(http_client_owner(client));
}

static void keep(struct pool_connection *connection)
{
    struct pool_endpoint *endpoint = connection->endpoint;
    struct upstream_pool *pool = endpoint->pool;
    move(connection, POOL_IDLE);
    deadline_set(&pool->loop->deadlines, &connection->idle_deadline, pool->loop->now,
                 pool->settings->idle_timeout);
    if (endpoint->counts[POOL_IDLE] > (size_t)pool->settings->max_idle) {
        close_connection(connection);
    }
}

static void place_used(struct pool_connection *connection, enum http_client_state state)
{
    if (state != HTTP_CLIENT_USABLE) {
        move(connection, POOL_DRAINING);
    } else {
        move(connection, http_client_room(connection->client) > 0 ? POOL_SHARED : POOL_FULL);
    }
}

void pool_replace(struct pool_connection *connection)
{
    enum http_client_state state = http_client_state(connection->client);
    if (connection->calls > 0) {
        place_used(connection, state);
    } else if (state == HTTP_CLIENT_CLOSING) {
        close_connection(connection);
    }
}

/* ---- choosing ---- */

static void settle(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    ticket->on_ready(ticket, failure);
}

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

/* What has changed without a word, its age, is seen here. */
struct pool_connection *pool_find_shared(struct pool_endpoint *endpoint)
{
    struct pool_connection *connection;
    while ((connection = endpoint->connections[POOL_SHARED]) != NULL &&
           http_client_room(connection->client) == 0) {
        pool_replace(connection);
    }
    return connection;
}

static bool has_room(struct pool_endpoint *endpoint)
{
    return pool_may_open(endpoint) || pool_find_shared(endpoint) != NULL || pool_may_share(endpoint);
}

bool pool_has_room(struct upstream_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        if (has_room(&pool->endpoints[i])) {
            return true;
        }
    }
    return false;
}

/* The next endpoint that the ticket has not tried; NULL: none, or all are at their maximum. */
static struct pool_endpoint *choose(struct upstream_pool *pool, const struct upstream_ticket *ticket)
{
    struct pool_endpoint *best = NULL;
    for (size_t i = 0; i < pool->count; i++) {
        size_t at = (pool->next + i) % pool->count;
        struct pool_endpoint *endpoint = &pool->endpoints[at];
        if ((ticket->tried & (UINT64_C(1) << at)) != 0 || !has_room(endpoint)) {
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

/* The last used connection that is still good. One that has something to say is closed: see http_client_is_quiet. */
static struct pool_connection *find_idle(struct pool_endpoint *endpoint)
{
    struct pool_connection *connection;
    while ((connection = endpoint->connections[POOL_IDLE]) != NULL &&
           /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is closed is taken off the list */
           !http_client_is_quiet(connection->client)) {
        close_connection(connection);
    }
    return connection;
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
            keep(connection);
        }
        endpoint->active--;
        ticket->endpoint = NULL;
        settle(ticket, &no_memory);
        return;
    }
    deadline_park(&connection->idle_deadline);
    connection->calls++;
    ticket->connection = connection;
    ticket->protocol = http_client_protocol(connection->client);
    place_used(connection, HTTP_CLIENT_USABLE);
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
        kept = kept != NULL ? kept : find_idle(endpoint);
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
    struct pool_endpoint *endpoint = choose(pool, ticket);
    if (endpoint == NULL && ticket->tried != 0) {
        /* Each was tried once: a further attempt may go to any of them again. */
        ticket->tried = 0;
        endpoint = choose(pool, ticket);
    }
    if (endpoint == NULL) {
        pend(ticket);
        return;
    }
    ticket->tried |= UINT64_C(1) << (size_t)(endpoint - pool->endpoints);
    ticket->endpoint = endpoint;
    ticket->url = endpoint->settings->url;
    endpoint->active++;
    pool_attempt_here(ticket);
}

void pool_attempt_failed(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    if (ticket->endpoint != NULL) {
        ticket->endpoint->active--;
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
    ticket->pool = pool;
    ticket->call = NULL;
    ticket->connection = NULL;
    if (pool->pending.queue.first == NULL) {
        pool_attempt(ticket);
    } else {
        pend(ticket); /* nobody overtakes those that wait, even where a place has just become free */
    }
}

bool upstream_may_retry(struct upstream_ticket *ticket)
{
    if (ticket->attempts >= (unsigned int)ticket->pool->settings->retries) {
        return false;
    }
    ticket->attempts++;
    return true;
}

static void give_back(struct pool_connection *connection, struct http_call *call)
{
    connection->calls--;
    enum http_client_state state = http_call_finish(call);
    if (state == HTTP_CLIENT_CLOSING) {
        pool_forget(connection);
    } else if (connection->calls > 0) {
        place_used(connection, state);
    } else {
        keep(connection);
    }
}

void upstream_release(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    struct pool_connection *connection = ticket->connection;
    pool_queue_leave(ticket);
    if (endpoint == NULL) {
        return;
    }
    endpoint->active--;
    if (ticket->call != NULL) {
        give_back(connection, ticket->call);
    } else if (connection != NULL && !pool_bequeath(ticket)) {
        close_connection(connection); /* it is not open yet, and nobody else wants it */
    }
    ticket->endpoint = NULL;
    ticket->connection = NULL;
    ticket->call = NULL;
    pool_wake_pending(ticket->pool);
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
    endpoint->active--;
    give_back(connection, call);
    pool_wake_pending(endpoint->pool);
}

/* The pool goes, and with it its connections, but those on which tunnels have calls. */
static void let_go(struct pool_connection *first)
{
    struct pool_connection *next;
    for (struct pool_connection *connection = first; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->calls == 0) {
            close_connection(connection);
        } else {
            deadline_clear(&connection->idle_deadline);
            connection->endpoint = NULL;
        }
    }
}

struct slice upstream_endpoint_of(const struct upstream_ticket *ticket)
{
    return ticket->url;
}

/* ---- the pool ---- */

void pool_begin_serving(struct upstream_pool *pool)
{
    pool->serving++;
}

void pool_end_serving(struct upstream_pool *pool)
{
    if (--pool->serving == 0 && pool->orphaned) {
        upstream_pool_free(pool);
    }
}

/* What an endpoint is to be asked for: its scheme goes first. */
static int protocol_of(const struct upstream_settings *settings, const struct upstream_endpoint *endpoint)
{
    if (endpoint->h2c) {
        return HTTP_PROTOCOL_2;
    }
    return endpoint->tls ? settings->protocol : HTTP_PROTOCOL_1;
}

struct error upstream_pool_new(const struct upstream_settings *settings, struct net_loop *loop,
                               struct metrics_worker *metrics, struct upstream_pool **ret_pool)
{
    size_t count = settings->endpoints.count < ENDPOINTS_MAX ? settings->endpoints.count : ENDPOINTS_MAX;
    struct upstream_pool *pool = calloc(1, sizeof *pool + count * sizeof pool->endpoints[0]);
    if (pool == NULL) {
        return FAIL(ERROR_MEMORY, "upstream pool");
    }
    *pool = (struct upstream_pool){ .settings = settings, .loop = loop, .metrics = metrics, .count = count };
    pool_pending_init(pool);
    static const struct tls_client_settings no_settings = { 0 };
    for (size_t i = 0; i < count; i++) {
        struct pool_endpoint *endpoint = &pool->endpoints[i];
        endpoint->pool = pool;
        endpoint->settings = &settings->parsed[i];
        endpoint->protocol = protocol_of(settings, endpoint->settings);
        resolved_init(&endpoint->addresses, loop);
        if (endpoint->settings->is_address) {
            resolved_set(&endpoint->addresses, &endpoint->settings->address);
        }
        if (endpoint->settings->tls && pool->tls == NULL) {
            const struct tls_client_settings *tls = settings->tls != NULL ? settings->tls : &no_settings;
            struct error error = tls_client_new(
                tls, http_client_alpn((enum http_client_protocol)settings->protocol), &pool->tls);
            if (failed(error)) {
                upstream_pool_free(pool);
                return error;
            }
        }
        endpoint->tls = endpoint->settings->tls ? pool->tls : NULL;
    }
    *ret_pool = pool;
    return OK;
}

void upstream_pool_free(struct upstream_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    if (pool->serving > 0 || pool->pending.task.queued) {
        pool->orphaned = true;
        return;
    }
    for (size_t i = 0; i < pool->count && pool->endpoints[i].pool != NULL; i++) {
        for (size_t place = 0; place < POOL_PLACES; place++) {
            let_go(pool->endpoints[i].connections[place]);
        }
        resolved_done(&pool->endpoints[i].addresses);
    }
    tls_client_free(pool->tls);
    free(pool);
}
