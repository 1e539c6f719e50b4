/* What the first configuration starts: limiter, logs, metrics, keys, health checks, status, workers. They stay until the process
 * ends. */
#include "gateway/control.h"
#include "gateway/introspection.h"
#include "gateway/key_metrics.h"

#include "base/clock.h"
#include "base/log.h"

#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* By the process that serves, or is about to. */
static void keep_keys(struct control *control, struct slice issuer_name)
{
    struct key_document document;
    if (!control->draining && key_source_document(control->keys, issuer_name, &document)) {
        key_cache_keep(control->key_cache, &document);
    }
}

static void on_keys(void *context, struct slice issuer_name, enum key_source_event event, struct slice text)
{
    struct control *control = context;
    metrics_add(control->own_metrics, METRIC_JWKS_FETCHES, event == KEYS_FETCHED ? 1 : 0);
    metrics_add(control->own_metrics, METRIC_JWKS_FAILURES, event == KEYS_FAILED ? 1 : 0);
    if (event == KEYS_FAILED) {
        log_event(LOG_WARNING, "keys_failed", LOG_TEXT("issuer", issuer_name), LOG_TEXT("reason", text));
        control_keys_settled(control, issuer_name);
        control_bequeath(control);
        return;
    }
    if (event == KEYS_DISCOVERED) {
        log_event(LOG_INFO, "keys_discovered", LOG_TEXT("issuer", issuer_name), LOG_TEXT("url", text));
        return;
    }
    if (event == KEYS_STALE) {
        log_event(LOG_ERROR, "keys_stale", LOG_TEXT("issuer", issuer_name));
        text = SLICE_NONE;
    } else if (event != KEYS_RESTORED) { /* which key_cache tells of */
        log_event(LOG_INFO, event == KEYS_INHERITED ? "keys_inherited" : "keys_fetched",
                  LOG_TEXT("issuer", issuer_name));
    }
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_set_keys(control->workers[i], issuer_name, text);
    }
    control_keys_settled(control, issuer_name);
    control_bequeath(control);
    if (event == KEYS_FETCHED) {
        keep_keys(control, issuer_name);
    }
}

static void on_health(void *context, const struct health_event *event)
{
    (void)context;
    log_event(event->unhealthy ? LOG_WARNING : LOG_INFO,
              event->unhealthy ? "endpoint_unhealthy" : "endpoint_healthy",
              LOG_TEXT("service", event->service), LOG_TEXT("endpoint", event->endpoint),
              LOG_TEXT("address", event->address), LOG_STRING("reason", event->outcome),
              LOG_STRING("detail", event->detail));
    if (event->service_changed && event->unhealthy) {
        log_event(LOG_ERROR, "service_unhealthy", LOG_TEXT("service", event->service),
                  LOG_STRING("detail", "all endpoints fail their health checks: all are used"));
    } else if (event->service_changed) {
        log_event(LOG_INFO, "service_healthy", LOG_TEXT("service", event->service));
    }
}

static void on_outlier(void *context, const struct outlier_event *event)
{
    (void)context;
    if (event->ejected) {
        log_event(LOG_WARNING, "endpoint_ejected", LOG_TEXT("service", event->service),
                  LOG_TEXT("endpoint", event->endpoint), LOG_STRING("reason", event->reason),
                  LOG_STRING("detail", event->detail), LOG_NUMBER("ms", event->duration / NS_PER_MS),
                  LOG_NUMBER("times", event->times));
    } else {
        log_event(LOG_INFO, "endpoint_returned", LOG_TEXT("service", event->service),
                  LOG_TEXT("endpoint", event->endpoint));
    }
}

static void on_blocks(void *context, struct block_set *set)
{
    struct control *control = context;
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_set_blocks(control->workers[i], set);
    }
}

static bool on_block_audit(void *context, struct slice event, struct slice detail)
{
    struct control *control = context;
    return log_audit_event(control->own_logs, event, detail);
}

static const struct block_follower_events block_events = { .publish = on_blocks, .audit = on_block_audit };

static const char *what_to_add(const void *context)
{
    const struct control *control = context;
    return block_follower_problem(control->blocks);
}

static void on_key_changes(void *context, struct slice path, const struct api_key_changes *changes)
{
    struct control *control = context;
    if (!changes->all) { /* which it is too where a store is seen for the first time */
        char text[PATH_MAX + 32];
        int size = snprintf(text, sizeof text, "%.*s: %zu", SLICE_ARG(path), changes->count);
        log_audit_event(control->own_logs, SLICE("api_keys_changed"),
                        slice_of(text, size < (int)sizeof text ? (size_t)size : sizeof text - 1));
    }
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_forget_api_keys(control->workers[i], path, changes);
    }
}

/* On the control thread, called by the worker's message. */
static struct control *the_control;

static void on_unknown_kid(struct gateway_worker *worker)
{
    key_source_unknown_kid(the_control->keys, slice_from_string(worker->unknown_kid_issuer));
}

static void on_question(struct gateway_worker *worker, struct introspection_question *question)
{
    (void)worker;
    introspection_source_ask(the_control->introspection, question);
}

static void on_worker_finished(struct gateway_worker *worker)
{
    (void)worker;
    if (++the_control->workers_ended == the_control->worker_count) {
        net_loop_stop(&the_control->loop);
    }
}

static struct error open_limiter(struct control *control, int fd)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0 || facts.st_size <= 0) {
        return FAIL_ERRNO("limiter table");
    }
    void *memory = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return FAIL_ERRNO("limiter table");
    }
    TRY(limiter_open(memory, (size_t)facts.st_size, &control->limiter));
    limiter_read_stats(control->limiter,
                       &control->limiter_stats); /* the table may be older than this process */
    return OK;
}

static struct error open_once(struct control *control, int fd)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0 || facts.st_size <= 0) {
        return FAIL_ERRNO("table of used proofs");
    }
    void *memory = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return FAIL_ERRNO("table of used proofs");
    }
    return once_open(memory, (size_t)facts.st_size, clock_monotonic_ns(), &control->once);
}

static struct error start_logs(struct control *control, struct change *change, unsigned int writers)
{
    const struct settings *settings = change->snapshot->settings;
    struct logs_options options = {
        .instance = settings->instance,
        .access_fd = control_take_fd(change, 2),
        .audit_fd = control_take_fd(change, 3),
        .access_queue = (size_t)settings->logs->access->queue,
        .audit_queue = (size_t)settings->logs->audit->queue,
        .producers = writers,
    };
    TRY(logs_new(&options, &control->logs));
    control->own_logs = logs_queue(control->logs, writers - 1);
    return OK;
}

static struct error start_workers(struct control *control, const struct settings *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct worker_options options = {
            .index = (unsigned int)i,
            .control_loop = &control->loop,
            .tickets = control->tickets,
            .limiter = control->limiter,
            .once = control->once,
            .logs = logs_queue(control->logs, (unsigned int)i),
            .metrics = metrics_writer(control->metrics, (unsigned int)i),
            .peers = control->peers,
            .workers = control->workers,
            .worker_count = count,
            .token_cache = (size_t)settings->token_cache,
            .api_key_cache = (size_t)settings->api_key_cache,
            .basic_cache = (size_t)settings->basic_cache,
            .passwords = control->passwords,
            .on_unknown_kid = on_unknown_kid,
            .on_question = on_question,
            .on_finished = on_worker_finished,
        };
        TRY(gateway_worker_start(&options, &control->workers[i]));
        control->worker_count++;
    }
    return OK;
}

void control_bequeath(struct control *control)
{
    if (control->bequest != NULL && control->started && !control->draining) {
        testament_write(control->bequest, control->tickets, control->keys, control->discovery);
    }
}

static void on_endpoints(void *context)
{
    control_bequeath(context);
}

/* Without it clients make a full handshake, and keys are awaited: no reason not to start. */
static void take_bequests(struct control *control, const struct change *change)
{
    int ours = change->fds[4];
    int before = change->fds[5];
    if (ours >= 0 && failed(bequest_new(ours, &control->bequest))) {
        control->bequest = NULL;
    }
    control->testament = before >= 0 ? testament_read(before) : NULL;
    testament_give_tickets(control->testament, control->tickets);
}

static bool render_more(const void *context, struct buffer *out)
{
    const struct control *control = context;
    return health_checker_render(control->health, out) && outlier_detector_render(control->outliers, out) &&
           key_metrics_render(control->keys, out) && introspection_render(control->introspection, out) &&
           block_follower_render(control->blocks, out) && discovery_render(control->discovery, out);
}

struct error control_start_all(struct control *control, struct change *change)
{
    the_control = control;
    size_t count = change->worker_count;
    TRY(tls_tickets_new(&control->tickets));
    take_bequests(control, change);
    TRY(metrics_new((unsigned int)count + 1, &control->metrics));
    control->own_metrics = metrics_writer(control->metrics, (unsigned int)count);
    TRY(open_limiter(control, change->fds[1]));
    TRY(open_once(control, change->fds[6]));
    TRY(peers_new(&control->peers));
    TRY(start_logs(control, change, (unsigned int)count + 1));
    TRY(key_source_new(&control->loop, on_keys, control, &control->keys));
    TRY(key_cache_new(&control->loop, &control->key_cache));
    TRY(password_pool_new(password_pool_threads((unsigned int)count), &control->passwords));
    const struct introspection_callbacks callbacks = { .answered = introspection_return,
                                                       .changed = introspection_log };
    TRY(introspection_source_new(&control->loop, &callbacks, &control->introspection));
    TRY(key_stores_new(&control->loop, on_key_changes, control, &control->key_stores));
    TRY(block_follower_new(&control->loop, &block_events, control, &control->blocks));
    TRY(health_checker_new(&control->loop, control->own_metrics, on_health, control, &control->health));
    TRY(outlier_detector_new(&control->loop, on_outlier, control, &control->outliers));
    TRY(discovery_new(&control->loop, control_set_endpoints, on_endpoints, control, &control->discovery));
    metrics_set_more(control->metrics, render_more, control);
    TRY(status_new(&control->loop, control->metrics, &control->status));
    status_set_remark(control->status, what_to_add, control);
    return start_workers(control, change->snapshot->settings, count);
}
