#include "upstream/guard.h"

#include "upstream/discovery/found.h"

#include <unistd.h>

/* To reach an address of its own, a machine starts from that very address. UDP sends nothing to know the way. */
static bool is_of_this_machine(const struct address *address)
{
    struct sockaddr_storage to, from = { 0 };
    struct address own;
    socklen_t size = address_to_sockaddr(address, &to), from_size = sizeof from;
    int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    bool same = connect(fd, (struct sockaddr *)&to, size) == 0 &&
                getsockname(fd, (struct sockaddr *)&from, &from_size) == 0 &&
                address_from_sockaddr((struct sockaddr *)&from, &own) && address_is_same(&own, address);
    close(fd);
    return same;
}

static bool is_listener(const struct address *listener, const struct address *address)
{
    return listener->port == address->port && listener->port != 0 &&
           (address_is_unspecified(listener) ? address_is_loopback(address) || is_of_this_machine(address)
                                             : address_is_same(listener, address));
}

const char *discovery_forbids(const struct discovery_settings *discover, const struct address *address)
{
    if (discover->kind != DISCOVERY_FILE && found_is_odd(address)) {
        return "no service is at such an address";
    }
    for (size_t i = 0; i < discover->own_count; i++) {
        if (is_listener(&discover->own[i], address)) {
            return "it is a listener of the gateway itself";
        }
    }
    return NULL;
}
