/* What external authorizers were asked, and what they said. */
#include "base/clock.h"
#include "observe/metrics_counts.h"

#include <stdlib.h>

unsigned int metrics_authorizer_slot(struct metrics *metrics, struct slice authorizer)
{
    for (unsigned int slot = 1; slot <= metrics->authorizer_count; slot++) {
        if (slice_equal(metrics->authorizers[slot], authorizer)) {
            return slot;
        }
    }
    if (metrics->authorizer_count + 1 == METRICS_AUTHORIZERS_MAX || authorizer.len == 0) {
        return 0;
    }
    char *name = malloc(authorizer.len);
    if (name == NULL) {
        return 0;
    }
    memcpy(name, authorizer.ptr, authorizer.len);
    metrics->authorizers[++metrics->authorizer_count] = slice_of(name, authorizer.len);
    return metrics->authorizer_count;
}

void metrics_free_authorizers(struct metrics *metrics)
{
    for (unsigned int slot = 1; slot <= metrics->authorizer_count; slot++) {
        free((void *)(uintptr_t)metrics->authorizers[slot].ptr);
    }
}

static void add(_Atomic uint64_t *counter, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + amount, memory_order_relaxed);
}

void metrics_authorizer_count(struct metrics_worker *worker, unsigned int slot,
                              enum authorizer_outcome outcome)
{
    if (slot < METRICS_AUTHORIZERS_MAX && outcome < AUTHORIZER_OUTCOMES) {
        add(&worker->authorizers[slot].outcomes[outcome], 1);
    }
}

void metrics_authorizer_asked(struct metrics_worker *worker, unsigned int slot,
                              enum authorizer_outcome outcome, int64_t duration)
{
    metrics_authorizer_count(worker, slot, outcome);
    if (slot < METRICS_AUTHORIZERS_MAX) {
        add(&worker->authorizers[slot].buckets[metrics_bucket(duration)], 1);
        add(&worker->authorizers[slot].duration, duration > 0 ? (uint64_t)duration : 0);
    }
}

/* ---- rendering ---- */

struct sum {
    uint64_t outcomes[AUTHORIZER_OUTCOMES];
    uint64_t buckets[BUCKETS];
    uint64_t duration;
};

static struct sum sum_of(const struct metrics *metrics, unsigned int slot)
{
    struct sum sum = { .duration = 0 };
    for (unsigned int i = 0; i < metrics->writers; i++) {
        const struct authorizer_counts *counts = &metrics->workers[i].authorizers[slot];
        for (unsigned int k = 0; k < AUTHORIZER_OUTCOMES; k++) {
            sum.outcomes[k] += atomic_load_explicit(&counts->outcomes[k], memory_order_relaxed);
        }
        for (unsigned int k = 0; k < BUCKETS; k++) {
            sum.buckets[k] += atomic_load_explicit(&counts->buckets[k], memory_order_relaxed);
        }
        sum.duration += atomic_load_explicit(&counts->duration, memory_order_relaxed);
    }
    return sum;
}

/* `NAME{authorizer="AUTHORIZER"` */
static bool put_name(struct buffer *out, const char *name, struct slice authorizer)
{
    return buffer_printf(out, "%s{authorizer=\"", name) && metrics_put_label(out, authorizer) &&
           buffer_append_char(out, '"');
}

static bool put_outcomes(struct buffer *out, struct slice authorizer, const struct sum *sum)
{
    static const char *const names[AUTHORIZER_OUTCOMES] = {
        [AUTHORIZER_ALLOWED] = "allowed", [AUTHORIZER_DENIED] = "denied",
        [AUTHORIZER_FAILED] = "failed",   [AUTHORIZER_REMEMBERED] = "remembered",
        [AUTHORIZER_JOINED] = "joined",
    };
    for (unsigned int i = 0; i < AUTHORIZER_OUTCOMES; i++) {
        if (!put_name(out, "sallyport_authorizer_requests_total", authorizer) ||
            !buffer_printf(out, ",outcome=\"%s\"} %llu\n", names[i], (unsigned long long)sum->outcomes[i])) {
            return false;
        }
    }
    return true;
}

static bool put_durations(struct buffer *out, struct slice authorizer, const struct sum *sum)
{
    uint64_t below = 0;
    for (unsigned int i = 0; i < BUCKETS; i++) {
        below += sum->buckets[i];
        if (!put_name(out, "sallyport_authorizer_duration_seconds_bucket", authorizer) ||
            !buffer_printf(out, ",le=\"%s\"} %llu\n", i < BOUNDS ? metrics_bound_names[i] : "+Inf",
                           (unsigned long long)below)) {
            return false;
        }
    }
    return put_name(out, "sallyport_authorizer_duration_seconds_sum", authorizer) &&
           buffer_printf(out, "} %llu.%09llu\n", (unsigned long long)(sum->duration / NS_PER_S),
                         (unsigned long long)(sum->duration % NS_PER_S)) &&
           put_name(out, "sallyport_authorizer_duration_seconds_count", authorizer) &&
           buffer_printf(out, "} %llu\n", (unsigned long long)below);
}

static const struct family {
    const char *name, *type, *help;
    bool (*put)(struct buffer *out, struct slice authorizer, const struct sum *sum);
} families[] = {
    { "sallyport_authorizer_requests_total", "counter",
      "Requests that an external authorizer decides: allowed, denied, failed (asked, by its answer), "
      "remembered, joined "
      "(not asked: a decision that is remembered, or that another request was asking for)",
      put_outcomes },
    { "sallyport_authorizer_duration_seconds", "histogram",
      "From a question to an external authorizer to its whole answer", put_durations },
};

bool metrics_render_authorizers(const struct metrics *metrics, struct buffer *out)
{
    for (size_t i = 0; metrics->authorizer_count > 0 && i < sizeof families / sizeof families[0]; i++) {
        if (!metrics_put_head(out, slice_from_string(families[i].name), families[i].type, families[i].help)) {
            return false;
        }
        for (unsigned int slot = 0; slot <= metrics->authorizer_count; slot++) {
            struct sum sum = sum_of(metrics, slot);
            struct slice name = slot > 0 ? metrics->authorizers[slot] : SLICE("-");
            bool unused = slot == 0 && metrics->authorizer_count + 1 < METRICS_AUTHORIZERS_MAX;
            if (!unused && !families[i].put(out, name, &sum)) {
                return false;
            }
        }
    }
    return true;
}
