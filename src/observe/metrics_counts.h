/* Within the room: how requests are counted, for metrics.c that counts and metrics_render.c that sums. */
#ifndef SALLYPORT_OBSERVE_METRICS_COUNTS_H
#define SALLYPORT_OBSERVE_METRICS_COUNTS_H

#include "base/map.h"
#include "observe/metrics.h"

#include <stdatomic.h>

/* Route counters are allocated in chunks of slots, for all writers at once, before any writer hears of the slot. So a
 * writer never allocates, and never waits. */
#define SLOTS_PER_CHUNK 64
#define CHUNKS          (METRICS_ROUTES_MAX / SLOTS_PER_CHUNK)
#define STATUSES        32 /* different status codes of one route; the rest counts as "other" */

/* Of the duration histogram: its bounds in ns and as they are written, the last bucket without one. */
#define BOUNDS  13
#define BUCKETS (BOUNDS + 1)
extern const int64_t metrics_bounds[BOUNDS];
extern const char *const metrics_bound_names[BOUNDS];

/* The bucket of a duration in ns. */
static inline unsigned int metrics_bucket(int64_t duration)
{
    unsigned int bucket = 0;
    while (bucket < BOUNDS && duration > metrics_bounds[bucket]) {
        bucket++;
    }
    return bucket;
}

/* One writer's counts of one route. Only the writer changes them, so plain additions of atomics do; the renderer may see
 * one request half counted, never a torn number. */
struct route_counts {
    _Atomic uint16_t statuses[STATUSES]; /* 0: free. Filled from the front, never freed */
    _Atomic uint64_t status_counts[STATUSES];
    _Atomic uint64_t other;
    _Atomic uint64_t denied[DENY_REASON_COUNT];
    _Atomic uint64_t would_deny[DENY_REASON_COUNT];
    _Atomic uint64_t candidate[CANDIDATE_OUTCOMES];
    _Atomic uint64_t buckets[BUCKETS];
    _Atomic uint64_t duration; /* ns, the sum */
    _Atomic uint64_t tunnels;  /* open now */
    _Atomic bool had_tunnels;
};

/* The same of one authorizer. There are few, so that all have their place from the start. */
struct authorizer_counts {
    _Atomic uint64_t outcomes[AUTHORIZER_OUTCOMES];
    _Atomic uint64_t buckets[BUCKETS];
    _Atomic uint64_t duration; /* ns, the sum */
};

struct metrics_worker {
    _Alignas(64) _Atomic int64_t values[METRIC_COUNT];
    struct authorizer_counts authorizers[METRICS_AUTHORIZERS_MAX];
    _Atomic(struct route_counts *) chunks[CHUNKS];
};

struct metrics {
    struct metrics_worker *workers;
    unsigned int writers;
    struct map slots;    /* route name → slot + 1 as a pointer */
    struct slice *names; /* by slot; owned */
    unsigned int slot_count;
    struct slice authorizers[METRICS_AUTHORIZERS_MAX]; /* names by slot; owned. Slot 0: those beyond, "-" */
    unsigned int authorizer_count;                     /* beside slot 0 */
    int64_t started;                                   /* real ns */
    bool (*more)(const void *context, struct buffer *out); /* NULL: nobody has more to tell */
    const void *more_context;
};

/* authorizer_metrics.c */
bool metrics_render_authorizers(const struct metrics *metrics, struct buffer *out);
void metrics_free_authorizers(struct metrics *metrics);

#endif
