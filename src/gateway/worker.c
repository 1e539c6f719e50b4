#include "gateway/worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/introspection.h"
#include "gateway/listeners.h"
#include "pipeline/blocks.h"
#include "pipeline/mirror.h"
#include "pipeline/tunnel.h"

#include <stdlib.h>

/* How often a draining worker looks whether its last exchange is over. */
#define DRAIN_LOOK (20 * NS_PER_MS)
/* How long a connection may stay idle when the whole gateway ends. */
#define DRAIN_PATIENCE (500 * NS_PER_MS)

static struct gateway_worker *gateway_worker_of(struct worker *worker)
{
    return (struct gateway_worker *)worker;
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

static void tell_unknown_kid(struct net_task *task)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, unknown_kid_task));
    worker->on_unknown_kid(worker);
    __atomic_store_n(&worker->unknown_kid_sent, false, __ATOMIC_RELEASE);
}

/* One message at a time: a flood of unknown kids costs the control thread nothing; the next token asks again. */
static void unknown_kid(struct worker *base, struct slice issuer_name)
{
    struct gateway_worker *worker = gateway_worker_of(base);
    if (issuer_name.len >= sizeof worker->unknown_kid_issuer ||
        __atomic_load_n(&worker->unknown_kid_sent, __ATOMIC_ACQUIRE)) {
        return;
    }
    memcpy(worker->unknown_kid_issuer, issuer_name.ptr, issuer_name.len);
    worker->unknown_kid_issuer[issuer_name.len] = '\0';
    __atomic_store_n(&worker->unknown_kid_sent, true, __ATOMIC_RELEASE);
    net_loop_send(worker->control_loop, &worker->unknown_kid_task);
}

/* ---- keys that are to be renewed ---- */

static void log_notice(struct net_task *task)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, notice_task));
    const struct worker_notice *notice = &worker->notice;
    char expires[CLOCK_RFC3339_SIZE] = "never";
    if (notice->expires > 0) {
        clock_rfc3339(notice->expires * NS_PER_S, expires);
    }
    log_event(LOG_WARNING,
              notice->kind == API_KEY_NOTICE_SUPERSEDED ? "api_key_superseded_used" : "api_key_expiring",
              LOG_STRING("set", notice->set), LOG_STRING("id", notice->id),
              LOG_STRING("consumer", notice->consumer), LOG_STRING("expires", expires));
    __atomic_store_n(&worker->notice_sent, false, __ATOMIC_RELEASE);
}

static void tell_notice(struct worker *base, struct api_key *key)
{
    struct gateway_worker *worker = gateway_worker_of(base);
    if (__atomic_load_n(&worker->notice_sent, __ATOMIC_ACQUIRE)) {
        return;
    }
    enum api_key_notice kind =
        api_key_notice_due(base->api_keys, key, base->loop.now_real / NS_PER_S, base->loop.now);
    if (kind == API_KEY_NOTICE_NONE) {
        return;
    }
    struct worker_notice *notice = &worker->notice;
    notice->kind = kind;
    notice->expires = key->record.expires;
    snprintf(notice->set, sizeof notice->set, "%.*s", SLICE_ARG(key->set_name));
    snprintf(notice->id, sizeof notice->id, "%.*s", SLICE_ARG(key->record.id));
    snprintf(notice->consumer, sizeof notice->consumer, "%.*s", SLICE_ARG(key->record.consumer));
    __atomic_store_n(&worker->notice_sent, true, __ATOMIC_RELEASE);
    net_loop_send(worker->control_loop, &worker->notice_task);
}

/* ---- floods ---- */

static void log_flood(struct net_task *task)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, flood_task));
    char peer[ADDRESS_TEXT_MAX];
    size_t size = address_format(&worker->flood.peer, peer);
    log_event(LOG_WARNING, "http2_flood", LOG_STRING("listener", worker->flood.listener),
              LOG_TEXT("client", slice_of(peer, size)), LOG_TEXT("kind", worker->flood.kind));
    __atomic_store_n(&worker->flood_sent, false, __ATOMIC_RELEASE);
}

void worker_tell_flood(struct gateway_worker *worker, struct slice listener, const struct address *peer,
                       struct slice kind)
{
    if (__atomic_load_n(&worker->flood_sent, __ATOMIC_ACQUIRE)) {
        return;
    }
    snprintf(worker->flood.listener, sizeof worker->flood.listener, "%.*s", SLICE_ARG(listener));
    worker->flood.kind = kind;
    worker->flood.peer = *peer;
    __atomic_store_n(&worker->flood_sent, true, __ATOMIC_RELEASE);
    net_loop_send(worker->control_loop, &worker->flood_task);
}

/* ---- the end ---- */

static bool is_quiet(const struct gateway_worker *worker)
{
    return worker->worker.connections.count == 0 && worker->worker.exchange_count == 0 &&
           worker->worker.mirror_count == 0 && worker->announcements.count == 0 &&
           !api_key_checker_is_busy(worker->worker.api_keys);
}

/* Connections and exchanges first; then the pools, whose connections close, and whose tasks run, in the turns that follow. */
static void look(struct deadline *deadline)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)deadline - offsetof(struct gateway_worker, drain_deadline));
    struct net_loop *loop = &worker->worker.loop;
    if (worker->worker.connections.patient && loop->now >= worker->patient_until) {
        announcements_end(&worker->announcements, NULL);
        http_connections_drain_all(&worker->worker.connections);
    }
    if (loop->now >= worker->drain_until) {
        announcements_end(&worker->announcements, NULL);
        http_connections_close_all(&worker->worker.connections);
        introspector_give_up(worker->worker.introspector);
        mirror_end_all(&worker->worker);
    }
    if (is_quiet(worker) && worker->worker.current == NULL) {
        bool told = failure_summary_flush(&worker->worker.failures);
        if (told || loop->now >= worker->drain_until) {
            net_loop_stop(loop);
            return;
        }
    } else if (is_quiet(worker)) {
        worker_snapshot_give(worker->worker.current);
        worker->worker.current = NULL;
    }
    deadline_set(&loop->deadlines, &worker->drain_deadline, loop->now, DRAIN_LOOK);
}

/* Whoever is about to send a request, on a connection that was idle, still gets an answer, which says that it is the last. */
static void begin_drain(struct gateway_worker *worker, int64_t limit, int64_t patience)
{
    struct net_loop *loop = &worker->worker.loop;
    worker->worker.draining = true;
    worker_listeners_close(worker);
    http_connections_drain_patiently(&worker->worker.connections);
    tunnel_drain_all(&worker->worker, patience);
    worker->patient_until = loop->now + patience;
    worker->drain_until = loop->now + limit;
    worker->drain_deadline.expired = look;
    deadline_set(&loop->deadlines, &worker->drain_deadline, loop->now, DRAIN_LOOK);
}

static void run_drain(struct net_task *task)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, drain_task));
    int64_t half = worker->drain_limit / 2;
    bool short_of_time = !worker->retires && half > DRAIN_PATIENCE;
    begin_drain(worker, worker->drain_limit, short_of_time ? DRAIN_PATIENCE : half);
}

static void send_drain(struct gateway_worker *worker, int64_t limit, bool retires)
{
    worker->drain_limit = limit;
    worker->retires = retires;
    worker->drain_task.run = run_drain;
    net_loop_send(&worker->worker.loop, &worker->drain_task);
}

void gateway_worker_drain(struct gateway_worker *worker, int64_t limit)
{
    send_drain(worker, limit, false);
}

void gateway_worker_retire(struct gateway_worker *worker, int64_t limit)
{
    send_drain(worker, limit, true);
}

static void run_stop(struct net_task *task)
{
    begin_drain((struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, stop_task)), 0, 0);
}

void gateway_worker_stop(struct gateway_worker *worker)
{
    worker->stop_task.run = run_stop;
    net_loop_send(&worker->worker.loop, &worker->stop_task);
}

static void run_finished(struct net_task *task)
{
    struct gateway_worker *worker =
        (struct gateway_worker *)((char *)task - offsetof(struct gateway_worker, finished_task));
    worker->on_finished(worker);
}

static void *run_thread(void *argument)
{
    struct gateway_worker *worker = argument;
    buffer_count_in(metrics_number(worker->worker.metrics, METRIC_BUFFER_BYTES));
    net_loop_run(&worker->worker.loop);
    worker->finished_task.run = run_finished;
    net_loop_send(worker->control_loop, &worker->finished_task);
    return NULL;
}

static void free_parts(struct gateway_worker *worker)
{
    worker_listeners_free(worker);
    exchange_free_spares(&worker->worker);
    http_connections_done(&worker->worker.connections);
    jwt_verifier_free(worker->worker.verifier);
    dpop_verifier_free(worker->worker.dpop);
    filter_scratch_free(worker->worker.filters);
    compress_pool_done(&worker->worker.encoders);
    introspector_free(worker->worker.introspector);
    api_key_checker_free(worker->worker.api_keys);
    block_set_unref(worker->worker.blocks);
    block_set_unref(worker->new_blocks);
    basic_cache_done(&worker->worker.basic_cache);
    free(worker);
}

void gateway_worker_join(struct gateway_worker *worker)
{
    pthread_join(worker->thread, NULL);
    net_loop_run_mailbox(&worker->worker.loop); /* what was sent and came too late frees itself */
}

bool gateway_worker_free(struct gateway_worker *worker)
{
    if (worker->worker.loop.uv.active_reqs.count > 0) {
        return false; /* a look-up hangs in libuv's thread pool, which will write to the loop: it outlives us */
    }
    if (api_key_checker_is_busy(worker->worker.api_keys)) {
        return false; /* a database that was asked for a key may answer yet */
    }
    net_loop_done(&worker->worker.loop);
    free_parts(worker);
    return true;
}

static struct error start(struct gateway_worker *worker, const struct worker_options *options)
{
    http_connections_init(&worker->worker.connections);
    TRY(jwt_verifier_new(options->token_cache, &worker->worker.verifier));
    const unsigned char *secret = options->once != NULL ? once_secret(options->once) : NULL;
    TRY(dpop_verifier_new(secret, &worker->worker.dpop));
    worker->worker.filters = filter_scratch_new();
    if (worker->worker.filters == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the filters of routes");
    }
    TRY(introspector_new(options->token_cache, introspection_send, worker, &worker->worker.introspector));
    TRY(api_key_checker_new(options->api_key_cache, &worker->worker.api_keys));
    TRY(basic_cache_init(&worker->worker.basic_cache, options->basic_cache));
    TRY(net_loop_init(&worker->worker.loop));
    failure_summary_init(&worker->worker.failures, &worker->worker.loop, worker->worker.logs);
    int status = pthread_create(&worker->thread, NULL, run_thread, worker);
    if (status != 0) {
        net_loop_done(&worker->worker.loop);
        return FAIL_NUMBER(ERROR_SYSTEM, status, "worker thread");
    }
    return OK;
}

struct error gateway_worker_start(const struct worker_options *options, struct gateway_worker **ret_worker)
{
    struct gateway_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        return FAIL(ERROR_MEMORY, "worker");
    }
    worker->worker.index = options->index;
    worker->worker.limiter = options->limiter;
    worker->worker.once = options->once;
    worker->worker.logs = options->logs;
    worker->worker.passwords = options->passwords;
    worker->worker.metrics = options->metrics;
    worker->worker.unknown_kid = unknown_kid;
    worker->worker.api_key_used = tell_notice;
    worker->control_loop = options->control_loop;
    worker->tickets = options->tickets;
    worker->peers = options->peers;
    worker->workers = options->workers;
    worker->worker_count = options->worker_count;
    worker->on_unknown_kid = options->on_unknown_kid;
    worker->on_question = options->on_question;
    worker->on_finished = options->on_finished;
    worker->unknown_kid_task.run = tell_unknown_kid;
    worker->blocks_task.run = run_blocks;
    worker->flood_task.run = log_flood;
    worker->notice_task.run = log_notice;
    struct error error = start(worker, options);
    if (failed(error)) {
        free_parts(worker);
        return error;
    }
    *ret_worker = worker;
    return OK;
}
