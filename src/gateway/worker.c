#include "gateway/worker.h"

#include "base/clock.h"
#include "gateway/introspection.h"
#include "gateway/listeners.h"
#include "gateway/worker_internal.h"
#include "pipeline/mirror.h"
#include "pipeline/tunnel.h"

#include <stdlib.h>

/* How often a draining worker looks whether its last exchange is over. */
#define DRAIN_LOOK (20 * NS_PER_MS)
/* How long a connection may stay idle when the whole gateway ends. */
#define DRAIN_PATIENCE (500 * NS_PER_MS)

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
    worker->control_loop = options->control_loop;
    worker->tickets = options->tickets;
    worker->peers = options->peers;
    worker->workers = options->workers;
    worker->worker_count = options->worker_count;
    worker->on_unknown_kid = options->on_unknown_kid;
    worker->on_question = options->on_question;
    worker->on_finished = options->on_finished;
    worker_updates_init(worker);
    worker_notices_init(worker);
    struct error error = start(worker, options);
    if (failed(error)) {
        free_parts(worker);
        return error;
    }
    *ret_worker = worker;
    return OK;
}
