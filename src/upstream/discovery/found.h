/* What those who tell endpoints have in common: addresses and weights become found endpoints. Pure. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_FOUND_H
#define SALLYPORT_UPSTREAM_DISCOVERY_FOUND_H

#include "upstream/discovery/endpoint_set.h"

/* What every endpoint of a source has. */
struct found_frame {
    const char *scheme; /* of its URL */
    struct slice host;  /* that its certificate must show; lives as long as what is found */
};

/* No service has it: of "this network" (RFC 6890), unspecified, multicast, broadcast, of one link alone, and where clouds tell
 * machines their secrets. */
bool found_is_odd(const struct address *address);
/* Of an address and its port, in `memory`; url.ptr NULL: no room. Weight 1, no zone. */
struct found_endpoint found_at(const struct found_frame *frame, const struct address *address,
                               struct arena *memory);
/* A weight, where the largest is `most`: up to ENDPOINT_WEIGHT_MAX as it is, else scaled down; 0 counts as 1. */
uint32_t found_weight(uint32_t weight, uint32_t most);
/* The same of all of them. */
void found_scale_weights(struct found_endpoints *found);
/* In an order that says nothing, and none twice: the one of the better tier stays, then the heavier. */
void found_settle(struct found_endpoints *found);

#endif
