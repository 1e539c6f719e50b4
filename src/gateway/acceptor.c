#include "gateway/acceptor.h"

#include "base/clock.h"
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
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

static void pause_accepting(struct acceptor *acceptor, int64_t duration)
{
    uv_poll_stop(&acceptor->poll);
    deadline_set(&acceptor->loop->deadlines, &acceptor->pause, acceptor->loop->now, duration);
}

static void fall_behind(struct acceptor *acceptor)
{
    if (acceptor->behind_since == 0) {
        acceptor->behind_since = acceptor->loop->now;
    }
}

static void keep_reserve(struct acceptor *acceptor)
{
    if (acceptor->reserve < 0) {
        acceptor->reserve = fcntl(acceptor->fd, F_DUPFD_CLOEXEC, 0);
    }
}

/* Lets the reserve go, and a connection with it. As stream_accept; -EMFILE: there is no reserve, or another thread was
 * faster. The descriptor that is returned is closed. */
static int turn_away(struct acceptor *acceptor)
{
    if (acceptor->reserve < 0) {
        return -EMFILE;
    }
    close(acceptor->reserve);
    acceptor->reserve = -1;
    int fd = stream_accept(acceptor->fd, NULL);
    if (fd >= 0) {
        const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
        if (acceptor->on_refused != NULL) {
            acceptor->on_refused(acceptor);
        }
    }
    keep_reserve(acceptor);
    return fd;
}

/* False: no more in this turn. */
static bool accept_one(struct acceptor *acceptor)
{
    int64_t wait = acceptor->may_accept != NULL ? acceptor->may_accept(acceptor) : 0;
    if (wait > 0) {
        fall_behind(acceptor);
        pause_accepting(acceptor, wait);
        return false;
    }
    struct address peer;
    int fd = stream_accept(acceptor->fd, &peer);
    if (fd >= 0) {
        acceptor->on_accept(acceptor, fd, &peer);
        return true;
    }
    if (fd == -EMFILE || fd == -ENFILE) {
        fd = turn_away(acceptor); /* accept says so even where nobody waits */
    }
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
        pause_accepting(acceptor, PAUSE);
    } else if (fd == -EAGAIN) {
        acceptor->behind_since = 0;
    }
    return fd >= 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct acceptor *acceptor = poll->data;
    net_loop_woken(acceptor->loop);
    if (status < 0) {
        pause_accepting(acceptor, PAUSE); /* libuv has stopped looking: we go on, but not in a busy loop */
        return;
    }
    keep_reserve(acceptor);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (!accept_one(acceptor)) {
            return;
        }
    }
    fall_behind(acceptor);
}

struct error acceptor_open(struct acceptor *acceptor, struct net_loop *loop, int fd,
                           void (*on_accept)(struct acceptor *acceptor, int fd, const struct address *peer))
{
    *acceptor = (struct acceptor){
        .loop = loop, .fd = fd, .inode = acceptor_inode(fd), .on_accept = on_accept, .reserve = -1
    };
    acceptor->pause.expired = pause_over;
    int status = uv_poll_init_socket(&loop->uv, &acceptor->poll, fd);
    if (status != 0) {
        return FAIL_NUMBER(ERROR_SYSTEM, -status, "cannot watch a listening socket");
    }
    acceptor->poll.data = acceptor;
    keep_reserve(acceptor);
    uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
    return OK;
}

static void poll_closed(uv_handle_t *handle)
{
    struct acceptor *acceptor = handle->data;
    close(acceptor->fd);
    if (acceptor->reserve >= 0) {
        close(acceptor->reserve);
    }
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
