/* The one with the fewest requests under way: exact, so it looks at all of them, in one compact list. Equals take turns. */
#include "upstream/balance/balance.h"

static size_t pick(struct balancer *balancer, const struct balance_ask *ask)
{
    size_t best = BALANCE_NONE, place = 0;
    for (size_t i = 0, at = balancer->next; i < balancer->usable_count; i++) {
        size_t index = balancer->usable[at];
        if ((best == BALANCE_NONE || balancer->targets[index].active < balancer->targets[best].active) &&
            balance_may(balancer, ask, index) && !balance_passes_over(balancer, ask, index)) {
            best = index;
            place = at;
            if (balancer->targets[best].active == 0) {
                break; /* there is no emptier one */
            }
        }
        at = at + 1 < balancer->usable_count ? at + 1 : 0;
    }
    if (best == BALANCE_NONE) {
        return balance_first(balancer, ask, balancer->next);
    }
    balancer->next = place + 1 < balancer->usable_count ? place + 1 : 0;
    return best;
}

const struct balance_algorithm balance_least_requests = { .pick = pick };
