#include "pipeline/worker.h"

#include <stdlib.h>

/* What a listener offers by ALPN; the first that a client wants too is spoken. */
static struct slice alpn_of(const struct listener_settings *listener)
{
    switch (listener->protocols) {
    case HTTP_SPEAKS_H2:
        return SLICE("\x02h2");
    case HTTP_SPEAKS_H2 | HTTP_SPEAKS_H1:
        return SLICE("\x02h2\x08http/1.1");
    default:
        return SLICE("\x08http/1.1");
    }
}

static void free_contexts(struct worker_snapshot *snapshot)
{
    const struct settings *settings = snapshot->snapshot->settings;
    for (size_t i = 0; snapshot->tls != NULL && i < settings->listener_count; i++) {
        if (snapshot->tls[i] != NULL) {
            tls_server_free(snapshot->tls[i]);
        }
    }
    for (size_t i = 0; snapshot->askers != NULL && i < settings->authorizer_count; i++) {
        external_asker_free(snapshot->askers[i]);
    }
    free(snapshot->askers);
    free(snapshot->tls);
}

static void free_snapshot(struct worker_snapshot *snapshot)
{
    const struct settings *settings = snapshot->snapshot->settings;
    for (size_t i = 0; snapshot->pools != NULL && i < settings->upstream_count; i++) {
        upstream_pool_free(snapshot->pools[i]);
    }
    free(snapshot->pools);
    if (snapshot->root == NULL) {
        free_contexts(snapshot);
    } else {
        worker_snapshot_give(snapshot->root);
    }
    snapshot_unref(snapshot->snapshot);
    free(snapshot);
}

struct worker_snapshot *worker_snapshot_take(struct worker *worker)
{
    worker->current->uses++;
    return worker->current;
}

void worker_snapshot_give(struct worker_snapshot *snapshot)
{
    if (--snapshot->uses == 0) {
        free_snapshot(snapshot);
    }
}

void worker_snapshot_retire(struct worker_snapshot *snapshot)
{
    const struct settings *settings = snapshot->snapshot->settings;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        upstream_pool_retire(snapshot->pools[i]);
    }
    for (size_t i = 0; i < settings->authorizer_count; i++) {
        external_asker_retire(snapshot->askers[i]);
    }
    worker_snapshot_give(snapshot);
}

static struct error fill_askers(struct worker_snapshot *made)
{
    const struct snapshot *snapshot = made->snapshot;
    const struct settings *settings = snapshot->settings;
    made->askers = calloc(settings->authorizer_count + 1, sizeof(struct external_asker *));
    if (made->askers == NULL) {
        return FAIL(ERROR_MEMORY, "worker's configuration");
    }
    for (size_t i = 0; i < settings->authorizer_count; i++) {
        TRY(external_asker_new(&settings->authorizers[i], &made->worker->loop, made->worker->metrics,
                               snapshot->authorizer_slots[i], &made->askers[i]));
    }
    return OK;
}

static struct error fill(struct worker_snapshot *made, struct tls_tickets *tickets)
{
    const struct settings *settings = made->snapshot->settings;
    made->tls = calloc(settings->listener_count + 1, sizeof *made->tls);
    made->pools = calloc(settings->upstream_count + 1, sizeof *made->pools);
    if (made->tls == NULL || made->pools == NULL) {
        return FAIL(ERROR_MEMORY, "worker's configuration");
    }
    for (size_t i = 0; i < settings->listener_count; i++) {
        int certificate = -1;
        if (settings->listeners[i].tls != NULL) {
            TRY(tls_server_new(settings->listeners[i].tls, tickets, alpn_of(&settings->listeners[i]),
                               &made->tls[i], &certificate));
        }
    }
    for (size_t i = 0; i < settings->upstream_count; i++) {
        TRY(upstream_pool_new(&settings->upstreams[i], &made->worker->loop, made->worker->metrics,
                              &made->pools[i]));
    }
    return fill_askers(made);
}

struct error worker_snapshot_new(struct worker *worker, struct snapshot *snapshot,
                                 struct tls_tickets *tickets, struct worker_snapshot **ret_snapshot)
{
    struct worker_snapshot *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return FAIL(ERROR_MEMORY, "worker's configuration");
    }
    *made = (struct worker_snapshot){ .worker = worker, .snapshot = snapshot_ref(snapshot), .uses = 1 };
    struct error error = fill(made, tickets);
    if (failed(error)) {
        free_snapshot(made);
        return error;
    }
    *ret_snapshot = made;
    return OK;
}

/* All but the pool of one upstream. */
static struct worker_snapshot *use_again(struct worker_snapshot *before, size_t upstream,
                                         struct upstream_pool *pool)
{
    size_t count = before->snapshot->settings->upstream_count;
    struct worker_snapshot *made = malloc(sizeof *made);
    struct upstream_pool **pools = calloc(count + 1, sizeof(struct upstream_pool *));
    if (made == NULL || pools == NULL) {
        free(made);
        free(pools);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        pools[i] = i == upstream ? pool : upstream_pool_ref(before->pools[i]);
    }
    *made = *before;
    made->pools = pools;
    made->uses = 1;
    made->root = before->root != NULL ? before->root : before;
    made->root->uses++;
    snapshot_ref(made->snapshot);
    return made;
}

struct error worker_snapshot_follow(struct worker *worker, struct endpoint_set *set)
{
    struct worker_snapshot *before = worker->current;
    if (before == NULL || before->snapshot->generation != set->snapshot) {
        return OK;
    }
    struct upstream_pool *pool = NULL;
    TRY(upstream_pool_follow(before->pools[set->upstream], set, &pool));
    struct worker_snapshot *made = use_again(before, set->upstream, pool);
    if (made == NULL) {
        upstream_pool_free(pool);
        return FAIL(ERROR_MEMORY, "worker's configuration");
    }
    worker->current = made;
    upstream_pool_retire(before->pools[set->upstream]);
    worker_snapshot_give(before);
    return OK;
}
