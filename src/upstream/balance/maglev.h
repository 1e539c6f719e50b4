/* From keys to endpoints by a table (Maglev, Eisenbud and others, NSDI 2016, section 3.4): each endpoint has about the same
 * number of places, and where one of N comes or goes about one place in N changes its owner. The table depends on names alone,
 * not on their order: every gateway that knows the same endpoints has the same one. Immutable once made: one for all workers. */
#ifndef SALLYPORT_UPSTREAM_BALANCE_MAGLEV_H
#define SALLYPORT_UPSTREAM_BALANCE_MAGLEV_H

#include "base/arena.h"
#include "base/slice.h"

#define MAGLEV_SIZE 65537 /* places, a prime: always the same, for another size would move every key */

struct maglev {
    uint16_t owners[MAGLEV_SIZE]; /* numbers, by place */
};

/* Takes about a millisecond. NULL: no memory. `count` is 1 to 65535; `names` are not kept. */
const struct maglev *maglev_new(struct arena *arena, const struct slice *names, size_t count);

static inline size_t maglev_owner(const struct maglev *maglev, uint64_t key)
{
    return maglev->owners[(size_t)(((unsigned __int128)key * MAGLEV_SIZE) >> 64)];
}

#endif
