/* What requests tell of one endpoint, and what was made of it: every worker counts here, the control thread decides, every worker
 * reads when it looks at marks (health/mark.h). No locks; and as long as nothing fails, nothing that workers share is written
 * but every OUTLIER_BATCH requests. Counted references. */
#ifndef SALLYPORT_UPSTREAM_OUTLIER_MARK_H
#define SALLYPORT_UPSTREAM_OUTLIER_MARK_H

#include "net/loop.h"

#include <stdatomic.h>

#define OUTLIER_BATCH 16

/* Who is told of failures. Outlives all that count. */
struct outlier_bell {
    struct net_loop *loop; /* NULL: nobody */
    struct net_task task;
};

struct outlier_mark {
    _Atomic unsigned int references;
    _Atomic bool ejected;
    _Atomic uint32_t streak; /* failures in a row */
    _Atomic int64_t
        since; /* ns, monotonic: when it joined its service, or came back; 0: it was always there */
    struct outlier_bell *bell;
    _Alignas(64) _Atomic uint64_t well, failed; /* requests, ever */
};

/* One worker's, of one endpoint: good answers that the mark does not know yet. */
struct outlier_count {
    uint32_t well;
};

/* With one reference; NULL: no memory. */
struct outlier_mark *outlier_mark_new(struct outlier_bell *bell, int64_t since);
/* Any thread. */
struct outlier_mark *outlier_mark_ref(struct outlier_mark *mark);
/* NULL is fine. */
void outlier_mark_unref(struct outlier_mark *mark);

/* Any thread: one request more. Rings where `failures` in a row have come; 0: never. */
void outlier_mark_count(struct outlier_mark *mark, struct outlier_count *count, bool well, int64_t failures);

/* Any thread; NULL: its requests are not counted. */
static inline bool outlier_mark_is_ejected(const struct outlier_mark *mark)
{
    return mark != NULL && atomic_load_explicit(&mark->ejected, memory_order_relaxed);
}

/* Control thread. It is back: it begins anew. */
void outlier_mark_return(struct outlier_mark *mark, int64_t now);
void outlier_mark_eject(struct outlier_mark *mark);

#endif
