/* What one worker owns, as the pipeline sees it: its loop, connections, token cache, pools, counters, log queue. Everything
 * here belongs to the worker's thread; gateway/worker.c makes it and runs it. */
#ifndef SALLYPORT_PIPELINE_WORKER_H
#define SALLYPORT_PIPELINE_WORKER_H

#include "auth/jwt.h"
#include "config/snapshot.h"
#include "http/connections.h"
#include "observe/logs.h"
#include "observe/metrics.h"
#include "pipeline/overload.h"
#include "upstream/pool.h"

struct exchange;
struct tunnel;
struct worker;

/* A snapshot as one worker uses it: with contexts and pools of its own. Freed when it is no longer current and the last
 * exchange that began with it is over. */
struct worker_snapshot {
    struct worker *worker;
    struct snapshot *snapshot;
    struct tls_server **tls;      /* by listener; NULL where it is plaintext */
    struct upstream_pool **pools; /* by upstream */
    size_t uses;                  /* exchanges, and one while it is current */
};

/* A listener of this worker: connections point here, so it outlives snapshots. */
struct worker_listener {
    struct worker *worker;
    struct slice name; /* own copy */
    int index;         /* in the current snapshot; -1: no longer configured */
    size_t connections;
};

struct worker {
    struct net_loop loop;
    unsigned int index;
    struct worker_snapshot *current;
    struct http_connections connections;
    struct jwt_verifier *verifier;
    struct limiter *limiter;
    struct log_queue *logs;
    struct metrics_worker *metrics;
    struct exchange *spare; /* recycled exchanges */
    size_t spare_count, exchange_count;
    struct tunnel *tunnels; /* open now */
    int64_t tunnels_end_at; /* ns, monotonic: while draining, when the last of them is to */
    bool draining;
    struct overload overload;
    /* Tells the control thread that a token named an unknown key of this issuer. */
    void (*unknown_kid)(struct worker *worker, struct slice issuer_name);
};

/* Counts a use of the current snapshot. */
struct worker_snapshot *worker_snapshot_take(struct worker *worker);
void worker_snapshot_give(struct worker_snapshot *snapshot);

/* Gives this worker its own contexts and pools for a snapshot; takes one reference of it, on success only. */
struct error worker_snapshot_new(struct worker *worker, struct snapshot *snapshot,
                                 struct tls_tickets *tickets,
                                 struct worker_snapshot **ret_snapshot) MUST_CHECK;

#endif
