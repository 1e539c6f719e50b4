/* A channel of c-ares on a loop, for one look-up: so that each asks the name servers that the system has then. One thread. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_DNS_CHANNEL_H
#define SALLYPORT_UPSTREAM_DISCOVERY_DNS_CHANNEL_H

#include "net/address.h"
#include "net/loop.h"

#include <ares.h>

struct dns_channel;

/* on_turn(context) comes after answers were dealt with; only there, or elsewhere, but in no callback of c-ares, the channel may be
 * freed. `servers`: none: those of the system. NULL: no memory, or no name server is known. */
struct dns_channel *dns_channel_new(struct net_loop *loop, const struct address *servers, size_t count,
                                    void (*on_turn)(void *context), void *context);
/* Questions under way end with ARES_EDESTRUCTION. */
void dns_channel_free(struct dns_channel *channel);
ares_channel dns_channel_ares(const struct dns_channel *channel);
/* Questions were put: on_turn follows, if only when they have taken too long. */
void dns_channel_begin(struct dns_channel *channel);

#endif
