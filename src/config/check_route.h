/* One route under check: what the parts of check_routes share. Private to src/config. */
#ifndef SALLYPORT_CONFIG_CHECK_ROUTE_H
#define SALLYPORT_CONFIG_CHECK_ROUTE_H

#include "config/internal.h"

struct check {
    struct loader *loader;
    struct route_settings *route;
    struct route_policy *policy;
    const struct route_source *source;
    const struct conf_node *node; /* of the route */
};

#define tell_route(check, ...) \
    diagnostics_node((check)->loader->diagnostics, DIAGNOSTIC_ERROR, (check)->node, __VA_ARGS__)

/* Did any layer say it, right or wrong? */
static inline bool is_written(const struct check *check, struct slice key)
{
    return conf_node_get(check->source->merged, key) != NULL;
}

/* All tell what is wrong, and fail for want of memory only. They ask for the route's listeners, which are known by then. */

/* check_route_access.c: who may, how often, from which pages, and what its upstream is told of them. */
struct error check_route_access(const struct check *check) MUST_CHECK;
/* check_route_forwarding.c: where its requests go, and what becomes of them and their answers on the way. */
void check_route_upstream(const struct check *check);
void check_route_forwarding(const struct check *check);

#endif
