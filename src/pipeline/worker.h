/* What one worker owns, as the pipeline sees it: its loop, connections, token cache, pools, counters, log queue. Everything
 * here belongs to the worker's thread; gateway/worker.c makes it and runs it. */
#ifndef SALLYPORT_PIPELINE_WORKER_H
#define SALLYPORT_PIPELINE_WORKER_H

#include "auth/api_key_checker.h"
#include "auth/basic_cache.h"
#include "auth/dpop.h"
#include "auth/introspector.h"
#include "auth/jwt.h"
#include "auth/password_pool.h"
#include "block/set.h"
#include "compress/encoder.h"
#include "config/snapshot.h"
#include "external/asker.h"
#include "http/connections.h"
#include "limit/once.h"
#include "observe/logs.h"
#include "observe/metrics.h"
#include "pipeline/failure_summary.h"
#include "pipeline/overload.h"
#include "upstream/pool.h"

struct basic_check;
struct exchange;
struct mirror;
struct tunnel;
struct worker;

/* A snapshot as one worker uses it: with contexts and pools of its own. Freed when it is no longer current and the last
 * exchange that began with it is over. */
struct worker_snapshot {
    struct worker *worker;
    struct snapshot *snapshot;
    struct tls_server **tls;        /* by listener; NULL where it is plaintext */
    struct upstream_pool **pools;   /* by upstream */
    struct external_asker **askers; /* by authorizer */
    struct worker_snapshot *root;   /* held, whose are `tls` and `askers`; NULL: they are its own */
    size_t uses;                    /* exchanges, mirrored ones too, and one while it is current, or a root */
};

/* A listener of this worker: connections point here, so it outlives snapshots. */
struct worker_listener {
    struct worker *worker;
    struct slice name; /* own copy */
    int index;         /* in the current snapshot; -1: no longer configured */
    size_t connections;
};

/* Requests to the admin API: one at a time is in the pool, so that a store that hangs holds up one thread of it. */
struct admin_queue {
    bool busy;
    struct exchange *first, *last; /* that wait, by `next` */
    size_t waiting;
};

struct worker {
    struct net_loop loop;
    unsigned int index;
    struct worker_snapshot *current;
    struct http_connections connections;
    struct jwt_verifier *verifier;
    struct introspector *introspector;
    struct api_key_checker *api_keys;
    struct basic_cache basic_cache;
    struct basic_check *basic_checks; /* verifications under way */
    struct password_pool *passwords;  /* the process's */
    struct limiter *limiter;
    struct once_table *once; /* proofs of DPoP that were used */
    struct dpop_verifier *dpop;
    struct filter_scratch *filters;
    struct compress_pool encoders;
    struct log_queue *logs;
    struct metrics_worker *metrics;
    struct exchange *spare; /* recycled exchanges */
    size_t spare_count, exchange_count;
    size_t candidates;          /* under way: pipeline/candidate.h */
    struct exchange *exchanges; /* open now */
    struct block_set *blocks;   /* held; NULL: none. See pipeline/blocks.h */
    struct tunnel *tunnels;     /* open now */
    struct mirror *mirrors;     /* copies of requests under way, or being made */
    size_t mirror_count;
    int64_t tunnels_end_at; /* ns, monotonic: while draining, when the last of them is to */
    bool draining;
    struct overload overload;
    struct admin_queue admin;
    struct failure_summary failures;
    /* Tells the control thread that a token named an unknown key of this issuer. */
    void (*unknown_kid)(struct worker *worker, struct slice issuer_name);
    /* An API key was used: tells the control thread where it is to be renewed. */
    void (*api_key_used)(struct worker *worker, struct api_key *key);
};

/* Counts a use of the current snapshot. */
struct worker_snapshot *worker_snapshot_take(struct worker *worker);
void worker_snapshot_give(struct worker_snapshot *snapshot);
/* The same for the use of who has taken up another one: connections to upstreams that serve nobody go at once, and the others with
 * their last answer, since what they were opened with may not hold any more. */
void worker_snapshot_retire(struct worker_snapshot *snapshot);

/* Gives this worker its own contexts and pools for a snapshot; takes one reference of it, on success only. */
struct error worker_snapshot_new(struct worker *worker, struct snapshot *snapshot,
                                 struct tls_tickets *tickets,
                                 struct worker_snapshot **ret_snapshot) MUST_CHECK;
/* One of its upstreams has other endpoints from now on: the worker uses the same snapshot in another way, with a pool for them. A set
 * of another snapshot is passed over. */
struct error worker_snapshot_follow(struct worker *worker, struct endpoint_set *set) MUST_CHECK;

#endif
