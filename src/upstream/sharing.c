/* Requests that wait for a connection which is being opened for another one, and will probably have room for them, too: so a
 * crowd that comes at once opens one connection, not one each. Whether it has is known once it speaks: one that takes a single
 * call leaves the others to open their own, and from then on nobody waits at this endpoint. */
#include "upstream/pool_internal.h"

bool pool_may_share(const struct pool_endpoint *endpoint)
{
    size_t each = (size_t)endpoint->pool->settings->max_streams - 1;
    return endpoint->sharers.count < endpoint->promising * each;
}

void pool_share(struct upstream_ticket *ticket)
{
    pool_queue_add(&ticket->endpoint->sharers, ticket);
}

bool pool_bequeath(struct upstream_ticket *ticket)
{
    struct pool_connection *connection = ticket->connection;
    struct upstream_ticket *heir = connection->endpoint->sharers.first;
    if (heir == NULL) {
        return false;
    }
    pool_queue_leave(heir);
    heir->connection = connection;
    heir->address = ticket->address;
    heir->addresses_left = ticket->addresses_left;
    heir->connecting_since = ticket->connecting_since;
    connection->opener = heir;
    return true;
}

/* They were there before all that are pending. */
static void pend_first(struct upstream_ticket *ticket)
{
    static const struct http_call_failure busy = { .reason = DENY_UPSTREAM_BUSY,
                                                   .detail = "all connections are in use" };
    struct pool_endpoint *endpoint = ticket->endpoint;
    ticket->tried_count--; /* the last one is this */
    ticket->endpoint = NULL;
    pool_leave(endpoint);
    if (ticket->once || !pool_pend(ticket, true)) {
        ticket->on_ready(ticket, &busy);
    }
}

static void fail_sharers(struct pool_endpoint *endpoint, const struct http_call_failure *failure)
{
    pool_queue_move(&endpoint->sharers, &endpoint->told);
    while (endpoint->told.first != NULL) {
        struct upstream_ticket *ticket = endpoint->told.first;
        pool_queue_leave(ticket);
        pool_attempt_failed(ticket, failure);
    }
}

void pool_tell_sharers(struct pool_endpoint *endpoint, const struct http_call_failure *failure)
{
    if (failure != NULL && endpoint->promising == 0) {
        fail_sharers(endpoint, failure);
    }
    while (endpoint->sharers.first != NULL) {
        bool shared = pool_find_shared(endpoint) != NULL;
        if (!shared && endpoint->promising > 0) {
            return; /* another one is being opened */
        }
        if (shared || pool_may_open(endpoint)) {
            struct upstream_ticket *ticket = endpoint->sharers.first;
            pool_queue_leave(ticket);
            pool_attempt_here(ticket);
        } else {
            struct upstream_ticket *ticket = endpoint->sharers.last;
            pool_queue_leave(ticket);
            pend_first(ticket);
        }
    }
}
