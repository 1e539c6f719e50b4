/* What the first configuration starts: limiter, logs, metrics, keys, status, workers. They stay until the process ends. */
#include "gateway/control.h"

#include "base/log.h"

#include <sys/mman.h>
#include <sys/stat.h>

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
    if (event == KEYS_STALE) {
        log_event(LOG_ERROR, "keys_stale", LOG_TEXT("issuer", issuer_name));
        text = SLICE_NONE;
    } else {
        log_event(LOG_INFO, event == KEYS_INHERITED ? "keys_inherited" : "keys_fetched",
                  LOG_TEXT("issuer", issuer_name));
    }
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_set_keys(control->workers[i], issuer_name, text);
    }
    control_keys_settled(control, issuer_name);
    control_bequeath(control);
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
    TRY(limiter_open(memory, (size_t)facts.st_size, &control->limiter));
    limiter_read_stats(control->limiter,
                       &control->limiter_stats); /* the table may be older than this process */
    return OK;
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
            .logs = logs_queue(control->logs, (unsigned int)i),
            .metrics = metrics_writer(control->metrics, (unsigned int)i),
            .peers = control->peers,
            .workers = control->workers,
            .worker_count = count,
            .token_cache = (size_t)settings->token_cache,
            .on_unknown_kid = on_unknown_kid,
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
        testament_write(control->bequest, control->tickets, control->keys);
    }
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

struct error control_start_all(struct control *control, struct change *change)
{
    the_control = control;
    size_t count = change->worker_count;
    TRY(tls_tickets_new(&control->tickets));
    take_bequests(control, change);
    TRY(metrics_new((unsigned int)count + 1, &control->metrics));
    control->own_metrics = metrics_writer(control->metrics, (unsigned int)count);
    TRY(open_limiter(control, change->fds[1]));
    TRY(peers_new(&control->peers));
    TRY(start_logs(control, change, (unsigned int)count + 1));
    TRY(key_source_new(&control->loop, on_keys, control, &control->keys));
    TRY(status_new(&control->loop, control->metrics, &control->status));
    return start_workers(control, change->snapshot->settings, count);
}
