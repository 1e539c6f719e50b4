#include "upstream/health/mark.h"

#include "base/clock.h"
#include "base/hash.h"

#include <stdlib.h>

/* Of all services: changes are rare, and looking at marks once too often costs little. */
static _Atomic uint64_t marks_version;

uint64_t health_marks_version(void)
{
    return atomic_load_explicit(&marks_version, memory_order_acquire);
}

void health_marks_changed(void)
{
    atomic_fetch_add_explicit(&marks_version, 1, memory_order_release);
}

struct health_mark *health_mark_new(void)
{
    struct health_mark *mark = calloc(1, sizeof *mark);
    if (mark != NULL) {
        atomic_store_explicit(&mark->references, 1, memory_order_relaxed);
    }
    return mark;
}

struct health_mark *health_mark_ref(struct health_mark *mark)
{
    atomic_fetch_add_explicit(&mark->references, 1, memory_order_relaxed);
    return mark;
}

void health_mark_unref(struct health_mark *mark)
{
    if (mark != NULL && atomic_fetch_sub_explicit(&mark->references, 1, memory_order_acq_rel) == 1) {
        free(mark);
    }
}

uint64_t health_key_of(const struct address *address)
{
    return hash_bytes(address->bytes, sizeof address->bytes) | 1;
}

void health_mark_set(struct health_mark *mark, bool unhealthy)
{
    if (!unhealthy && health_mark_is_unhealthy(mark)) {
        atomic_store_explicit(&mark->since, clock_monotonic_ns(), memory_order_relaxed);
    }
    if (atomic_exchange_explicit(&mark->unhealthy, unhealthy, memory_order_relaxed) != unhealthy) {
        health_marks_changed();
    }
}

/* Each key stays in its place as long as it is there, so that a reader in between misses none. */
void health_mark_set_address(struct health_mark *mark, uint64_t key, bool unhealthy)
{
    _Atomic uint64_t *free_place = NULL;
    for (size_t i = 0; i < HEALTH_ADDRESSES_MAX; i++) {
        uint64_t known = atomic_load_explicit(&mark->down[i], memory_order_relaxed);
        if (known == key) {
            if (!unhealthy) {
                atomic_store_explicit(&mark->down[i], 0, memory_order_relaxed);
                atomic_fetch_sub_explicit(&mark->down_count, 1, memory_order_relaxed);
            }
            return;
        }
        free_place = known == 0 && free_place == NULL ? &mark->down[i] : free_place;
    }
    if (unhealthy && free_place != NULL) {
        atomic_store_explicit(free_place, key, memory_order_relaxed);
        atomic_fetch_add_explicit(&mark->down_count, 1, memory_order_release);
    }
}

bool health_mark_is_down(const struct health_mark *mark, uint64_t key)
{
    if (mark == NULL || key == 0 || atomic_load_explicit(&mark->down_count, memory_order_acquire) == 0 ||
        health_mark_is_unhealthy(mark)) {
        return false;
    }
    for (size_t i = 0; i < HEALTH_ADDRESSES_MAX; i++) {
        if (atomic_load_explicit(&mark->down[i], memory_order_relaxed) == key) {
            return true;
        }
    }
    return false;
}
