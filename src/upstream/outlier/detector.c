#include "upstream/outlier/detector.h"

#include "base/clock.h"
#include "upstream/outlier/detector_internal.h"

#include <stdlib.h>

#define NO_MEMORY FAIL(ERROR_MEMORY, "no memory for passive health")

/* ---- services ---- */

static void free_services(struct outlier_service *services)
{
    for (struct outlier_service *next; services != NULL; services = next) {
        next = services->next;
        for (size_t i = 0; services->targets != NULL && i < services->count; i++) {
            outlier_mark_unref(services->targets[i].mark);
        }
        free(services->targets);
        free(services->states);
        free(services->texts);
        free(services);
    }
}

static struct outlier_service *find_service(const struct outlier_detector *detector, struct slice name)
{
    struct outlier_service *service = detector->services;
    while (service != NULL && !slice_equal(service->name, name)) {
        service = service->next;
    }
    return service;
}

/* Its number; the count where it is none. */
static size_t find_target(const struct outlier_service *service, struct slice url)
{
    size_t i = 0;
    while (i < service->count && !slice_equal(service->targets[i].url, url)) {
        i++;
    }
    return i;
}

static bool is_wanted(const struct upstream_settings *upstream)
{
    return upstream->outliers != NULL || upstream->slow_start > 0;
}

/* ---- configurations ---- */

struct error outlier_detector_mark(struct outlier_detector *detector, struct upstream_settings *upstreams,
                                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct upstream_settings *upstream = &upstreams[i];
        const struct outlier_service *known = find_service(detector, upstream->name);
        for (size_t k = 0; is_wanted(upstream) && k < upstream->endpoints.count; k++) {
            struct upstream_endpoint *endpoint = &upstream->parsed[k];
            size_t at = known != NULL ? find_target(known, endpoint->url) : 0;
            endpoint->outlier =
                known != NULL && at < known->count
                    ? outlier_mark_ref(known->targets[at].mark)
                    : outlier_mark_new(&detector->bell, known != NULL ? clock_monotonic_ns() : 0);
            if (endpoint->outlier == NULL) {
                return NO_MEMORY;
            }
        }
    }
    return OK;
}

static char *put_text(char *at, struct slice text, struct slice *ret_copy)
{
    memcpy(at, text.ptr, text.len);
    *ret_copy = slice_of(at, text.len);
    return at + text.len;
}

static struct error allocate(struct outlier_service *service, const struct upstream_settings *upstream)
{
    size_t size = upstream->name.len + 1;
    for (size_t i = 0; i < upstream->endpoints.count; i++) {
        size += upstream->parsed[i].url.len;
    }
    service->texts = malloc(size);
    service->targets = calloc(upstream->endpoints.count + 1, sizeof *service->targets);
    service->states = calloc(upstream->endpoints.count + 1, sizeof *service->states);
    return service->texts != NULL && service->targets != NULL && service->states != NULL ? OK : NO_MEMORY;
}

/* What is known of the endpoint goes on. */
static void inherit(struct outlier_service *service, const struct outlier_service *known, size_t index)
{
    struct outlier_target *target = &service->targets[index];
    size_t at = known != NULL ? find_target(known, target->url) : 0;
    if (known == NULL || at == known->count || known->targets[at].mark != target->mark) {
        return;
    }
    service->states[index] = known->states[at];
    target->well = known->targets[at].well;
    target->failed = known->targets[at].failed;
    memcpy(target->ejections, known->targets[at].ejections, sizeof target->ejections);
}

static struct error make_service(const struct outlier_detector *detector,
                                 const struct upstream_settings *upstream,
                                 struct outlier_service **ret_service)
{
    const struct outlier_service *known = find_service(detector, upstream->name);
    struct outlier_service *service = *ret_service = calloc(1, sizeof *service);
    if (service == NULL) {
        return NO_MEMORY;
    }
    TRY(allocate(service, upstream));
    if (upstream->outliers != NULL) {
        service->settings = *upstream->outliers;
    }
    int64_t end = detector->bell.loop->now + service->settings.interval;
    service->interval_at =
        known != NULL && known->settings.interval > 0 && known->interval_at < end ? known->interval_at : end;
    char *at = put_text(service->texts, upstream->name, &service->name);
    for (size_t i = 0; i < upstream->endpoints.count; i++) {
        struct outlier_target *target = &service->targets[service->count];
        at = put_text(at, upstream->parsed[i].url, &target->url);
        target->mark = outlier_mark_ref(upstream->parsed[i].outlier);
        inherit(service, known, service->count++);
    }
    return OK;
}

static void schedule(struct outlier_detector *detector);

/* Where requests are not counted any more, none stays ejected. */
static void release(struct outlier_service *service, int64_t now)
{
    for (size_t i = 0; service->settings.interval == 0 && i < service->count; i++) {
        if (service->states[i].ejected) {
            outlier_mark_return(service->targets[i].mark, now);
        }
        service->states[i] = (struct ejection){ 0 };
    }
}

struct error outlier_detector_set(struct outlier_detector *detector,
                                  const struct upstream_settings *upstreams, size_t count)
{
    struct outlier_service *services = NULL, **last = &services;
    for (size_t i = 0; i < count; i++) {
        if (is_wanted(&upstreams[i])) {
            struct error error = make_service(detector, &upstreams[i], last);
            if (failed(error)) {
                free_services(services);
                return error;
            }
            last = &(*last)->next;
        }
    }
    free_services(detector->services);
    detector->services = services;
    for (struct outlier_service *service = services; service != NULL; service = service->next) {
        release(service, detector->bell.loop->now);
    }
    schedule(detector);
    return OK;
}

/* ---- deciding ---- */

/* The workers know before it is told. */
static void eject(struct outlier_detector *detector, struct outlier_service *service, size_t index,
                  enum ejection_reason reason, const char *detail)
{
    struct ejection *state = &service->states[index];
    struct outlier_target *target = &service->targets[index];
    int64_t now = detector->bell.loop->now;
    if (state->ejected || !ejection_may(service->states, service->count, &service->settings)) {
        return;
    }
    ejection_begin(state, &service->settings, now);
    target->ejections[reason]++;
    outlier_mark_eject(target->mark);
    const struct outlier_event event = {
        .service = service->name,
        .endpoint = target->url,
        .ejected = true,
        .reason = ejection_reason_names[reason],
        .detail = detail,
        .duration = state->until - now,
        .times = state->times,
    };
    detector->callback(detector->context, &event);
}

static void look_at_streaks(struct outlier_detector *detector, struct outlier_service *service)
{
    for (size_t i = 0; service->settings.failures > 0 && i < service->count; i++) {
        uint32_t streak = atomic_load_explicit(&service->targets[i].mark->streak, memory_order_relaxed);
        if (streak >= (uint64_t)service->settings.failures) {
            char detail[64];
            snprintf(detail, sizeof detail, "%u failures in a row", streak);
            eject(detector, service, i, EJECTION_FAILURES, detail);
        }
    }
}

static void take_counts(struct outlier_target *target, struct ejection *state)
{
    uint64_t well = atomic_load_explicit(&target->mark->well, memory_order_relaxed);
    uint64_t failed_ = atomic_load_explicit(&target->mark->failed, memory_order_relaxed);
    state->well = well - target->well;
    state->failed = failed_ - target->failed;
    target->well = well;
    target->failed = failed_;
}

static void end_interval(struct outlier_detector *detector, struct outlier_service *service)
{
    for (size_t i = 0; i < service->count; i++) {
        take_counts(&service->targets[i], &service->states[i]);
    }
    for (size_t i = 0; i < service->count; i++) {
        unsigned int share, others;
        if (ejection_lags(service->states, service->count, i, &service->settings, &share, &others)) {
            char detail[96];
            snprintf(detail, sizeof detail, "%u%% of its answers were good, of the others' %u%%", share,
                     others);
            eject(detector, service, i, EJECTION_SUCCESS_GAP, detail);
        }
    }
    for (size_t i = 0; i < service->count; i++) {
        ejection_next_interval(&service->states[i]);
    }
    service->interval_at = detector->bell.loop->now + service->settings.interval;
}

static void look_for_returns(struct outlier_detector *detector, struct outlier_service *service)
{
    for (size_t i = 0; i < service->count; i++) {
        if (ejection_end(&service->states[i], detector->bell.loop->now)) {
            outlier_mark_return(service->targets[i].mark, detector->bell.loop->now);
            const struct outlier_event event = { .service = service->name,
                                                 .endpoint = service->targets[i].url };
            detector->callback(detector->context, &event);
        }
    }
}

static void look(struct outlier_detector *detector)
{
    for (struct outlier_service *service = detector->services; service != NULL; service = service->next) {
        if (service->settings.interval == 0) {
            continue;
        }
        look_for_returns(detector, service);
        look_at_streaks(detector, service);
        if (detector->bell.loop->now >= service->interval_at) {
            end_interval(detector, service);
        }
    }
    schedule(detector);
}

/* ---- the clock, and the bell ---- */

static int64_t next_of(const struct outlier_service *service)
{
    int64_t next = service->settings.interval > 0 ? service->interval_at : INT64_MAX;
    for (size_t i = 0; i < service->count; i++) {
        const struct ejection *state = &service->states[i];
        next = state->ejected && state->until < next ? state->until : next;
    }
    return next;
}

static void on_timer(uv_timer_t *timer)
{
    struct outlier_detector *detector = timer->data;
    net_loop_woken(detector->bell.loop);
    look(detector);
}

static void on_bell(struct net_task *task)
{
    look((struct outlier_detector *)((char *)task - offsetof(struct outlier_detector, bell.task)));
}

static void schedule(struct outlier_detector *detector)
{
    int64_t next = INT64_MAX, now = detector->bell.loop->now;
    for (const struct outlier_service *service = detector->services; service != NULL;
         service = service->next) {
        int64_t own = next_of(service);
        next = own < next ? own : next;
    }
    if (next == INT64_MAX) {
        uv_timer_stop(&detector->timer);
        return;
    }
    uv_update_time(&detector->bell.loop->uv);
    uv_timer_start(&detector->timer, on_timer,
                   next > now ? (uint64_t)((next - now + NS_PER_MS - 1) / NS_PER_MS) : 0, 0);
}

/* ---- life ---- */

struct error outlier_detector_new(struct net_loop *loop, outlier_callback *callback, void *context,
                                  struct outlier_detector **ret_detector)
{
    struct outlier_detector *detector = calloc(1, sizeof *detector);
    if (detector == NULL) {
        return NO_MEMORY;
    }
    detector->bell.loop = loop;
    detector->bell.task.run = on_bell;
    detector->callback = callback;
    detector->context = context;
    uv_timer_init(&loop->uv, &detector->timer);
    detector->timer.data = detector;
    *ret_detector = detector;
    return OK;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void outlier_detector_free(struct outlier_detector *detector)
{
    if (detector != NULL) {
        free_services(detector->services);
        detector->services = NULL;
        uv_close((uv_handle_t *)&detector->timer, on_closed);
    }
}
