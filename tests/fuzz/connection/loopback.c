#include "connection/loopback.h"

#include "base/clock.h"
#include "base/random.h"
#include "connection/check.h"
#include "observe/log_writer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define BYTES_MAX     ((size_t)4 << 20) /* of all wires' input */
#define RECORD        ((size_t)16 << 10)
#define LISTENERS_MAX 16
#define JOBS_MAX      64
#define TIME          (INT64_C(1700000000) * NS_PER_S) /* when scripts begin */

struct wire wires[WIRES_MAX];
size_t wire_count;
enum connect_mode connect_mode;
bool upstream_records;
int64_t loopback_turn_cost;

static struct stream *closing[WIRES_MAX];
static size_t closing_count;
static struct acceptor *acceptors[LISTENERS_MAX], *acceptors_closing[LISTENERS_MAX];
static size_t acceptors_closing_count;
static uv_work_t *jobs[JOBS_MAX];
static uv_getaddrinfo_t *look_ups[JOBS_MAX];
static size_t job_count, look_up_count;
static int64_t elapsed;
static size_t bytes_sent;

/* ---- what is linked in place of the machine ---- */

int64_t __wrap_clock_monotonic_ns(void);
int64_t __wrap_clock_real_ns(void);
void __wrap_random_bytes(void *out, size_t size);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_setname_np(pthread_t thread, const char *name);

int64_t __wrap_clock_monotonic_ns(void)
{
    return 1000 * NS_PER_S + elapsed;
}

int64_t __wrap_clock_real_ns(void)
{
    return TIME + elapsed;
}

void loopback_advance(int64_t ns)
{
    elapsed += ns;
}

/* Never starts again: request ids must differ in all of a process. */
void __wrap_random_bytes(void *out, size_t size)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    unsigned char *bytes = out;
    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (unsigned char)(state >> 24);
    }
}

/* A worker's thread is the script. The logs' writer is asked once, at the end, when it has been told to stop. */
static void *(*thread_run)(void *);
static void *thread_argument;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    (void)attributes;
    *thread = 0;
    if (run == log_writer_run) {
        thread_run = run;
        thread_argument = argument;
        *thread = 1;
    }
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    (void)result;
    if (thread == 1) {
        thread_run(thread_argument);
    }
    return 0;
}

int __wrap_pthread_setname_np(pthread_t thread, const char *name)
{
    (void)thread;
    (void)name;
    return 0;
}

int uv_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb run, uv_after_work_cb done)
{
    if (job_count == JOBS_MAX) {
        return UV_ENOMEM;
    }
    work->loop = loop;
    work->work_cb = run;
    work->after_work_cb = done;
    jobs[job_count++] = work;
    return 0;
}

int uv_getaddrinfo(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb done, const char *node,
                   const char *service, const struct addrinfo *hints)
{
    (void)service;
    (void)hints;
    CHECK_THAT(strcmp(node, "named.internal") == 0, "%s is looked up", node);
    if (look_up_count == JOBS_MAX) {
        return UV_ENOMEM;
    }
    request->loop = loop;
    request->cb = done;
    look_ups[look_up_count++] = request;
    return 0;
}

void uv_freeaddrinfo(struct addrinfo *list)
{
    (void)list; /* on the stack below */
}

static void answer_look_up(uv_getaddrinfo_t *request, bool found)
{
    struct sockaddr_in first = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000003) };
    struct sockaddr_in second = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000004) };
    struct addrinfo other = { .ai_addr = (struct sockaddr *)&second };
    struct addrinfo list = { .ai_addr = (struct sockaddr *)&first, .ai_next = &other };
    request->cb(request, found ? 0 : UV_EAI_NONAME, found ? &list : NULL);
}

void loopback_work(bool names_found)
{
    size_t count = job_count;
    job_count = 0;
    for (size_t i = 0; i < count; i++) {
        uv_work_t *job = jobs[i];
        job->work_cb(job);
        job->after_work_cb(job, 0);
    }
    count = look_up_count;
    look_up_count = 0;
    for (size_t i = 0; i < count; i++) {
        answer_look_up(look_ups[i], names_found);
    }
}

/* ---- wires ---- */

static struct wire *wire_of_fd(int fd)
{
    CHECK_THAT(fd >= WIRE_FD && (size_t)(fd - WIRE_FD) < wire_count, "descriptor %d", fd);
    return &wires[fd - WIRE_FD];
}

static struct wire *wire_of(const struct stream *stream)
{
    struct wire *wire = wire_of_fd(stream->fd);
    CHECK_THAT(wire->stream == stream, "the stream of a wire that is not its own");
    return wire;
}

static struct wire *wire_new(bool to_upstream)
{
    if (wire_count == WIRES_MAX) {
        return NULL;
    }
    struct wire *wire = &wires[wire_count++];
    *wire = (struct wire){ .used = true, .to_upstream = to_upstream, .window = SIZE_MAX };
    return wire;
}

static void grow(char **data, size_t *capacity, size_t size)
{
    if (size > *capacity) {
        *capacity = size < 4096 ? 4096 : 2 * size;
        *data = realloc(*data, *capacity);
        CHECK_THAT(*data != NULL, "no memory");
    }
}

bool wire_send(struct wire *wire, const char *data, size_t size, size_t begun)
{
    if (wire->in_end || wire->broken || size == 0 || bytes_sent + size > BYTES_MAX ||
        wire->moment_count == MOMENTS_MAX) {
        return false;
    }
    bytes_sent += size;
    wire->moments[wire->moment_count++] = (struct moment){ wire->in_size, begun };
    grow(&wire->in, &wire->in_capacity, wire->in_size + size);
    memcpy(wire->in + wire->in_size, data, size);
    wire->in_size += size;
    return true;
}

size_t loopback_memory(void)
{
    size_t bytes = 0;
    for (size_t i = 0; i < wire_count; i++) {
        bytes += wires[i].in_capacity + wires[i].out_capacity;
    }
    return bytes;
}

struct wire *loopback_connect(int listener, const char *peer)
{
    struct acceptor *acceptor = acceptors[listener];
    struct wire *wire = acceptor != NULL ? wire_new(false) : NULL;
    if (wire == NULL) {
        return NULL;
    }
    wire->records = listener == 1;
    struct address address;
    CHECK_THAT(address_parse(slice_from_string(peer), &address), "%s", peer);
    net_loop_woken(acceptor->loop);
    acceptor->on_accept(acceptor, WIRE_FD + (int)(wire - wires), &address);
    if (wire->stream == NULL && !wire->closed) {
        wire->closed = true; /* refused by a limit: its descriptor is none that could be closed */
    }
    return wire;
}

void loopback_reset(void)
{
    wire_count = 0;
    connect_mode = CONNECT_AT_ONCE;
    upstream_records = false;
    loopback_turn_cost = 0;
    elapsed = 0;
    bytes_sent = 0;
}

void loopback_done(void)
{
    CHECK_THAT(closing_count == 0 && acceptors_closing_count == 0 && job_count == 0 && look_up_count == 0,
               "work is left over");
    for (size_t i = 0; i < wire_count; i++) {
        CHECK_THAT(wires[i].closed && wires[i].stream == NULL, "wire %zu is still open", i);
        free(wires[i].in);
        free(wires[i].out);
    }
    for (size_t i = 0; i < LISTENERS_MAX; i++) {
        CHECK_THAT(acceptors[i] == NULL, "listener %zu is still open", i);
    }
}

/* ---- net/stream.h ---- */

static enum stream_result memory_handshake(struct stream *stream)
{
    (void)stream;
    return STREAM_OK;
}

static enum stream_result memory_read(struct stream *stream, void *out, size_t size, size_t *ret_size)
{
    struct wire *wire = wire_of(stream);
    CHECK_THAT(size > 0, "a read of nothing");
    if (!wire->records) {
        wire->in_taken = wire->in_size;
    } else if (wire->in_taken == wire->in_read) {
        size_t left = wire->in_size - wire->in_taken;
        wire->in_taken += left < RECORD ? left : RECORD;
    }
    size_t ready = wire->in_taken - wire->in_read;
    if (ready > 0) {
        *ret_size = ready < size ? ready : size;
        memcpy(out, wire->in + wire->in_read, *ret_size);
        wire->in_read += *ret_size;
        return STREAM_OK;
    }
    return wire->broken ? STREAM_FAILED : wire->in_end ? STREAM_END : STREAM_AGAIN;
}

/* "The next call begins with the same bytes and has at least as many." */
static void check_rest(struct wire *wire, const struct iovec *parts, int count, size_t total)
{
    size_t at = 0;
    for (int i = 0; i < count && at < wire->rest_size; i++) {
        size_t size = parts[i].iov_len < wire->rest_size - at ? parts[i].iov_len : wire->rest_size - at;
        CHECK_THAT(size == 0 || memcmp(wire->rest + at, parts[i].iov_base, size) == 0,
                   "a write that was not taken whole goes on with other bytes");
        at += size;
    }
    CHECK_THAT(total >= wire->rest_total, "a write that was not taken whole is shortened");
}

static void keep_rest(struct wire *wire, const struct iovec *parts, int count, size_t taken, size_t total)
{
    wire->rest_size = 0;
    wire->rest_total = total - taken;
    for (int i = 0; i < count; i++) {
        size_t skip = taken < parts[i].iov_len ? taken : parts[i].iov_len;
        size_t size = parts[i].iov_len - skip;
        taken -= skip;
        size = size < sizeof wire->rest - wire->rest_size ? size : sizeof wire->rest - wire->rest_size;
        if (size > 0) {
            memcpy(wire->rest + wire->rest_size, (const char *)parts[i].iov_base + skip, size);
            wire->rest_size += size;
        }
    }
}

static enum stream_result memory_write(struct stream *stream, const struct iovec *parts, int count,
                                       size_t *ret_size)
{
    struct wire *wire = wire_of(stream);
    size_t total = 0, taken = 0;
    for (int i = 0; i < count; i++) {
        total += parts[i].iov_len;
    }
    CHECK_THAT(total > 0 && !wire->connecting, "a write of nothing, or too early");
    CHECK_THAT(!wire->out_end, "a write after the end");
    if (wire->broken) {
        return STREAM_FAILED;
    }
    check_rest(wire, parts, count, total);
    grow(&wire->out, &wire->out_capacity, wire->out_size + (total < wire->window ? total : wire->window));
    for (int i = 0; i < count && wire->window > 0; i++) {
        size_t size = parts[i].iov_len < wire->window ? parts[i].iov_len : wire->window;
        if (size > 0) {
            memcpy(wire->out + wire->out_size, parts[i].iov_base, size);
        }
        wire->out_size += size;
        wire->window -= wire->window == SIZE_MAX ? 0 : size;
        taken += size;
    }
    wire->broken = wire->gone;
    keep_rest(wire, parts, count, taken, total);
    *ret_size = taken;
    return taken > 0 ? STREAM_OK : STREAM_AGAIN;
}

static enum stream_result memory_shutdown(struct stream *stream)
{
    struct wire *wire = wire_of(stream);
    if (wire->broken) {
        return STREAM_FAILED;
    }
    if (wire->records && wire->window == 0) {
        return STREAM_AGAIN; /* as TLS: its farewell does not fit */
    }
    wire->out_end = true;
    return STREAM_OK;
}

static bool memory_pending(const struct stream *stream)
{
    const struct wire *wire = wire_of(stream);
    return wire->in_taken > wire->in_read && wire->records;
}

static void memory_free(struct stream *stream)
{
    (void)stream;
}

const struct stream_ops stream_plain_ops = {
    .name = "memory",
    .handshake = memory_handshake,
    .read = memory_read,
    .write = memory_write,
    .shutdown = memory_shutdown,
    .pending = memory_pending,
    .free = memory_free,
};

struct error stream_open(struct stream *stream, struct net_loop *loop, int fd,
                         void (*on_ready)(struct stream *stream, unsigned int events))
{
    struct wire *wire = wire_of_fd(fd);
    CHECK_THAT(wire->stream == NULL && !wire->closed, "opened twice");
    memset(stream, 0, sizeof *stream);
    stream->ops = &stream_plain_ops;
    stream->loop = loop;
    stream->fd = fd;
    stream->on_ready = on_ready;
    wire->stream = stream;
    return OK;
}

void stream_want(struct stream *stream, unsigned int events)
{
    if (!stream->closing) {
        stream->wanted = events & (STREAM_READABLE | STREAM_WRITABLE);
        stream->watched = stream->wanted;
    }
}

/* Not known: the socket is asked. */
bool stream_was_silent(const struct stream *stream)
{
    (void)stream;
    return false;
}

void stream_close(struct stream *stream, void (*on_closed)(struct stream *stream))
{
    if (stream->closing) {
        return;
    }
    struct wire *wire = wire_of(stream);
    stream->closing = true;
    stream->on_closed = on_closed;
    stream->fd = -1;
    wire->stream = NULL;
    wire->closed = true;
    closing[closing_count++] = stream;
}

void stream_reset_on_close(struct stream *stream)
{
    wire_of(stream)->out_reset = true;
}

/* As if all had come when the turn began before this one. */
int64_t stream_waited(int fd)
{
    (void)wire_of_fd(fd);
    return 2 * loopback_turn_cost;
}

int64_t stream_unread(int fd)
{
    const struct wire *wire = wire_of_fd(fd);
    return wire->in_taken < wire->in_size ? stream_waited(fd) : -1;
}

int stream_accept(int listening_fd, struct address *ret_peer)
{
    (void)listening_fd;
    (void)ret_peer;
    return -EAGAIN;
}

struct error stream_connect(const struct sockaddr *address, socklen_t size, int *ret_fd)
{
    (void)size;
    struct address to;
    CHECK_THAT(address_from_sockaddr(address, &to) && to.port == 80, "an address that is not configured");
    struct wire *wire = connect_mode != CONNECT_UNROUTABLE ? wire_new(true) : NULL;
    if (wire == NULL) {
        return FAIL_NUMBER(ERROR_SYSTEM, ENETUNREACH, "cannot connect");
    }
    wire->connecting = true;
    wire->records = upstream_records;
    *ret_fd = WIRE_FD + (int)(wire - wires);
    return OK;
}

int stream_connected(int fd)
{
    const struct wire *wire = wire_of_fd(fd);
    return wire->refused ? ECONNREFUSED : 0;
}

/* ---- gateway/acceptor.h ---- */

struct error acceptor_open(struct acceptor *acceptor, struct net_loop *loop, int fd,
                           void (*on_accept)(struct acceptor *acceptor, int fd, const struct address *peer))
{
    *acceptor =
        (struct acceptor){ .loop = loop, .fd = fd, .inode = acceptor_inode(fd), .on_accept = on_accept };
    int listener = fd - WIRE_FD - WIRES_MAX;
    CHECK_THAT(listener >= 0 && listener < LISTENERS_MAX && acceptors[listener] == NULL, "listener %d",
               listener);
    acceptors[listener] = acceptor;
    return OK;
}

void acceptor_close(struct acceptor *acceptor, void (*on_closed)(struct acceptor *acceptor))
{
    acceptor->on_closed = on_closed;
    acceptors[acceptor->fd - WIRE_FD - WIRES_MAX] = NULL;
    acceptors_closing[acceptors_closing_count++] = acceptor;
}

ino_t acceptor_inode(int fd)
{
    return (ino_t)fd;
}

/* ---- turns ---- */

/* As epoll says it of a socket: an error is told together with all that is watched, and libuv stops watching then. */
static void tell(struct wire *wire)
{
    struct stream *stream = wire->stream;
    if (wire->connecting) {
        if (connect_mode == CONNECT_HANGS) {
            return;
        }
        wire->connecting = false;
        wire->refused = wire->broken = connect_mode == CONNECT_REFUSED;
    }
    bool readable = wire->in_taken < wire->in_size || (!wire->records && wire->in_read < wire->in_size) ||
                    wire->in_end || wire->broken;
    unsigned int ready =
        (readable ? STREAM_READABLE : 0) | (wire->window > 0 || wire->broken ? STREAM_WRITABLE : 0);
    if (wire->broken && stream->watched != 0) {
        stream->watched = 0;
        stream->on_ready(stream, STREAM_BROKEN | stream->wanted);
    } else if ((ready & stream->watched) != 0) {
        stream->on_ready(stream, ready & stream->watched);
    }
}

void loopback_turn(struct net_loop *loop)
{
    elapsed += NS_PER_US;
    for (size_t i = 0; i < wire_count; i++) {
        if (wires[i].stream != NULL) {
            net_loop_woken(loop);
            tell(&wires[i]);
        }
    }
    elapsed += loopback_turn_cost;
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    while (closing_count > 0) {
        struct stream *stream = closing[--closing_count];
        stream->on_closed(stream);
    }
    while (acceptors_closing_count > 0) {
        struct acceptor *acceptor = acceptors_closing[--acceptors_closing_count];
        acceptor->on_closed(acceptor);
    }
}
