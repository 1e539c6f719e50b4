#include "observe/metrics.h"

#include "base/clock.h"
#include "observe/metrics_counts.h"

#include <stdlib.h>

const int64_t metrics_bounds[BOUNDS] = {
    1 * NS_PER_MS,    2500 * NS_PER_US, 5 * NS_PER_MS,   10 * NS_PER_MS,  25 * NS_PER_MS,
    50 * NS_PER_MS,   100 * NS_PER_MS,  250 * NS_PER_MS, 500 * NS_PER_MS, 1 * NS_PER_S,
    2500 * NS_PER_MS, 5 * NS_PER_S,     10 * NS_PER_S,
};

static bool add_chunk(struct metrics *metrics, unsigned int chunk)
{
    for (unsigned int i = 0; i < metrics->writers; i++) {
        struct metrics_worker *worker = &metrics->workers[i];
        if (atomic_load_explicit(&worker->chunks[chunk], memory_order_relaxed) != NULL) {
            continue; /* left from an attempt that ran out of memory half-way */
        }
        size_t size = SLOTS_PER_CHUNK * sizeof(struct route_counts);
        size = (size + 63) / 64 * 64;
        struct route_counts *counts = aligned_alloc(64, size);
        if (counts == NULL) {
            return false;
        }
        memset(counts, 0, size);
        atomic_store_explicit(&worker->chunks[chunk], counts, memory_order_release);
    }
    return true;
}

static bool add_slot(struct metrics *metrics, struct slice route)
{
    unsigned int slot = metrics->slot_count;
    if (slot == METRICS_ROUTES_MAX) {
        return false;
    }
    if (slot % SLOTS_PER_CHUNK == 0 && !add_chunk(metrics, slot / SLOTS_PER_CHUNK)) {
        return false;
    }
    char *name = malloc(route.len + 1);
    if (name == NULL) {
        return false;
    }
    if (route.len > 0) {
        memcpy(name, route.ptr, route.len);
    }
    name[route.len] = '\0';
    metrics->names[slot] = slice_of(name, route.len);
    if (!map_put(&metrics->slots, metrics->names[slot], (void *)(uintptr_t)(slot + 1))) {
        free(name);
        metrics->names[slot] = SLICE_NONE;
        return false;
    }
    metrics->slot_count++;
    return true;
}

struct error metrics_new(unsigned int writers, struct metrics **ret_metrics)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL) {
        return FAIL(ERROR_MEMORY, "metrics");
    }
    map_init(&metrics->slots);
    metrics->started = clock_real_ns();
    metrics->writers = writers;
    size_t size = (size_t)writers * sizeof(struct metrics_worker);
    metrics->workers = aligned_alloc(64, size > 0 ? size : 64);
    metrics->names = calloc(METRICS_ROUTES_MAX, sizeof *metrics->names);
    if (metrics->workers == NULL || metrics->names == NULL) {
        metrics->writers = 0;
        metrics_free(metrics);
        return FAIL(ERROR_MEMORY, "metrics");
    }
    memset(metrics->workers, 0, size);
    if (!add_slot(metrics, SLICE("-"))) {
        metrics_free(metrics);
        return FAIL(ERROR_MEMORY, "metrics");
    }
    *ret_metrics = metrics;
    return OK;
}

void metrics_set_more(struct metrics *metrics, bool (*render)(const void *context, struct buffer *out),
                      const void *context)
{
    metrics->more = render;
    metrics->more_context = context;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    for (unsigned int i = 0; i < metrics->writers; i++) {
        for (unsigned int chunk = 0; chunk < CHUNKS; chunk++) {
            free(atomic_load_explicit(&metrics->workers[i].chunks[chunk], memory_order_relaxed));
        }
    }
    for (unsigned int slot = 0; slot < metrics->slot_count; slot++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): without names there are no slots */
        free((void *)(uintptr_t)metrics->names[slot].ptr);
    }
    metrics_free_authorizers(metrics);
    map_done(&metrics->slots);
    free(metrics->names);
    free(metrics->workers);
    free(metrics);
}

struct metrics_worker *metrics_writer(struct metrics *metrics, unsigned int index)
{
    return index < metrics->writers ? &metrics->workers[index] : NULL;
}

unsigned int metrics_route_slot(struct metrics *metrics, struct slice route)
{
    if (route.ptr == NULL) {
        return 0;
    }
    uintptr_t known = (uintptr_t)map_get(&metrics->slots, route);
    if (known > 0) {
        return (unsigned int)(known - 1);
    }
    return add_slot(metrics, route) ? metrics->slot_count - 1 : 0;
}

/* One writer each: no locked instruction is needed. */
static inline void add(_Atomic uint64_t *counter, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + amount, memory_order_relaxed);
}

void metrics_add(struct metrics_worker *worker, enum metric metric, int64_t amount)
{
    int64_t value = atomic_load_explicit(&worker->values[metric], memory_order_relaxed);
    atomic_store_explicit(&worker->values[metric], value + amount, memory_order_relaxed);
}

_Atomic int64_t *metrics_number(struct metrics_worker *worker, enum metric metric)
{
    return &worker->values[metric];
}

static void count_status(struct route_counts *counts, unsigned int status)
{
    uint16_t key = (uint16_t)(status < 1000 ? status + 1 : 1000); /* 0 is a status too: the client got none */
    for (unsigned int i = 0; i < STATUSES; i++) {
        uint16_t known = atomic_load_explicit(&counts->statuses[i], memory_order_relaxed);
        if (known == 0) {
            atomic_store_explicit(&counts->statuses[i], key, memory_order_relaxed);
            known = key;
        }
        if (known == key) {
            add(&counts->status_counts[i], 1);
            return;
        }
    }
    add(&counts->other, 1);
}

/* NULL: there is no such slot. */
static struct route_counts *counts_of(struct metrics_worker *worker, unsigned int slot)
{
    struct route_counts *chunk = NULL;
    if (slot < METRICS_ROUTES_MAX) {
        chunk = atomic_load_explicit(&worker->chunks[slot / SLOTS_PER_CHUNK], memory_order_acquire);
    }
    return chunk != NULL ? &chunk[slot % SLOTS_PER_CHUNK] : NULL;
}

void metrics_tunnel(struct metrics_worker *worker, unsigned int route_slot, int change)
{
    struct route_counts *counts = counts_of(worker, route_slot);
    if (counts != NULL) {
        add(&counts->tunnels, (uint64_t)(int64_t)change);
        atomic_store_explicit(&counts->had_tunnels, true, memory_order_relaxed);
    }
}

void metrics_would_deny(struct metrics_worker *worker, unsigned int route_slot, enum deny_reason reason)
{
    struct route_counts *counts = counts_of(worker, route_slot);
    if (counts != NULL && reason > DENY_NONE && reason < DENY_REASON_COUNT) {
        add(&counts->would_deny[reason], 1);
    }
}

void metrics_candidate(struct metrics_worker *worker, unsigned int route_slot, enum candidate_outcome outcome)
{
    struct route_counts *counts = counts_of(worker, route_slot);
    if (counts != NULL && outcome > CANDIDATE_NONE && outcome < CANDIDATE_OUTCOMES) {
        add(&counts->candidate[outcome], 1);
    }
}

void metrics_request(struct metrics_worker *worker, unsigned int route_slot, unsigned int status,
                     enum deny_reason reason, int64_t duration)
{
    struct route_counts *counts = counts_of(worker, route_slot);
    if (counts == NULL) {
        return;
    }
    count_status(counts, status);
    if (reason > DENY_NONE && reason < DENY_REASON_COUNT) {
        add(&counts->denied[reason], 1);
    }
    if (duration < 0) {
        duration = 0;
    }
    add(&counts->buckets[metrics_bucket(duration)], 1);
    add(&counts->duration, (uint64_t)duration);
}
