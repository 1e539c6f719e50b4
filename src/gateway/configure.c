/* Taking up a configuration: the same path for the first start, a reload and a restart after a crash. */
#include "gateway/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE_ARENA (256 * 1024)
#define FIXED_FDS     4 /* bundle, limiter, access log, audit log */
#define OVERLAYS_MAX  64

void control_refuse(struct control *control, const char *why)
{
    struct channel_message message = { .kind = CHANNEL_REFUSED, .text = slice_from_string(why) };
    if (control->own_metrics != NULL) {
        metrics_add(control->own_metrics, METRIC_RELOADS_REFUSED, 1);
    }
    if (control->own_logs != NULL) {
        log_audit_event(control->own_logs, SLICE("refused"), slice_from_string(why));
    }
    if (failed(channel_send(control->channel, &message))) {
        net_loop_stop(&control->loop);
    }
    if (!control->started) {
        /* Without a first configuration there is nothing to serve. */
        control->exit_status = 1;
        net_loop_stop(&control->loop);
    }
}

static void free_change(struct control *control, struct change *change)
{
    for (size_t i = 0; i < change->fd_count; i++) {
        if (change->fds[i] >= 0) {
            close(change->fds[i]);
        }
    }
    for (size_t i = 0; change->workers != NULL && i < control->worker_count; i++) {
        free(change->workers[i].sockets);
    }
    if (change->snapshot != NULL) {
        snapshot_unref(change->snapshot);
    }
    arena_done(&change->arena);
    free(change->workers);
    free(change->fds);
    free(change);
    control->change = NULL;
}

static int take_fd(struct change *change, size_t index)
{
    int fd = change->fds[index];
    change->fds[index] = -1;
    return fd;
}

/* ---- reading the message ---- */

static struct error load_snapshot(struct change *change, const struct json *message)
{
    struct slice overlays[OVERLAYS_MAX];
    struct config_options options = { .overlays = overlays };
    const struct json *list = json_get(message, SLICE("overlays"));
    if (!json_get_string(message, SLICE("config"), &options.path)) {
        return FAIL(ERROR_PEER, "configuration message without a path");
    }
    for (size_t i = 0; list != NULL && i < list->count && i < OVERLAYS_MAX; i++) {
        overlays[options.overlay_count++] = list->items[i].text;
    }
    struct config_files *files = NULL;
    TRY(config_files_open(change->fds[0], &files));
    struct config *config = NULL;
    struct error error = config_load(&options, files, &config);
    config_files_free(files);
    TRY(error);
    if (config->error_count > 0) {
        /* The supervisor has loaded the same bytes: this is a difference of versions, or of memory. */
        config_free(config);
        return FAIL(ERROR_VALUE, "the configuration has errors");
    }
    error = snapshot_new(config, &change->snapshot);
    if (failed(error)) {
        config_free(config);
    }
    return error;
}

static struct error read_message(struct change *change, const struct channel_message *message,
                                 struct json **ret_json)
{
    change->fds = malloc((message->fd_count + 1) * sizeof *change->fds);
    if (change->fds == NULL) {
        return FAIL(ERROR_MEMORY, "configuration message");
    }
    memcpy(change->fds, message->fds, message->fd_count * sizeof *change->fds);
    change->fd_count = message->fd_count;
    if (message->fd_count < FIXED_FDS) {
        return FAIL(ERROR_PEER, "configuration message without its descriptors");
    }
    struct slice text = arena_copy(&change->arena, message->text);
    if (text.ptr == NULL) {
        return FAIL(ERROR_MEMORY, "configuration message");
    }
    TRY(json_parse(text, JSON_DEPTH_MAX, &change->arena, ret_json, NULL));
    return OK;
}

/* ---- the first time ---- */

static void on_keys(void *context, struct slice issuer_name, enum key_source_event event, struct slice text)
{
    struct control *control = context;
    metrics_add(control->own_metrics, METRIC_JWKS_FETCHES, event == KEYS_FETCHED ? 1 : 0);
    metrics_add(control->own_metrics, METRIC_JWKS_FAILURES, event == KEYS_FAILED ? 1 : 0);
    if (event == KEYS_FAILED) {
        log_event(LOG_WARNING, "keys_failed", LOG_TEXT("issuer", issuer_name), LOG_TEXT("reason", text));
        return;
    }
    if (event == KEYS_STALE) {
        log_event(LOG_ERROR, "keys_stale", LOG_TEXT("issuer", issuer_name));
        text = SLICE_NONE;
    } else {
        log_event(LOG_INFO, "keys_fetched", LOG_TEXT("issuer", issuer_name));
    }
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_set_keys(control->workers[i], issuer_name, text);
    }
}

/* On the control thread, called by the worker's message. */
static struct control *the_control;

static void on_unknown_kid(struct gateway_worker *worker)
{
    key_source_unknown_kid(the_control->keys, slice_from_string(worker->unknown_kid_issuer));
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
    return limiter_open(memory, (size_t)facts.st_size, &control->limiter);
}

static struct error start_logs(struct control *control, struct change *change, unsigned int writers)
{
    const struct settings *settings = change->snapshot->settings;
    struct logs_options options = {
        .instance = settings->instance,
        .access_fd = take_fd(change, 2),
        .audit_fd = take_fd(change, 3),
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
            .logs = logs_queue(control->logs, (unsigned int)i),
            .metrics = metrics_writer(control->metrics, (unsigned int)i),
            .token_cache = (size_t)settings->token_cache,
            .on_unknown_kid = on_unknown_kid,
            .on_finished = on_worker_finished,
        };
        TRY(gateway_worker_start(&options, &control->workers[i]));
        control->worker_count++;
    }
    return OK;
}

/* As many workers as each listener has sockets. */
static size_t worker_count_of(const struct json *listeners)
{
    int64_t count = 1;
    if (listeners != NULL && listeners->count > 0) {
        (void)json_get_integer(&listeners->items[0], SLICE("sockets"), &count);
    }
    return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (size_t)count;
}

static struct error start_all(struct control *control, struct change *change)
{
    the_control = control;
    size_t count = worker_count_of(change->listeners);
    TRY(tls_tickets_new(&control->tickets));
    TRY(metrics_new((unsigned int)count + 1, &control->metrics));
    control->own_metrics = metrics_writer(control->metrics, (unsigned int)count);
    TRY(open_limiter(control, change->fds[1]));
    TRY(start_logs(control, change, (unsigned int)count + 1));
    TRY(key_source_new(&control->loop, on_keys, control, &control->keys));
    TRY(status_new(&control->loop, control->metrics, &control->status));
    return start_workers(control, change->snapshot->settings, count);
}

/* ---- both steps ---- */

static void discarded(struct control *control)
{
    const char *failure = control->change->failure;
    free_change(control, control->change);
    control_refuse(control, failure != NULL ? failure : "a worker could not take it up");
}

static void committed(struct control *control)
{
    struct change *change = control->change;
    struct snapshot *old = control->current;
    if (change->failed) {
        /* The configuration is in force, and what failed stays closed: an issuer without keys accepts nobody. */
        log_event(LOG_ERROR, "issuer_failed", LOG_STRING("reason", change->failure));
    }
    control->current = snapshot_ref(change->snapshot);
    free_change(control, change);
    if (old != NULL) {
        snapshot_unref(old);
    }
    if (!control->draining) {
        status_set_ready(control->status, NULL);
    }
    log_audit_event(control->own_logs, control->started ? SLICE("configured") : SLICE("started"), SLICE_NONE);
    metrics_add(control->own_metrics, METRIC_RELOADS, control->started ? 1 : 0);
    control->started = true;
    struct log_number number;
    struct log_pair generation = log_number_pair("generation", (int64_t)control->generation, &number);
    struct channel_message ready = { .kind = CHANNEL_READY, .text = generation.text };
    if (failed(channel_send(control->channel, &ready))) {
        net_loop_stop(&control->loop);
    }
}

/* The sockets of one worker: the index-th of each listener's. Status listeners are the control thread's. */
static void share_sockets(struct control *control, struct change *change)
{
    size_t next = FIXED_FDS;
    for (size_t i = 0; i < change->listeners->count; i++) {
        const struct json *listener = &change->listeners->items[i];
        struct slice name = SLICE_NONE;
        int64_t sockets = 0;
        if (!json_get_string(listener, SLICE("name"), &name) ||
            !json_get_integer(listener, SLICE("sockets"), &sockets)) {
            continue;
        }
        const struct listener_settings *settings = NULL;
        for (size_t k = 0; k < change->snapshot->settings->listener_count; k++) {
            if (slice_equal(change->snapshot->settings->listeners[k].name, name)) {
                settings = &change->snapshot->settings->listeners[k];
            }
        }
        for (int64_t k = 0; k < sockets && next < change->fd_count; k++, next++) {
            if (settings == NULL) {
                continue; /* freed with the change */
            }
            int fd = take_fd(change, next);
            if (settings->status) {
                status_add_socket(control->status, name, fd);
                continue;
            }
            struct worker_change *worker = &change->workers[(size_t)k % control->worker_count];
            worker->sockets[worker->socket_count++] = (struct worker_socket){ settings->name, fd };
        }
    }
}

static void commit(struct control *control)
{
    struct change *change = control->change;
    change->phase = CHANGE_COMMITTING;
    struct error error = status_configure(control->status, change->snapshot, control->tickets);
    if (failed(error)) {
        log_event(LOG_ERROR, "status_listener_failed", LOG_STRING("reason", error.what));
    }
    share_sockets(control, change);
    error = key_source_set(control->keys, change->snapshot->settings->issuers,
                           change->snapshot->settings->issuer_count);
    if (failed(error)) {
        log_event(LOG_ERROR, "key_source_failed", LOG_STRING("reason", error.what));
    }
    change->answers_due = control->worker_count;
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_commit(&change->workers[i]);
    }
}

static void discard(struct control *control)
{
    struct change *change = control->change;
    change->phase = CHANGE_DISCARDING;
    change->answers_due = control->worker_count;
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_discard(&change->workers[i]);
    }
}

static void on_answer(struct net_task *task)
{
    struct worker_change *answer =
        (struct worker_change *)((char *)task - offsetof(struct worker_change, answer));
    struct control *control = answer->context;
    struct change *change = control->change;
    if (!answer->ok && !change->failed) {
        change->failed = true;
        change->failure = answer->failure;
    }
    if (--change->answers_due > 0) {
        return;
    }
    if (change->phase == CHANGE_COMMITTING) {
        committed(control);
    } else if (change->phase == CHANGE_DISCARDING) {
        discarded(control);
    } else if (change->failed) {
        discard(control);
    } else {
        commit(control);
    }
}

static struct error prepare(struct control *control, struct change *change)
{
    change->workers = calloc(control->worker_count, sizeof *change->workers);
    if (change->workers == NULL) {
        return FAIL(ERROR_MEMORY, "configuration change");
    }
    for (size_t i = 0; i < control->worker_count; i++) {
        struct worker_change *worker = &change->workers[i];
        worker->worker = control->workers[i];
        worker->snapshot = change->snapshot;
        worker->context = control;
        worker->ok = true;
        worker->answer.run = on_answer;
        worker->sockets = calloc(change->fd_count, sizeof *worker->sockets);
        if (worker->sockets == NULL) {
            return FAIL(ERROR_MEMORY, "configuration change");
        }
    }
    change->snapshot->generation = ++control->generation;
    for (size_t i = 0; i < change->snapshot->route_count; i++) {
        struct route *route = &change->snapshot->routes[i];
        route->metrics_slot = metrics_route_slot(control->metrics, route->settings->name);
    }
    change->answers_due = control->worker_count;
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_prepare(&change->workers[i]);
    }
    return OK;
}

static struct error begin(struct control *control, struct change *change,
                          const struct channel_message *message)
{
    struct json *json = NULL;
    TRY(read_message(change, message, &json));
    change->listeners = (struct json *)json_get(json, SLICE("listeners"));
    if (change->listeners == NULL || change->listeners->type != JSON_ARRAY) {
        return FAIL(ERROR_PEER, "configuration message without listeners");
    }
    TRY(load_snapshot(change, json));
    if (control->worker_count == 0) {
        TRY(start_all(control, change));
    } else {
        logs_reopen(control->logs, take_fd(change, 2), take_fd(change, 3));
    }
    return prepare(control, change);
}

void control_configure(struct control *control, const struct channel_message *message)
{
    struct change *change = calloc(1, sizeof *change);
    if (change == NULL || control->change != NULL) {
        /* The supervisor sends one at a time. */
        for (size_t i = 0; i < message->fd_count; i++) {
            close(message->fds[i]);
        }
        free(change);
        control_refuse(control, "another configuration is being taken up");
        return;
    }
    arena_init(&change->arena, MESSAGE_ARENA);
    control->change = change;
    struct error error = begin(control, change, message);
    if (failed(error)) {
        char text[256];
        error_describe(error, text, sizeof text);
        free_change(control, change);
        control_refuse(control, text);
    }
}
