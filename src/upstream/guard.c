#include "upstream/guard.h"

#include "net/name.h"
#include "upstream/discovery/found.h"
#include "upstream/settings.h"

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

/* A connection to "any address" goes to loopback. */
static bool is_listener(const struct address *listener, const struct address *address)
{
    if (address_is_unspecified(address)) {
        return address_is_unspecified(listener) || address_is_loopback(listener);
    }
    return address_is_unspecified(listener) ? address_is_loopback(address) || is_of_this_machine(address)
                                            : address_is_same(listener, address);
}

static bool is_own(const struct guard *guard, const struct address *address)
{
    for (size_t i = 0; i < guard->own_count; i++) {
        const struct address *listener = &guard->own[i];
        if (listener->port == address->port && listener->port != 0 && is_listener(listener, address)) {
            return true;
        }
    }
    return false;
}

/* What is written so leads where it says, and `check` has seen it. */
static bool is_proven(const struct guard *guard, const struct upstream_endpoint *endpoint)
{
    return guard->source == GUARD_CONFIGURATION &&
           (endpoint->is_address || name_is_localhost(endpoint->name));
}

const char *guard_forbids(const struct guard *guard, const struct upstream_endpoint *endpoint,
                          const struct address *address)
{
    struct address at = *address;
    at.port = endpoint->port;
    if (is_proven(guard, endpoint)) {
        return NULL;
    }
    if (guard->source == GUARD_REGISTRY && found_is_odd(&at)) {
        return "no service is at such an address";
    }
    return is_own(guard, &at) ? "it is a listener of the gateway itself" : NULL;
}
