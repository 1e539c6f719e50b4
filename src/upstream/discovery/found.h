/* What those who tell endpoints as JSON have in common: addresses and weights become found endpoints. Pure. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_FOUND_H
#define SALLYPORT_UPSTREAM_DISCOVERY_FOUND_H

#include "upstream/discovery/endpoint_set.h"

/* What every endpoint of a source has. */
struct found_frame {
    const char *scheme; /* of its URL */
    struct slice host;  /* that its certificate must show; lives as long as what is found */
};

/* No service has it: unspecified, multicast, broadcast, of one link alone, and where clouds tell machines their secrets. */
bool found_is_odd(const struct address *address);
/* Of an address and its port, in `memory`; url.ptr NULL: no room. Weight 1, no zone. */
struct found_endpoint found_at(const struct found_frame *frame, const struct address *address,
                               struct arena *memory);
/* Weights of any size become 1 to ENDPOINT_WEIGHT_MAX: scaled down where one is larger; 0 counts as 1. */
void found_scale_weights(struct found_endpoints *found);
/* In an order that says nothing, and none twice. */
void found_settle(struct found_endpoints *found);

#endif
