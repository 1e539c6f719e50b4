#include "upstream/outlier/mark.h"

#include "upstream/health/mark.h"

#include <stdlib.h>

struct outlier_mark *outlier_mark_new(struct outlier_bell *bell, int64_t since)
{
    struct outlier_mark *mark = aligned_alloc(_Alignof(struct outlier_mark), sizeof *mark);
    if (mark != NULL) {
        *mark = (struct outlier_mark){ .bell = bell };
        atomic_store_explicit(&mark->references, 1, memory_order_relaxed);
        atomic_store_explicit(&mark->since, since, memory_order_relaxed);
    }
    return mark;
}

struct outlier_mark *outlier_mark_ref(struct outlier_mark *mark)
{
    atomic_fetch_add_explicit(&mark->references, 1, memory_order_relaxed);
    return mark;
}

void outlier_mark_unref(struct outlier_mark *mark)
{
    if (mark != NULL && atomic_fetch_sub_explicit(&mark->references, 1, memory_order_acq_rel) == 1) {
        free(mark);
    }
}

static void say_well(struct outlier_mark *mark, struct outlier_count *count)
{
    atomic_fetch_add_explicit(&mark->well, count->well, memory_order_relaxed);
    count->well = 0;
}

static void count_failure(struct outlier_mark *mark, int64_t failures)
{
    uint32_t streak = atomic_fetch_add_explicit(&mark->streak, 1, memory_order_relaxed) + 1;
    atomic_fetch_add_explicit(&mark->failed, 1, memory_order_relaxed);
    /* Again after as many: it may have been one too many to be ejected. */
    if (failures > 0 && streak % (uint64_t)failures == 0 && mark->bell->loop != NULL) {
        (void)net_loop_send(mark->bell->loop, &mark->bell->task);
    }
}

void outlier_mark_count(struct outlier_mark *mark, struct outlier_count *count, bool well, int64_t failures)
{
    if (!well) {
        say_well(mark, count);
        count_failure(mark, failures);
        return;
    }
    if (atomic_load_explicit(&mark->streak, memory_order_relaxed) != 0) {
        atomic_store_explicit(&mark->streak, 0, memory_order_relaxed);
    }
    if (++count->well == OUTLIER_BATCH) {
        say_well(mark, count);
    }
}

void outlier_mark_return(struct outlier_mark *mark, int64_t now)
{
    atomic_store_explicit(&mark->streak, 0, memory_order_relaxed);
    atomic_store_explicit(&mark->since, now, memory_order_relaxed);
    atomic_store_explicit(&mark->ejected, false, memory_order_relaxed);
    health_marks_changed();
}

void outlier_mark_eject(struct outlier_mark *mark)
{
    atomic_store_explicit(&mark->ejected, true, memory_order_relaxed);
    health_marks_changed();
}
