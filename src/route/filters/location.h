/* Where a Location leads (RFC 9110 section 10.2.2). Private to route/filters. */
#ifndef SALLYPORT_ROUTE_FILTERS_LOCATION_H
#define SALLYPORT_ROUTE_FILTERS_LOCATION_H

#include "route/filters/internal.h"

enum location_place {
    LOCATION_ELSEWHERE, /* another service, or nothing that is understood: to be left as it is */
    LOCATION_PATH,      /* "/path": what the client asked for already */
    LOCATION_ASKED,     /* the host that the client asked for, by name */
    LOCATION_INTERNAL,  /* an address that only the gateway should know */
};

/* *ret_rest: of the last three, the path and what follows; it begins with "/". */
enum location_place location_find(struct slice value, const struct filter_origin *origin, struct arena *arena,
                                  struct slice *ret_rest);

/* A reference to a path of the same origin, whatever the path is: "//host" is one to a host. ptr NULL: no memory. */
struct slice location_reference(struct slice rest, struct arena *arena);

#endif
