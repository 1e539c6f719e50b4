/* Threads that verify passwords, for all workers of a process: nothing else waits behind a hash, and no more memory is taken than
 * one hash for each of them.
 *
 * A queue with an end: what finds no room is refused at once, and what has waited for too long when its turn comes. One source has a part of the places only, so that whoever floods
 * from one address does not take them all. Threads start with the first password. */
#ifndef SALLYPORT_AUTH_PASSWORD_POOL_H
#define SALLYPORT_AUTH_PASSWORD_POOL_H

#include "auth/password.h"
#include "net/loop.h"

#define PASSWORD_THREADS_MAX 8
#define PASSWORD_WAITING_MAX 64             /* passwords that wait for a thread */
#define PASSWORD_PER_SOURCE  16             /* of them of one source */
#define PASSWORD_WAIT_MAX    (3 * NS_PER_S) /* what waited longer is not verified any more */

struct password_pool;

/* A password to verify. The storage is the caller's, untouched until its task runs on `loop`. */
struct password_job {
    struct net_task task; /* `run` is the caller's: what to do when it is verified */
    struct net_loop *loop;
    struct slice hash, password; /* live as long as the job */
    uint64_t source;             /* whose it is: a hash of the client's network */
    int64_t submitted;           /* the pool's */
    struct error error;          /* the pool's: failed, nobody knows whether it matches */
    bool matches;
    struct password_job *next;
};

/* `threads`: 1 to PASSWORD_THREADS_MAX. */
struct error password_pool_new(unsigned int threads, struct password_pool **ret_pool) MUST_CHECK;
/* No job is under way. */
void password_pool_free(struct password_pool *pool);

/* Any thread; never blocks for longer than a list is looked through. False: too many wait already, or no thread can be had; the
 * job was not taken. */
bool password_pool_submit(struct password_pool *pool, struct password_job *job);

/* The threads for a machine of so many processors: half of them, so that workers go on. */
unsigned int password_pool_threads(unsigned int processors);

#endif
