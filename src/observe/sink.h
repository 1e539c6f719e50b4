/* Where log lines leave the process: a file, pipe, terminal or socket, behind one buffer of whole lines.
 *
 * Writing never waits for a reader: a full pipe or socket leaves the rest for later. A line that was half written is
 * finished before anything else is written, so that lines never run into each other. One thread (the log writer), except
 * the two atomics. */
#ifndef SALLYPORT_OBSERVE_SINK_H
#define SALLYPORT_OBSERVE_SINK_H

#include "base/slice.h"

#include <stdatomic.h>

#define SINK_BUFFER ((size_t)128 * 1024)

enum sink_kind {
    SINK_FILE,   /* takes what it is given, or fails */
    SINK_STREAM, /* pipe or terminal: PIPE_BUF bytes at once when poll says so */
    SINK_SOCKET,
};

enum sink_state {
    SINK_EMPTY,   /* all is written */
    SINK_WAITING, /* the reader is slow: writable again when poll says so */
    SINK_FAILING, /* the system refuses: try again after a while */
};

struct sink {
    int fd; /* -1: lines are thrown away */
    enum sink_kind kind;
    bool keeps;               /* on failure lines are kept and tried again; else dropped and counted */
    char *buffer;             /* SINK_BUFFER bytes */
    size_t begin, end;        /* not yet written */
    _Atomic int problem;      /* errno of the last write, 0 where it worked */
    _Atomic uint64_t dropped; /* lines */
};

bool sink_init(struct sink *sink, bool keeps);
void sink_done(struct sink *sink);

/* Another descriptor, which is taken; the old one is closed. A line that the old one got only in part is written again. */
void sink_set(struct sink *sink, int fd);

/* Room at the end of the buffer, and where it is. */
size_t sink_room(const struct sink *sink);
static inline char *sink_end(struct sink *sink)
{
    return sink->buffer + sink->end;
}
static inline void sink_commit(struct sink *sink, size_t size)
{
    sink->end += size;
}

enum sink_state sink_flush(struct sink *sink);
/* The lines that are not written, or not wholly. */
struct slice sink_unwritten(const struct sink *sink);

#endif
