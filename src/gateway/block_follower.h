/* The blocks that a configuration names, on the control thread: reads its store, follows the store's changes, compiles what is in
 * force, hands it to the workers, and writes down who changed what.
 *
 * The store is looked at every BLOCK_FOLLOWER_LOOK_MS, in the thread pool: one that does not answer holds up nothing. One that
 * fails changes nothing: the last good set stays, and log, metric and /readyz say so. */
#ifndef SALLYPORT_GATEWAY_BLOCK_FOLLOWER_H
#define SALLYPORT_GATEWAY_BLOCK_FOLLOWER_H

#include "base/buffer.h"
#include "block/set.h"
#include "config/snapshot.h"
#include "net/loop.h"

#define BLOCK_FOLLOWER_LOOK_MS 500

struct block_follower;
struct block_change; /* the blocks of a configuration that is being taken up */

struct block_follower_events {
    /* This is in force from now on; good during the call. */
    void (*publish)(void *context, struct block_set *set);
    /* An event for the audit log. False: there is no room now; it is told again later. */
    bool (*audit)(void *context, struct slice event, struct slice detail);
};

struct error block_follower_new(struct net_loop *loop, const struct block_follower_events *events,
                                void *context, struct block_follower **ret_follower) MUST_CHECK;
/* The loop must run until what is under way in the pool is done. */
void block_follower_free(struct block_follower *follower);

/* Everything that can fail about a configuration's blocks. A store that is new to it is read here and now, and must be readable:
 * without it nobody would know who is blocked. One that is followed already need not. Holds the snapshot. */
struct error block_follower_prepare(struct block_follower *follower, struct snapshot *snapshot,
                                    struct block_change **ret_change) MUST_CHECK;
/* Takes the change, and publishes what it says. */
void block_follower_commit(struct block_follower *follower, struct block_change *change);
void block_change_free(struct block_change *change);

/* sallyport_blocks{kind} and sallyport_block_store_up; none where a configuration has no blocks. False: the buffer was full. */
bool block_follower_render(const struct block_follower *follower, struct buffer *out);

/* What /readyz adds; NULL: nothing. */
const char *block_follower_problem(const struct block_follower *follower);

#endif
