/* The pool from within: shared by pool.c (its life), acquire.c (a request's attempts), connections.c (which are kept), choose.c,
 * connect.c (names, opening), sharing.c (who waits for a connection that others open), pending.c, copy.c (a request at two
 * endpoints), and generations.c (endpoints that come and go). */
#ifndef SALLYPORT_UPSTREAM_POOL_INTERNAL_H
#define SALLYPORT_UPSTREAM_POOL_INTERNAL_H

#include "upstream/breaker.h"
#include "upstream/pool.h"
#include "upstream/resolve.h"
#include "upstream/retry.h"

/* Where a connection stands with its endpoint. */
enum pool_place {
    POOL_IDLE,     /* without a call; the one that was used last is first */
    POOL_SHARED,   /* has calls, and room for more */
    POOL_FULL,     /* has as many as it takes, or is being opened */
    POOL_DRAINING, /* has calls, and takes no further one: it counts as gone */
    POOL_PLACES,
};

/* A connection: without a call, lent to tickets, or kept by tunnels. */
struct pool_connection {
    struct http_client *client;
    struct pool_endpoint *endpoint; /* NULL: kept, and its pool is no more */
    struct metrics_worker *metrics; /* the pool's */
    struct upstream_ticket *opener; /* for whom it is being opened; NULL: it is open */
    size_t calls;                   /* that tickets and tunnels hold */
    bool h2;                        /* is open, and speaks it */
    bool promising;                 /* being opened, and may come to have room for more than its opener */
    uint64_t address_key;           /* as health marks know it; 0: its endpoint has one address */
    enum pool_place place;
    struct pool_connection *previous, *next; /* of that place */
    struct deadline idle_deadline;
};

/* Tickets that wait, in order. A ticket is in one at the most, and knows which. */
struct pool_queue {
    struct upstream_ticket *first, *last;
    size_t count;
};

struct pool_endpoint {
    struct upstream_pool *pool;
    const struct upstream_endpoint *settings;
    struct tls_client *tls;
    int protocol;   /* enum http_client_protocol; see pool_stay_with_http1 */
    bool takes_one; /* what was opened last takes one call at a time */
    struct resolved addresses;
    struct pool_connection *connections[POOL_PLACES];
    size_t counts[POOL_PLACES];
    size_t promising;          /* connections */
    struct pool_queue sharers; /* who waits to share one of those */
    struct pool_queue naming;  /* who waits for the name to be resolved */
    struct pool_queue served;  /* those of them that are being told */
    struct pool_queue told;    /* sharers that are */
    size_t next_address;
    struct outlier_count outlier_count;
};

/* Who waits for one of the connections that are allowed. */
struct pool_pending {
    struct pool_queue queue;
    struct net_task task; /* posted: there may be room */
};

/* What the generations of one upstream's pool share: see generations.c. */
struct pool_line {
    struct upstream_pool *newest; /* NULL: it is gone */
    size_t references;            /* of pools */
    struct retry_budget retries;
    struct breaker breaker;
};

struct upstream_pool {
    const struct upstream_settings *settings;
    struct endpoint_set *set; /* held, which `settings` are of; NULL: they are the snapshot's */
    struct pool_line *line;
    size_t references;
    struct net_loop *loop;
    struct metrics_worker *metrics;
    struct tls_client *tls;
    size_t count;
    struct balancer balancer; /* by the numbers of `endpoints` */
    uint64_t marks_seen;      /* health_marks_version, as of which the balancer knows what is usable */
    /* Within calls to several tickets, whose answers may end their exchanges: the last one of a former configuration takes the
     * pool along, which goes only when the calls are over. */
    unsigned int serving;
    bool orphaned;
    bool retired; /* keeps no connection */
    struct pool_pending pending;
    struct pool_endpoint endpoints[];
};

static inline size_t pool_number_of(const struct pool_endpoint *endpoint)
{
    return (size_t)(endpoint - endpoint->pool->endpoints);
}

/* A ticket, or a tunnel, is the endpoint's no longer. */
static inline void pool_leave(const struct pool_endpoint *endpoint)
{
    balancer_end(&endpoint->pool->balancer, pool_number_of(endpoint));
}

/* ---- pool.c ---- */

struct error pool_make(const struct upstream_settings *settings, struct net_loop *loop,
                       struct metrics_worker *metrics, struct pool_line *line,
                       struct upstream_pool **ret_pool) MUST_CHECK;
void pool_begin_serving(struct upstream_pool *pool);
void pool_end_serving(struct upstream_pool *pool);

/* ---- connections.c ---- */

void pool_put(struct pool_connection *connection, enum pool_place place);
/* The connection moves to its place, by what it says of itself. */
void pool_replace(struct pool_connection *connection);
/* The same of one with calls, whose state is known. */
void pool_place_used(struct pool_connection *connection, enum http_client_state state);
/* It has no call: it becomes idle, or is closed where the pool has enough of those or keeps none. */
void pool_keep(struct pool_connection *connection);
/* One without a call that is fit for use, the one that was used last; NULL: none. Closes those that are not. */
struct pool_connection *pool_find_idle(struct pool_endpoint *endpoint);
/* An idle one goes to the same endpoint of the next generation. */
void pool_hand_over(struct pool_connection *connection, struct pool_endpoint *heir);
/* A call is over, or was given up. */
void pool_give_back(struct pool_connection *connection, struct http_call *call);
void pool_close(struct pool_connection *connection);
/* The pool goes, and with it the connections from this one on, but those on which tunnels have calls. */
void pool_let_go(struct pool_connection *first);
/* The endpoint leaves the choice to its upstream (`auto`), which wants no HTTP/2: for as long as the pool lives it is spoken to in
 * HTTP/1.1, and what it has of HTTP/2 takes no further call. */
void pool_stay_with_http1(struct pool_endpoint *endpoint);
/* The connection is closed or closing itself. */
void pool_forget(struct pool_connection *connection);
/* A connection without a call has closed itself. */
void pool_on_idle_lost(struct http_client *client);
void pool_on_idle_deadline(struct deadline *deadline);

/* ---- acquire.c ---- */

/* Chooses an endpoint for the ticket, and lends or opens a connection. */
void pool_attempt(struct upstream_ticket *ticket);
/* The same at this one. */
void pool_attempt_at(struct upstream_ticket *ticket, struct pool_endpoint *endpoint);
/* The same at the endpoint that it has. */
void pool_attempt_here(struct upstream_ticket *ticket);
/* A call on a connection that has room: the ticket is answered. */
void pool_lend(struct upstream_ticket *ticket, struct pool_connection *connection);
/* This endpoint has failed the ticket; another one may be asked. */
void pool_attempt_failed(struct upstream_ticket *ticket, const struct http_call_failure *failure);

/* ---- generations.c ---- */

struct error pool_line_new(const struct upstream_settings *settings, struct pool_line **ret_line) MUST_CHECK;
void pool_line_leave(struct upstream_pool *pool);
/* The same endpoint in the newest generation, where this one is older; NULL: it is not there any more, or nothing is newer. */
struct pool_endpoint *pool_heir_of(const struct pool_endpoint *endpoint);

/* ---- note.c ---- */

/* What became of a request, or that no connection could be had for it. */
void pool_tell_breaker(struct upstream_ticket *ticket, bool well);

/* ---- choose.c ---- */

/* The next endpoint that the ticket has not tried; NULL: none, or all that may be chosen are at their maximum. */
struct pool_endpoint *pool_choose(struct upstream_pool *pool, const struct upstream_ticket *ticket);
/* May any that may be chosen take another request? */
bool pool_has_room(struct upstream_pool *pool);
/* May this one have another connection? */
bool pool_may_open(const struct pool_endpoint *endpoint);
/* A connection that has calls, and room for another; NULL: none. */
struct pool_connection *pool_find_shared(struct pool_endpoint *endpoint);
/* Does it lead to an address that failed its health checks, while another one of its endpoint did not? */
bool pool_is_avoided(const struct pool_connection *connection);

/* ---- pending.c ---- */

void pool_queue_add(struct pool_queue *queue, struct upstream_ticket *ticket);
void pool_queue_add_first(struct pool_queue *queue, struct upstream_ticket *ticket);
/* The ticket waits no longer, if it did, and nor does its patience. */
void pool_queue_leave(struct upstream_ticket *ticket);
/* All of `from` waits in `to`, which is empty. */
void pool_queue_move(struct pool_queue *from, struct pool_queue *to);

void pool_pending_init(struct upstream_pool *pool);
/* Has it as many requests as it may, those that wait among them? */
bool pool_is_full(const struct upstream_pool *pool);
/* The ticket waits until there is room; `first`: it did already, elsewhere. False: too many do. */
bool pool_pend(struct upstream_ticket *ticket, bool first);
/* A connection's place has become free. */
void pool_wake_pending(struct upstream_pool *pool);

/* ---- sharing.c ---- */

/* Is a connection being opened on which there will probably be a call for one more? */
bool pool_may_share(const struct pool_endpoint *endpoint);
/* The ticket waits for it. */
void pool_share(struct upstream_ticket *ticket);
/* The connection that a ticket was opening goes to one that waits to share it. False: nobody does. */
bool pool_bequeath(struct upstream_ticket *ticket);
/* A connection is open, or could not be opened (`failure`): tells those who wait for it. */
void pool_tell_sharers(struct pool_endpoint *endpoint, const struct http_call_failure *failure);

/* ---- connect.c ---- */

/* Opens a connection to the ticket's endpoint, once its name is known. */
void pool_connect(struct upstream_ticket *ticket);

#endif
