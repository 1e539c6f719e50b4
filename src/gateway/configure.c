/* Taking up a configuration: the same path for the first start, a reload and a restart after a crash. */
#include "gateway/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_ARENA (256 * 1024)

void control_note_refusal(struct control *control, struct slice why)
{
    if (control->own_metrics != NULL) {
        metrics_add(control->own_metrics, METRIC_RELOADS_REFUSED, 1);
    }
    if (control->own_logs != NULL) {
        log_audit_event(control->own_logs, SLICE("refused"), why);
    }
}

void control_refuse(struct control *control, const char *why)
{
    struct channel_message message = { .kind = CHANNEL_REFUSED, .text = slice_from_string(why) };
    control_note_refusal(control, message.text);
    if (failed(channel_send(control->channel, &message))) {
        net_loop_stop(&control->loop);
    }
    if (!control->started) {
        /* Without a first configuration there is nothing to serve. */
        control->exit_status = 1;
        net_loop_stop(&control->loop);
    }
}

/* What the configuration in force discovers, and nothing else. */
static void follow_endpoints(struct control *control)
{
    if (control->current != NULL) {
        const struct settings *settings = control->current->settings;
        discovery_commit(control->discovery, settings->upstreams, settings->upstream_count);
    }
}

static void discarded(struct control *control)
{
    const char *failure = control->change->failure;
    control_free_change(control, control->change);
    follow_endpoints(control);
    control_refuse(control, failure != NULL ? failure : "a worker could not take it up");
}

static void committed(struct control *control)
{
    struct change *change = control->change;
    struct snapshot *old = control->current;
    if (change->failed) {
        /* The configuration is in force, and what failed stays closed: an issuer without keys accepts nobody. */
        log_event(LOG_ERROR, "configuration_incomplete", LOG_STRING("reason", change->failure));
    }
    control_drop_endpoints(control);
    control->current = snapshot_ref(change->snapshot);
    control_free_change(control, change);
    follow_endpoints(control);
    if (old != NULL) {
        snapshot_unref(old);
    }
    if (!control->draining) {
        status_set_ready(control->status, NULL);
    }
    log_audit_event(control->own_logs, control->started ? SLICE("configured") : SLICE("started"), SLICE_NONE);
    metrics_add(control->own_metrics, METRIC_RELOADS, control->started ? 1 : 0);
    control->started = true;
    control_bequeath(control);
    char text[64];
    int size = snprintf(text, sizeof text, "%llu %s", (unsigned long long)control->generation,
                        logs_boot(control->logs));
    struct channel_message ready = { .kind = CHANNEL_READY, .text = slice_of(text, (size_t)size) };
    if (failed(channel_send(control->channel, &ready))) {
        net_loop_stop(&control->loop);
    }
}

static const struct listener_settings *listener_of(const struct settings *settings, struct slice name)
{
    for (size_t i = 0; i < settings->listener_count; i++) {
        if (slice_equal(settings->listeners[i].name, name)) {
            return &settings->listeners[i];
        }
    }
    return NULL;
}

static void note_failure(struct change *change, const char *failure)
{
    if (!change->failed) {
        change->failed = true;
        change->failure = failure;
    }
}

/* The index-th socket of each listener is the index-th worker's. Status listeners are the control thread's. */
static void give_socket(struct control *control, struct change *change,
                        const struct listener_settings *listener, size_t index, int fd)
{
    if (listener->status) {
        if (!status_add_socket(control->status, listener->name, fd)) {
            note_failure(change, "a status listener's socket cannot be served");
        }
        return;
    }
    struct worker_change *worker = &change->workers[index % control->worker_count];
    worker->sockets[worker->socket_count++] = (struct worker_socket){ listener->name, fd };
}

static void share_sockets(struct control *control, struct change *change)
{
    size_t next = CHANGE_FIXED_FDS;
    for (size_t i = 0; i < change->listeners->count; i++) {
        const struct json *item = &change->listeners->items[i];
        struct slice name = SLICE_NONE;
        int64_t sockets = 0;
        if (!json_get_string(item, SLICE("name"), &name) ||
            !json_get_integer(item, SLICE("sockets"), &sockets)) {
            continue;
        }
        const struct listener_settings *listener = listener_of(change->snapshot->settings, name);
        for (int64_t k = 0; k < sockets && next < change->fd_count; k++, next++) {
            if (listener != NULL) { /* else it is closed with the change */
                give_socket(control, change, listener, (size_t)k, control_take_fd(change, next));
            }
        }
    }
}

static void commit_workers(struct control *control, struct change *change)
{
    const struct dpop_settings *dpop = change->snapshot->settings->dpop;
    if (dpop != NULL) {
        once_promise(control->once, dpop_proof_life(dpop), clock_monotonic_ns());
    }
    change->answers_due += control->worker_count;
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_commit(&change->workers[i]);
    }
}

/* Now it serves. */
static void open_sockets(struct control *control, struct change *change)
{
    change->phase = CHANGE_COMMITTING;
    share_sockets(control, change);
    status_settle(control->status);
    commit_workers(control, change);
}

/* How many issuers are to say whether they have keys. */
static size_t begin_warming(struct control *control, struct change *change)
{
    const struct settings *settings = change->snapshot->settings;
    if (control->started || !change->relieves) {
        return 0;
    }
    change->keys_settled = arena_calloc(&change->arena, settings->issuer_count + 1, sizeof(bool));
    size_t due = 0;
    for (size_t i = 0; change->keys_settled != NULL && i < settings->issuer_count; i++) {
        change->keys_settled[i] = !issuer_fetches_keys(&settings->issuers[i]);
        due += !change->keys_settled[i];
    }
    return due;
}

static bool set_keys(struct control *control, struct change *change)
{
    const struct settings *settings = change->snapshot->settings;
    struct error error = key_source_set(control->keys, settings->issuers, settings->issuer_count);
    if (failed(error)) {
        note_failure(change, error.what);
    }
    return !failed(error);
}

static void set_introspection(struct control *control, struct change *change)
{
    const struct settings *settings = change->snapshot->settings;
    struct error error = introspection_source_set(control->introspection, settings->introspection,
                                                  settings->introspection_count);
    if (failed(error)) {
        note_failure(change, error.what);
    }
}

static void set_key_stores(struct control *control, struct change *change)
{
    if (!key_stores_follow(control->key_stores, change->sources,
                           change->snapshot->settings->api_keys_count)) {
        note_failure(change, "no memory to follow a key store");
    }
}

static void set_health(struct control *control, struct change *change)
{
    const struct settings *settings = change->snapshot->settings;
    struct error error = health_checker_set(control->health, settings->upstreams, settings->upstream_count);
    if (!failed(error)) {
        error = outlier_detector_set(control->outliers, settings->upstreams, settings->upstream_count);
    }
    if (failed(error)) {
        note_failure(change, error.what);
    }
}

static void answered(struct control *control);

static void drop_testament(struct control *control)
{
    testament_free(control->testament);
    control->testament = NULL;
}

/* To workers that know their issuers by now; what a process left that served until now comes first. */
static void restore_keys(struct control *control, struct change *change)
{
    if (!key_cache_set(control->key_cache, change->snapshot->settings->jwks_cache)) {
        note_failure(change, "no memory for the directory of key sets");
    }
    key_cache_restore(control->key_cache, control->keys);
}

/* Where another process serves meanwhile, the first request is not let in before there are keys to verify it with, that one's
 * or newer ones, or before it is known that they cannot be had. Else sockets are served at once: what needs no keys must not wait. */
static void commit(struct control *control)
{
    struct change *change = control->change;
    size_t keys_due = begin_warming(control, change);
    if (control->started) {
        logs_reopen(control->logs, control_take_fd(change, 2), control_take_fd(change, 3));
    }
    status_commit(control->status, change->status);
    change->status = NULL;
    set_health(control, change);
    set_key_stores(control, change);
    block_follower_commit(control->blocks, change->blocks); /* before its sockets are served */
    change->blocks = NULL;
    set_introspection(control, change);
    if (keys_due == 0) {
        set_keys(control, change);
        drop_testament(control);
        open_sockets(control, change);
        restore_keys(control, change);
        return;
    }
    change->phase = CHANGE_WARMING;
    change->answers_due = keys_due + 1; /* and ours: an answer may come within the call */
    if (!set_keys(control, change)) {
        change->answers_due = 1;
    }
    commit_workers(control, change);
    testament_give_keys(control->testament, control->keys); /* to workers that know their issuers by now */
    drop_testament(control);
    restore_keys(control, change);
    answered(control);
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

static void answered(struct control *control)
{
    struct change *change = control->change;
    if (--change->answers_due > 0) {
        return;
    }
    if (change->phase == CHANGE_WARMING) {
        open_sockets(control, change);
    } else if (change->phase == CHANGE_COMMITTING) {
        committed(control);
    } else if (change->phase == CHANGE_DISCARDING) {
        discarded(control);
    } else if (change->failed) {
        discard(control);
    } else {
        commit(control);
    }
}

static void on_answer(struct net_task *task)
{
    struct worker_change *answer =
        (struct worker_change *)((char *)task - offsetof(struct worker_change, answer));
    struct control *control = answer->context;
    struct change *change = control->change;
    if (!answer->ok) {
        note_failure(change, answer->failure);
    }
    answered(control);
}

void control_keys_settled(struct control *control, struct slice issuer_name)
{
    struct change *change = control->change;
    if (change == NULL || change->phase != CHANGE_WARMING) {
        return;
    }
    const struct settings *settings = change->snapshot->settings;
    for (size_t i = 0; i < settings->issuer_count; i++) {
        if (!change->keys_settled[i] && slice_equal(settings->issuers[i].name, issuer_name)) {
            change->keys_settled[i] = true;
            answered(control);
            return;
        }
    }
}

/* Where their last uses are noted came last in the message. */
static struct error open_key_stores(struct control *control, struct change *change)
{
    const struct settings *settings = change->snapshot->settings;
    size_t count = settings_key_stores(settings);
    if (change->fd_count < CHANGE_FIXED_FDS + count) {
        return FAIL(ERROR_PEER, "configuration message without its descriptors");
    }
    return key_stores_open(control->key_stores, settings, change->fds + change->fd_count - count,
                           &change->sources);
}

/* By name, so that counts survive a reload. */
static void take_slots(struct metrics *metrics, struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->route_count; i++) {
        struct route *route = &snapshot->routes[i];
        route->metrics_slot = metrics_route_slot(metrics, route->settings->name);
    }
    for (size_t i = 0; i < snapshot->settings->authorizer_count; i++) {
        snapshot->authorizer_slots[i] =
            metrics_authorizer_slot(metrics, snapshot->settings->authorizers[i].name);
    }
}

static struct error prepare(struct control *control, struct change *change)
{
    const struct settings *settings = change->snapshot->settings;
    TRY(discovery_prepare(control->discovery, settings->upstreams, settings->upstream_count, settings->zone,
                          &change->snapshot->config->arena));
    TRY(health_checker_mark(control->health, settings->upstreams, settings->upstream_count));
    TRY(outlier_detector_mark(control->outliers, settings->upstreams, settings->upstream_count));
    TRY(open_key_stores(control, change));
    TRY(block_follower_prepare(control->blocks, change->snapshot, &change->blocks));
    TRY(status_prepare(change->snapshot, control->tickets, &change->status));
    change->workers = calloc(control->worker_count, sizeof *change->workers);
    if (change->workers == NULL) {
        return FAIL(ERROR_MEMORY, "configuration change");
    }
    for (size_t i = 0; i < control->worker_count; i++) {
        struct worker_change *worker = &change->workers[i];
        worker->worker = control->workers[i];
        worker->snapshot = change->snapshot;
        worker->sources = change->sources;
        worker->context = control;
        worker->ok = true;
        worker->answer.run = on_answer;
        worker->sockets = calloc(change->fd_count, sizeof *worker->sockets);
        if (worker->sockets == NULL) {
            return FAIL(ERROR_MEMORY, "configuration change");
        }
    }
    change->snapshot->generation = ++control->generation;
    take_slots(control->metrics, change->snapshot);
    change->answers_due = control->worker_count;
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_prepare(&change->workers[i]);
    }
    return OK;
}

/* What happened to the processes before this one. */
static void count_lives(struct control *control, const struct json *message)
{
    int64_t restarts = 0, upgrades = 0, forbidden = 0;
    (void)json_get_integer(message, SLICE("restarts"), &restarts);
    (void)json_get_integer(message, SLICE("upgrades"), &upgrades);
    (void)json_get_integer(message, SLICE("forbidden_calls"), &forbidden);
    metrics_add(control->own_metrics, METRIC_RESTARTS, restarts);
    metrics_add(control->own_metrics, METRIC_UPGRADES, upgrades);
    metrics_add(control->own_metrics, METRIC_FORBIDDEN_CALLS, forbidden);
    struct slice call = SLICE_NONE;
    if (json_get_string(message, SLICE("forbidden_call"), &call)) {
        log_audit_event(control->own_logs, SLICE("forbidden_call"), call);
    }
}

static struct error begin(struct control *control, struct change *change,
                          const struct channel_message *message)
{
    struct json *json = NULL;
    TRY(control_read_change(change, message, &json));
    if (control->worker_count == 0) {
        TRY(control_confine(control, change->snapshot->settings->confinement));
        TRY(control_start_all(control, change));
        count_lives(control, json);
    }
    const struct settings *settings = change->snapshot->settings;
    TRY(discovery_open(control->discovery, settings->upstreams, settings->upstream_count));
    testament_give_endpoints(control->testament, control->discovery);
    return OK;
}

static void give_up(struct control *control, struct error error)
{
    char text[256];
    error_describe(error, text, sizeof text);
    control_free_change(control, control->change);
    follow_endpoints(control);
    control_refuse(control, text);
}

/* What endpoints are found by has answered, or has had its time. */
static void on_discovered(void *context)
{
    struct control *control = context;
    struct error error = prepare(control, control->change);
    if (failed(error)) {
        give_up(control, error);
    }
}

void control_configure(struct control *control, const struct channel_message *message)
{
    struct change *change = calloc(1, sizeof *change);
    if (change == NULL || control->change != NULL || control->draining) {
        /* The supervisor sends one at a time, and none after it said to drain. */
        channel_message_done(message);
        free(change);
        control_refuse(control, "no other configuration can be taken up now");
        return;
    }
    arena_init(&change->arena, MESSAGE_ARENA);
    control->change = change;
    struct error error = begin(control, change, message);
    if (failed(error)) {
        give_up(control, error);
    } else {
        discovery_await(control->discovery, on_discovered);
    }
}
