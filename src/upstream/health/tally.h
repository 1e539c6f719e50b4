/* Counts checks and says when a server changes sides. Pure; one owner.
 *
 * A new one is healthy, and its first check decides alone: whether it is well is not known yet, and one that is dead when the
 * gateway starts should not get requests for as long as `unhealthy_after` checks take. */
#ifndef SALLYPORT_UPSTREAM_HEALTH_TALLY_H
#define SALLYPORT_UPSTREAM_HEALTH_TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct health_tally { /* zeroed: new */
    bool unhealthy;
    bool decided;   /* by a first check */
    int64_t streak; /* checks in a row that contradict `unhealthy` */
};

/* True: it has changed sides. */
static inline bool health_tally_count(struct health_tally *tally, bool passed, int64_t unhealthy_after,
                                      int64_t healthy_after)
{
    bool first = !tally->decided;
    tally->decided = true;
    if (passed != tally->unhealthy) {
        tally->streak = 0;
        return false;
    }
    tally->streak++;
    if (!first && tally->streak < (passed ? healthy_after : unhealthy_after)) {
        return false;
    }
    tally->unhealthy = !tally->unhealthy;
    tally->streak = 0;
    return true;
}

#endif
