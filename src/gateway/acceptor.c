#include "gateway/acceptor.h"

#include "base/clock.h"

#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 32
#define PAUSE            (100 * NS_PER_MS)

ino_t acceptor_inode(int fd)
{
    struct stat facts;
    return fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}

static void on_readable(uv_poll_t *poll, int status, int events);

static void pause_over(struct deadline *deadline)
{
    struct acceptor *acceptor = (struct acceptor *)((char *)deadline - offsetof(struct acceptor, pause));
    uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct acceptor *acceptor = poll->data;
    net_loop_woken(acceptor->loop);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        int fd = accept4(acceptor->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                uv_poll_stop(poll);
                deadline_set(&acceptor->loop->deadlines, &acceptor->pause, acceptor->loop->now, PAUSE);
            }
            return;
        }
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct address peer = { .port = 0 };
        (void)address_from_sockaddr((struct sockaddr *)&from, &peer);
        acceptor->on_accept(acceptor, fd, &peer);
    }
}

struct error acceptor_open(struct acceptor *acceptor, struct net_loop *loop, int fd,
                           void (*on_accept)(struct acceptor *acceptor, int fd, const struct address *peer))
{
    *acceptor =
        (struct acceptor){ .loop = loop, .fd = fd, .inode = acceptor_inode(fd), .on_accept = on_accept };
    acceptor->pause.expired = pause_over;
    if (uv_poll_init_socket(&loop->uv, &acceptor->poll, fd) != 0) {
        return FAIL(ERROR_SYSTEM, "listening socket");
    }
    acceptor->poll.data = acceptor;
    uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
    return OK;
}

static void poll_closed(uv_handle_t *handle)
{
    struct acceptor *acceptor = handle->data;
    close(acceptor->fd);
    if (acceptor->on_closed != NULL) {
        acceptor->on_closed(acceptor);
    }
}

void acceptor_close(struct acceptor *acceptor, void (*on_closed)(struct acceptor *acceptor))
{
    acceptor->on_closed = on_closed;
    deadline_clear(&acceptor->pause);
    uv_close((uv_handle_t *)&acceptor->poll, poll_closed);
}
