#include "observe/logs.h"

#include "base/clock.h"
#include "observe/audit_chain.h"
#include "observe/line.h"
#include "observe/ring.h"
#include "observe/sink.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAP_MS      20   /* how long lines gather behind a first one: one write takes them all */
#define RETRY_MS    50   /* after a write that failed */
#define ROUNDS_MAX  64   /* of emptying the queues, before the writer looks whether it was asked something */
#define FAREWELL_MS 2000 /* how long the end waits for an audit log that does not take its lines */

struct log_queue {
    struct ring access, audit;
    struct logs *logs;
    size_t reserved; /* audit lines promised */
    struct line_clock clock;
};

/* Whether the writer has to be woken. Who changes it to AWAKE writes the eventfd; so lines cost a system call only when
 * the writer sleeps, or when they fill half a queue while it naps. */
enum writer_state {
    WRITER_AWAKE,
    WRITER_NAPS,   /* wakes by itself within NAP_MS */
    WRITER_SLEEPS, /* until woken */
};

struct logs {
    _Alignas(64) _Atomic int writer; /* enum writer_state; read by every producer, rarely written */
    _Atomic bool access_on;
    int wake; /* eventfd */
    unsigned int producers;
    struct log_queue *queues;
    /* the writer's */
    _Alignas(64) struct sink access_sink;
    struct sink audit_sink;
    bool shared; /* both logs go to one file: the audit sink carries both, so that lines stay whole */
    struct audit_chain chain;
    pthread_t thread;
    /* asked of the writer */
    pthread_mutex_t lock;
    bool stop, reopen;
    int next_access, next_audit;
};

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
    char *at = record->reason != DENY_NONE ? LINE_PUT(body, "\"event\":\"denied\",")
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
    at = line_escape(at, event, 64);
    at = LINE_PUT(at, "\",\"time\":");
    at = line_time(at, clock_real_ns(), &queue->clock);
    if (detail.len > 0) {
        at = LINE_PUT(at, ",\"detail\":\"");
        at = line_escape(at, detail, LINE_MAX_BODY - 256);
        *at++ = '"';
    }
    at = LINE_PUT(at, "}\n");
    publish(queue->logs, &queue->audit, (size_t)(at - body));
    return true;
}

/* --- the writer ------------------------------------------------------------------------------------------------ */

static struct sink *access_sink(struct logs *logs)
{
    return logs->shared ? &logs->audit_sink : &logs->access_sink;
}

/* Whole lines, as many as there is room for. */
static bool pump_access(struct logs *logs, struct ring *ring)
{
    struct sink *sink = access_sink(logs);
    struct slice lines = ring_peek(ring);
    size_t room = sink_room(sink);
    if (lines.len == 0) {
        return false;
    }
    if (lines.len > room) {
        ssize_t newline = slice_find_last(slice_part(lines, 0, room), '\n');
        lines.len = (size_t)(newline + 1);
    }
    if (lines.len == 0) {
        return false;
    }
    memcpy(sink_end(sink), lines.ptr, lines.len);
    sink_commit(sink, lines.len);
    ring_consume(ring, lines.len);
    return true;
}

static bool pump_audit(struct logs *logs, struct ring *ring)
{
    struct sink *sink = &logs->audit_sink;
    struct slice bodies = ring_peek(ring);
    size_t taken = 0;
    ssize_t newline;
    while ((newline = slice_find(slice_from(bodies, taken), '\n')) >= 0) {
        struct slice body = slice_part(bodies, taken, (size_t)newline + 1);
        if (sink_room(sink) < body.len + AUDIT_PREFIX_SIZE) {
            break;
        }
        size_t size = audit_chain_line(&logs->chain, body, sink_end(sink));
        if (size == 0) {
            break; /* stays queued, so that the queue fills and requests are denied */
        }
        sink_commit(sink, size);
        taken += body.len;
    }
    if (taken > 0) {
        ring_consume(ring, taken);
    }
    return taken > 0;
}

static bool pump(struct logs *logs)
{
    bool moved = false;
    for (unsigned int i = 0; i < logs->producers; i++) {
        moved |= pump_audit(logs, &logs->queues[i].audit);
        moved |= pump_access(logs, &logs->queues[i].access);
    }
    return moved;
}

static bool anything_queued(struct logs *logs)
{
    for (unsigned int i = 0; i < logs->producers; i++) {
        if (ring_peek(&logs->queues[i].audit).len > 0 || ring_peek(&logs->queues[i].access).len > 0) {
            return true;
        }
    }
    return false;
}

struct round {
    bool moved; /* any line left a queue */
    enum sink_state access, audit;
};

static struct round write_queued(struct logs *logs)
{
    struct round round = { .moved = false };
    for (int i = 0; i < ROUNDS_MAX; i++) {
        bool moved = pump(logs);
        round.moved |= moved;
        round.audit = sink_flush(&logs->audit_sink);
        round.access = sink_flush(&logs->access_sink);
        if (!moved) {
            break;
        }
    }
    return round;
}

static void wait_for_work(struct logs *logs, const struct round *round)
{
    bool stuck = round->access != SINK_EMPTY || round->audit != SINK_EMPTY;
    struct pollfd ready[3] = { { .fd = logs->wake, .events = POLLIN }, { .fd = -1 }, { .fd = -1 } };
    if (round->access == SINK_WAITING) {
        ready[1] = (struct pollfd){ .fd = logs->access_sink.fd, .events = POLLOUT };
    }
    if (round->audit == SINK_WAITING) {
        ready[2] = (struct pollfd){ .fd = logs->audit_sink.fd, .events = POLLOUT };
    }
    int timeout = stuck ? RETRY_MS : NAP_MS;
    atomic_store(&logs->writer, WRITER_NAPS);
    if (!round->moved && !stuck) {
        atomic_store(&logs->writer, WRITER_SLEEPS);
        timeout = anything_queued(logs) ? 0 : -1;
    }
    if (poll(ready, 3, timeout) > 0 && ready[0].revents != 0) {
        uint64_t count;
        ssize_t got = read(logs->wake, &count, sizeof count);
        (void)got;
    }
    atomic_store(&logs->writer, WRITER_AWAKE);
}

static bool same_file(int a, int b)
{
    struct stat one, other;
    return a >= 0 && b >= 0 && fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static void set_audit(struct logs *logs, int fd)
{
    bool same = same_file(fd, logs->audit_sink.fd);
    sink_set(&logs->audit_sink, fd);
    if (same) {
        return;
    }
    bool fragment;
    audit_chain_follow(&logs->chain, fd, &fragment);
    if (fragment && logs->audit_sink.begin == logs->audit_sink.end) {
        *sink_end(&logs->audit_sink) = '\n';
        sink_commit(&logs->audit_sink, 1);
    }
}

static void set_files(struct logs *logs, int access_fd, int audit_fd)
{
    sink_set(&logs->access_sink, access_fd);
    if (audit_fd >= 0) {
        set_audit(logs, audit_fd);
    }
    logs->shared = same_file(logs->access_sink.fd, logs->audit_sink.fd);
    atomic_store_explicit(&logs->access_on, access_fd >= 0, memory_order_relaxed);
}

/* True: the end was asked for. */
static bool obey(struct logs *logs)
{
    pthread_mutex_lock(&logs->lock);
    bool stop = logs->stop, reopen = logs->reopen;
    int access_fd = logs->next_access, audit_fd = logs->next_audit;
    logs->reopen = false;
    logs->next_access = logs->next_audit = -1;
    pthread_mutex_unlock(&logs->lock);
    if (reopen) {
        write_queued(logs); /* what was logged before belongs to the old files */
        set_files(logs, access_fd, audit_fd);
    }
    return stop;
}

static void farewell(struct logs *logs)
{
    int64_t deadline = clock_monotonic_ns() + FAREWELL_MS * NS_PER_MS;
    for (;;) {
        struct round round = write_queued(logs);
        bool stuck = round.audit != SINK_EMPTY || round.access == SINK_WAITING;
        if ((!round.moved && !stuck) || clock_monotonic_ns() > deadline) {
            return;
        }
        if (stuck) {
            round.moved = true; /* a nap, never a sleep */
            wait_for_work(logs, &round);
        }
    }
}

static void *run_writer(void *argument)
{
    struct logs *logs = argument;
    while (!obey(logs)) {
        struct round round = write_queued(logs);
        wait_for_work(logs, &round);
    }
    farewell(logs);
    return NULL;
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
    /* Signals are the control thread's; and a broken pipe is an error here, not a signal. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int number = pthread_create(&logs->thread, NULL, run_writer, logs);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (number != 0) {
        return FAIL_NUMBER(ERROR_SYSTEM, number, "log writer");
    }
    pthread_setname_np(logs->thread, "logs");
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
        set_files(logs, options->access_fd, options->audit_fd);
        error = start_writer(logs);
    }
    if (failed(error)) {
        free_logs(logs);
        return error;
    }
    *ret_logs = logs;
    return OK;
}

void logs_free(struct logs *logs)
{
    if (logs == NULL) {
        return;
    }
    pthread_mutex_lock(&logs->lock);
    logs->stop = true;
    pthread_mutex_unlock(&logs->lock);
    signal_writer(logs);
    pthread_join(logs->thread, NULL);
    if (logs->next_access >= 0) {
        close(logs->next_access);
    }
    if (logs->next_audit >= 0) {
        close(logs->next_audit);
    }
    free_logs(logs);
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
