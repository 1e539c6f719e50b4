#include "observe/metrics.h"

#include "base/clock.h"
#include "base/map.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Route counters are allocated in chunks of slots, for all writers at once, before any writer hears of the slot. So a
 * writer never allocates, and never waits. */
#define SLOTS_PER_CHUNK 64
#define CHUNKS          (METRICS_ROUTES_MAX / SLOTS_PER_CHUNK)
#define STATUSES        32 /* different status codes of one route; the rest counts as "other" */

static const int64_t bucket_bounds[] = {
    1 * NS_PER_MS,    2500 * NS_PER_US, 5 * NS_PER_MS,   10 * NS_PER_MS,  25 * NS_PER_MS,
    50 * NS_PER_MS,   100 * NS_PER_MS,  250 * NS_PER_MS, 500 * NS_PER_MS, 1 * NS_PER_S,
    2500 * NS_PER_MS, 5 * NS_PER_S,     10 * NS_PER_S,
};
static const char *const bucket_names[] = {
    "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10",
};
#define BOUNDS  (sizeof bucket_bounds / sizeof bucket_bounds[0])
#define BUCKETS (BOUNDS + 1)

_Static_assert(sizeof bucket_names / sizeof bucket_names[0] == BOUNDS, "a name for each bound");

/* One writer's counts of one route. Only the writer changes them, so plain additions of atomics do; the renderer may see
 * one request half counted, never a torn number. */
struct route_counts {
    _Atomic uint16_t statuses[STATUSES]; /* 0: free. Filled from the front, never freed */
    _Atomic uint64_t status_counts[STATUSES];
    _Atomic uint64_t other;
    _Atomic uint64_t denied[DENY_REASON_COUNT];
    _Atomic uint64_t buckets[BUCKETS];
    _Atomic uint64_t duration; /* ns, the sum */
};

struct metrics_worker {
    _Alignas(64) _Atomic int64_t values[METRIC_COUNT];
    _Atomic(struct route_counts *) chunks[CHUNKS];
};

struct metrics {
    struct metrics_worker *workers;
    unsigned int writers;
    struct map slots;    /* route name → slot + 1 as a pointer */
    struct slice *names; /* by slot; owned */
    unsigned int slot_count;
    int64_t started; /* real ns */
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

void metrics_request(struct metrics_worker *worker, unsigned int route_slot, unsigned int status,
                     enum deny_reason reason, int64_t duration)
{
    struct route_counts *chunk = NULL;
    if (route_slot < METRICS_ROUTES_MAX) {
        chunk = atomic_load_explicit(&worker->chunks[route_slot / SLOTS_PER_CHUNK], memory_order_acquire);
    }
    if (chunk == NULL) {
        return;
    }
    struct route_counts *counts = &chunk[route_slot % SLOTS_PER_CHUNK];
    count_status(counts, status);
    if (reason > DENY_NONE && reason < DENY_REASON_COUNT) {
        add(&counts->denied[reason], 1);
    }
    if (duration < 0) {
        duration = 0;
    }
    unsigned int bucket = 0;
    while (bucket < BOUNDS && duration > bucket_bounds[bucket]) {
        bucket++;
    }
    add(&counts->buckets[bucket], 1);
    add(&counts->duration, (uint64_t)duration);
}

/* What is rendered: one route, summed over the writers. */
struct route_sum {
    uint64_t statuses[1001]; /* by status; [1000]: other */
    uint64_t denied[DENY_REASON_COUNT];
    uint64_t buckets[BUCKETS];
    uint64_t duration;
    uint64_t requests;
};

static uint64_t read_count(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void sum_counts(const struct route_counts *counts, struct route_sum *sum)
{
    for (unsigned int i = 0; i < STATUSES; i++) {
        uint16_t key = atomic_load_explicit(&counts->statuses[i], memory_order_relaxed);
        if (key > 0) {
            sum->statuses[key - 1] += read_count(&counts->status_counts[i]);
        }
    }
    sum->statuses[1000] += read_count(&counts->other);
    for (unsigned int i = 0; i < DENY_REASON_COUNT; i++) {
        sum->denied[i] += read_count(&counts->denied[i]);
    }
    for (unsigned int i = 0; i < BUCKETS; i++) {
        uint64_t count = read_count(&counts->buckets[i]);
        sum->buckets[i] += count;
        sum->requests +=
            count; /* so that the histogram agrees with itself, whatever is being counted meanwhile */
    }
    sum->duration += read_count(&counts->duration);
}

static void sum_route(const struct metrics *metrics, unsigned int slot, struct route_sum *sum)
{
    *sum = (struct route_sum){ .requests = 0 };
    for (unsigned int i = 0; i < metrics->writers; i++) {
        const struct route_counts *chunk =
            atomic_load_explicit(&metrics->workers[i].chunks[slot / SLOTS_PER_CHUNK], memory_order_acquire);
        if (chunk != NULL) {
            sum_counts(&chunk[slot % SLOTS_PER_CHUNK], sum);
        }
    }
}

/* A label's value, escaped as the text format demands. */
static bool put_label(struct buffer *out, struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool done;
        if (c == '\n') {
            done = buffer_append(out, SLICE("\\n"));
        } else if (c == '"' || c == '\\') {
            done = buffer_append_char(out, '\\') && buffer_append_char(out, c);
        } else {
            done = buffer_append_char(out, c);
        }
        if (!done) {
            return false;
        }
    }
    return true;
}

static bool put_head(struct buffer *out, const char *name, const char *type, const char *help)
{
    return buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* `NAME{route="ROUTE",LABEL="VALUE"} COUNT` */
static bool put_sample(struct buffer *out, const char *name, struct slice route, const char *label,
                       const char *value, uint64_t count)
{
    return buffer_printf(out, "%s{route=\"", name) && put_label(out, route) &&
           buffer_printf(out, "\",%s=\"%s\"} ", label, value) && buffer_append_u64(out, count) &&
           buffer_append_char(out, '\n');
}

static bool put_statuses(struct buffer *out, struct slice route, const struct route_sum *sum)
{
    for (unsigned int status = 0; status <= 1000; status++) {
        if (sum->statuses[status] == 0) {
            continue;
        }
        char text[8] = "other";
        if (status < 1000) {
            snprintf(text, sizeof text, "%03u", status);
        }
        if (!put_sample(out, "sallyport_requests_total", route, "status", text, sum->statuses[status])) {
            return false;
        }
    }
    return true;
}

static bool put_reasons(struct buffer *out, struct slice route, const struct route_sum *sum)
{
    for (unsigned int reason = DENY_NONE + 1; reason < DENY_REASON_COUNT; reason++) {
        if (sum->denied[reason] > 0 && !put_sample(out, "sallyport_denied_total", route, "reason",
                                                   deny_infos[reason].detail, sum->denied[reason])) {
            return false;
        }
    }
    return true;
}

static bool put_durations(struct buffer *out, struct slice route, const struct route_sum *sum)
{
    if (sum->requests == 0) {
        return true;
    }
    uint64_t below = 0;
    for (unsigned int i = 0; i < BUCKETS; i++) {
        below += sum->buckets[i];
        if (!put_sample(out, "sallyport_request_duration_seconds_bucket", route, "le",
                        i < BOUNDS ? bucket_names[i] : "+Inf", below)) {
            return false;
        }
    }
    return buffer_append(out, SLICE("sallyport_request_duration_seconds_sum{route=\"")) &&
           put_label(out, route) &&
           buffer_printf(out, "\"} %llu.%09llu\n", (unsigned long long)(sum->duration / NS_PER_S),
                         (unsigned long long)(sum->duration % NS_PER_S)) &&
           buffer_append(out, SLICE("sallyport_request_duration_seconds_count{route=\"")) &&
           put_label(out, route) && buffer_append(out, SLICE("\"} ")) && buffer_append_u64(out, below) &&
           buffer_append_char(out, '\n');
}

struct family {
    const char *name, *type, *help;
    bool (*put)(struct buffer *out, struct slice route, const struct route_sum *sum);
};

static const struct family families[] = {
    { "sallyport_requests_total", "counter",
      "Requests by route and status; 000: the client went away before an answer", put_statuses },
    { "sallyport_denied_total", "counter", "Requests denied, by route and reason", put_reasons },
    { "sallyport_request_duration_seconds", "histogram",
      "From the complete request head to the response handed to the kernel", put_durations },
};

static bool put_family(const struct metrics *metrics, const struct family *family, struct buffer *out)
{
    if (!put_head(out, family->name, family->type, family->help)) {
        return false;
    }
    for (unsigned int slot = 0; slot < metrics->slot_count; slot++) {
        struct route_sum sum;
        sum_route(metrics, slot, &sum);
        if (!family->put(out, metrics->names[slot], &sum)) {
            return false;
        }
    }
    return true;
}

static bool put_numbers(const struct metrics *metrics, struct buffer *out)
{
    static const struct {
        const char *name, *type, *help;
    } infos[] = {
#define METRIC_INFO(id, name_, type_, help_) { name_, type_, help_ },
        METRICS(METRIC_INFO)
#undef METRIC_INFO
    };
    for (unsigned int metric = 0; metric < METRIC_COUNT; metric++) {
        int64_t value = 0;
        for (unsigned int i = 0; i < metrics->writers; i++) {
            value += atomic_load_explicit(&metrics->workers[i].values[metric], memory_order_relaxed);
        }
        if (!put_head(out, infos[metric].name, infos[metric].type, infos[metric].help) ||
            !buffer_printf(out, "%s %lld\n", infos[metric].name, (long long)value)) {
            return false;
        }
    }
    return true;
}

static bool put_process(const struct metrics *metrics, struct buffer *out)
{
    return put_head(out, "sallyport_build_info", "gauge", "The version that runs; always 1") &&
           buffer_append(out, SLICE("sallyport_build_info{version=\"" SALLYPORT_VERSION "\"} 1\n")) &&
           put_head(out, "sallyport_start_time_seconds", "gauge",
                    "When the gateway process started, in seconds since the epoch") &&
           buffer_printf(out, "sallyport_start_time_seconds %lld.%03d\n",
                         (long long)(metrics->started / NS_PER_S),
                         (int)(metrics->started % NS_PER_S / NS_PER_MS));
}

bool metrics_render(struct metrics *metrics, struct buffer *out)
{
    if (!put_process(metrics, out) || !put_numbers(metrics, out)) {
        return false;
    }
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++) {
        if (!put_family(metrics, &families[i], out)) {
            return false;
        }
    }
    return true;
}
