#include "observe/log_writer.h"

#include "base/clock.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAP_MS      20   /* how long lines gather behind a first one: one write takes them all */
#define RETRY_MS    50   /* after a write that failed */
#define ROUNDS_MAX  64   /* of emptying the queues, before the writer looks whether it was asked something */
#define FAREWELL_MS 2000 /* how long the end waits for an audit log that does not take its lines */

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
    if (bodies.len > 0 && logs->chain.sequence == 0) {
        /* Another process, which this one is about to relieve, may have written since the file was opened. */
        bool fragment;
        audit_chain_follow(&logs->chain, sink->fd, &fragment);
    }
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

void log_writer_set_files(struct logs *logs, int access_fd, int audit_fd)
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
        log_writer_set_files(logs, access_fd, audit_fd);
    }
    return stop;
}

/* Whole lines in `text`; of the sink that both logs may share, those of the audit log. */
static uint64_t count_lines(struct slice text, struct slice start)
{
    uint64_t lines = 0;
    struct slice line;
    while (slice_next(&text, '\n', &line)) {
        lines += line.len > 0 && slice_starts_with(line, start);
    }
    return lines;
}

static uint64_t audit_lines_left(struct logs *logs)
{
    uint64_t lines = count_lines(sink_unwritten(&logs->audit_sink), SLICE(AUDIT_LINE_START));
    for (unsigned int i = 0; i < logs->producers; i++) {
        lines += count_lines(ring_peek(&logs->queues[i].audit), SLICE_NONE);
    }
    return lines;
}

static void farewell(struct logs *logs)
{
    int64_t deadline = clock_monotonic_ns() + FAREWELL_MS * NS_PER_MS;
    for (;;) {
        struct round round = write_queued(logs);
        bool stuck = round.audit != SINK_EMPTY || round.access == SINK_WAITING;
        if ((!round.moved && !stuck) || clock_monotonic_ns() > deadline) {
            logs->audit_lost = audit_lines_left(logs);
            return;
        }
        if (stuck) {
            round.moved = true; /* a nap, never a sleep */
            wait_for_work(logs, &round);
        }
    }
}

void *log_writer_run(void *argument)
{
    /* By the thread itself: a file under /proc would have to be written for another. */
    pthread_setname_np(pthread_self(), "logs");
    struct logs *logs = argument;
    while (!obey(logs)) {
        struct round round = write_queued(logs);
        wait_for_work(logs, &round);
    }
    farewell(logs);
    return NULL;
}
