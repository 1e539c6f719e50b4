/* Where no connection to a service may lead, whoever says that the service is there. Somebody who may name endpoints, be it as one
 * instance of a service or as a name server that lies, would otherwise lead requests, and the clients that make them, to what trusts
 * this machine: the gateway's own listeners, by which its requests would come from inside, and the address by which clouds tell
 * machines their secrets. Any thread. */
#ifndef SALLYPORT_UPSTREAM_GUARD_H
#define SALLYPORT_UPSTREAM_GUARD_H

#include "net/address.h"

/* Who says where the endpoints of a service are. */
enum guard_source {
    GUARD_CONFIGURATION, /* by addresses and localhost, of which `check` proves where they lead, and by names, of which nobody can */
    GUARD_FILE, /* who may write the configuration, which may name any address; but `check` never saw these */
    GUARD_REGISTRY, /* who may register an instance, or answer for a name */
};

/* What addresses are judged by. Plain data, of the settings that it stands in. */
struct guard {
    enum guard_source source;
    const struct address *own; /* the gateway's listeners, with their ports */
    size_t own_count;
};

/* Why not, a static text; NULL: the endpoint may be there, at its port. Where a listener listens everywhere, at that port, the system
 * is asked whether the address is this machine's; nothing is sent. */
struct upstream_endpoint;
const char *guard_forbids(const struct guard *guard, const struct upstream_endpoint *endpoint,
                          const struct address *address);

#endif
