#include "upstream/pool.h"

#include "upstream/resolve.h"

#include <stdlib.h>

#define ENDPOINTS_MAX 64 /* bits of upstream_ticket.tried */

/* A connection, idle or lent to a ticket. */
struct pool_connection {
    struct h1_client *client;
    struct pool_endpoint *endpoint;
    struct upstream_ticket *ticket;          /* NULL: idle */
    struct pool_connection *previous, *next; /* in the endpoint's idle or busy list */
    struct deadline idle_deadline;
};

struct pool_endpoint {
    struct upstream_pool *pool;
    const struct upstream_endpoint *settings;
    struct tls_client *tls;
    struct resolved addresses;
    struct pool_connection *idle; /* most recently used first */
    struct pool_connection *busy;
    struct upstream_ticket *waiting; /* for the name to be resolved */
    size_t open, idle_count;
    size_t active; /* tickets that it serves */
};

struct upstream_pool {
    const struct upstream_settings *settings;
    struct net_loop *loop;
    struct metrics_worker *metrics;
    struct tls_client *tls;
    size_t count;
    size_t next; /* round robin */
    struct pool_endpoint endpoints[];
};

static const struct http_call_failure unresolved = { DENY_UPSTREAM_CONNECT, "host name not resolved", false };

static void attempt(struct upstream_ticket *ticket);

/* ---- lists ---- */

static void list_add(struct pool_connection **list, struct pool_connection *connection)
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

/* The connection is closed or closing itself. */
static void forget(struct pool_connection *connection)
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

static void on_idle_deadline(struct deadline *deadline)
{
    struct pool_connection *connection =
        (struct pool_connection *)((char *)deadline - offsetof(struct pool_connection, idle_deadline));
    struct h1_client *client = connection->client;
    forget(connection);
    h1_client_close(client);
}

static void on_idle_lost(struct h1_client *client)
{
    forget(h1_client_owner(client));
}

/* ---- opening ---- */

static void settle(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    ticket->on_ready(ticket, failure);
}

static void attempt_failed(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    metrics_add(ticket->pool->metrics, METRIC_UPSTREAM_CONNECT_FAILURES, 1);
    if (ticket->endpoint != NULL) {
        ticket->endpoint->active--;
        ticket->endpoint = NULL;
    }
    if (upstream_may_retry(ticket)) {
        attempt(ticket);
        return;
    }
    settle(ticket, failure);
}

static void on_connected(struct h1_client *client, const struct http_call_failure *failure)
{
    struct pool_connection *connection = h1_client_owner(client);
    struct upstream_ticket *ticket = connection->ticket;
    if (failure != NULL) {
        struct http_call_failure copy = *failure;
        ticket->connection = NULL;
        ticket->client = NULL;
        forget(connection);
        attempt_failed(ticket, &copy);
        return;
    }
    settle(ticket, NULL);
}

static struct error open_connection(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    struct upstream_pool *pool = endpoint->pool;
    struct pool_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        return FAIL(ERROR_MEMORY, "upstream connection");
    }
    connection->endpoint = endpoint;
    connection->ticket = ticket;
    connection->idle_deadline.expired = on_idle_deadline;
    struct h1_client_settings settings = {
        .loop = pool->loop,
        .tls = endpoint->tls,
        .host = endpoint->settings->host,
        .connect_timeout = pool->settings->connect_timeout,
        .on_connected = on_connected,
        .on_idle_lost = on_idle_lost,
        .owner = connection,
    };
    struct address address = resolved_next(&endpoint->addresses);
    address.port = endpoint->settings->port;
    struct sockaddr_storage socket_address;
    socklen_t size = address_to_sockaddr(&address, &socket_address);
    struct error error =
        h1_client_open(&settings, (struct sockaddr *)&socket_address, size, &connection->client);
    if (failed(error)) {
        free(connection);
        return error;
    }
    list_add(&endpoint->busy, connection);
    endpoint->open++;
    ticket->connection = connection;
    ticket->client = connection->client;
    metrics_add(pool->metrics, METRIC_UPSTREAM_CONNECTS, 1);
    metrics_add(pool->metrics, METRIC_UPSTREAM_OPEN, 1);
    return OK;
}

static void connect_or_fail(struct upstream_ticket *ticket)
{
    static const struct http_call_failure refused = { DENY_UPSTREAM_CONNECT, "connection could not be opened",
                                                      false };
    if (failed(open_connection(ticket))) {
        attempt_failed(ticket, &refused);
    }
}

static void on_resolved(struct resolved *addresses, bool found)
{
    struct pool_endpoint *endpoint =
        (struct pool_endpoint *)((char *)addresses - offsetof(struct pool_endpoint, addresses));
    struct upstream_ticket *ticket = endpoint->waiting;
    endpoint->waiting = NULL;
    while (ticket != NULL) {
        struct upstream_ticket *next = ticket->next_waiting;
        ticket->next_waiting = NULL;
        if (found) {
            connect_or_fail(ticket);
        } else {
            attempt_failed(ticket, &unresolved);
        }
        ticket = next;
    }
}

/* ---- choosing ---- */

static bool is_fuller(const struct pool_endpoint *a, const struct pool_endpoint *b)
{
    return a->active > b->active;
}

/* The next endpoint that the ticket has not tried; NULL: none, or all are at their maximum. */
static struct pool_endpoint *choose(struct upstream_pool *pool, const struct upstream_ticket *ticket)
{
    struct pool_endpoint *best = NULL;
    for (size_t i = 0; i < pool->count; i++) {
        size_t at = (pool->next + i) % pool->count;
        struct pool_endpoint *endpoint = &pool->endpoints[at];
        bool full = endpoint->idle == NULL && endpoint->open >= (size_t)pool->settings->max_connections;
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

static void lend_idle(struct upstream_ticket *ticket, struct pool_connection *connection)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    list_remove(&endpoint->idle, connection);
    endpoint->idle_count--;
    deadline_clear(&connection->idle_deadline);
    connection->ticket = ticket;
    list_add(&endpoint->busy, connection);
    ticket->connection = connection;
    ticket->client = connection->client;
    metrics_add(endpoint->pool->metrics, METRIC_UPSTREAM_REUSED, 1);
    settle(ticket, NULL);
}

static void attempt(struct upstream_ticket *ticket)
{
    static const struct http_call_failure busy = { DENY_UPSTREAM_BUSY, "all connections are in use", false };
    struct upstream_pool *pool = ticket->pool;
    struct pool_endpoint *endpoint = choose(pool, ticket);
    if (endpoint == NULL && ticket->tried != 0) {
        /* Each was tried once: a further attempt may go to any of them again. */
        ticket->tried = 0;
        endpoint = choose(pool, ticket);
    }
    if (endpoint == NULL) {
        settle(ticket, &busy);
        return;
    }
    ticket->tried |= UINT64_C(1) << (size_t)(endpoint - pool->endpoints);
    ticket->endpoint = endpoint;
    endpoint->active++;
    if (endpoint->idle != NULL && !ticket->fresh) {
        lend_idle(ticket, endpoint->idle);
        return;
    }
    if (resolved_ready(&endpoint->addresses, pool->loop->now)) {
        connect_or_fail(ticket);
        return;
    }
    if (!resolved_start(&endpoint->addresses, endpoint->settings->host, on_resolved)) {
        attempt_failed(ticket, &unresolved);
        return;
    }
    ticket->next_waiting = endpoint->waiting;
    endpoint->waiting = ticket;
}

void upstream_acquire(struct upstream_pool *pool, struct upstream_ticket *ticket)
{
    ticket->pool = pool;
    ticket->client = NULL;
    ticket->connection = NULL;
    attempt(ticket);
}

bool upstream_may_retry(struct upstream_ticket *ticket)
{
    if (ticket->attempts >= (unsigned int)ticket->pool->settings->retries) {
        return false;
    }
    ticket->attempts++;
    return true;
}

static void stop_waiting(struct upstream_ticket *ticket)
{
    for (struct upstream_ticket **at = &ticket->endpoint->waiting; *at != NULL; at = &(*at)->next_waiting) {
        if (*at == ticket) {
            *at = ticket->next_waiting;
            ticket->next_waiting = NULL;
            return;
        }
    }
}

void upstream_release(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    struct pool_connection *connection = ticket->connection;
    if (endpoint == NULL) {
        return;
    }
    endpoint->active--;
    if (connection == NULL) {
        stop_waiting(ticket);
    } else if (h1_client_finish(connection->client)) {
        list_remove(&endpoint->busy, connection);
        connection->ticket = NULL;
        list_add(&endpoint->idle, connection);
        endpoint->idle_count++;
        struct upstream_pool *pool = endpoint->pool;
        deadline_set(&pool->loop->deadlines, &connection->idle_deadline, pool->loop->now,
                     pool->settings->idle_timeout);
        if (endpoint->idle_count > (size_t)pool->settings->max_idle) {
            struct h1_client *client = connection->client;
            forget(connection);
            h1_client_close(client);
        }
    } else {
        forget(connection);
    }
    ticket->endpoint = NULL;
    ticket->connection = NULL;
    ticket->client = NULL;
}

struct slice upstream_endpoint_of(const struct upstream_ticket *ticket)
{
    return ticket->endpoint != NULL ? ticket->endpoint->settings->url : SLICE_NONE;
}

/* ---- the pool ---- */

struct error upstream_pool_new(const struct upstream_settings *settings, struct net_loop *loop,
                               struct metrics_worker *metrics, struct upstream_pool **ret_pool)
{
    size_t count = settings->endpoints.count < ENDPOINTS_MAX ? settings->endpoints.count : ENDPOINTS_MAX;
    struct upstream_pool *pool = calloc(1, sizeof *pool + count * sizeof pool->endpoints[0]);
    if (pool == NULL) {
        return FAIL(ERROR_MEMORY, "upstream pool");
    }
    *pool = (struct upstream_pool){ .settings = settings, .loop = loop, .metrics = metrics, .count = count };
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
        forget(*list);
        h1_client_close(client);
    }
}

void upstream_pool_free(struct upstream_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (size_t i = 0; i < pool->count && pool->endpoints[i].pool != NULL; i++) {
        close_list(&pool->endpoints[i].idle);
        close_list(&pool->endpoints[i].busy);
        resolved_done(&pool->endpoints[i].addresses);
    }
    tls_client_free(pool->tls);
    free(pool);
}
