/* The addresses of an endpoint's host, looked up without blocking the loop (the system's resolver in libuv's thread pool)
 * and looked up again after RESOLVE_LIFETIME, by the first who connects then, while the old ones go on: so a resolver that hangs holds
 * up nothing that worked before. Where a later look-up fails, too. After twice that time the first one waits for the answer. One
 * loop. */
#ifndef SALLYPORT_UPSTREAM_RESOLVE_H
#define SALLYPORT_UPSTREAM_RESOLVE_H

#include "net/address.h"
#include "net/loop.h"

#define RESOLVE_LIFETIME      (30 * INT64_C(1000000000)) /* ns */
#define RESOLVE_ADDRESSES_MAX 16

struct resolve_job;

struct resolved {
    struct net_loop *loop;
    struct address addresses[RESOLVE_ADDRESSES_MAX];
    size_t count;
    int64_t until; /* INT64_MAX: an address, never looked up */
    struct resolve_job *job;
    void (*on_done)(struct resolved *resolved, bool found);
};

void resolved_init(struct resolved *resolved, struct net_loop *loop);
/* A look-up under way is forgotten. */
void resolved_done(struct resolved *resolved);
void resolved_set(struct resolved *resolved, const struct address *address);
/* Is there an address at all? */
static inline bool resolved_known(const struct resolved *resolved)
{
    return resolved->count > 0;
}
/* And is it time to look again? */
static inline bool resolved_stale(const struct resolved *resolved, int64_t now)
{
    return now >= resolved->until;
}
/* Is it so old that a new one is better waited for? Nobody has connected for long. While somebody waits, the others need not. */
static inline bool resolved_outdated(const struct resolved *resolved, int64_t now)
{
    return resolved->job == NULL && now - RESOLVE_LIFETIME >= resolved->until;
}
/* The address at `index`, whatever the number of addresses now; only where there is one. */
static inline struct address resolved_at(const struct resolved *resolved, size_t index)
{
    return resolved->addresses[index % resolved->count];
}
/* Starts a look-up, or joins the one under way; on_done comes in a later turn. False: no memory, on_done does not come. */
bool resolved_start(struct resolved *resolved, struct slice host,
                    void (*on_done)(struct resolved *, bool found));

#endif
