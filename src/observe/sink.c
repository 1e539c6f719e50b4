#include "observe/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A Unix socket takes so much as one piece or not at all. */
#define SOCKET_TOGETHER ((size_t)16 * 1024)

bool sink_init(struct sink *sink, bool keeps)
{
    *sink = (struct sink){ .fd = -1, .keeps = keeps, .buffer = malloc(SINK_BUFFER) };
    return sink->buffer != NULL;
}

void sink_done(struct sink *sink)
{
    if (sink->fd >= 0) {
        close(sink->fd);
    }
    free(sink->buffer);
    sink->fd = -1;
    sink->buffer = NULL;
}

static enum sink_kind kind_of(int fd)
{
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        return SINK_FILE;
    }
    if (S_ISSOCK(status.st_mode)) {
        return SINK_SOCKET;
    }
    return S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode) ? SINK_STREAM : SINK_FILE;
}

/* Where the line that `begin` stands in starts. What was written is still there until the buffer is empty. */
static size_t line_start(const struct sink *sink)
{
    ssize_t newline = slice_find_last(slice_of(sink->buffer, sink->begin), '\n');
    return newline < 0 ? 0 : (size_t)newline + 1;
}

struct slice sink_unwritten(const struct sink *sink)
{
    size_t from = sink->begin < sink->end ? line_start(sink) : sink->end;
    return slice_of(sink->buffer + from, sink->end - from);
}

void sink_set(struct sink *sink, int fd)
{
    if (sink->begin < sink->end) {
        sink->begin = line_start(sink);
    }
    if (sink->fd >= 0) {
        close(sink->fd);
    }
    sink->fd = fd;
    sink->kind = kind_of(fd);
    atomic_store_explicit(&sink->problem, 0, memory_order_relaxed);
}

size_t sink_room(const struct sink *sink)
{
    return SINK_BUFFER - sink->end;
}

/* Where another process writes to the same pipe or socket (one gateway relieves another), lines must not be torn: so much is
 * written at once as the system keeps together, and up to the end of a line. A longer line goes in pieces. */
static size_t whole_lines(const char *bytes, size_t size, size_t together)
{
    if (size <= together) {
        return size;
    }
    ssize_t newline = slice_find_last(slice_of(bytes, together), '\n');
    return newline >= 0 ? (size_t)newline + 1 : together;
}

static ssize_t write_some(const struct sink *sink, const char *bytes, size_t size)
{
    if (sink->kind == SINK_SOCKET) {
        size = whole_lines(bytes, size, SOCKET_TOGETHER);
        return send(sink->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (sink->kind == SINK_STREAM) {
        /* Where poll says so a pipe takes PIPE_BUF bytes without blocking, even in blocking mode; the mode itself is
         * shared with other processes, and not ours to change. */
        struct pollfd ready = { .fd = sink->fd, .events = POLLOUT };
        if (poll(&ready, 1, 0) == 0) {
            errno = EAGAIN;
            return -1;
        }
        size = whole_lines(bytes, size, PIPE_BUF);
    }
    return write(sink->fd, bytes, size);
}

static uint64_t count_lines(struct slice text)
{
    uint64_t lines = 0;
    ssize_t newline;
    while ((newline = slice_find(text, '\n')) >= 0) {
        lines++;
        text = slice_from(text, (size_t)newline + 1);
    }
    return lines;
}

/* Throws the buffer away, but for the rest of a line that is half written. */
static enum sink_state drop(struct sink *sink)
{
    size_t from = sink->begin;
    if (line_start(sink) < from) {
        ssize_t newline = slice_find(slice_of(sink->buffer + from, sink->end - from), '\n');
        from += (size_t)(newline + 1);
    }
    uint64_t lines = count_lines(slice_of(sink->buffer + from, sink->end - from));
    atomic_fetch_add_explicit(&sink->dropped, lines, memory_order_relaxed);
    sink->end = from;
    if (sink->begin < sink->end) {
        return SINK_FAILING;
    }
    sink->begin = sink->end = 0;
    return SINK_EMPTY;
}

enum sink_state sink_flush(struct sink *sink)
{
    if (sink->fd < 0) {
        sink->begin = sink->end = 0;
        return SINK_EMPTY;
    }
    while (sink->begin < sink->end) {
        ssize_t written = write_some(sink, sink->buffer + sink->begin, sink->end - sink->begin);
        if (written > 0) {
            sink->begin += (size_t)written;
            continue;
        }
        if (written < 0 && errno == EINTR) {
            continue;
        }
        int number = written < 0 ? errno : EIO;
        atomic_store_explicit(&sink->problem, number, memory_order_relaxed);
        if (number == EAGAIN) {
            return SINK_WAITING;
        }
        return sink->keeps ? SINK_FAILING : drop(sink);
    }
    sink->begin = sink->end = 0;
    atomic_store_explicit(&sink->problem, 0, memory_order_relaxed);
    return SINK_EMPTY;
}
