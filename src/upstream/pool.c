#include "upstream/pool.h"

#include "upstream/pool_internal.h"

#include <stdlib.h>

#define ENDPOINTS_MAX 64 /* bits of upstream_ticket.tried */

/* ---- lists ---- */

void pool_list_add(struct pool_connection **list, struct pool_connection *connection)
{
    connection->previous = NULL;
    connection->next = *list;
    if (*list != NULL) {
        (*list)->previous = connection;
    }
    *list = connection;
}

static void list_remove(struct pool_connection **list, struct pool_connection *connection)
{
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        *list = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
}

void pool_forget(struct pool_connection *connection)
{
    struct pool_endpoint *endpoint = connection->endpoint;
    if (connection->ticket == NULL) {
        list_remove(&endpoint->idle, connection);
        endpoint->idle_count--;
    } else {
        list_remove(&endpoint->busy, connection);
    }
    deadline_clear(&connection->idle_deadline);
    endpoint->open--;
    metrics_add(endpoint->pool->metrics, METRIC_UPSTREAM_OPEN, -1);
    free(connection);
}

void pool_on_idle_deadline(struct deadline *deadline)
{
    struct pool_connection *connection =
        (struct pool_connection *)((char *)deadline - offsetof(struct pool_connection, idle_deadline));
    struct h1_client *client = connection->client;
    pool_forget(connection);
    h1_client_close(client);
}

void pool_on_idle_lost(struct h1_client *client)
{
    pool_forget(h1_client_owner(client));
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

bool pool_has_room(const struct upstream_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        if (pool->endpoints[i].active < (size_t)pool->settings->max_connections) {
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
        /* Each ticket has a connection, or will: those that still wait count too. */
        bool full = endpoint->active >= (size_t)pool->settings->max_connections;
        if ((ticket->tried & (UINT64_C(1) << at)) != 0 || full) {
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

/* The last used connection that is still good. One that has something to say is closed: see h1_client_is_quiet. */
static struct pool_connection *find_idle(struct pool_endpoint *endpoint)
{
    while (endpoint->idle != NULL && !h1_client_is_quiet(endpoint->idle->client)) {
        struct h1_client *client = endpoint->idle->client;
        pool_forget(endpoint->idle);
        h1_client_close(client);
    }
    return endpoint->idle;
}

static void lend_idle(struct upstream_ticket *ticket, struct pool_connection *connection)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    list_remove(&endpoint->idle, connection);
    endpoint->idle_count--;
    deadline_park(&connection->idle_deadline);
    connection->ticket = ticket;
    pool_list_add(&endpoint->busy, connection);
    ticket->connection = connection;
    ticket->client = connection->client;
    metrics_add(endpoint->pool->metrics, METRIC_UPSTREAM_REUSED, 1);
    settle(ticket, NULL);
}

static void pend(struct upstream_ticket *ticket)
{
    static const struct http_call_failure busy = { DENY_UPSTREAM_BUSY, "all connections are in use", false };
    if (!pool_pend(ticket)) {
        settle(ticket, &busy);
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
    struct pool_connection *idle = ticket->fresh ? NULL : find_idle(endpoint);
    if (idle != NULL) {
        lend_idle(ticket, idle);
    } else {
        pool_connect(ticket);
    }
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
    ticket->client = NULL;
    ticket->connection = NULL;
    if (pool->pending.first == NULL) {
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

static void keep(struct pool_connection *connection)
{
    struct pool_endpoint *endpoint = connection->endpoint;
    struct upstream_pool *pool = endpoint->pool;
    list_remove(&endpoint->busy, connection);
    connection->ticket = NULL;
    pool_list_add(&endpoint->idle, connection);
    endpoint->idle_count++;
    deadline_set(&pool->loop->deadlines, &connection->idle_deadline, pool->loop->now,
                 pool->settings->idle_timeout);
    if (endpoint->idle_count > (size_t)pool->settings->max_idle) {
        struct h1_client *client = connection->client;
        pool_forget(connection);
        h1_client_close(client);
    }
}

void upstream_release(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    struct pool_connection *connection = ticket->connection;
    if (ticket->pending) {
        pool_stop_pending(ticket);
    }
    if (endpoint == NULL) {
        return;
    }
    endpoint->active--;
    if (connection == NULL) {
        pool_stop_waiting(ticket);
    } else if (h1_client_finish(connection->client)) {
        keep(connection);
    } else {
        pool_forget(connection);
    }
    ticket->endpoint = NULL;
    ticket->connection = NULL;
    ticket->client = NULL;
    pool_wake_pending(ticket->pool);
}

/* ---- tunnels ---- */

struct pool_connection *upstream_keep(struct upstream_ticket *ticket)
{
    struct pool_connection *connection = ticket->connection;
    struct pool_endpoint *endpoint = ticket->endpoint;
    list_remove(&endpoint->busy, connection);
    pool_list_add(&endpoint->kept, connection);
    deadline_clear(&connection->idle_deadline); /* it may have been idle before, and parked since */
    connection->ticket = NULL;
    ticket->endpoint = NULL;
    ticket->connection = NULL;
    ticket->client = NULL;
    return connection;
}

struct h1_client *upstream_kept_client(const struct pool_connection *connection)
{
    return connection->client;
}

void upstream_end_kept(struct pool_connection *connection)
{
    struct pool_endpoint *endpoint = connection->endpoint;
    h1_client_close(connection->client);
    metrics_add(connection->metrics, METRIC_UPSTREAM_OPEN, -1);
    if (endpoint != NULL) {
        list_remove(&endpoint->kept, connection);
        endpoint->open--;
        endpoint->active--;
        pool_wake_pending(endpoint->pool);
    }
    free(connection);
}

static void disown(struct pool_endpoint *endpoint)
{
    while (endpoint->kept != NULL) {
        struct pool_connection *connection = endpoint->kept;
        list_remove(&endpoint->kept, connection);
        connection->endpoint = NULL;
    }
}

/* ---- the pool ---- */

struct slice upstream_endpoint_of(const struct upstream_ticket *ticket)
{
    return ticket->url;
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
        resolved_init(&endpoint->addresses, loop);
        if (endpoint->settings->is_address) {
            resolved_set(&endpoint->addresses, &endpoint->settings->address);
        }
        if (endpoint->settings->tls && pool->tls == NULL) {
            const struct tls_client_settings *tls = settings->tls != NULL ? settings->tls : &no_settings;
            struct error error = tls_client_new(tls, SLICE("\x08http/1.1"), &pool->tls);
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

static void close_list(struct pool_connection **list)
{
    while (*list != NULL) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): forget takes it off the list */
        struct h1_client *client = (*list)->client;
        pool_forget(*list);
        h1_client_close(client);
    }
}

void upstream_pool_free(struct upstream_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    if (pool->serving || pool->pending.task.queued) {
        pool->orphaned = true;
        return;
    }
    for (size_t i = 0; i < pool->count && pool->endpoints[i].pool != NULL; i++) {
        close_list(&pool->endpoints[i].idle);
        close_list(&pool->endpoints[i].busy);
        disown(&pool->endpoints[i]);
        resolved_done(&pool->endpoints[i].addresses);
    }
    tls_client_free(pool->tls);
    free(pool);
}
