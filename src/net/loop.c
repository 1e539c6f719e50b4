#include "net/loop.h"

#include "base/limits.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

/* Turns that wait for close callbacks at the end; each turn runs all that are due. */
#define CLOSING_TURNS 64

/* What a turn takes at most, of all that is ready. */
#define TURN_EVENTS_MAX 256

/* Descriptors are told apart by their last bits: two that share them are taken to be ready together. */
#define READY_BITS 4096

/* The thread's last look at the sockets. */
static _Thread_local struct look {
    int epoll;    /* -1: it told nothing */
    bool is_full; /* as many were ready as it may take: more may wait */
    uint64_t ready[READY_BITS / 64];
} look = { .epoll = -1 };

static void note_ready(uint32_t fd)
{
    look.ready[fd % READY_BITS / 64] |= UINT64_C(1) << fd % 64;
}

/* Stands before libc's, for libuv. It takes 1024 at once, and where there are so many it looks again, 48 times, before anything
 * else gets its turn: under load deadlines, tasks and what waits for another's end would wait for seconds. Where fewer come
 * than it asked for, it goes on. */
__attribute__((visibility("default"))) int epoll_wait(int epoll, struct epoll_event *events, int maximum,
                                                      int timeout)
{
    int most = maximum < TURN_EVENTS_MAX ? maximum : TURN_EVENTS_MAX;
    int ready = epoll_pwait(epoll, events, most, timeout, NULL);
    look = (struct look){ .epoll = ready >= 0 ? epoll : -1, .is_full = ready == most };
    for (int i = 0; i < ready; i++) {
        note_ready((uint32_t)events[i].data.fd); /* which is what libuv keeps there */
    }
    return ready;
}

bool net_loop_saw_silence(const struct net_loop *loop, int fd)
{
    bool seen = look.epoll == uv_backend_fd(&loop->uv) && !look.is_full;
    return seen && (look.ready[(uint32_t)fd % READY_BITS / 64] >> (uint32_t)fd % 64 & 1) == 0;
}

static void queue_init(struct net_task_queue *queue)
{
    queue->first = NULL;
    queue->last = &queue->first;
}

static void queue_put(struct net_task_queue *queue, struct net_task *task)
{
    task->queued = true;
    task->next = NULL;
    *queue->last = task;
    queue->last = &task->next;
}

static void queue_move(struct net_task_queue *to, struct net_task_queue *from)
{
    if (from->first != NULL) {
        *to->last = from->first;
        to->last = from->last;
        queue_init(from);
    }
}

static struct net_task *queue_take(struct net_task_queue *queue)
{
    struct net_task *task = queue->first;
    if (task != NULL) {
        queue->first = task->next;
        if (queue->first == NULL) {
            queue->last = &queue->first;
        }
        task->queued = false; /* before run(), which may free it or queue it again */
    }
    return task;
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle; /* being active is all that it does */
}

static void on_timer(uv_timer_t *handle)
{
    struct net_loop *loop = handle->data;
    loop->timer_at = INT64_MAX; /* what is due runs in on_prepare */
}

/* The timer may ring too early, never too late: so a deadline that moves away costs nothing. */
static void arm_timer(struct net_loop *loop)
{
    int64_t next = deadline_next(&loop->deadlines);
    if (next >= loop->timer_at) {
        return;
    }
    uint64_t due_ms = ((uint64_t)next + NS_PER_MS - 1) / NS_PER_MS;
    uint64_t now_ms = uv_now(&loop->uv);
    if (uv_timer_start(&loop->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0) == 0) {
        loop->timer_at = next;
    }
}

static void run_last(struct net_loop *loop)
{
    struct net_task *task;
    while ((task = queue_take(&loop->last)) != NULL) {
        task->run(task);
    }
}

static void end_turn(struct net_loop *loop)
{
    loop->last_turn = loop->now - loop->turn_began;
    bool is_full = look.is_full && loop->long_turn != INT64_MAX;
    if (loop->last_turn < loop->long_turn && !is_full) {
        loop->long_since = INT64_MAX;
    } else if (loop->long_since == INT64_MAX) {
        loop->long_since = loop->now;
    }
}

/* Before the look at the sockets. */
static void on_prepare(uv_prepare_t *handle)
{
    struct net_loop *loop = handle->data;
    run_last(loop);
    loop->now = clock_monotonic_ns();
    loop->now_real = clock_real_ns();
    end_turn(loop);
    deadline_run(&loop->deadlines, loop->now);
    run_last(loop);
    queue_move(&loop->due, &loop->tasks);
    if (loop->due.first == NULL) {
        uv_idle_stop(&loop->idle);
    }
    arm_timer(loop);
    loop->now_is_fresh = false; /* the sleep comes now */
}

/* After it. */
static void on_check(uv_check_t *handle)
{
    struct net_loop *loop = handle->data;
    net_loop_woken(loop);
    struct net_task *task;
    while ((task = queue_take(&loop->due)) != NULL) {
        task->run(task);
    }
}

/* Takes one at a time, so that `queued` changes under the lock only. What comes meanwhile waits for the next turn: each
 * send wakes the loop. */
void net_loop_run_mailbox(struct net_loop *loop)
{
    pthread_mutex_lock(&loop->mailbox_lock);
    struct net_task *const *end = loop->mailbox.last;
    bool more = true;
    while (more) {
        struct net_task *task = queue_take(&loop->mailbox);
        more = task != NULL && &task->next != end;
        pthread_mutex_unlock(&loop->mailbox_lock);
        if (task != NULL) {
            task->run(task);
        }
        pthread_mutex_lock(&loop->mailbox_lock);
    }
    pthread_mutex_unlock(&loop->mailbox_lock);
}

static void on_wake(uv_async_t *handle)
{
    struct net_loop *loop = handle->data;
    net_loop_woken(loop);
    net_loop_run_mailbox(loop);
    if (__atomic_load_n(&loop->stopping, __ATOMIC_ACQUIRE)) {
        uv_stop(&loop->uv);
    }
}

static struct error init_handles(struct net_loop *loop)
{
    uv_timer_init(&loop->uv, &loop->timer);
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    uv_idle_init(&loop->uv, &loop->idle);
    int status = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (status != 0) {
        return FAIL_NUMBER(ERROR_SYSTEM, -status, "cannot make the event loop's wake-up descriptor");
    }
    loop->timer.data = loop->prepare.data = loop->check.data = loop->idle.data = loop->wake.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_start(&loop->check, on_check);
    return OK;
}

struct error net_loop_init(struct net_loop *loop)
{
    memset(loop, 0, sizeof *loop);
    loop->scratch = malloc(HTTP_BULK_BUFFER);
    if (loop->scratch == NULL) {
        return FAIL(ERROR_MEMORY, "read buffer");
    }
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    int status = uv_loop_init(&loop->uv);
    if (status != 0) {
        free(loop->scratch);
        return FAIL_NUMBER(ERROR_SYSTEM, -status, "cannot make an event loop");
    }
    struct error error = init_handles(loop);
    if (failed(error)) {
        uv_close((uv_handle_t *)&loop->timer, NULL);
        uv_close((uv_handle_t *)&loop->prepare, NULL);
        uv_close((uv_handle_t *)&loop->check, NULL);
        uv_close((uv_handle_t *)&loop->idle, NULL);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        uv_loop_close(&loop->uv);
        free(loop->scratch);
        return error;
    }
    deadline_table_init(&loop->deadlines);
    queue_init(&loop->tasks);
    queue_init(&loop->due);
    queue_init(&loop->last);
    queue_init(&loop->mailbox);
    pthread_mutex_init(&loop->mailbox_lock, NULL);
    loop->timer_at = INT64_MAX;
    loop->long_turn = loop->long_since = INT64_MAX;
    net_loop_woken(loop);
    return OK;
}

static void close_handles(struct net_loop *loop)
{
    if (loop->closed) {
        return;
    }
    loop->closed = true;
    pthread_mutex_lock(&loop->mailbox_lock);
    loop->mailbox_closed = true;
    pthread_mutex_unlock(&loop->mailbox_lock);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->wake, NULL);
}

void net_loop_run(struct net_loop *loop)
{
    if (!loop->closed) {
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        close_handles(loop);
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
}

bool net_loop_done(struct net_loop *loop)
{
    close_handles(loop);
    bool closed = uv_loop_close(&loop->uv) == 0;
    for (int i = 0; i < CLOSING_TURNS && !closed; i++) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        closed = uv_loop_close(&loop->uv) == 0;
    }
    deadline_table_done(&loop->deadlines);
    pthread_mutex_destroy(&loop->mailbox_lock);
    free(loop->scratch);
    loop->scratch = NULL;
    return closed;
}

void net_loop_post(struct net_loop *loop, struct net_task *task)
{
    if (task->queued || loop->closed) {
        return;
    }
    queue_put(&loop->tasks, task);
    if (!uv_is_active((uv_handle_t *)&loop->idle)) {
        uv_idle_start(&loop->idle, on_idle);
    }
}

void net_loop_at_end(struct net_loop *loop, struct net_task *task)
{
    if (!task->queued && !loop->closed) {
        queue_put(&loop->last, task);
    }
}

bool net_loop_send(struct net_loop *loop, struct net_task *task)
{
    pthread_mutex_lock(&loop->mailbox_lock);
    bool open = !loop->mailbox_closed;
    if (!task->queued && !loop->mailbox_closed) {
        queue_put(&loop->mailbox, task);
        uv_async_send(&loop->wake);
    }
    pthread_mutex_unlock(&loop->mailbox_lock);
    return open;
}

void net_loop_stop(struct net_loop *loop)
{
    __atomic_store_n(&loop->stopping, true, __ATOMIC_RELEASE);
    pthread_mutex_lock(&loop->mailbox_lock);
    if (!loop->mailbox_closed) {
        uv_async_send(&loop->wake);
    }
    pthread_mutex_unlock(&loop->mailbox_lock);
}
