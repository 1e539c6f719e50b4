#include "supervisor/listening.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BACKLOG 4096

/* ---- binding ---- */

static int bind_socket(const struct address *address, bool shared)
{
    struct sockaddr_storage storage;
    socklen_t size = address_to_sockaddr(address, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (storage.ss_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    if ((shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        bind(fd, (struct sockaddr *)&storage, size) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Without SO_REUSEPORT the kernel refuses an address that anybody listens on: so a second instance fails here, instead of
 * taking a share of the first one's connections. */
static bool probe(const struct address *address)
{
    int fd = bind_socket(address, false);
    if (fd < 0) {
        return false;
    }
    close(fd);
    return true;
}

bool listening_bound_address(int fd, struct address *ret_address)
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    return getsockname(fd, (struct sockaddr *)&storage, &size) == 0 &&
           address_from_sockaddr((struct sockaddr *)&storage, ret_address);
}

/* One for each worker that has none. */
static bool bind_missing(struct listening *listening, size_t workers)
{
    bool bound = true;
    while (bound && listening->count < workers) {
        int fd = bind_socket(&listening->address, true);
        if (fd >= 0) {
            listening->fds[listening->count++] = fd;
        }
        bound = fd >= 0 && listen(fd, BACKLOG) == 0 && listening_bound_address(fd, &listening->address);
    }
    return bound;
}

/* Unix sockets share no path: the workers have one socket in common. */
static bool share_first(struct listening *listening, size_t workers)
{
    size_t given = listening->count;
    while (listening->count < workers) {
        int fd = fcntl(listening->fds[listening->count % given], F_DUPFD_CLOEXEC, INHERITED_FIRST);
        if (fd < 0) {
            return false;
        }
        listening->fds[listening->count++] = fd;
    }
    return true;
}

static bool bind_path(struct listening *listening, size_t workers, struct refusal *refusal)
{
    int fd = unix_bind(listening->path, &listening->rights, &listening->file, refusal);
    if (fd < 0) {
        return false;
    }
    listening->fds[listening->count++] = fd;
    bool bound = listen(fd, BACKLOG) == 0 && share_first(listening, workers);
    refusal->number = errno;
    return bound;
}

bool listening_bind(struct listening *listening, size_t workers, bool shares, struct refusal *refusal)
{
    if (listening->path != NULL) {
        return bind_path(listening, workers, refusal);
    }
    listening->address = listening->wanted;
    bool bound = (listening->wanted.port == 0 || shares || probe(&listening->wanted)) &&
                 bind_missing(listening, workers);
    refusal->number = errno;
    return bound;
}

/* ---- inherited ones ---- */

static const char *problem_of_path(int fd, const struct listening *listening)
{
    return unix_is_bound_to(fd, listening->path)
               ? NULL
               : "the socket that was handed over has another path than is configured";
}

static const char *problem_of_address(int fd, struct listening *listening)
{
    if (!listening_bound_address(fd, &listening->address)) {
        return "the socket that was handed over is no TCP socket";
    }
    bool host = address_is_same(&listening->address, &listening->wanted) ||
                (address_is_unspecified(&listening->address) && address_is_unspecified(&listening->wanted));
    if (!host || (listening->wanted.port != 0 && listening->wanted.port != listening->address.port)) {
        return "the socket that was handed over has another address or port than is configured";
    }
    return NULL;
}

/* A socket that stands elsewhere than the configuration says is refused: what listens on loopback in the file must not
 * turn out to be open to the world. Any address is any address, in either family. */
static const char *problem_of(int fd, struct listening *listening)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) {
        return "the socket that was handed over does not listen";
    }
    const char *elsewhere =
        listening->path != NULL ? problem_of_path(fd, listening) : problem_of_address(fd, listening);
    if (elsewhere != NULL) {
        return elsewhere;
    }
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? NULL : "fcntl";
}

void listening_close_from(struct listening *listening, size_t first)
{
    while (listening->count > first) {
        close(listening->fds[--listening->count]);
    }
}

static bool is_shareable(const struct listening *listening)
{
    int on = 0;
    socklen_t size = sizeof on;
    return getsockopt(listening->fds[0], SOL_SOCKET, SO_REUSEPORT, &on, &size) == 0 && on != 0;
}

/* Fewer than workers: each gets one of its own where the kernel lets us bind beside those that are there, which takes
 * SO_REUSEPORT on them and the same user. Else the workers share them: one queue, and all are woken for each connection. */
bool listening_fill_up(struct listening *listening, size_t workers)
{
    size_t given = listening->count;
    if (given >= workers || (is_shareable(listening) && bind_missing(listening, workers))) {
        return true;
    }
    listening_close_from(listening, given);
    if (!share_first(listening, workers)) {
        return false;
    }
    listening->stored = workers; /* no sockets of their own, for a service manager to keep */
    return true;
}

bool listening_adopt(struct listening *listening, struct inherited *inherited, size_t workers,
                     struct refusal *refusal)
{
    int fd;
    struct slice name = slice_from_string(listening->name);
    while ((fd = inherited_find(inherited, name)) >= 0) {
        if (listening->count == SOCKETS_PER_LISTENER_MAX) {
            close(fd);
            refusal->why = "too many sockets were handed over";
            return true;
        }
        listening->fds[listening->count++] = fd;
        refusal->why = problem_of(fd, listening);
        if (refusal->why != NULL) {
            return true;
        }
    }
    if (listening->path != NULL && !unix_has_file(listening->path)) {
        listening_close_from(listening, 0); /* nobody can connect to it any more */
    }
    if (listening->count == 0) {
        return false;
    }
    listening->stored = listening->count;
    if (!listening_fill_up(listening, workers)) {
        refusal->why = strerror(errno);
    }
    return true;
}
