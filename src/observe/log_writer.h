/* Within the room: the state that producers (logs.c) and the writer's thread (log_writer.c) share. */
#ifndef SALLYPORT_OBSERVE_LOG_WRITER_H
#define SALLYPORT_OBSERVE_LOG_WRITER_H

#include "observe/audit_chain.h"
#include "observe/line.h"
#include "observe/logs.h"
#include "observe/ring.h"
#include "observe/sink.h"

#include <pthread.h>

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
    uint64_t audit_lost; /* lines that the end did not wait for */
    pthread_t thread;
    /* asked of the writer */
    pthread_mutex_t lock;
    bool stop, reopen, ended;
    int next_access, next_audit;
};

/* Before the thread starts, and then from it only: other files; audit_fd -1: the same as before. */
void log_writer_set_files(struct logs *logs, int access_fd, int audit_fd);

/* The thread: until logs->stop. */
void *log_writer_run(void *argument);

#endif
