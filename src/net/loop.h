/* A thread's event loop: libuv's, with a cached clock, deadlines, and tasks posted from here or from other threads.
 * All functions belong to the loop's thread, except net_loop_send and net_loop_stop. */
#ifndef SALLYPORT_NET_LOOP_H
#define SALLYPORT_NET_LOOP_H

#include "base/clock.h"
#include "base/error.h"
#include "net/deadline.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <uv.h>

/* Work for a loop. The storage is the owner's, untouched until `run` is called; run may free it. */
struct net_task {
    void (*run)(struct net_task *task);
    struct net_task *next;
    bool queued;
};

struct net_task_queue {
    struct net_task *first;
    struct net_task **last;
};

struct net_loop {
    uv_loop_t uv;
    int64_t now;      /* clock_monotonic_ns, as of net_loop_woken */
    int64_t now_real; /* clock_real_ns, of the same moment */
    char *scratch;    /* HTTP_BULK_BUFFER bytes: see net_loop_take_scratch */
    bool scratch_taken;
    bool now_is_fresh; /* read since the last sleep */
    /* How long the loop's own work makes others wait: a turn is what is done between two looks at the sockets. */
    int64_t turn_began;
    int64_t last_turn; /* ns, of the turn before */
    int64_t long_turn; /* the owner's: what counts as long, as a full one does; INT64_MAX: none does */
    int64_t
        long_since; /* the end of the first of an unbroken row of long turns; INT64_MAX: the last one was short */
    struct deadline_table deadlines; /* driven by `timer` */
    uv_timer_t timer;
    int64_t timer_at; /* when the timer wakes the loop at the latest; INT64_MAX: not running */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;              /* active while tasks wait, so that the loop does not sleep */
    struct net_task_queue tasks; /* from this thread */
    struct net_task_queue due;   /* those of `tasks` that run after this turn's look at the sockets */
    struct net_task_queue last;  /* at the end of this turn: see net_loop_at_end */
    uv_async_t wake;
    pthread_mutex_t mailbox_lock;
    struct net_task_queue mailbox; /* from other threads */
    bool mailbox_closed;           /* under mailbox_lock: what is sent now is dropped */
    bool stopping;
    bool closed; /* the loop's own handles */
};

/* Every callback that comes from libuv directly calls this first: the loop may have slept since the clock was read, and a
 * deadline set from a stale clock would expire too early. Reads the clock once per turn. */
static inline void net_loop_woken(struct net_loop *loop)
{
    if (!loop->now_is_fresh) {
        loop->now = clock_monotonic_ns();
        loop->now_real = clock_real_ns();
        loop->turn_began = loop->now;
        loop->now_is_fresh = true;
    }
}

/* Memory to read into for whoever reads now: one piece for all, so that it stays in the processor's cache. Given back before
 * anybody else reads; what is to be kept is copied. */
static inline char *net_loop_take_scratch(struct net_loop *loop)
{
    assert(!loop->scratch_taken);
    loop->scratch_taken = true;
    return loop->scratch;
}

static inline void net_loop_give_scratch(struct net_loop *loop)
{
    loop->scratch_taken = false;
}

/* Ignores SIGPIPE in this process: OpenSSL and others write with write(2), and a peer that is gone is an error there. */
struct error net_loop_init(struct net_loop *loop) MUST_CHECK;

/* Runs until net_loop_stop, then closes the loop's own handles. What was sent before the stop still runs; what waits after is
 * dropped. */
void net_loop_run(struct net_loop *loop);

/* Frees the loop; every handle of others must be closing by then: their close callbacks still come. False: work is under way in
 * libuv's pool that will write to it, so that its memory has to stay. */
bool net_loop_done(struct net_loop *loop);

/* Runs the task in the next turn, after one look at the sockets: how a connection with work left yields to the others. */
void net_loop_post(struct net_loop *loop, struct net_task *task);

/* Runs the task at the end of this turn, before the loop looks at its sockets again: what is done once for all that a turn
 * brought. What is posted so from there still runs in the same turn. */
void net_loop_at_end(struct net_loop *loop, struct net_task *task);

/* Had the descriptor nothing to say, data, end or error, when this turn's look at the sockets was taken? It must have been watched
 * for reading by then. False: it had, or it is not known. No system call. */
bool net_loop_saw_silence(const struct net_loop *loop, int fd);

/* Any thread: runs the task on the loop's thread. A task that waits already is not queued twice; one task is used with
 * either post or send. False: the loop has ended, and the task will not run. */
bool net_loop_send(struct net_loop *loop, struct net_task *task);

/* Runs what was sent and came too late: after the thread's end, and before net_loop_done. */
void net_loop_run_mailbox(struct net_loop *loop);

/* Any thread. */
void net_loop_stop(struct net_loop *loop);

#endif
