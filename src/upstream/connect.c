/* The way to a connection: the endpoint's name, then its addresses, one after the other. */
#include "upstream/dial.h"
#include "upstream/pool_internal.h"

#include <stdlib.h>

/* ---- opening ---- */

static void connect_next(struct upstream_ticket *ticket);

/* Of the address that is tried, as health marks know it; 0: nothing is known of single addresses. */
static uint64_t key_of(const struct upstream_ticket *ticket)
{
    const struct pool_endpoint *endpoint = ticket->endpoint;
    if (endpoint->settings->mark == NULL || endpoint->settings->is_address) {
        return 0;
    }
    struct address address = resolved_at(&endpoint->addresses, ticket->address);
    return health_key_of(&address);
}

/* Passes over addresses that failed their health checks, as long as another one is left. */
static void pass_over_down(struct upstream_ticket *ticket)
{
    const struct pool_endpoint *endpoint = ticket->endpoint;
    while (ticket->addresses_left > 0 && health_mark_is_down(endpoint->settings->mark, key_of(ticket))) {
        ticket->address++;
        ticket->addresses_left--;
    }
}

/* A name may stand for several addresses (of two families, or of several machines): each is tried before the endpoint is
 * given up, as long as that does not take longer than one that hangs. */
static void connect_failed(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    const struct upstream_pool *pool = ticket->pool;
    metrics_add(pool->metrics, METRIC_UPSTREAM_CONNECT_FAILURES, 1);
    ticket->address++;
    ticket->addresses_left--;
    pass_over_down(ticket);
    if (ticket->addresses_left > 0 &&
        pool->loop->now - ticket->connecting_since < pool->settings->connect_timeout) {
        connect_next(ticket);
    } else {
        pool_attempt_failed(ticket, failure);
    }
}

static void on_connected(struct http_client *client, const struct http_call_failure *failure)
{
    struct pool_connection *connection = http_client_owner(client);
    struct pool_endpoint *endpoint = connection->endpoint;
    struct upstream_pool *pool = endpoint->pool;
    struct upstream_ticket *ticket = connection->opener;
    pool_begin_serving(pool);
    connection->opener = NULL;
    ticket->connection = NULL;
    if (failure != NULL) {
        pool_forget(connection);
        connect_failed(ticket, failure);
    } else {
        connection->h2 = slice_equal(http_client_protocol(client), SLICE("h2"));
        endpoint->promising -= connection->promising ? 1 : 0;
        connection->promising = false;
        endpoint->takes_one = !connection->h2 || endpoint->protocol == HTTP_PROTOCOL_1;
        metrics_add(pool->metrics, METRIC_UPSTREAM_HTTP2_CONNECTS, connection->h2 ? 1 : 0);
        pool_lend(ticket, connection);
    }
    pool_tell_sharers(endpoint, failure);
    pool_wake_pending(pool);
    pool_end_serving(pool);
}

/* Its settings, GOAWAY, or a sign of life. */
static void on_changed(struct http_client *client)
{
    struct pool_connection *connection = http_client_owner(client);
    if (connection->opener == NULL && connection->endpoint != NULL) {
        struct pool_endpoint *endpoint = connection->endpoint;
        bool wants_http1 = http_client_wants_http1(client);
        pool_replace(connection);
        if (wants_http1) {
            pool_stay_with_http1(endpoint);
        }
        pool_wake_pending(endpoint->pool);
    }
}

static struct error open_connection(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    struct upstream_pool *pool = endpoint->pool;
    const struct upstream_settings *settings = pool->settings;
    struct pool_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        return FAIL(ERROR_MEMORY, "upstream connection");
    }
    *connection = (struct pool_connection){
        .endpoint = endpoint,
        .metrics = pool->metrics,
        .opener = ticket,
        .address_key = key_of(ticket),
        .promising = endpoint->protocol != HTTP_PROTOCOL_1 && !endpoint->takes_one,
        .idle_deadline = { .expired = pool_on_idle_deadline },
    };
    struct http_client_settings client_settings = {
        .loop = pool->loop,
        .metrics = pool->metrics,
        .tls = endpoint->tls,
        .host = endpoint->settings->host,
        .connect_timeout = settings->connect_timeout,
        .protocol = endpoint->protocol,
        .max_streams = settings->max_streams,
        .stream_window = settings->stream_window,
        .max_age = settings->max_connection_age,
        .on_connected = on_connected,
        .on_idle_lost = pool_on_idle_lost,
        .on_changed = on_changed,
        .owner = connection,
    };
    struct address address = resolved_at(&endpoint->addresses, ticket->address);
    struct error error =
        upstream_dial(&settings->guard, endpoint->settings, &address, &client_settings, &connection->client);
    if (failed(error)) {
        free(connection);
        return error;
    }
    pool_put(connection, POOL_FULL);
    endpoint->promising += connection->promising ? 1 : 0;
    ticket->connection = connection;
    metrics_add(pool->metrics, METRIC_UPSTREAM_CONNECTS, 1);
    metrics_add(pool->metrics, METRIC_UPSTREAM_OPEN, 1);
    return OK;
}

static void connect_next(struct upstream_ticket *ticket)
{
    static const struct http_call_failure refused = { .reason = DENY_UPSTREAM_CONNECT,
                                                      .detail = "connection could not be opened" };
    static const struct http_call_failure shortage = {
        .reason = DENY_OVERLOADED,
        .detail = "no descriptor or memory is left for a connection to the upstream"
    };
    struct error error = open_connection(ticket);
    if (failed(error) && error.kind == ERROR_VALUE) {
        const struct http_call_failure forbidden = { .reason = DENY_UPSTREAM_CONNECT, .detail = error.what };
        connect_failed(ticket, &forbidden);
    } else if (failed(error)) {
        /* What is short is ours, not the upstream's: its operators must not look for a fault that is here. */
        connect_failed(ticket, error_is_shortage(error) ? &shortage : &refused);
    }
}

static void connect_endpoint(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    if (pool_may_share(endpoint)) {
        pool_share(ticket);
        return;
    }
    ticket->address = endpoint->next_address++;
    ticket->addresses_left = endpoint->addresses.count;
    pass_over_down(ticket);
    if (ticket->addresses_left == 0) {
        ticket->addresses_left =
            1; /* all that we know are; the checks know a healthy one, of a later look-up */
    }
    ticket->connecting_since = ticket->pool->loop->now;
    connect_next(ticket);
}

/* ---- waiting for a name ---- */

static void name_failed(struct upstream_ticket *ticket, const char *why)
{
    struct http_call_failure failure = { .reason = DENY_UPSTREAM_CONNECT, .detail = why };
    metrics_add(ticket->pool->metrics, METRIC_UPSTREAM_CONNECT_FAILURES, 1);
    pool_attempt_failed(ticket, &failure);
}

/* Old addresses are better than none. */
static void go_on_without(struct upstream_ticket *ticket, const char *why)
{
    if (resolved_known(&ticket->endpoint->addresses)) {
        connect_endpoint(ticket);
    } else {
        name_failed(ticket, why);
    }
}

static void on_look_up_slow(struct deadline *deadline)
{
    struct upstream_ticket *ticket =
        (struct upstream_ticket *)((char *)deadline - offsetof(struct upstream_ticket, patience));
    pool_queue_leave(ticket);
    go_on_without(ticket, "looking up the host took too long");
}

static void on_resolved(struct resolved *addresses, bool found)
{
    struct pool_endpoint *endpoint =
        (struct pool_endpoint *)((char *)addresses - offsetof(struct pool_endpoint, addresses));
    struct upstream_pool *pool = endpoint->pool;
    pool_begin_serving(pool);
    pool_queue_move(&endpoint->naming, &endpoint->served);
    while (endpoint->served.first != NULL) {
        struct upstream_ticket *ticket = endpoint->served.first;
        pool_queue_leave(ticket);
        if (found) {
            connect_endpoint(ticket);
        } else {
            name_failed(ticket, "host name not resolved");
        }
    }
    pool_end_serving(pool);
}

static void wait_for_name(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    struct net_loop *loop = ticket->pool->loop;
    if (!resolved_start(&endpoint->addresses, endpoint->settings->name, on_resolved)) {
        go_on_without(ticket, "host name not resolved");
        return;
    }
    pool_queue_add(&endpoint->naming, ticket);
    ticket->patience.expired = on_look_up_slow;
    deadline_set(&loop->deadlines, &ticket->patience, loop->now, ticket->pool->settings->connect_timeout);
}

void pool_connect(struct upstream_ticket *ticket)
{
    struct pool_endpoint *endpoint = ticket->endpoint;
    if (!resolved_known(&endpoint->addresses) ||
        resolved_outdated(&endpoint->addresses, ticket->pool->loop->now)) {
        wait_for_name(ticket);
        return;
    }
    if (resolved_stale(&endpoint->addresses, ticket->pool->loop->now)) {
        /* For the next ones. Without memory they use what there is, too. */
        (void)resolved_start(&endpoint->addresses, endpoint->settings->name, on_resolved);
    }
    connect_endpoint(ticket);
}
