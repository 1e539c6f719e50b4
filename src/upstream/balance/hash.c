/* What has the same key goes to the same endpoint. One that may not be chosen is passed over by a further look into the table,
 * under another number made of the key: so what belongs to it is spread over all the others, and comes back with it, while
 * nothing else moves. */
#include "upstream/balance/balance.h"

#define LOOKS 8 /* before it takes what there is */

/* Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam): none has more than its share, and so much over. */
static bool is_full(const struct balancer *balancer, size_t index)
{
    return balancer->max_load > 0 &&
           (uint64_t)balancer->targets[index].active * balancer->usable_count * 100 >=
               (uint64_t)balancer->max_load * (balancer->active + 1);
}

/* By the key, not by chance: each key moves to an endpoint that joins or comes back once, when its time has come. */
static bool holds_back(const struct balancer *balancer, const struct balance_ask *ask, size_t index)
{
    return ask->now < balancer->ramps_end &&
           balance_is_held(balancer, ask, index, (uint32_t)balance_mix(ask->key ^ UINT64_C(0x736c6f77)));
}

static size_t pick_from(const struct balancer *balancer, const struct balance_ask *ask, size_t start)
{
    for (size_t i = 0; i < balancer->usable_count; i++) {
        size_t index = balancer->usable[(start + i) % balancer->usable_count];
        if (!is_full(balancer, index) && balance_may(balancer, ask, index)) {
            return index;
        }
    }
    return balance_first(balancer, ask, start);
}

static size_t pick(struct balancer *balancer, const struct balance_ask *ask)
{
    if (!ask->keyed) {
        return balance_turn(balancer, ask);
    }
    uint64_t at = ask->key;
    for (size_t i = 0; i < LOOKS; i++) {
        size_t index = maglev_owner(balancer->maglev, at);
        if (balancer->targets[index].usable && !is_full(balancer, index) &&
            !holds_back(balancer, ask, index) && balance_may(balancer, ask, index)) {
            return index;
        }
        at = balance_mix(at + UINT64_C(0x9E3779B97F4A7C15));
    }
    return pick_from(balancer, ask, balance_below((uint32_t)at, balancer->usable_count));
}

const struct balance_algorithm balance_hash = { .pick = pick };
