/* What was found last, for the process that relieves this one at an upgrade: where nobody tells endpoints just then, services go on. Loop's
 * thread. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_ESTATE_H
#define SALLYPORT_UPSTREAM_DISCOVERY_ESTATE_H

#include "upstream/discovery/discovery.h"

/* Of one upstream; slices are good during the call. */
struct discovery_estate {
    struct slice upstream;
    struct slice source; /* a fingerprint of where its endpoints come from, and how that is asked */
    struct slice text;   /* the endpoints */
};

/* Calls put() for each upstream in force of which endpoints are known. NULL is fine: there is none. */
void discovery_export(const struct discovery *discovery,
                      void (*put)(void *context, const struct discovery_estate *estate), void *context);
/* After discovery_open: an upstream of that name and source, of which nothing was found yet, has these, until it is told others. What
 * is malformed, and what is of none, is passed over. */
void discovery_inherit(struct discovery *discovery, const struct discovery_estate *estate);

#endif
