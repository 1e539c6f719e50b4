#include "gateway/acceptor.h"

#include "base/clock.h"
#include "net/stream.h"

#include <errno.h>
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

static void pause_accepting(struct acceptor *acceptor)
{
    uv_poll_stop(&acceptor->poll);
    deadline_set(&acceptor->loop->deadlines, &acceptor->pause, acceptor->loop->now, PAUSE);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct acceptor *acceptor = poll->data;
    net_loop_woken(acceptor->loop);
    if (status < 0) {
        pause_accepting(acceptor); /* libuv has stopped looking: we go on, but not in a busy loop */
        return;
    }
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct address peer;
        int fd = stream_accept(acceptor->fd, &peer);
        if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
            pause_accepting(acceptor);
        }
        if (fd < 0) {
            return;
        }
        acceptor->on_accept(acceptor, fd, &peer);
    }
}

struct error acceptor_open(struct acceptor *acceptor, struct net_loop *loop, int fd,
                           void (*on_accept)(struct acceptor *acceptor, int fd, const struct address *peer))
{
    *acceptor =
        (struct acceptor){ .loop = loop, .fd = fd, .inode = acceptor_inode(fd), .on_accept = on_accept };
    acceptor->pause.expired = pause_over;
    int status = uv_poll_init_socket(&loop->uv, &acceptor->poll, fd);
    if (status != 0) {
        return FAIL_NUMBER(ERROR_SYSTEM, -status, "cannot watch a listening socket");
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
