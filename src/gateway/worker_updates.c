/* What the control thread tells a worker, as tasks on its loop: configurations, keys, blocks and endpoints. */
#include "base/log.h"
#include "gateway/listeners.h"
#include "gateway/worker_internal.h"
#include "pipeline/blocks.h"

#include <stdlib.h>

/* ---- changes ---- */

static void answer(struct worker_change *change)
{
    net_loop_send(change->worker->control_loop, &change->answer);
}

static void run_prepare(struct net_task *task)
{
    struct worker_change *change = (struct worker_change *)task;
    if (change->worker->worker.draining) {
        change->ok = false;
        change->failure = "the gateway is shutting down";
        answer(change);
        return;
    }
    struct error error = worker_snapshot_new(&change->worker->worker, change->snapshot,
                                             change->worker->tickets, &change->prepared);
    change->ok = !failed(error);
    change->failure = error.what;
    answer(change);
}

static void set_issuers(struct worker *worker, const struct settings *settings, struct worker_change *change)
{
    for (size_t i = 0; i < settings->issuer_count; i++) {
        struct error error = jwt_issuer_set(worker->verifier, &settings->issuers[i]);
        if (failed(error)) {
            change->ok = false;
            change->failure = error.what;
        }
    }
    jwt_verifier_sweep(worker->verifier);
}

static void set_introspection(struct worker *worker, const struct settings *settings,
                              struct worker_change *change)
{
    for (size_t i = 0; i < settings->introspection_count; i++) {
        struct error error = introspector_set(worker->introspector, &settings->introspection[i]);
        if (failed(error)) {
            change->ok = false;
            change->failure = error.what;
        }
    }
    introspector_sweep(worker->introspector);
}

static void set_api_keys(struct worker *worker, struct worker_change *change)
{
    const struct settings *settings = change->snapshot->settings;
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        struct error error =
            api_key_checker_set(worker->api_keys, &settings->api_keys[i], change->sources[i]);
        if (failed(error)) {
            change->ok = false;
            change->failure = error.what;
        }
    }
    api_key_checker_sweep(worker->api_keys);
}

static void run_commit(struct net_task *task)
{
    struct worker_change *change = (struct worker_change *)task;
    struct gateway_worker *worker = change->worker;
    struct worker_snapshot *old = NULL;
    if (change->prepared != NULL) {
        old = worker->worker.current;
        worker->worker.current = change->prepared;
        change->prepared = NULL;
        set_issuers(&worker->worker, change->snapshot->settings, change);
        set_introspection(&worker->worker, change->snapshot->settings, change);
        set_api_keys(&worker->worker, change);
        buffer_set_budget(change->snapshot->settings->buffer_memory);
        overload_set(&worker->worker.overload, &worker->worker.loop, change->snapshot->settings->overload);
    }
    if (!worker_listeners_update(worker, change->sockets, change->socket_count)) {
        change->ok = false;
        change->failure = "a worker cannot serve a listening socket";
    }
    if (old != NULL) {
        worker_snapshot_retire(old);
    }
    answer(change);
}

void gateway_worker_drop(struct worker_change *change)
{
    if (change->prepared != NULL) {
        worker_snapshot_give(change->prepared);
        change->prepared = NULL;
    }
}

static void run_discard(struct net_task *task)
{
    struct worker_change *change = (struct worker_change *)task;
    gateway_worker_drop(change);
    answer(change);
}

static void send_change(struct worker_change *change, void (*run)(struct net_task *task))
{
    change->task.run = run;
    net_loop_send(&change->worker->worker.loop, &change->task);
}

void gateway_worker_prepare(struct worker_change *change)
{
    send_change(change, run_prepare);
}

void gateway_worker_commit(struct worker_change *change)
{
    send_change(change, run_commit);
}

void gateway_worker_discard(struct worker_change *change)
{
    send_change(change, run_discard);
}

/* ---- keys ---- */

struct keys_task {
    struct net_task task;
    struct gateway_worker *worker;
    struct slice issuer_name, text;
};

static void run_keys(struct net_task *task)
{
    struct keys_task *keys = (struct keys_task *)task;
    struct jwt_verifier *verifier = keys->worker->worker.verifier;
    size_t used = 0;
    if (slice_is_empty(keys->text)) {
        jwt_issuer_drop_keys(verifier, keys->issuer_name);
    } else if (failed(jwt_issuer_set_keys(verifier, keys->issuer_name, keys->text, &used))) {
        metrics_add(keys->worker->worker.metrics, METRIC_JWKS_FAILURES, 1);
    }
    free(keys);
}

void gateway_worker_set_keys(struct gateway_worker *worker, struct slice issuer_name, struct slice text)
{
    struct keys_task *keys = malloc(sizeof *keys + issuer_name.len + text.len);
    if (keys == NULL) {
        return; /* the old keys go on; the next refresh brings the new ones */
    }
    char *memory = (char *)(keys + 1);
    memcpy(memory, issuer_name.ptr, issuer_name.len);
    if (text.len > 0) {
        memcpy(memory + issuer_name.len, text.ptr, text.len);
    }
    *keys = (struct keys_task){
        .task = { .run = run_keys },
        .worker = worker,
        .issuer_name = { memory, issuer_name.len },
        .text = { memory + issuer_name.len, text.len },
    };
    if (!net_loop_send(&worker->worker.loop, &keys->task)) {
        free(keys);
    }
}

struct forget_task {
    struct net_task task;
    struct gateway_worker *worker;
    struct slice path;
    struct api_key_changes changes;
};

static void run_forget(struct net_task *task)
{
    struct forget_task *forget = (struct forget_task *)task;
    api_key_checker_forget(forget->worker->worker.api_keys, forget->path, &forget->changes);
    free(forget);
}

/* Without memory to say which: all of them, which needs next to none. That must not fail: a key that was revoked would go on. */
static struct forget_task *new_forget(struct slice path, const struct api_key_changes *changes)
{
    size_t numbers = changes->all ? 0 : changes->count;
    struct forget_task *forget = malloc(sizeof *forget + numbers * sizeof *changes->numbers + path.len);
    if (forget == NULL) {
        return numbers > 0 ? new_forget(path, &(struct api_key_changes){ .all = true }) : NULL;
    }
    uint64_t *copy = (uint64_t *)(void *)(forget + 1);
    char *text = (char *)(copy + numbers);
    if (numbers > 0) {
        memcpy(copy, changes->numbers, numbers * sizeof *copy);
    }
    memcpy(text, path.ptr, path.len);
    *forget = (struct forget_task){
        .task = { .run = run_forget },
        .path = { text, path.len },
        .changes = { .all = changes->all, .numbers = copy, .count = numbers },
    };
    return forget;
}

void gateway_worker_forget_api_keys(struct gateway_worker *worker, struct slice path,
                                    const struct api_key_changes *changes)
{
    struct forget_task *forget = new_forget(path, changes);
    if (forget == NULL) {
        abort(); /* not even that much: another process begins with nothing that could be too old */
    }
    forget->worker = worker;
    if (!net_loop_send(&worker->worker.loop, &forget->task)) {
        free(forget);
    }
}

/* ---- blocks ---- */

static void run_blocks(struct net_task *task)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, blocks_task));
    struct block_set *set = __atomic_exchange_n(&worker->new_blocks, NULL, __ATOMIC_ACQ_REL);
    blocks_take(&worker->worker, set);
    block_set_unref(set);
}

/* Where the one before was not taken yet, its message is under way, and brings this one. */
void gateway_worker_set_blocks(struct gateway_worker *worker, struct block_set *set)
{
    struct block_set *before = __atomic_exchange_n(&worker->new_blocks, block_set_ref(set), __ATOMIC_ACQ_REL);
    if (before != NULL) {
        block_set_unref(before);
    } else {
        net_loop_send(&worker->worker.loop, &worker->blocks_task);
    }
}

/* ---- endpoints ---- */

struct endpoints_task {
    struct net_task task;
    struct gateway_worker *worker;
    struct endpoint_set *set;
};

static void run_endpoints(struct net_task *task)
{
    struct endpoints_task *endpoints = (struct endpoints_task *)task;
    struct error error = worker_snapshot_follow(&endpoints->worker->worker, endpoints->set);
    if (failed(error)) { /* the ones before go on until the next change */
        log_event(LOG_ERROR, "endpoints_not_taken", LOG_TEXT("upstream", endpoints->set->settings.name),
                  LOG_STRING("reason", error.what));
    }
    endpoint_set_unref(endpoints->set);
    free(endpoints);
}

bool gateway_worker_set_endpoints(struct gateway_worker *worker, struct endpoint_set *set)
{
    struct endpoints_task *endpoints = malloc(sizeof *endpoints);
    if (endpoints == NULL) {
        return false;
    }
    *endpoints = (struct endpoints_task){
        .task = { .run = run_endpoints },
        .worker = worker,
        .set = endpoint_set_ref(set),
    };
    if (!net_loop_send(&worker->worker.loop, &endpoints->task)) { /* it has ended */
        endpoint_set_unref(set);
        free(endpoints);
    }
    return true;
}

void worker_updates_init(struct gateway_worker *worker)
{
    worker->blocks_task.run = run_blocks;
}
