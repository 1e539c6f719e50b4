#include "net/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PARTS_MAX 1024 /* IOV_MAX: sendmsg refuses more */

static enum stream_result plain_handshake(struct stream *stream)
{
    (void)stream;
    return STREAM_OK;
}

static enum stream_result plain_read(struct stream *stream, void *out, size_t size, size_t *ret_size)
{
    ssize_t got;
    do {
        got = recv(stream->fd, out, size, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        *ret_size = (size_t)got;
        return STREAM_OK;
    }
    if (got == 0) {
        return STREAM_END;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_AGAIN : STREAM_FAILED;
}

static enum stream_result plain_write(struct stream *stream, const struct iovec *parts, int count,
                                      size_t *ret_size)
{
    struct msghdr message = { .msg_iov = (struct iovec *)parts,
                              .msg_iovlen = (size_t)(count < PARTS_MAX ? count : PARTS_MAX) };
    ssize_t put;
    do {
        /* The plain call is the cheaper one, and one part is the rule. */
        put = count == 1 ? send(stream->fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL)
                         : sendmsg(stream->fd, &message, MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    if (put >= 0) {
        *ret_size = (size_t)put;
        return STREAM_OK;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_AGAIN : STREAM_FAILED;
}

static enum stream_result plain_shutdown(struct stream *stream)
{
    return shutdown(stream->fd, SHUT_WR) == 0 ? STREAM_OK : STREAM_FAILED;
}

static bool plain_pending(const struct stream *stream)
{
    (void)stream;
    return false;
}

static void plain_free(struct stream *stream)
{
    (void)stream;
}

const struct stream_ops stream_plain_ops = {
    .name = "plain",
    .handshake = plain_handshake,
    .read = plain_read,
    .write = plain_write,
    .shutdown = plain_shutdown,
    .pending = plain_pending,
    .free = plain_free,
};

/* What the descriptor must become for what the owner wants. */
static unsigned int mask_of(const struct stream *stream)
{
    unsigned int mask = 0;
    if ((stream->wanted & STREAM_READABLE) != 0) {
        mask |= stream->read_needs_write ? UV_WRITABLE : UV_READABLE;
    }
    if ((stream->wanted & STREAM_WRITABLE) != 0) {
        mask |= stream->write_needs_read ? UV_READABLE : UV_WRITABLE;
    }
    return mask;
}

static unsigned int events_of(const struct stream *stream, unsigned int ready)
{
    unsigned int events = 0;
    if ((ready & (stream->read_needs_write ? UV_WRITABLE : UV_READABLE)) != 0) {
        events |= STREAM_READABLE;
    }
    if ((ready & (stream->write_needs_read ? UV_READABLE : UV_WRITABLE)) != 0) {
        events |= STREAM_WRITABLE;
    }
    return events & stream->wanted;
}

static void on_poll(uv_poll_t *handle, int status, int ready)
{
    struct stream *stream = handle->data;
    net_loop_woken(stream->loop);
    if (stream->closing) {
        return;
    }
    if (status < 0) {
        stream->watched = 0; /* libuv stopped the handle */
        stream->on_ready(stream, STREAM_BROKEN | stream->wanted);
        return;
    }
    unsigned int events = events_of(stream, (unsigned int)ready);
    if (events != 0) {
        stream->on_ready(stream, events);
    }
}

struct error stream_open(struct stream *stream, struct net_loop *loop, int fd,
                         void (*on_ready)(struct stream *stream, unsigned int events))
{
    memset(stream, 0, sizeof *stream);
    int status = uv_poll_init(&loop->uv, &stream->poll, fd);
    if (status != 0) {
        return FAIL_NUMBER(ERROR_SYSTEM, -status, "cannot watch a socket");
    }
    stream->poll.data = stream;
    stream->ops = &stream_plain_ops;
    stream->loop = loop;
    stream->fd = fd;
    stream->on_ready = on_ready;
    return OK;
}

void stream_want(struct stream *stream, unsigned int events)
{
    if (stream->closing) {
        return;
    }
    stream->wanted = events & (STREAM_READABLE | STREAM_WRITABLE);
    unsigned int mask = mask_of(stream);
    if (mask == stream->watched) {
        return; /* each change is a system call */
    }
    stream->watched = mask;
    /* Neither can fail on an open handle. */
    if (mask == 0) {
        uv_poll_stop(&stream->poll);
    } else {
        uv_poll_start(&stream->poll, (int)mask, on_poll);
    }
}

bool stream_was_silent(const struct stream *stream)
{
    return (stream->watched & UV_READABLE) != 0 && !stream->ops->pending(stream) &&
           net_loop_saw_silence(stream->loop, stream->fd);
}

static void on_close(uv_handle_t *handle)
{
    struct stream *stream = handle->data;
    stream->ops->free(stream);
    stream->tls = NULL;
    if (stream->on_closed != NULL) {
        stream->on_closed(stream);
    }
}

void stream_close(struct stream *stream, void (*on_closed)(struct stream *stream))
{
    if (stream->closing) {
        return;
    }
    stream->closing = true;
    stream->on_closed = on_closed;
    /* Takes the descriptor out of epoll: only then may its number be used again. */
    uv_close((uv_handle_t *)&stream->poll, on_close);
    close(stream->fd);
    stream->fd = -1;
}

void stream_reset_on_close(struct stream *stream)
{
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    (void)setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset); /* no TCP: nothing to reset */
}

int64_t stream_waited(int fd)
{
    struct tcp_info info = { 0 };
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        size < offsetof(struct tcp_info, tcpi_last_ack_recv)) {
        return -1;
    }
    return (int64_t)info.tcpi_last_data_recv * NS_PER_MS;
}

int64_t stream_unread(int fd)
{
    int size = 0;
    return ioctl(fd, FIONREAD, &size) == 0 && size > 0 ? stream_waited(fd) : -1;
}

static void set_no_delay(int fd)
{
    const int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* slower without, no more */
}

int stream_accept(int listening_fd, struct address *ret_peer)
{
    struct sockaddr_storage from = { 0 };
    socklen_t size = sizeof from;
    int fd;
    do {
        fd = accept4(listening_fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (fd < 0) {
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    set_no_delay(fd);
    if (ret_peer != NULL) {
        *ret_peer = (struct address){ .port = 0 };
        (void)address_from_sockaddr((const struct sockaddr *)&from, ret_peer);
    }
    return fd;
}

struct error stream_connect(const struct sockaddr *address, socklen_t size, int *ret_fd)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return FAIL_ERRNO("cannot make a socket");
    }
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6) {
        set_no_delay(fd);
    }
    /* An interrupted connect goes on by itself. */
    if (connect(fd, address, size) != 0 && errno != EINPROGRESS && errno != EINTR) {
        struct error error = FAIL_ERRNO("cannot connect");
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return OK;
}

int stream_connected(int fd)
{
    int outcome = 0;
    socklen_t size = sizeof outcome;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &outcome, &size) != 0) {
        return errno;
    }
    return outcome;
}
