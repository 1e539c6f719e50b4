#include "upstream/discovery/discovery.h"

#include "base/log.h"
#include "fetch/fetch.h"
#include "observe/metrics.h"
#include "upstream/discovery/internal.h"

#include <stdlib.h>

#define NO_MEMORY FAIL(ERROR_MEMORY, "no memory for discovery")

static struct discovery_source *find(const struct discovery *discovery,
                                     const struct upstream_settings *upstream)
{
    struct discovery_source *source = discovery->sources;
    while (source != NULL && !source_is_of(source, upstream)) {
        source = source->next;
    }
    return source;
}

static void (*how_to_look(const struct discovery_source *source))(struct discovery_source *source)
{
    if (discovery_is_watched(&source->settings)) {
        return source_watch;
    }
    return source->settings.kind == DISCOVERY_FILE ? source_look : source_ask;
}

static struct discovery_source *find_or_add(struct discovery *discovery,
                                            const struct upstream_settings *upstream)
{
    struct discovery_source *source = find(discovery, upstream);
    if (source != NULL) {
        return source;
    }
    source = source_new(discovery, upstream);
    if (source != NULL) {
        source->next = discovery->sources;
        discovery->sources = source;
        (source->settings.kind == DISCOVERY_FILE ? source_look_now : how_to_look(source))(source);
    }
    return source;
}

/* ---- configurations ---- */

struct error discovery_open(struct discovery *discovery, const struct upstream_settings *upstreams,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (upstreams[i].discover != NULL && find_or_add(discovery, &upstreams[i]) == NULL) {
            return NO_MEMORY;
        }
    }
    return OK;
}

static bool is_unsettled(const struct discovery_source *source)
{
    return source->looks_good + source->looks_failed == 0 &&
           (source->lookup != NULL || source->watched != NULL);
}

static void look_who_waits(struct discovery *discovery)
{
    void (*settled)(void *context) = discovery->settled;
    bool waits = settled != NULL && discovery->loop->now < discovery->patience_ends;
    const struct discovery_source *source = discovery->sources;
    while (source != NULL && !is_unsettled(source)) {
        source = source->next;
    }
    if (settled != NULL && (!waits || source == NULL)) {
        discovery->settled = NULL;
        settled(discovery->context);
    }
}

void discovery_await(struct discovery *discovery, void (*settled)(void *context))
{
    discovery->settled = settled;
    discovery->patience_ends = discovery->loop->now + DISCOVERY_PATIENCE;
    look_who_waits(discovery);
    discovery_schedule(discovery);
}

struct error discovery_prepare(struct discovery *discovery, struct upstream_settings *upstreams, size_t count,
                               struct slice zone, struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        struct discovery_source *source =
            upstreams[i].discover != NULL ? find(discovery, &upstreams[i]) : NULL;
        if (source == NULL) {
            continue;
        }
        source->given = true;
        struct error error = upstream_set_endpoints(&upstreams[i], &source->found, zone, arena, &at);
        if (failed(error) && error.kind != ERROR_VALUE) {
            return error;
        }
        if (failed(error)) { /* the service's other settings forbid them: it has none */
            source_fail(source, error.what);
        }
    }
    return OK;
}

static void set_interval(struct discovery_source *source, int64_t interval)
{
    int64_t latest = source->discovery->loop->now + interval;
    source->settings.interval = interval;
    source->due = source->due != INT64_MAX && source->due > latest ? latest : source->due;
}

void discovery_commit(struct discovery *discovery, const struct upstream_settings *upstreams, size_t count)
{
    for (struct discovery_source *source = discovery->sources; source != NULL; source = source->next) {
        source->wanted = false;
    }
    for (size_t i = 0; i < count; i++) {
        struct discovery_source *source =
            upstreams[i].discover != NULL ? find(discovery, &upstreams[i]) : NULL;
        if (source != NULL) {
            source->wanted = true;
            set_interval(source, upstreams[i].discover->interval);
            source->settings.wait = upstreams[i].discover->wait;
        }
    }
    for (struct discovery_source **place = &discovery->sources; *place != NULL;) {
        struct discovery_source *source = *place;
        if (source->wanted) {
            place = &source->next;
        } else {
            *place = source->next;
            source_free(source);
        }
    }
    discovery_schedule(discovery);
}

/* ---- the clock ---- */

static void on_timer(uv_timer_t *timer)
{
    struct discovery *discovery = timer->data;
    net_loop_woken(discovery->loop);
    for (struct discovery_source *source = discovery->sources; source != NULL; source = source->next) {
        if (source->wanted && source->due <= discovery->loop->now) {
            how_to_look(source)(source);
        }
    }
    discovery_looked(discovery);
}

void discovery_looked(struct discovery *discovery)
{
    look_who_waits(discovery);
    discovery_schedule(discovery);
}

void discovery_schedule(struct discovery *discovery)
{
    int64_t next = INT64_MAX, now = discovery->loop->now;
    for (const struct discovery_source *source = discovery->sources; source != NULL; source = source->next) {
        next = source->wanted && source->due < next ? source->due : next;
    }
    if (discovery->settled != NULL && discovery->patience_ends < next) {
        next = discovery->patience_ends;
    }
    if (next == INT64_MAX) {
        uv_timer_stop(&discovery->timer);
        return;
    }
    uv_update_time(&discovery->loop->uv);
    uv_timer_start(&discovery->timer, on_timer,
                   next > now ? (uint64_t)((next - now + NS_PER_MS - 1) / NS_PER_MS) : 0, 0);
}

/* ---- metrics ---- */

static bool put_value(struct buffer *out, const char *name, const struct discovery_source *source,
                      const char *more, uint64_t value)
{
    return buffer_printf(out, "%s{upstream=\"", name) && metrics_put_label(out, source->upstream) &&
           buffer_printf(out, "\"%s} %llu\n", more, (unsigned long long)value);
}

static bool put_count(struct buffer *out, const char *name, const struct discovery_source *source)
{
    return put_value(out, name, source, "", source->found.count);
}

static bool put_up(struct buffer *out, const char *name, const struct discovery_source *source)
{
    return put_value(out, name, source, "", source->failing ? 0 : 1);
}

static bool put_looks(struct buffer *out, const char *name, const struct discovery_source *source)
{
    return put_value(out, name, source, ",result=\"good\"", source->looks_good) &&
           put_value(out, name, source, ",result=\"failed\"", source->looks_failed);
}

static const struct family {
    const char *name, *type, *help;
    bool (*put)(struct buffer *out, const char *name, const struct discovery_source *source);
} families[] = {
    { "sallyport_discovery_endpoints", "gauge", "Endpoints of the upstream, as they were found last",
      put_count },
    { "sallyport_discovery_up", "gauge",
      "0: what the endpoints are found by failed the last time; the ones that were found before stay",
      put_up },
    { "sallyport_discovery_looks_total", "counter",
      "Times that a file that had changed was read, or name servers were asked, or a server told something, "
      "and how that went",
      put_looks },
};

bool discovery_render(const struct discovery *discovery, struct buffer *out)
{
    for (size_t i = 0; discovery->sources != NULL && i < sizeof families / sizeof families[0]; i++) {
        if (!metrics_put_head(out, slice_from_string(families[i].name), families[i].type, families[i].help)) {
            return false;
        }
        for (const struct discovery_source *source = discovery->sources; source != NULL;
             source = source->next) {
            if (!families[i].put(out, families[i].name, source)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- life ---- */

struct error discovery_new(struct net_loop *loop, discovery_callback *callback,
                           void (*changed)(void *context), void *context, struct discovery **ret_discovery)
{
    struct discovery *discovery = calloc(1, sizeof *discovery);
    if (discovery == NULL) {
        return NO_MEMORY;
    }
    discovery->loop = loop;
    discovery->callback = callback;
    discovery->changed = changed;
    discovery->context = context;
    uv_timer_init(&loop->uv, &discovery->timer);
    discovery->timer.data = discovery;
    *ret_discovery = discovery;
    return OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void discovery_free(struct discovery *discovery)
{
    if (discovery == NULL) {
        return;
    }
    while (discovery->sources != NULL) {
        struct discovery_source *source = discovery->sources;
        discovery->sources = source->next;
        source_free(source);
    }
    fetcher_free(discovery->fetcher);
    uv_close((uv_handle_t *)&discovery->timer, on_closed);
}
