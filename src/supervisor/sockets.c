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

/* One for each worker that has none. */
static bool bind_missing(struct listening *listening, size_t workers)
{
    bool bound = true;
    while (bound && listening->count < workers) {
        int fd = bind_socket(&listening->address, true);
        if (fd >= 0) {
            listening->fds[listening->count++] = fd;
        }
        bound = fd >= 0 && listen(fd, BACKLOG) == 0 && bound_address(fd, &listening->address);
    }
    return bound;
}

static bool bind_all(struct listening *listening, size_t workers, bool shares, struct refusal *refusal)
{
    listening->address = listening->wanted;
    bool bound = (listening->wanted.port == 0 || shares || probe(&listening->wanted)) &&
                 bind_missing(listening, workers);
    refusal->number = errno;
    return bound;
}

/* ---- inherited ones ---- */

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
                (address_is_unspecified(&listening->address) && address_is_unspecified(&listening->wanted));
    if (!host || (listening->wanted.port != 0 && listening->wanted.port != listening->address.port)) {
        return "the socket that was handed over has another address or port than is configured";
    }
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? NULL : "fcntl";
}

static void close_from(struct listening *listening, size_t first)
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
static bool fill_up(struct listening *listening, size_t workers)
{
    size_t given = listening->count;
    if (given >= workers || (is_shareable(listening) && bind_missing(listening, workers))) {
        return true;
    }
    close_from(listening, given);
    while (listening->count < workers) {
        int fd = fcntl(listening->fds[listening->count % given], F_DUPFD_CLOEXEC, INHERITED_FIRST);
        if (fd < 0) {
            return false;
        }
        listening->fds[listening->count++] = fd;
    }
    listening->stored = workers; /* no sockets of their own, for a service manager to keep */
    return true;
}

/* True: the listener has sockets that were handed over, or refusal->why says what is wrong with them. */
static bool adopt(struct sockets *sockets, struct listening *listening, struct refusal *refusal)
{
    int fd;
    struct slice name = slice_from_string(listening->name);
    while ((fd = inherited_find(&sockets->inherited, name)) >= 0) {
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
    if (listening->count == 0) {
        return false;
    }
    listening->stored = listening->count;
    if (!fill_up(listening, sockets->workers)) {
        refusal->why = strerror(errno);
    }
    return true;
}

/* ---- one listener ---- */

static void free_listening(struct listening *listening)
{
    close_from(listening, 0);
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
            (same_host(&ours->address, address) || address_is_unspecified(&ours->address) ||
             address_is_unspecified(address))) {
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

static void append(struct sockets *sockets, struct listening *listening)
{
    struct listening **end = &sockets->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = listening;
}

static bool want(struct sockets *sockets, const struct listener_settings *settings, struct refusal *refusal)
{
    struct listening *listening = find(sockets, settings);
    if (listening == NULL) {
        listening = open_listener(sockets, settings, refusal);
        if (listening == NULL) {
            return false;
        }
        append(sockets, listening);
        return true;
    }
    if (listening->is_wanted) {
        refusal->why = "another listener has the same address and port";
        return false;
    }
    listening->is_wanted = true;
    if (!fill_up(listening, sockets->workers)) {
        refusal->number = errno;
        return false;
    }
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
        listening->settled = listening->count;
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
            close_from(listening, taken_up ? listening->count : listening->settled);
            listening->settled = listening->count;
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

bool sockets_add(struct sockets *sockets, struct slice name, const struct address *wanted, const int *fds,
                 size_t count)
{
    struct listening *listening = calloc(1, sizeof *listening);
    char *copy = strndup(name.ptr, name.len);
    if (listening == NULL || copy == NULL || count == 0 || !bound_address(fds[0], &listening->address)) {
        free(listening);
        free(copy);
        return false;
    }
    listening->name = copy;
    listening->wanted = *wanted;
    memcpy(listening->fds, fds, count * sizeof *fds);
    listening->count = listening->stored = listening->settled = count;
    listening->is_wanted = true;
    append(sockets, listening);
    return true;
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
