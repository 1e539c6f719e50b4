#include "supervisor/sockets.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKLOG 4096

/* ---- binding ---- */

static int open_socket(const struct address *address, bool reuse, bool listening)
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
    bool opened = (!reuse || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
                  bind(fd, (struct sockaddr *)&storage, size) == 0 &&
                  (!listening || listen(fd, BACKLOG) == 0);
    if (!opened) {
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
    int fd = open_socket(address, false, true);
    if (fd < 0) {
        return false;
    }
    close(fd);
    return true;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    struct address address = { .port = 0 };
    if (getsockname(fd, (struct sockaddr *)&storage, &size) == 0) {
        (void)address_from_sockaddr((struct sockaddr *)&storage, &address);
    }
    return address.port;
}

static void free_listening(struct listening *listening)
{
    for (size_t i = 0; i < listening->count; i++) {
        close(listening->fds[i]);
    }
    free(listening->name);
    free(listening);
}

static bool bind_all(struct listening *listening, size_t workers)
{
    if (listening->wanted_port != 0 && !probe(&listening->address)) {
        return false;
    }
    for (size_t i = 0; i < workers; i++) {
        int fd = open_socket(&listening->address, true, true);
        if (fd < 0) {
            return false;
        }
        listening->fds[listening->count++] = fd;
        listening->address.port = port_of(fd);
    }
    return true;
}

static void explain(const struct listener_settings *settings, int number, char *text, size_t size)
{
    char address[ADDRESS_TEXT_MAX];
    address_format(&settings->parsed_address, address);
    const char *why = strerror(number);
    if (number == EADDRINUSE) {
        why = "the address is in use by another process";
    } else if (number == EACCES) {
        why = "binding a port under 1024 needs root or CAP_NET_BIND_SERVICE";
    } else if (number == EADDRNOTAVAIL) {
        why = "this machine has no such address";
    }
    snprintf(text, size, "listener %.*s: %s port %lld: %s", SLICE_ARG(settings->name), address,
             (long long)settings->port, why);
}

static struct listening *bind_listener(const struct listener_settings *settings, size_t workers)
{
    struct listening *listening = calloc(1, sizeof *listening);
    char *name = listening != NULL ? strndup(settings->name.ptr, settings->name.len) : NULL;
    if (name == NULL) {
        free(listening);
        errno = ENOMEM;
        return NULL;
    }
    listening->name = name;
    listening->address = settings->parsed_address;
    listening->address.port = listening->wanted_port = (uint16_t)settings->port;
    listening->wanted = listening->fresh = true;
    if (!bind_all(listening, workers)) {
        int saved = errno;
        free_listening(listening);
        errno = saved;
        return NULL;
    }
    return listening;
}

/* ---- what is bound and what is wanted ---- */

static struct listening *find(const struct sockets *sockets, const struct listener_settings *settings)
{
    for (struct listening *listening = sockets->first; listening != NULL; listening = listening->next) {
        if (slice_equal(slice_from_string(listening->name), settings->name) &&
            listening->wanted_port == settings->port &&
            memcmp(listening->address.bytes, settings->parsed_address.bytes,
                   sizeof listening->address.bytes) == 0) {
            return listening;
        }
    }
    return NULL;
}

struct error sockets_open(struct sockets *sockets, const struct settings *settings, char *text, size_t size)
{
    for (struct listening *listening = sockets->first; listening != NULL; listening = listening->next) {
        listening->wanted = listening->fresh = false;
    }
    for (size_t i = 0; i < settings->listener_count; i++) {
        struct listening *listening = find(sockets, &settings->listeners[i]);
        if (listening != NULL) {
            listening->wanted = true;
            continue;
        }
        listening = bind_listener(&settings->listeners[i], sockets->workers);
        if (listening == NULL) {
            explain(&settings->listeners[i], errno, text, size);
            sockets_settle(sockets, false);
            return FAIL(ERROR_SYSTEM, "a listener could not be bound");
        }
        listening->next = sockets->first;
        sockets->first = listening;
    }
    return OK;
}

void sockets_settle(struct sockets *sockets, bool taken_up)
{
    for (struct listening **at = &sockets->first; *at != NULL;) {
        struct listening *listening = *at;
        bool keep = taken_up ? listening->wanted : !listening->fresh;
        if (keep) {
            listening->fresh = false;
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
}
