/* Where no service can be, whoever tells so. Somebody who may name endpoints, be it as one instance of a service or as a name server that
 * lies, would otherwise lead requests, and the clients that make them, to what trusts this machine: the gateway's own listeners, by
 * which its requests would come from inside, and the address by which clouds tell machines their secrets. Any thread. */
#ifndef SALLYPORT_UPSTREAM_GUARD_H
#define SALLYPORT_UPSTREAM_GUARD_H

#include "upstream/discovery/settings.h"

/* Why not, a static text; NULL: an endpoint may be there. A file is written by who may write the configuration, which may name any
 * address: there only the gateway's own are refused. `address` has its port. Where a listener listens everywhere, at its port, the
 * system is asked whether the address is this machine's; nothing is sent. */
const char *discovery_forbids(const struct discovery_settings *discover, const struct address *address);

#endif
