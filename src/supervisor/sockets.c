#include "supervisor/sockets.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKLOG 4096

/* Why a listener could not be opened: a text, or errno. */
struct refusal {
    const char *why;
    int number;
};

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

static bool bound_address(int fd, struct address *ret_address)
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    return getsockname(fd, (struct sockaddr *)&storage, &size) == 0 &&
           address_from_sockaddr((struct sockaddr *)&storage, ret_address);
}

static bool bind_all(struct listening *listening, size_t workers, bool shares, struct refusal *refusal)
{
    listening->address = listening->wanted;
    bool bound = listening->wanted.port == 0 || shares || probe(&listening->wanted);
    for (size_t i = 0; bound && i < workers; i++) {
        int fd = bind_socket(&listening->address, true);
        if (fd >= 0) {
            listening->fds[listening->count++] = fd;
        }
        bound = fd >= 0 && listen(fd, BACKLOG) == 0 && bound_address(fd, &listening->address);
    }
    refusal->number = errno;
    return bound;
}

/* ---- inherited ones ---- */

static bool is_wildcard(const struct address *address)
{
    static const unsigned char v6[16];
    static const unsigned char v4[16] = { [10] = 0xff, [11] = 0xff };
    return memcmp(address->bytes, v6, sizeof v6) == 0 || memcmp(address->bytes, v4, sizeof v4) == 0;
}

static bool same_host(const struct address *a, const struct address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
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
    if (!bound_address(fd, &listening->address)) {
        return "the socket that was handed over is no TCP socket";
    }
    bool host = same_host(&listening->address, &listening->wanted) ||
                (is_wildcard(&listening->address) && is_wildcard(&listening->wanted));
    if (!host || (listening->wanted.port != 0 && listening->wanted.port != listening->address.port)) {
        return "the socket that was handed over has another address or port than is configured";
    }
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? NULL : "fcntl";
}

/* Fewer than workers: they share them. */
static bool share_out(struct listening *listening, size_t workers)
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

/* True: the listener has sockets that were handed over, or refusal->why says what is wrong with them. */
static bool adopt(struct sockets *sockets, struct listening *listening, struct refusal *refusal)
{
    int fd;
    struct slice name = slice_from_string(listening->name);
    while ((fd = inherited_find(&sockets->inherited, name)) >= 0) {
        if (listening->count == sockets->workers) {
            close(fd);
            refusal->why = "more sockets were handed over than there are workers";
            return true;
        }
        listening->fds[listening->count++] = fd;
        refusal->why = problem_of(fd, listening);
        if (refusal->why != NULL) {
            return true;
        }
    }
    if (listening->count == 0) {
        return false;
    }
    if (!share_out(listening, sockets->workers)) {
        refusal->why = strerror(errno);
    }
    return true;
}

/* ---- one listener ---- */

static void free_listening(struct listening *listening)
{
    for (size_t i = 0; i < listening->count; i++) {
        close(listening->fds[i]);
    }
    free(listening->name);
    free(listening->new_name);
    free(listening);
}

static char *name_of(const struct listener_settings *settings)
{
    return strndup(settings->name.ptr, settings->name.len);
}

static void explain(const struct listener_settings *settings, const struct refusal *refusal, char *text,
                    size_t size)
{
    char address[ADDRESS_TEXT_MAX];
    address_format(&settings->parsed_address, address);
    bool v4 = address_is_v4(&settings->parsed_address);
    const char *why = refusal->why;
    if (why == NULL) {
        why = refusal->number == EADDRINUSE      ? "is in use by another process"
              : refusal->number == EACCES        ? "a port under 1024 needs root or CAP_NET_BIND_SERVICE"
              : refusal->number == EADDRNOTAVAIL ? "this machine has no such address"
                                                 : strerror(refusal->number);
    }
    snprintf(text, size, "listener %.*s: %s%s%s:%lld %s%s", SLICE_ARG(settings->name), v4 ? "" : "[", address,
             v4 ? "" : "]", (long long)settings->port,
             refusal->why == NULL && refusal->number == EADDRINUSE ? "" : "cannot be used: ", why);
}

/* Do we listen on an address that the kernel holds for the same (one of them is any address)? Then the probe would find
 * ourselves. */
static bool overlaps_ours(const struct sockets *sockets, const struct address *address)
{
    for (const struct listening *ours = sockets->first; ours != NULL; ours = ours->next) {
        if (ours->address.port == address->port &&
            (same_host(&ours->address, address) || is_wildcard(&ours->address) || is_wildcard(address))) {
            return true;
        }
    }
    return false;
}

static struct listening *open_listener(struct sockets *sockets, const struct listener_settings *settings,
                                       struct refusal *refusal)
{
    struct listening *listening = calloc(1, sizeof *listening);
    if (listening == NULL) {
        refusal->number = ENOMEM;
        return NULL;
    }
    listening->name = name_of(settings);
    listening->wanted = settings->parsed_address;
    listening->wanted.port = (uint16_t)settings->port;
    listening->is_wanted = listening->fresh = true;
    bool opened = false;
    if (listening->name == NULL) {
        refusal->number = ENOMEM;
    } else if (adopt(sockets, listening, refusal)) {
        opened = refusal->why == NULL;
    } else {
        opened = bind_all(listening, sockets->workers, overlaps_ours(sockets, &listening->wanted), refusal);
    }
    if (!opened) {
        free_listening(listening);
        return NULL;
    }
    return listening;
}

/* ---- what is open and what is wanted ---- */

/* By its place; where the port is any one, by its name too. */
static struct listening *find(const struct sockets *sockets, const struct listener_settings *settings)
{
    for (struct listening *listening = sockets->first; listening != NULL; listening = listening->next) {
        if (listening->wanted.port == settings->port &&
            same_host(&listening->wanted, &settings->parsed_address) &&
            (settings->port != 0 || slice_equal(slice_from_string(listening->name), settings->name))) {
            return listening;
        }
    }
    return NULL;
}

static bool want(struct sockets *sockets, const struct listener_settings *settings, struct refusal *refusal)
{
    struct listening *listening = find(sockets, settings);
    if (listening == NULL) {
        listening = open_listener(sockets, settings, refusal);
        if (listening == NULL) {
            return false;
        }
        struct listening **end = &sockets->first;
        while (*end != NULL) {
            end = &(*end)->next;
        }
        *end = listening;
        return true;
    }
    if (listening->is_wanted) {
        refusal->why = "another listener has the same address and port";
        return false;
    }
    listening->is_wanted = true;
    if (slice_equal(slice_from_string(listening->name), settings->name)) {
        return true;
    }
    listening->new_name = name_of(settings);
    refusal->number = ENOMEM;
    return listening->new_name != NULL;
}

struct error sockets_open(struct sockets *sockets, const struct settings *settings, char *text, size_t size)
{
    for (struct listening *listening = sockets->first; listening != NULL; listening = listening->next) {
        listening->is_wanted = listening->fresh = false;
    }
    for (size_t i = 0; i < settings->listener_count; i++) {
        struct refusal refusal = { NULL, 0 };
        if (!want(sockets, &settings->listeners[i], &refusal)) {
            explain(&settings->listeners[i], &refusal, text, size);
            sockets_settle(sockets, false);
            return FAIL(ERROR_SYSTEM, "a listener could not be opened");
        }
    }
    return OK;
}

static void settle_name(struct listening *listening, bool taken_up)
{
    if (taken_up && listening->new_name != NULL) {
        free(listening->name);
        listening->name = listening->new_name;
    } else {
        free(listening->new_name);
    }
    listening->new_name = NULL;
}

void sockets_settle(struct sockets *sockets, bool taken_up)
{
    for (struct listening **at = &sockets->first; *at != NULL;) {
        struct listening *listening = *at;
        bool keep = taken_up ? listening->is_wanted : !listening->fresh;
        if (keep) {
            listening->fresh = false;
            listening->is_wanted = true;
            settle_name(listening, taken_up);
            at = &listening->next;
        } else {
            *at = listening->next;
            free_listening(listening);
        }
    }
}

void sockets_done(struct sockets *sockets)
{
    while (sockets->first != NULL) {
        struct listening *listening = sockets->first;
        sockets->first = listening->next;
        free_listening(listening);
    }
    inherited_done(&sockets->inherited);
}
