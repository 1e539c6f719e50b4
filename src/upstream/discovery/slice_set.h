/* The EndpointSlices of one service, as they are now, and what endpoints they make. Pure. One thread. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_SLICE_SET_H
#define SALLYPORT_UPSTREAM_DISCOVERY_SLICE_SET_H

#include "upstream/discovery/endpoint_slice.h"
#include "upstream/discovery/found.h"

struct kept_slice;

/* Zeroed: none. */
struct slice_set {
    struct kept_slice *first;
    size_t count;
    size_t endpoints; /* of all of them, used or not: at most SLICE_SET_ENDPOINTS_MAX */
};

#define SLICE_SET_ENDPOINTS_MAX (16 * 1024)

/* Keeps a copy in place of the one of that name. ERROR_LIMIT: more than SLICES_MAX, or too many endpoints. */
struct error slice_set_put(struct slice_set *set, const struct endpoint_slice *slice) MUST_CHECK;
void slice_set_drop(struct slice_set *set, struct slice name);
void slice_set_clear(struct slice_set *set);

/* The endpoints that are ready; where none is, those that still serve while they terminate. A pod that is in slices of both families is
 * one endpoint, by its IPv4 address. ERROR_VALUE: none has the port, or there are too many. In `memory`. */
struct error slice_set_merge(const struct slice_set *set, const struct found_frame *frame,
                             struct arena *memory, struct found_endpoints *ret_found) MUST_CHECK;

#endif
