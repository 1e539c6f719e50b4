/* What the checks found of one endpoint, where the workers see it: written by the control thread, read by every worker
 * when it chooses, without locks. Counted references, so that snapshots and the checker may go in any order.
 *
 * Of an endpoint whose name stands for several addresses each is known on its own. The endpoint is unhealthy when all are. */
#ifndef SALLYPORT_UPSTREAM_HEALTH_MARK_H
#define SALLYPORT_UPSTREAM_HEALTH_MARK_H

#include "net/address.h"

#include <stdatomic.h>

#define HEALTH_ADDRESSES_MAX 32 /* of one endpoint, those that its name stood for lately included */

struct health_mark {
    _Atomic unsigned int references;
    _Atomic bool unhealthy;
    _Atomic int64_t since; /* ns, monotonic: when it became healthy again; 0: it always was */
    _Atomic unsigned int down_count;
    _Atomic uint64_t down[HEALTH_ADDRESSES_MAX]; /* keys of addresses that are unhealthy; 0: free */
};

/* Healthy, with one reference; NULL: no memory. */
struct health_mark *health_mark_new(void);
/* Any thread. */
struct health_mark *health_mark_ref(struct health_mark *mark);
/* NULL is fine. */
void health_mark_unref(struct health_mark *mark);

/* An address as marks know it, whatever its port; never 0. */
uint64_t health_key_of(const struct address *address);

/* Another one as soon as any endpoint has become healthy or unhealthy: who keeps what it made of marks looks here whether that
 * still holds. Read before the marks are. Any thread. */
uint64_t health_marks_version(void);
/* What else marks an endpoint (it stands in memory of its own) has changed. Any thread. */
void health_marks_changed(void);

/* Control thread. */
void health_mark_set(struct health_mark *mark, bool unhealthy);
void health_mark_set_address(struct health_mark *mark, uint64_t key, bool unhealthy);

/* Any thread; NULL: it is not checked, and healthy. */
static inline bool health_mark_is_unhealthy(const struct health_mark *mark)
{
    return mark != NULL && atomic_load_explicit(&mark->unhealthy, memory_order_relaxed);
}

/* Is this address unhealthy, and another one of its endpoint not? Key 0 is of no address. */
bool health_mark_is_down(const struct health_mark *mark, uint64_t key);

#endif
