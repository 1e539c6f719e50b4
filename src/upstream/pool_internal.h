/* The pool from within: shared by pool.c (choosing, lending, keeping) and connect.c (names, opening). */
#ifndef SALLYPORT_UPSTREAM_POOL_INTERNAL_H
#define SALLYPORT_UPSTREAM_POOL_INTERNAL_H

#include "upstream/pool.h"
#include "upstream/resolve.h"

/* A connection: idle, lent to a ticket, or kept by a tunnel. */
struct pool_connection {
    struct h1_client *client;
    struct pool_endpoint *endpoint;          /* NULL: kept, and its pool is no more */
    struct upstream_ticket *ticket;          /* NULL: idle, or kept */
    struct metrics_worker *metrics;          /* the pool's */
    struct pool_connection *previous, *next; /* in one of the endpoint's lists */
    struct deadline idle_deadline;
};

struct pool_endpoint {
    struct upstream_pool *pool;
    const struct upstream_endpoint *settings;
    struct tls_client *tls;
    struct resolved addresses;
    struct pool_connection *idle; /* most recently used first */
    struct pool_connection *busy;
    struct pool_connection *kept;     /* by tunnels */
    struct upstream_ticket *waiting;  /* for the name to be resolved */
    struct upstream_ticket *answered; /* those of them that on_resolved has not served yet */
    size_t next_address;
    size_t open, idle_count;
    size_t active; /* tickets that it serves, and tunnels */
};

/* Who waits for one of the connections that are allowed. */
struct pool_pending {
    struct upstream_ticket *first, *last;
    size_t count;
    struct net_task task; /* posted: there may be room */
};

struct upstream_pool {
    const struct upstream_settings *settings;
    struct net_loop *loop;
    struct metrics_worker *metrics;
    struct tls_client *tls;
    size_t count;
    size_t next; /* round robin */
    bool serving,
        orphaned; /* inside on_resolved or pending's task; freed meanwhile, by the last exchange that used it */
    struct pool_pending pending;
    struct pool_endpoint endpoints[];
};

/* ---- pool.c ---- */

void pool_list_add(struct pool_connection **list, struct pool_connection *connection);
/* The connection is closed or closing itself. */
void pool_forget(struct pool_connection *connection);
void pool_on_idle_lost(struct h1_client *client);
void pool_on_idle_deadline(struct deadline *deadline);
/* Chooses an endpoint for the ticket, and lends or opens a connection. */
void pool_attempt(struct upstream_ticket *ticket);
/* May any endpoint have another connection? */
bool pool_has_room(const struct upstream_pool *pool);
/* This endpoint has failed the ticket; another one may be asked. */
void pool_attempt_failed(struct upstream_ticket *ticket, const struct http_call_failure *failure);

/* ---- pending.c ---- */

void pool_pending_init(struct upstream_pool *pool);
/* The ticket waits until there is room. False: too many do. */
bool pool_pend(struct upstream_ticket *ticket);
void pool_stop_pending(struct upstream_ticket *ticket);
/* A connection's place has become free. */
void pool_wake_pending(struct upstream_pool *pool);

/* ---- connect.c ---- */

/* Opens a connection to the ticket's endpoint, once its name is known. */
void pool_connect(struct upstream_ticket *ticket);
/* The ticket waits for a name no longer, if it did. */
void pool_stop_waiting(struct upstream_ticket *ticket);

#endif
