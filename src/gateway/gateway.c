#include "gateway/gateway.h"

#include "base/clock.h"
#include "base/log.h"
#include "gateway/control.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NO_DESCRIPTORS     "the gateway process has no descriptors left to take what was sent"
#define LOG_LOOK_MS        1000
#define TICKET_ROTATION_MS (12UL * 60 * 60 * 1000)

/* ---- the end ---- */

static void stop_workers(struct deadline *deadline)
{
    struct control *control = (struct control *)((char *)deadline - offsetof(struct control, drain_delay));
    int64_t limit = control->current != NULL ? control->current->settings->shutdown->deadline : 0;
    health_checker_stop(control->health);
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_drain(control->workers[i], limit);
    }
    if (control->worker_count == 0) {
        net_loop_stop(&control->loop);
    }
}

/* Readiness fails at once, so that balancers look elsewhere; accepting goes on for a while, since they need time to see it. */
static void drain(struct control *control)
{
    if (control->draining) {
        return;
    }
    control->draining = true;
    log_event(LOG_INFO, "draining");
    if (control->status != NULL) {
        status_set_ready(control->status, "draining\n");
    }
    int64_t delay = control->current != NULL ? control->current->settings->shutdown->drain_delay : 0;
    control->drain_delay.expired = stop_workers;
    if (delay > 0) {
        deadline_set(&control->loop.deadlines, &control->drain_delay, control->loop.now, delay);
    } else {
        stop_workers(&control->drain_delay);
    }
}

/* The audit log is to say who relieves us; where its queue is full, later. */
static void note_relief(struct control *control)
{
    struct slice boot = slice_from_string(control->relieved_by);
    if (boot.len > 0 && control->own_logs != NULL &&
        log_audit_event(control->own_logs, SLICE("relieved"), boot)) {
        control->relieved_by[0] = '\0';
    }
}

/* Another process serves the sockets already: nothing is to be announced, and nobody is to be turned away. */
static void retire(struct control *control, struct slice boot)
{
    if (control->draining) {
        return;
    }
    control->draining = true;
    log_event(LOG_INFO, "retiring");
    snprintf(control->relieved_by, sizeof control->relieved_by, "%.*s", SLICE_ARG(boot));
    note_relief(control);
    if (control->status != NULL) {
        status_retire(control->status);
    }
    health_checker_stop(control->health);
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_retire(control->workers[i],
                              control->current != NULL ? control->current->settings->shutdown->deadline : 0);
    }
    if (control->worker_count == 0) {
        net_loop_stop(&control->loop);
    }
}

/* ---- the channel ---- */

static void reopen_logs(struct control *control, const struct channel_message *message)
{
    if (message->fd_count == 2 && control->logs != NULL) {
        logs_reopen(control->logs, message->fds[0], message->fds[1]);
        log_event(LOG_INFO, "logs_reopened");
        return;
    }
    if (message->cut) {
        log_event(LOG_ERROR, "logs_not_reopened", LOG_STRING("reason", NO_DESCRIPTORS));
    }
    channel_message_done(message);
}

static void handle(struct control *control, const struct channel_message *message)
{
    switch (message->kind) {
    case CHANNEL_CONFIGURE:
        if (message->cut) {
            control_refuse(control, NO_DESCRIPTORS);
        } else {
            control_configure(control, message);
        }
        break;
    case CHANNEL_DRAIN:
        drain(control);
        break;
    case CHANNEL_RETIRE:
        retire(control, message->text);
        break;
    case CHANNEL_AUDIT_END:
        if (control->own_logs != NULL) {
            log_audit_event(control->own_logs, SLICE("succeeded"), message->text);
        }
        break;
    case CHANNEL_REOPEN:
        reopen_logs(control, message);
        break;
    case CHANNEL_REFUSED:
        control_note_refusal(control, message->text);
        break;
    default:
        channel_message_done(message);
    }
}

static void on_channel(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct control *control = poll->data;
    net_loop_woken(&control->loop);
    struct channel_message message;
    bool complete = false;
    struct error error = status < 0
                             ? FAIL(ERROR_STATE, "channel")
                             : channel_receive(control->channel, &control->reader, &message, &complete);
    if (failed(error)) {
        /* Without its supervisor the gateway could neither be configured nor stopped. */
        uv_poll_stop(poll);
        log_event(LOG_ERROR, "supervisor_gone");
        control->exit_status = 1;
        drain(control);
        return;
    }
    if (complete) {
        handle(control, &message);
    }
}

/* ---- life ---- */

static void count_limiter(struct control *control)
{
    struct limiter_stats stats, *known = &control->limiter_stats;
    limiter_read_stats(control->limiter, &stats);
    metrics_add(control->own_metrics, METRIC_LIMIT_DISPLACED, (int64_t)(stats.displaced - known->displaced));
    metrics_add(control->own_metrics, METRIC_LIMIT_GATHERED, (int64_t)(stats.gathered - known->gathered));
    *known = stats;
}

/* What the writer of the logs could not write: counted, and told once when it begins and once when it is over. */
static void look_at_logs(struct control *control)
{
    uint64_t dropped = logs_dropped(control->logs);
    metrics_add(control->own_metrics, METRIC_ACCESS_LOG_DROPPED,
                (int64_t)(dropped - control->log_lines_dropped));
    control->log_lines_dropped = dropped;
    int problem = logs_audit_problem(control->logs);
    if (problem != control->audit_problem) {
        control->audit_problem = problem;
        if (problem != 0) {
            char text[256];
            error_describe(FAIL_NUMBER(ERROR_SYSTEM, problem, "the audit log cannot be written"), text,
                           sizeof text);
            log_event(LOG_ERROR, "audit_log_failing", LOG_STRING("reason", text));
        } else {
            log_event(LOG_INFO, "audit_log_recovered");
        }
    }
}

/* What is counted where this thread cannot see it happen. */
static void look_around(uv_timer_t *timer)
{
    struct control *control = timer->data;
    if (control->limiter != NULL) {
        count_limiter(control);
    }
    if (control->logs != NULL) {
        look_at_logs(control);
    }
    control_look_at_lists(control);
}

static void rotate_tickets(uv_timer_t *timer)
{
    struct control *control = timer->data;
    if (control->tickets != NULL) {
        tls_tickets_rotate(control->tickets);
        control_bequeath(control);
    }
}

static struct error start(struct control *control)
{
    TRY(net_loop_init(&control->loop));
    if (uv_poll_init(&control->loop.uv, &control->channel_poll, control->channel) != 0) {
        return FAIL(ERROR_SYSTEM, "channel");
    }
    control->channel_poll.data = control;
    uv_poll_start(&control->channel_poll, UV_READABLE, on_channel);
    uv_timer_init(&control->loop.uv, &control->ticket_timer);
    control->ticket_timer.data = control;
    uv_timer_start(&control->ticket_timer, rotate_tickets, TICKET_ROTATION_MS, TICKET_ROTATION_MS);
    uv_timer_init(&control->loop.uv, &control->log_timer);
    control->log_timer.data = control;
    uv_timer_start(&control->log_timer, look_around, LOG_LOOK_MS, LOG_LOOK_MS);
    return OK;
}

/* They close in the turns that net_loop_done makes. */
static void close_handles(struct control *control)
{
    uv_close((uv_handle_t *)&control->channel_poll, NULL);
    uv_close((uv_handle_t *)&control->ticket_timer, NULL);
    uv_close((uv_handle_t *)&control->log_timer, NULL);
    if (control->status != NULL) {
        status_free(control->status);
    }
    if (control->keys != NULL) {
        key_source_free(control->keys);
    }
    key_cache_free(control->key_cache);
    introspection_source_free(control->introspection);
    key_stores_free(control->key_stores);
    block_follower_free(control->blocks);
    health_checker_free(control->health);
    outlier_detector_free(control->outliers);
    discovery_free(control->discovery);
}

/* So that the one that serves can write down how this log ends: what is cut off its end shows. */
static void tell_audit_end(struct control *control)
{
    char text[LOGS_END_SIZE];
    struct channel_message message = { .kind = CHANNEL_AUDIT_END };
    message.text = slice_of(text, logs_end(control->logs, text));
    /* Where the supervisor is gone nobody is left to be told. */
    struct error error = channel_send(control->channel, &message);
    (void)error;
}

/* False: threads are left that hang in a look-up. */
static bool finish(struct control *control)
{
    bool all_ended = true;
    /* Those that were not told to drain are still at work: a first configuration that was refused, a supervisor that is
     * gone. */
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_stop(control->workers[i]);
    }
    for (size_t i = 0; i < control->worker_count; i++) {
        gateway_worker_join(control->workers[i]);
    }
    for (size_t i = 0;
         control->change != NULL && control->change->workers != NULL && i < control->worker_count; i++) {
        gateway_worker_drop(&control->change->workers[i]);
    }
    for (size_t i = 0; i < control->worker_count; i++) {
        all_ended = gateway_worker_free(control->workers[i]) && all_ended;
    }
    peers_free(control->peers);
    password_pool_free(control->passwords);
    if (control->change != NULL) {
        control_free_change(control, control->change);
    }
    close_handles(control);
    all_ended = net_loop_done(&control->loop) && all_ended; /* our own look-ups, too */
    all_ended = api_key_sources_join(NS_PER_S) && all_ended;
    if (control->logs != NULL) {
        note_relief(control);
        log_audit_event(control->own_logs, SLICE("stopped"), SLICE_NONE);
        tell_audit_end(control);
        uint64_t lost = logs_free(control->logs);
        if (lost > 0) {
            log_event(LOG_ERROR, "audit_lines_lost", LOG_NUMBER("lines", lost));
        }
    }
    control_drop_endpoints(control);
    if (control->current != NULL) {
        snapshot_unref(control->current);
    }
    metrics_free(control->metrics);
    testament_free(control->testament);
    bequest_free(control->bequest);
    if (control->tickets != NULL) {
        tls_tickets_free(control->tickets);
    }
    return all_ended;
}

static void ignore_signal(int number)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(number, &ignore, NULL);
}

int gateway_run(int channel_fd)
{
    ignore_signal(SIGPIPE);
    /* The supervisor tells us what to do: a signal to the whole group must not end us under its hands. */
    ignore_signal(SIGINT);
    ignore_signal(SIGTERM);
    ignore_signal(SIGHUP);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL) {
        return 1;
    }
    control->channel = channel_fd;
    struct error error = start(control);
    if (failed(error)) {
        log_event(LOG_ERROR, "gateway_failed", LOG_STRING("reason", error.what));
        return 1;
    }
    net_loop_run(&control->loop);
    bool all_ended = finish(control);
    int status = control->exit_status;
    if (!all_ended) {
        _exit(
            status); /* libuv would wait for its threads, and a resolver that does not answer would hold up the end */
    }
    close(channel_fd);
    free(control);
    curl_global_cleanup();
    return status;
}
