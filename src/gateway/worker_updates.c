/* What the control thread tells a worker beside configurations (worker_change.c), as tasks on its loop: keys, blocks and
 * endpoints. */
#include "base/log.h"
#include "gateway/worker_internal.h"
#include "pipeline/blocks.h"

#include <stdlib.h>

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
