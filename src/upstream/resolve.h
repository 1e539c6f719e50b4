/* The addresses of an endpoint's host, looked up without blocking the loop (the system's resolver in libuv's thread pool)
 * and kept for RESOLVE_LIFETIME. Where a later look-up fails, the old addresses go on. One loop. */
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
    size_t count, next;
    int64_t until; /* INT64_MAX: an address, never looked up */
    struct resolve_job *job;
    void (*on_done)(struct resolved *resolved, bool found);
};

void resolved_init(struct resolved *resolved, struct net_loop *loop);
/* A look-up under way is forgotten. */
void resolved_done(struct resolved *resolved);
void resolved_set(struct resolved *resolved, const struct address *address);
bool resolved_ready(const struct resolved *resolved, int64_t now);
/* The addresses in turn; only where there is one. */
struct address resolved_next(struct resolved *resolved);
/* Starts a look-up, or joins the one under way; on_done comes in a later turn. False: no memory, on_done does not come. */
bool resolved_start(struct resolved *resolved, struct slice host,
                    void (*on_done)(struct resolved *, bool found));

#endif
