/* Which endpoints may be chosen at all, by health and tier. Pure. */
#ifndef SALLYPORT_UPSTREAM_BALANCE_USABLE_H
#define SALLYPORT_UPSTREAM_BALANCE_USABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct balance_target;

/* Per cent. */
struct usable_rules {
    int64_t panic_threshold; /* of the endpoints: with fewer healthy, all are used; 0: with none */
    int64_t zone_spill;      /* of a tier: with fewer healthy, those of the next one are used, too */
};

/* Sets `usable` by `healthy` and `tier`: those that are healthy, of as many tiers as it takes; or, in panic, all. Where
 * there is an endpoint, at least one is usable. */
void usable_select(struct balance_target *targets, size_t count, const struct usable_rules *rules);

#endif
