/* The gateway's control thread: its state, shared by the files of this room. One thread. */
#ifndef SALLYPORT_GATEWAY_CONTROL_H
#define SALLYPORT_GATEWAY_CONTROL_H

#include "auth/introspection_source.h"
#include "auth/key_source.h"
#include "base/limits.h"
#include "gateway/block_follower.h"
#include "gateway/key_cache.h"
#include "gateway/key_stores.h"
#include "gateway/status.h"
#include "gateway/testament.h"
#include "gateway/worker.h"
#include "supervisor/channel.h"
#include "upstream/discovery/discovery.h"
#include "upstream/health/checker.h"
#include "upstream/outlier/detector.h"

#define WORKERS_MAX      256
#define CHANGE_FIXED_FDS 7 /* of a CONFIGURE, before those of listeners: as channel.h says */

/* A CONFIGURE being taken up: prepared by every worker, then committed by every worker. */
struct change {
    struct snapshot *snapshot;
    struct worker_change *workers; /* one each */
    struct status_change *status;
    struct block_change *blocks;
    struct api_key_source **sources; /* of its sets of API keys */
    size_t answers_due;
    enum {
        CHANGE_PREPARING,
        CHANGE_WARMING, /* committed, but for the sockets: keys are awaited */
        CHANGE_COMMITTING,
        CHANGE_DISCARDING
    } phase;
    bool failed;
    const char *failure;
    size_t worker_count;    /* of the message; the first one's decides */
    bool relieves;          /* of the message: another process serves until we do */
    bool *keys_settled;     /* by issuer, while it warms up */
    struct json *listeners; /* of the message */
    struct arena arena;
    int *fds; /* those not handed on yet; -1 where they were */
    size_t fd_count;
};

struct control {
    struct net_loop loop;
    int channel;
    uv_poll_t channel_poll;
    struct channel_reader reader;
    struct tls_tickets *tickets;
    struct bequest *bequest;     /* to the next process; NULL: it starts afresh */
    struct testament *testament; /* of the process before, until we serve; NULL: none */
    uv_timer_t ticket_timer, log_timer;
    uint64_t log_lines_dropped;             /* that the metric knows of */
    int audit_problem;                      /* errno that was last told of */
    const struct snapshot *lists_looked_at; /* whose revocation lists were told of; never followed */
    unsigned char lists_told[LISTENERS_MAX];
    struct metrics *metrics;
    struct metrics_worker *own_metrics;
    struct logs *logs;
    struct log_queue *own_logs;
    struct limiter *limiter;
    struct once_table *once;
    struct peers *peers;
    struct limiter_stats limiter_stats; /* that the metrics know of */
    struct key_source *keys;
    struct key_cache *key_cache;
    struct introspection_source *introspection;
    struct key_stores *key_stores;
    struct block_follower *blocks;
    struct password_pool *passwords;
    struct health_checker *health;
    struct outlier_detector *outliers;
    struct discovery *discovery;
    struct endpoint_set *
        *endpoints; /* by upstream of `current`, held; NULL: what it has is of the snapshot */
    struct status_server *status;
    struct gateway_worker *workers[WORKERS_MAX];
    size_t worker_count, workers_ended;
    struct snapshot *current;
    struct change *change; /* NULL: none under way */
    uint64_t generation;
    bool started, draining;
    struct deadline drain_delay;
    char relieved_by[64]; /* the boot that the audit log is still to name */
    int exit_status;
};

/* change.c: what the message says, `*ret_json`, in the change's arena; and the snapshot. The descriptors become the change's. */
struct error control_read_change(struct change *change, const struct channel_message *message,
                                 struct json **ret_json) MUST_CHECK;
/* A descriptor of the message; the caller's from now on. */
int control_take_fd(struct change *change, size_t index);
void control_free_change(struct control *control, struct change *change);

/* Starts to take up a CONFIGURE; the descriptors of the message are taken. Answers READY or REFUSED in the end. */
void control_configure(struct control *control, const struct channel_message *message);

/* Gives up what this process does not need, for ever: with the first configuration, before any other thread is there. */
struct error control_confine(struct control *control, const struct confinement_settings *settings) MUST_CHECK;
/* What the first configuration starts. What was started by the time it fails is ended with the process. */
struct error control_start_all(struct control *control, struct change *change) MUST_CHECK;
/* endpoints.c: what was discovered becomes that of all workers, of health checks and outliers. A discovery_callback. */
struct error control_set_endpoints(void *context, struct slice upstream,
                                   const struct found_endpoints *found) MUST_CHECK;
/* The same: of another configuration, or at the end. */
void control_drop_endpoints(struct control *control);

/* revocation.c: are they still good for long? */
void control_look_at_lists(struct control *control);

/* What the next process is to have has changed. Only the one that serves leaves anything. */
void control_bequeath(struct control *control);

/* Keys came, or did not: a first configuration that waits for them need not wait any longer for this issuer. */
void control_keys_settled(struct control *control, struct slice issuer_name);

/* A configuration was not taken up, here or by the supervisor: it is counted, and in the audit log. */
void control_note_refusal(struct control *control, struct slice why);
/* The same, and tells the supervisor. */
void control_refuse(struct control *control, const char *why);

#endif
