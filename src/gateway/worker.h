/* A worker: a thread with an event loop, serving its own listening sockets. Made, told and ended by the control thread;
 * everything that it is told comes as a task on its loop. */
#ifndef SALLYPORT_GATEWAY_WORKER_H
#define SALLYPORT_GATEWAY_WORKER_H

#include "gateway/acceptor.h"
#include "gateway/announcement.h"
#include "gateway/peers.h"
#include "pipeline/exchange.h"

#include <pthread.h>

struct gateway_worker;

/* A socket for a listener, for one worker. */
struct worker_socket {
    struct slice name; /* of the snapshot */
    int fd;
};

/* What changes with a configuration, for one worker: built in two steps, so that all workers take it up or none. */
struct worker_change {
    struct net_task task;
    struct gateway_worker *worker;
    struct snapshot *snapshot;
    struct worker_snapshot *prepared;
    struct api_key_source *const *sources; /* of its sets of API keys; good until it is answered */
    struct worker_socket *sockets;         /* one per ordinary listener; taken by the commit */
    size_t socket_count;
    bool ok;
    const char *failure;    /* static text */
    struct net_task answer; /* to the control loop */
    void *context;
};

struct worker_listener_entry; /* listeners.c */

struct gateway_worker {
    struct worker worker;
    pthread_t thread;
    struct net_loop *control_loop;
    struct tls_tickets *tickets;
    struct peers *peers;
    struct gateway_worker *const *workers; /* all of them, this one included */
    size_t worker_count;
    struct worker_listener_entry *listeners;
    struct announcement_list announcements;
    struct deadline drain_deadline;
    struct net_task drain_task, stop_task;
    int64_t drain_limit; /* ns; the control thread's, until drain_task is sent */
    int64_t drain_until, patient_until;
    bool retires; /* the control thread's, until drain_task is sent */
    /* The one message under way about an unknown kid. */
    struct net_task unknown_kid_task;
    bool unknown_kid_sent; /* atomic: cleared by the control thread */
    char unknown_kid_issuer[128];
    void (*on_unknown_kid)(struct gateway_worker *worker);
    /* The one message under way about a flood; those that come meanwhile are only counted. */
    struct net_task flood_task;
    bool flood_sent; /* atomic: cleared by the control thread */
    struct worker_flood {
        char listener[64];
        struct slice kind; /* static text */
        struct address peer;
    } flood;
    /* The one message under way about an API key that is to be renewed; those that come meanwhile are told with their next use. */
    struct net_task notice_task;
    bool notice_sent; /* atomic: cleared by the control thread */
    struct worker_notice {
        enum api_key_notice kind;
        char set[64], id[64], consumer[128];
        int64_t expires;
    } notice;
    /* The newest set of blocks, until the worker takes it; one message at a time. */
    struct net_task blocks_task;
    struct block_set *new_blocks; /* atomic; held. NULL: taken */
    /* Control thread: takes over a question about a token. */
    void (*on_question)(struct gateway_worker *worker, struct introspection_question *question);
    void (*on_finished)(struct gateway_worker *worker); /* control thread: the thread has ended */
    struct net_task finished_task;
};

struct worker_options {
    unsigned int index;
    struct net_loop *control_loop;
    struct tls_tickets *tickets;
    struct limiter *limiter;
    struct once_table *once; /* NULL: no proofs of DPoP will come */
    struct log_queue *logs;
    struct metrics_worker *metrics;
    struct peers *peers;
    struct gateway_worker *const *workers; /* complete before the first configuration is committed */
    size_t worker_count;
    size_t token_cache, api_key_cache, basic_cache;
    struct password_pool *passwords;
    void (*on_unknown_kid)(struct gateway_worker *worker);
    void (*on_question)(struct gateway_worker *worker, struct introspection_question *question);
    void (*on_finished)(struct gateway_worker *worker);
};

struct error gateway_worker_start(const struct worker_options *options,
                                  struct gateway_worker **ret_worker) MUST_CHECK;

/* Step one, answered by change->answer on the control loop. */
void gateway_worker_prepare(struct worker_change *change);
/* Step two: takes it up, answered too; or drops it, where another worker could not prepare. A change that was committed may
 * be committed again, with sockets that it did not have before. */
void gateway_worker_commit(struct worker_change *change);
void gateway_worker_discard(struct worker_change *change);

/* Stops accepting, lets running exchanges finish for `limit` ns, then ends the thread: on_finished follows. */
void gateway_worker_drain(struct gateway_worker *worker, int64_t limit);

/* The same, where another process serves the sockets already, so that there is time: for half of `limit` no connection is closed
 * that a client may be about to use. */
void gateway_worker_retire(struct gateway_worker *worker, int64_t limit);

/* The same at once, whatever it does; also while it drains. */
void gateway_worker_stop(struct gateway_worker *worker);

/* A new key set for an issuer; `text` empty: the old keys are too old. Copied. */
void gateway_worker_set_keys(struct gateway_worker *worker, struct slice issuer_name, struct slice text);

/* Keys of the store at `path` have changed. Copied. */
void gateway_worker_forget_api_keys(struct gateway_worker *worker, struct slice path,
                                    const struct api_key_changes *changes);

/* These blocks are in force; held until it has them. Needs no memory: what revokes must not fail. Control thread. */
void gateway_worker_set_blocks(struct gateway_worker *worker, struct block_set *set);

/* An upstream has these endpoints; held until the worker has them. False: no memory to say so. */
bool gateway_worker_set_endpoints(struct gateway_worker *worker, struct endpoint_set *set) MUST_CHECK;

/* Worker's thread: a connection was ended for a flood. The control thread logs it: a worker never waits for a log. */
void worker_tell_flood(struct gateway_worker *worker, struct slice listener, const struct address *peer,
                       struct slice kind);

/* What it prepared and nobody will commit. On the worker's thread, or after its end. */
void gateway_worker_drop(struct worker_change *change);

/* Waits for the thread's end, and does what it was sent meanwhile. After gateway_worker_stop, or on_finished. */
void gateway_worker_join(struct gateway_worker *worker);
/* After every worker was joined: until then one may send to another. False: it had to be left, since a look-up of its loop
 * hangs. */
bool gateway_worker_free(struct gateway_worker *worker) MUST_CHECK;

#endif
