/* DNS names as text, as configuration, certificates and registries have them. Pure; any thread. */
#ifndef SALLYPORT_NET_NAME_H
#define SALLYPORT_NET_NAME_H

#include "base/slice.h"

#define DNS_NAME_MAX 253 /* RFC 1035 section 2.3.4, as text */

/* One label or more, each of 1 to 63 letters, digits, "-" and "_", DNS_NAME_MAX in all; without a dot at the end. */
bool name_has_labels(struct slice name);

/* A host's name: such labels, none with "-" at either end; and none that a resolver would take for a number: "127.1" and
 * "0x7f000001" are addresses to some. */
bool name_is_host(struct slice name);

/* A service's in a registry: such labels, none with "-" at its beginning. Unlike a host's they may be numbers, and end with "-". */
bool name_is_service(struct slice name);

/* This machine to everybody, whatever stands before it (RFC 6761 section 6.3): "localhost", "a.localhost". */
bool name_is_localhost(struct slice name);

#endif
