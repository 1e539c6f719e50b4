/* Which endpoints may be chosen at all, by health and zone. Pure. */
#ifndef SALLYPORT_UPSTREAM_BALANCE_USABLE_H
#define SALLYPORT_UPSTREAM_BALANCE_USABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct balance_target;

struct usable_rules {
    int64_t
        panic_threshold; /* percent of the endpoints: where fewer are healthy, all are used; 0: where none is */
    int64_t zone_spill; /* percent of the local ones: where fewer are healthy, those of all zones are used */
};

enum usable_scope {
    USABLE_HEALTHY, /* those that are healthy */
    USABLE_LOCAL,   /* of them, those of the gateway's zone; there are others */
    USABLE_ALL,     /* panic: healthy or not */
};

/* Sets `usable` by `healthy` and `local`. Where there is an endpoint, at least one is usable. */
enum usable_scope usable_select(struct balance_target *targets, size_t count,
                                const struct usable_rules *rules);

#endif
