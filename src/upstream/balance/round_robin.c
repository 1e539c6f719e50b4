/* One after the other. */
#include "upstream/balance/balance.h"

size_t balance_turn(struct balancer *balancer, const struct balance_ask *ask)
{
    size_t held = BALANCE_NONE;
    for (size_t i = 0; i < balancer->usable_count; i++) {
        size_t index = balancer->usable[balancer->next];
        balancer->next = balancer->next + 1 < balancer->usable_count ? balancer->next + 1 : 0;
        if (!balance_may(balancer, ask, index)) {
            continue;
        }
        if (!balance_passes_over(balancer, ask, index)) {
            return index;
        }
        held = held == BALANCE_NONE ? index : held;
    }
    return held;
}

const struct balance_algorithm balance_round_robin = { .pick = balance_turn };
