#include "observe/logs.h"

#include "base/clock.h"
#include "base/log_text.h"
#include "observe/log_writer.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- producers ------------------------------------------------------------------------------------------------- */

static void signal_writer(struct logs *logs)
{
    uint64_t one = 1;
    ssize_t written = write(logs->wake, &one, sizeof one);
    (void)written; /* fails only where the count is at its maximum: then it is readable anyway */
}

static void publish(struct logs *logs, struct ring *ring, size_t size)
{
    ring_publish(ring, size);
    /* Sequentially consistent, as the publication is: either the writer sees the line before it sleeps, or this sees that
     * it sleeps. */
    int state = atomic_load(&logs->writer);
    if (state == WRITER_AWAKE) {
        return;
    }
    bool filling = ring_seems_used(ring) > ring->capacity / 2 && ring_used(ring) > ring->capacity / 2;
    if ((state == WRITER_SLEEPS || filling) && atomic_exchange(&logs->writer, WRITER_AWAKE) != WRITER_AWAKE) {
        signal_writer(logs);
    }
}

bool log_access(struct log_queue *queue, const struct log_record *record)
{
    if (!atomic_load_explicit(&queue->logs->access_on, memory_order_relaxed)) {
        return true;
    }
    char *line = ring_room(&queue->access, LINE_MAX_BODY, 0);
    if (line == NULL) {
        return false;
    }
    char *at = LINE_PUT(line, "{\"log\":\"access\",");
    at = line_record(at, record, &queue->clock);
    at = LINE_PUT(at, "}\n");
    publish(queue->logs, &queue->access, (size_t)(at - line));
    return true;
}

bool log_audit_reserve(struct log_queue *queue)
{
    if (ring_room(&queue->audit, LINE_MAX_BODY, queue->reserved * LINE_MAX_BODY) == NULL) {
        return false;
    }
    queue->reserved++;
    return true;
}

void log_audit_release(struct log_queue *queue)
{
    assert(queue->reserved > 0);
    queue->reserved--;
}

/* The body is what the writer puts behind the chain's members. */
static char *audit_room(struct log_queue *queue)
{
    return ring_room(&queue->audit, LINE_MAX_BODY, queue->reserved * LINE_MAX_BODY);
}

void log_audit(struct log_queue *queue, const struct log_record *record)
{
    log_audit_release(queue);
    char *body = audit_room(queue);
    assert(body != NULL); /* what was reserved is there */
    char *at = record->reason != DENY_NONE       ? LINE_PUT(body, "\"event\":\"denied\",")
               : record->would_deny != DENY_NONE ? LINE_PUT(body, "\"event\":\"would_deny\",")
               : record->action.len > 0          ? LINE_PUT(body, "\"event\":\"administered\",")
                                                 : LINE_PUT(body, "\"event\":\"allowed\",");
    at = line_record(at, record, &queue->clock);
    at = LINE_PUT(at, "}\n");
    publish(queue->logs, &queue->audit, (size_t)(at - body));
}

bool log_audit_event(struct log_queue *queue, struct slice event, struct slice detail)
{
    char *body = audit_room(queue);
    if (body == NULL) {
        return false;
    }
    char *at = LINE_PUT(body, "\"event\":\"");
    at = log_text_escape(at, event, 64);
    at = LINE_PUT(at, "\",\"time\":");
    at = line_time(at, clock_real_ns(), &queue->clock);
    if (detail.len > 0) {
        at = LINE_PUT(at, ",\"detail\":\"");
        at = log_text_escape(at, detail, LINE_MAX_BODY - 256);
        *at++ = '"';
    }
    at = LINE_PUT(at, "}\n");
    publish(queue->logs, &queue->audit, (size_t)(at - body));
    return true;
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static struct error make_queues(struct logs *logs, const struct logs_options *options)
{
    size_t size = options->producers * sizeof(struct log_queue);
    logs->queues = aligned_alloc(_Alignof(struct log_queue), size);
    if (logs->queues == NULL) {
        return FAIL(ERROR_MEMORY, "log queues");
    }
    memset(logs->queues, 0, size);
    logs->producers = options->producers;
    for (unsigned int i = 0; i < options->producers; i++) {
        struct log_queue *queue = &logs->queues[i];
        queue->logs = logs;
        TRY(ring_init(&queue->access, options->access_queue));
        TRY(ring_init(&queue->audit, options->audit_queue));
    }
    return OK;
}

static void free_logs(struct logs *logs)
{
    for (unsigned int i = 0; i < logs->producers; i++) {
        ring_done(&logs->queues[i].access);
        ring_done(&logs->queues[i].audit);
    }
    free(logs->queues);
    sink_done(&logs->access_sink);
    sink_done(&logs->audit_sink);
    audit_chain_done(&logs->chain);
    if (logs->wake >= 0) {
        close(logs->wake);
    }
    pthread_mutex_destroy(&logs->lock);
    free(logs);
}

static struct error start_writer(struct logs *logs)
{
    /* Signals are the control thread's; and a broken pipe is an error here, not a signal. What a system call that is
     * forbidden sends is about the thread itself, and says which call it was: blocked, it would not. */
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSYS);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(&logs->thread, NULL, log_writer_run, logs);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (number != 0) {
        return FAIL_NUMBER(ERROR_SYSTEM, number, "log writer");
    }
    return OK;
}

static struct error set_up(struct logs *logs, const struct logs_options *options)
{
    if (!sink_init(&logs->access_sink, false) || !sink_init(&logs->audit_sink, true)) {
        return FAIL(ERROR_MEMORY, "logs");
    }
    logs->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (logs->wake < 0) {
        return FAIL_ERRNO("eventfd");
    }
    TRY(make_queues(logs, options));
    TRY(audit_chain_init(&logs->chain, options->instance));
    return OK;
}

struct error logs_new(const struct logs_options *options, struct logs **ret_logs)
{
    if (options->audit_fd < 0 || options->producers == 0) {
        return FAIL(ERROR_VALUE, "logs need an audit log and a producer");
    }
    struct logs *logs = aligned_alloc(_Alignof(struct logs), sizeof *logs);
    if (logs == NULL) {
        return FAIL(ERROR_MEMORY, "logs");
    }
    memset(logs, 0, sizeof *logs);
    logs->access_sink.fd = logs->audit_sink.fd = logs->wake = -1;
    logs->next_access = logs->next_audit = -1;
    pthread_mutex_init(&logs->lock, NULL);
    struct error error = set_up(logs, options);
    if (!failed(error)) {
        log_writer_set_files(logs, options->access_fd, options->audit_fd);
        error = start_writer(logs);
    }
    if (failed(error)) {
        free_logs(logs);
        return error;
    }
    *ret_logs = logs;
    return OK;
}

static void end_writer(struct logs *logs)
{
    if (logs->ended) {
        return;
    }
    pthread_mutex_lock(&logs->lock);
    logs->stop = true;
    pthread_mutex_unlock(&logs->lock);
    signal_writer(logs);
    pthread_join(logs->thread, NULL);
    logs->ended = true;
}

size_t logs_end(struct logs *logs, char out[LOGS_END_SIZE])
{
    end_writer(logs);
    return audit_chain_place(&logs->chain, out);
}

uint64_t logs_free(struct logs *logs)
{
    if (logs == NULL) {
        return 0;
    }
    end_writer(logs);
    if (logs->next_access >= 0) {
        close(logs->next_access);
    }
    if (logs->next_audit >= 0) {
        close(logs->next_audit);
    }
    uint64_t lost = logs->audit_lost;
    free_logs(logs);
    return lost;
}

struct log_queue *logs_queue(struct logs *logs, unsigned int producer)
{
    return producer < logs->producers ? &logs->queues[producer] : NULL;
}

void logs_reopen(struct logs *logs, int access_fd, int audit_fd)
{
    pthread_mutex_lock(&logs->lock);
    int unused_access = logs->reopen ? logs->next_access : -1;
    int unused_audit = logs->reopen ? logs->next_audit : -1;
    logs->reopen = true;
    logs->next_access = access_fd;
    logs->next_audit = audit_fd;
    pthread_mutex_unlock(&logs->lock);
    if (unused_access >= 0) {
        close(unused_access);
    }
    if (unused_audit >= 0) {
        close(unused_audit);
    }
    signal_writer(logs);
}

const char *logs_boot(const struct logs *logs)
{
    return logs->chain.boot;
}

uint64_t logs_dropped(const struct logs *logs)
{
    return atomic_load_explicit(&logs->access_sink.dropped, memory_order_relaxed);
}

int logs_audit_problem(const struct logs *logs)
{
    return atomic_load_explicit(&logs->audit_sink.problem, memory_order_relaxed);
}
