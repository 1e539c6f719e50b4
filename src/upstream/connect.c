/* The way to a connection: the endpoint's name, then its addresses, one after the other. */
#include "upstream/pool_internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- opening ---- */

static void connect_next(struct upstream_ticket *ticket);

/* A name may stand for several addresses (of two families, or of several machines): each is tried before the endpoint is
 * given up, as long as that does not take longer than one that hangs. */
static void connect_failed(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    const struct upstream_pool *pool = ticket->pool;
    metrics_add(pool->metrics, METRIC_UPSTREAM_CONNECT_FAILURES, 1);
    ticket->address++;
    ticket->addresses_left--;
    if (ticket->addresses_left > 0 &&
        pool->loop->now - ticket->connecting_since < pool->settings->connect_timeout) {
        connect_next(ticket);
    } else {
        pool_attempt_failed(ticket, failure);
    }
}

static void on_connected(struct h1_client *client, const struct http_call_failure *failure)
{
    struct pool_connection *connection = h1_client_owner(client);
    struct upstream_ticket *ticket = connection->ticket;
    if (failure != NULL) {
        ticket->connection = NULL;
        ticket->client = NULL;
        pool_forget(connection);
        connect_failed(ticket, failure);
        return;
    }
    ticket->on_ready(ticket, NULL);
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
    connection->metrics = pool->metrics;
    connection->idle_deadline.expired = pool_on_idle_deadline;
    struct h1_client_settings settings = {
        .loop = pool->loop,
        .tls = endpoint->tls,
        .host = endpoint->settings->host,
        .connect_timeout = pool->settings->connect_timeout,
        .on_connected = on_connected,
        .on_idle_lost = pool_on_idle_lost,
        .owner = connection,
    };
    struct address address = resolved_at(&endpoint->addresses, ticket->address);
    address.port = endpoint->settings->port;
    struct sockaddr_storage socket_address;
    socklen_t size = address_to_sockaddr(&address, &socket_address);
    struct error error =
        h1_client_open(&settings, (struct sockaddr *)&socket_address, size, &connection->client);
    if (failed(error)) {
        free(connection);
        return error;
    }
    pool_list_add(&endpoint->busy, connection);
    endpoint->open++;
    ticket->connection = connection;
    ticket->client = connection->client;
    metrics_add(pool->metrics, METRIC_UPSTREAM_CONNECTS, 1);
    metrics_add(pool->metrics, METRIC_UPSTREAM_OPEN, 1);
    return OK;
}

/* What is short is ours, not the upstream's: its operators must not look for a fault that is here. */
static bool is_own_shortage(struct error error)
{
    return error.kind == ERROR_MEMORY ||
           (error.kind == ERROR_SYSTEM && (error.number == EMFILE || error.number == ENFILE ||
                                           error.number == ENOMEM || error.number == ENOBUFS));
}

static void connect_next(struct upstream_ticket *ticket)
{
    static const struct http_call_failure refused = { DENY_UPSTREAM_CONNECT, "connection could not be opened",
                                                      false };
    static const struct http_call_failure shortage = {
        DENY_OVERLOADED, "no descriptor or memory is left for a connection to the upstream", false
    };
    struct error error = open_connection(ticket);
    if (failed(error)) {
        connect_failed(ticket, is_own_shortage(error) ? &shortage : &refused);
    }
}

static void connect_endpoint(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    ticket->address = endpoint->next_address++;
    ticket->addresses_left = endpoint->addresses.count;
    ticket->connecting_since = ticket->pool->loop->now;
    connect_next(ticket);
}

/* ---- waiting for a name ---- */

static bool unlink_ticket(struct upstream_ticket **list, struct upstream_ticket *ticket)
{
    for (struct upstream_ticket **at = list; *at != NULL; at = &(*at)->next_waiting) {
        if (*at == ticket) {
            *at = ticket->next_waiting;
            ticket->next_waiting = NULL;
            return true;
        }
    }
    return false;
}

void pool_stop_waiting(struct upstream_ticket *ticket)
{
    deadline_clear(&ticket->patience);
    if (!unlink_ticket(&ticket->endpoint->waiting, ticket)) {
        (void)unlink_ticket(&ticket->endpoint->answered, ticket);
    }
}

static void name_failed(struct upstream_ticket *ticket, const char *why)
{
    struct http_call_failure failure = { DENY_UPSTREAM_CONNECT, why, false };
    metrics_add(ticket->pool->metrics, METRIC_UPSTREAM_CONNECT_FAILURES, 1);
    pool_attempt_failed(ticket, &failure);
}

static void on_look_up_slow(struct deadline *deadline)
{
    struct upstream_ticket *ticket =
        (struct upstream_ticket *)((char *)deadline - offsetof(struct upstream_ticket, patience));
    pool_stop_waiting(ticket);
    name_failed(ticket, "looking up the host took too long");
}

/* Each ticket's answer may end its exchange; the last exchange of a former configuration takes the pool along. */
static void on_resolved(struct resolved *addresses, bool found)
{
    struct pool_endpoint *endpoint =
        (struct pool_endpoint *)((char *)addresses - offsetof(struct pool_endpoint, addresses));
    struct upstream_pool *pool = endpoint->pool;
    pool->serving = true;
    endpoint->answered = endpoint->waiting;
    endpoint->waiting = NULL;
    while (endpoint->answered != NULL) {
        struct upstream_ticket *ticket = endpoint->answered;
        pool_stop_waiting(ticket);
        if (found) {
            connect_endpoint(ticket);
        } else {
            name_failed(ticket, "host name not resolved");
        }
    }
    pool->serving = false;
    if (pool->orphaned) {
        upstream_pool_free(pool);
    }
}

static void wait_for_name(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    struct net_loop *loop = ticket->pool->loop;
    if (!resolved_start(&endpoint->addresses, endpoint->settings->host, on_resolved)) {
        name_failed(ticket, "host name not resolved");
        return;
    }
    ticket->next_waiting = endpoint->waiting;
    endpoint->waiting = ticket;
    ticket->patience.expired = on_look_up_slow;
    deadline_set(&loop->deadlines, &ticket->patience, loop->now, ticket->pool->settings->connect_timeout);
}

void pool_connect(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    if (!resolved_known(&endpoint->addresses)) {
        wait_for_name(ticket);
        return;
    }
    if (resolved_stale(&endpoint->addresses, ticket->pool->loop->now)) {
        /* For the next ones. Without memory they use what there is, too. */
        (void)resolved_start(&endpoint->addresses, endpoint->settings->host, on_resolved);
    }
    connect_endpoint(ticket);
}
