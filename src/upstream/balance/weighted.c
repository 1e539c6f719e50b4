/* By weight. */
#include "upstream/balance/balance.h"

#define DRAWS 4 /* before it takes what there is */

static size_t pick(struct balancer *balancer, const struct balance_ask *ask)
{
    size_t place = 0;
    for (size_t i = 0; i < DRAWS; i++) {
        place = lottery_draw(&balancer->lottery);
        size_t index = balancer->usable[place];
        if (balance_may(balancer, ask, index) && !balance_passes_over(balancer, ask, index)) {
            return index;
        }
    }
    return balance_first(balancer, ask, place);
}

static void refresh(struct balancer *balancer)
{
    for (size_t i = 0; i < balancer->usable_count; i++) {
        balancer->weights[i] = balancer->targets[balancer->usable[i]].weight;
    }
    lottery_set(&balancer->lottery, balancer->weights, balancer->usable_count);
}

const struct balance_algorithm balance_weighted = { .pick = pick, .refresh = refresh };
