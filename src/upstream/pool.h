/* Connections to one upstream, for one worker: chooses an endpoint, keeps idle connections, opens new ones, tries the next
 * endpoint where one cannot be reached. A connection that takes many calls at once (HTTP/2) is filled before another one is
 * opened, and while it is being opened those who will share it wait for it. Where every endpoint has as many as it may,
 * requests wait, in order, bounded in number and time. One loop, one thread. */
#ifndef SALLYPORT_UPSTREAM_POOL_H
#define SALLYPORT_UPSTREAM_POOL_H

#include "http/client.h"
#include "observe/metrics.h"
#include "upstream/balance/balance.h"
#include "upstream/discovery/endpoint_set.h"
#include "upstream/settings.h"

struct upstream_pool;
struct pool_connection;
struct pool_endpoint;
struct pool_queue;

/* A request's claim to a connection; embedded in the exchange, zeroed before the first use. From upstream_acquire until it
 * was released or failed it must stay where it is. */
struct upstream_ticket {
    /* Exactly one answer to upstream_acquire, possibly from within it: `call` is set, to be begun, or `failure`, whose text may
     * go when this returns. */
    void (*on_ready)(struct upstream_ticket *ticket, const struct http_call_failure *failure);
    struct http_call *call;
    bool fresh; /* set by the caller for a retry: do not use a kept connection */
    bool keyed; /* set by the caller, where the upstream balances by a key: `key` is there, of balance_key */
    uint64_t key;
    /* the pool's */
    struct upstream_pool *pool;
    struct pool_endpoint *endpoint;
    struct pool_connection *connection;
    struct pool_queue *queue; /* that it waits in; NULL: none */
    struct upstream_ticket *next_waiting, *previous_waiting;
    int64_t pending_since; /* ns, and so many were waiting then for another connection to be allowed */
    size_t pending_behind;
    struct deadline patience; /* with a look-up, or while it is pending, or before it is tried again */
    struct slice url;         /* of the endpoint that was chosen last */
    struct slice protocol;    /* of the connection that it had last, static: "http/1.1" or "h2" */
    size_t address;           /* index of the address that is tried */
    size_t addresses_left;    /* of the endpoint, this one included */
    int64_t connecting_since; /* to this endpoint */
    uint16_t tried[BALANCE_TRIES_MAX]; /* endpoints, by number; the last one last */
    size_t tried_count;
    int64_t lent_at; /* ns: when it got its call */
    unsigned int attempts;
    uint32_t probe; /* of this round of the breaker, which waits for its outcome; 0: it is none */
    bool once;      /* a copy: at the endpoint that was chosen for it, at once, or nowhere */
};

/* `settings` must outlive the pool. */
struct error upstream_pool_new(const struct upstream_settings *settings, struct net_loop *loop,
                               struct metrics_worker *metrics, struct upstream_pool **ret_pool) MUST_CHECK;
/* The next generation of a pool, with the endpoints of `set`, which it holds. Those that both have go on: what is known of them
 * stays, and so do their connections, once the older one is retired; breaker and retry budget are one for all. Requests stay with
 * the generation that they began with. */
struct error upstream_pool_follow(struct upstream_pool *pool, struct endpoint_set *set,
                                  struct upstream_pool **ret_pool) MUST_CHECK;
struct upstream_pool *upstream_pool_ref(struct upstream_pool *pool);
/* Keeps no connection from now on: those without a call go to the next generation, where their endpoint is still there, or are
 * closed; and so are the others when their last call is over. */
void upstream_pool_retire(struct upstream_pool *pool);
/* The last holder's closes all its connections but those with calls that are kept. No ticket may hold one then. NULL is fine. */
void upstream_pool_free(struct upstream_pool *pool);

/* As this generation goes by them: the endpoints are those that it has. They live as long as the pool. */
const struct upstream_settings *upstream_pool_settings(const struct upstream_pool *pool);

/* What a request would be denied with for want of connections, or since the breaker is open, if it came now, so that nothing is spent
 * on it before; DENY_NONE: it has a chance. Nothing is taken. *ret_wait: ns until the breaker lets one pass, or 0. */
enum deny_reason upstream_shortage(struct upstream_pool *pool, int64_t *ret_wait);

void upstream_acquire(struct upstream_pool *pool, struct upstream_ticket *ticket);
/* What the balance and passive health go by. The head of the answer is there: so long it took. */
void upstream_note_head(struct upstream_ticket *ticket);
/* Once, where the answer tells it: the server has done its part, or has failed. What a client ended is never told: it says nothing
 * about the server. */
void upstream_note_outcome(struct upstream_ticket *ticket, bool well);
/* A call that failed, before it is given back. */
void upstream_note_failure(struct upstream_ticket *ticket, const struct http_call_failure *failure);
/* Gives a connection back: kept where it can be used again, else closed. Also cancels a ticket that still waits. */
void upstream_release(struct upstream_ticket *ticket);
/* May the ticket be tried again, where that is safe? Counts the attempt. */
bool upstream_may_retry(struct upstream_ticket *ticket);
/* May it, where the route wants it so? Takes it from the budget. */
bool upstream_spend_retry(struct upstream_ticket *ticket);
/* upstream_acquire for a released ticket, in `delay` ns. upstream_release cancels it. */
void upstream_acquire_later(struct upstream_pool *pool, struct upstream_ticket *ticket, int64_t delay);

/* A second request beside that of `first`, which has a call: at another endpoint, where one has room at once, the breaker is closed,
 * and the retry budget, which it is taken from, has some left. `copy` has its on_ready, and is answered as by upstream_acquire, possibly
 * from within, where it is UPSTREAM_COPIED; else it is not. */
enum upstream_copy {
    UPSTREAM_COPIED,
    UPSTREAM_NO_OTHER,
    UPSTREAM_NO_BUDGET,
};
enum upstream_copy upstream_copy(const struct upstream_ticket *first, struct upstream_ticket *copy);
/* The other one was faster, and the call will be given back without an outcome: its server has neither failed nor served, but it
 * has taken so long, at least. */
void upstream_note_overtaken(struct upstream_ticket *ticket);
/* `first` was given back, and gets the call of `copy`, which is over. */
void upstream_take_over(struct upstream_ticket *first, struct upstream_ticket *copy);

/* A ticket's call that is no request's any more, but a tunnel's, which notes it before: it and its connection outlive the pool,
 * which counts them as long as there is a pool. The ticket is over. */
struct pool_connection *upstream_keep(struct upstream_ticket *ticket);
/* Gives the call back: no event follows. */
void upstream_end_kept(struct pool_connection *connection, struct http_call *call);

/* The URL of the endpoint that was chosen last, for the log; lives with the pool's settings. Empty before one was chosen. */
struct slice upstream_endpoint_of(const struct upstream_ticket *ticket);

#endif
