/* Which requests belong together, for upstreams that send those to the same endpoint. No more than a preference: nothing is
 * decided by it, and no client can reach by it what it could not reach anyway. */
#ifndef SALLYPORT_PIPELINE_AFFINITY_H
#define SALLYPORT_PIPELINE_AFFINITY_H

#include "pipeline/exchange.h"

/* The key of the exchange's ticket, where its upstream balances by one and the request has it. Allocates nothing. */
void affinity_set(struct exchange *exchange);

#endif
