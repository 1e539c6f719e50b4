/* What was discovered, and what it makes of an upstream: settings with endpoints of their own. A set is immutable once it was
 * published; the control thread makes it, workers share it. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_ENDPOINT_SET_H
#define SALLYPORT_UPSTREAM_DISCOVERY_ENDPOINT_SET_H

#include "base/arena.h"
#include "base/error.h"
#include "upstream/settings.h"

#include <stdatomic.h>

/* One endpoint, as it was found. */
struct found_endpoint {
    struct slice url;  /* as in `endpoints` */
    struct slice host; /* that its certificate must show; empty: that of the URL */
    struct slice zone; /* empty: none */
    uint32_t weight;   /* 1 to 1000 */
    bool tiered;       /* `tier` counts in place of the zone */
    uint8_t tier;      /* the others serve where too few of tier 0 are healthy, one after the other */
};

struct found_endpoints {
    struct found_endpoint *items;
    size_t count;
};

struct endpoint_set {
    struct upstream_settings
        settings;      /* the upstream's but for its endpoints. Good as long as its snapshot */
    size_t upstream;   /* its index in the snapshot */
    uint64_t snapshot; /* generation */
    struct arena arena;
    atomic_size_t references;
};

/* Gives an upstream the endpoints that were found. `zone`: the gateway's. Everything is copied to `arena`. On failure nothing has
 * changed; where an endpoint is not acceptable (ERROR_VALUE), *ret_at is its index. */
struct error upstream_set_endpoints(struct upstream_settings *upstream, const struct found_endpoints *found,
                                    struct slice zone, struct arena *arena, size_t *ret_at) MUST_CHECK;

/* Of one reference. `upstream`: that of the snapshot. */
struct error endpoint_set_new(const struct upstream_settings *upstream, const struct found_endpoints *found,
                              struct slice zone, struct endpoint_set **ret_set) MUST_CHECK;
struct endpoint_set *endpoint_set_ref(struct endpoint_set *set);
/* NULL is fine. */
void endpoint_set_unref(struct endpoint_set *set);

#endif
