/* Which requests belong together, for upstreams that send those to the same endpoint. No more than a preference: nothing is
 * decided by it, and no client can reach by it what it could not reach anyway. */
#ifndef SALLYPORT_PIPELINE_AFFINITY_H
#define SALLYPORT_PIPELINE_AFFINITY_H

#include "pipeline/exchange.h"

/* The key by which requests belong together, as a source says. False: this request has none. */
bool affinity_key(const struct exchange *exchange, const struct balance_source *source, uint64_t *ret_key);

/* The key of the exchange's ticket, where its upstream balances by one and the request has it. Allocates nothing. */
void affinity_set(struct exchange *exchange);

/* Which upstream serves it: that of the route, or one of its `split`. False: that depends on who the caller is proven to be. */
bool affinity_choose_early(struct exchange *exchange);
/* The same once that is known. */
void affinity_choose_late(struct exchange *exchange);

#endif
