/* How a worker takes up a configuration: each step a task on its loop, answered on the control thread's. */
#include "gateway/listeners.h"
#include "gateway/worker.h"

#include <unistd.h>

static const char shutting_down[] = "the gateway is shutting down";

static void answer(struct worker_change *change)
{
    net_loop_send(change->worker->control_loop, &change->answer);
}

static void run_prepare(struct net_task *task)
{
    struct worker_change *change = (struct worker_change *)task;
    if (change->worker->worker.draining) {
        change->ok = false;
        change->failure = shutting_down;
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

/* Sockets for a configuration that was let go meanwhile. */
static void refuse_sockets(struct worker_change *change)
{
    for (size_t i = 0; i < change->socket_count; i++) {
        close(change->sockets[i].fd);
    }
    change->ok = false;
    change->failure = shutting_down;
    answer(change);
}

static void run_commit(struct net_task *task)
{
    struct worker_change *change = (struct worker_change *)task;
    struct gateway_worker *worker = change->worker;
    struct worker_snapshot *old = NULL;
    if (change->prepared == NULL && worker->worker.current == NULL) {
        refuse_sockets(change);
        return;
    }
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
