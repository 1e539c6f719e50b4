/* One after the other. */
#include "upstream/balance/balance.h"

size_t balance_turn(struct balancer *balancer, const struct balance_ask *ask)
{
    for (size_t i = 0; i < balancer->usable_count; i++) {
        size_t place = balancer->next;
        balancer->next = place + 1 < balancer->usable_count ? place + 1 : 0;
        if (balance_may(balancer, ask, balancer->usable[place])) {
            return balancer->usable[place];
        }
    }
    return BALANCE_NONE;
}

const struct balance_algorithm balance_round_robin = { .pick = balance_turn };
