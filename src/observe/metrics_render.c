#include "base/clock.h"
#include "observe/metrics_counts.h"

#include <stdio.h>

const char *const metrics_bound_names[BOUNDS] = {
    "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10",
};

const char *const candidate_names[CANDIDATE_OUTCOMES] = {
#define CANDIDATE_NAME(id, name) [CANDIDATE_##id] = (name),
    CANDIDATE_OUTCOMES_LIST(CANDIDATE_NAME)
#undef CANDIDATE_NAME
};

/* What is rendered: one route, summed over the writers. */
struct route_sum {
    uint64_t statuses[1001]; /* by status; [1000]: other */
    uint64_t denied[DENY_REASON_COUNT];
    uint64_t would_deny[DENY_REASON_COUNT];
    uint64_t candidate[CANDIDATE_OUTCOMES];
    uint64_t buckets[BUCKETS];
    uint64_t duration;
    uint64_t tunnels;
    bool had_tunnels;
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
        sum->would_deny[i] += read_count(&counts->would_deny[i]);
    }
    for (unsigned int i = CANDIDATE_NONE + 1; i < CANDIDATE_OUTCOMES; i++) {
        sum->candidate[i] += read_count(&counts->candidate[i]);
    }
    for (unsigned int i = 0; i < BUCKETS; i++) {
        uint64_t count = read_count(&counts->buckets[i]);
        sum->buckets[i] += count;
        sum->requests +=
            count; /* so that the histogram agrees with itself, whatever is being counted meanwhile */
    }
    sum->duration += read_count(&counts->duration);
    sum->tunnels += read_count(&counts->tunnels);
    sum->had_tunnels = sum->had_tunnels || atomic_load_explicit(&counts->had_tunnels, memory_order_relaxed);
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

bool metrics_put_label(struct buffer *out, struct slice value)
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

bool metrics_put_head(struct buffer *out, struct slice name, const char *type, const char *help)
{
    return buffer_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", SLICE_ARG(name), help, SLICE_ARG(name),
                         type);
}

/* `NAME{route="ROUTE",LABEL="VALUE"} COUNT` */
static bool put_sample(struct buffer *out, const char *name, struct slice route, const char *label,
                       const char *value, uint64_t count)
{
    return buffer_printf(out, "%s{route=\"", name) && metrics_put_label(out, route) &&
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

static bool put_by_reason(struct buffer *out, const char *name, struct slice route,
                          const uint64_t counts[DENY_REASON_COUNT])
{
    for (unsigned int reason = DENY_NONE + 1; reason < DENY_REASON_COUNT; reason++) {
        if (counts[reason] > 0 &&
            !put_sample(out, name, route, "reason", deny_infos[reason].detail, counts[reason])) {
            return false;
        }
    }
    return true;
}

static bool put_reasons(struct buffer *out, struct slice route, const struct route_sum *sum)
{
    return put_by_reason(out, "sallyport_denied_total", route, sum->denied);
}

static bool put_would_deny(struct buffer *out, struct slice route, const struct route_sum *sum)
{
    return put_by_reason(out, "sallyport_would_deny_total", route, sum->would_deny);
}

static bool put_candidate(struct buffer *out, struct slice route, const struct route_sum *sum)
{
    for (unsigned int i = CANDIDATE_NONE + 1; i < CANDIDATE_OUTCOMES; i++) {
        if (sum->candidate[i] > 0 && !put_sample(out, "sallyport_auth_candidate_total", route, "outcome",
                                                 candidate_names[i], sum->candidate[i])) {
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
                        i < BOUNDS ? metrics_bound_names[i] : "+Inf", below)) {
            return false;
        }
    }
    return buffer_append(out, SLICE("sallyport_request_duration_seconds_sum{route=\"")) &&
           metrics_put_label(out, route) &&
           buffer_printf(out, "\"} %llu.%09llu\n", (unsigned long long)(sum->duration / NS_PER_S),
                         (unsigned long long)(sum->duration % NS_PER_S)) &&
           buffer_append(out, SLICE("sallyport_request_duration_seconds_count{route=\"")) &&
           metrics_put_label(out, route) && buffer_append(out, SLICE("\"} ")) &&
           buffer_append_u64(out, below) && buffer_append_char(out, '\n');
}

static bool put_tunnels(struct buffer *out, struct slice route, const struct route_sum *sum)
{
    /* Of most routes there never is one. */
    return !sum->had_tunnels || (buffer_append(out, SLICE("sallyport_streams_open{route=\"")) &&
                                 metrics_put_label(out, route) && buffer_append(out, SLICE("\"} ")) &&
                                 buffer_append_u64(out, sum->tunnels) && buffer_append_char(out, '\n'));
}

struct family {
    const char *name, *type, *help;
    bool (*put)(struct buffer *out, struct slice route, const struct route_sum *sum);
};

static const struct family families[] = {
    { "sallyport_requests_total", "counter",
      "Requests by route and status; 000: the client went away before an answer", put_statuses },
    { "sallyport_denied_total", "counter", "Requests denied, by route and reason", put_reasons },
    { "sallyport_would_deny_total", "counter",
      "Requests that a rule in mode observe would have denied, by route and reason", put_would_deny },
    { "sallyport_auth_candidate_total", "counter",
      "Requests that a candidate of auth was to judge, by route and what came of it", put_candidate },
    { "sallyport_request_duration_seconds", "histogram",
      "From the complete request head to the response handed to the kernel", put_durations },
    { "sallyport_streams_open", "gauge", "WebSocket connections and event streams open now, by route",
      put_tunnels },
};

static bool put_family(const struct metrics *metrics, const struct family *family, struct buffer *out)
{
    if (!metrics_put_head(out, slice_from_string(family->name), family->type, family->help)) {
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

/* The name without labels. */
static struct slice family_of(const char *name)
{
    struct slice whole = slice_from_string(name);
    ssize_t labels = slice_find(whole, '{');
    return labels < 0 ? whole : slice_part(whole, 0, (size_t)labels);
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
    struct slice before = SLICE_NONE;
    for (unsigned int metric = 0; metric < METRIC_COUNT; metric++) {
        struct slice family = family_of(infos[metric].name);
        bool first = !slice_equal(family, before);
        before = family;
        int64_t value = 0;
        for (unsigned int i = 0; i < metrics->writers; i++) {
            value += atomic_load_explicit(&metrics->workers[i].values[metric], memory_order_relaxed);
        }
        if ((first && !metrics_put_head(out, family, infos[metric].type, infos[metric].help)) ||
            !buffer_printf(out, "%s %lld\n", infos[metric].name, (long long)value)) {
            return false;
        }
    }
    return true;
}

static bool put_process(const struct metrics *metrics, struct buffer *out)
{
    return metrics_put_head(out, SLICE("sallyport_build_info"), "gauge", "The version that runs; always 1") &&
           buffer_append(out, SLICE("sallyport_build_info{version=\"" SALLYPORT_VERSION "\"} 1\n")) &&
           metrics_put_head(out, SLICE("sallyport_start_time_seconds"), "gauge",
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
    if (!metrics_render_authorizers(metrics, out)) {
        return false;
    }
    return metrics->more == NULL || metrics->more(metrics->more_context, out);
}
