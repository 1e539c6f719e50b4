/* The better one of two that chance brings (power of two choices, Mitzenmacher): by how long it takes to answer, and how many
 * requests it has. As good as looking at all of them, but for the looking, and many gateways do not run after the same one. */
#include "base/clock.h"
#include "upstream/balance/balance.h"

#define UNKNOWN (100 * NS_PER_MS) /* what one that has not answered yet is taken to need, once it is asked */
#define FAILED  (100 * NS_PER_MS) /* what fails is no faster than this, however fast it does */
#define DRAWS   4                 /* before it takes what there is */

static uint64_t cost_of(const struct balance_target *target, int64_t now)
{
    uint64_t latency = latency_at(&target->latency, now);
    return (latency == 0 && target->active > 0 ? (uint64_t)UNKNOWN : latency) * (target->active + 1);
}

/* Two different ones, where there are two; the better one first. */
static void draw(struct balancer *balancer, const struct balance_ask *ask, size_t pair[2])
{
    size_t count = balancer->usable_count;
    uint64_t random = balance_random(balancer);
    size_t first = balance_below((uint32_t)random, count), second = first;
    if (count > 1) {
        second = balance_below((uint32_t)(random >> 32), count - 1);
        second += second >= first ? 1 : 0;
    }
    pair[0] = balancer->usable[first];
    pair[1] = balancer->usable[second];
    if (cost_of(&balancer->targets[pair[1]], ask->now) < cost_of(&balancer->targets[pair[0]], ask->now)) {
        size_t better = pair[1];
        pair[1] = pair[0];
        pair[0] = better;
    }
}

static size_t pick(struct balancer *balancer, const struct balance_ask *ask)
{
    size_t pair[2];
    for (size_t i = 0; i < DRAWS; i++) {
        draw(balancer, ask, pair);
        for (size_t k = 0; k < 2; k++) {
            if (balance_may(balancer, ask, pair[k]) && !balance_passes_over(balancer, ask, pair[k])) {
                return pair[k];
            }
        }
    }
    return balance_first(balancer, ask,
                         balance_below((uint32_t)balance_random(balancer), balancer->usable_count));
}

static void done(struct balance_target *target, int64_t took, bool well, int64_t now)
{
    latency_note(&target->latency, well || took > FAILED ? took : FAILED, now);
}

const struct balance_algorithm balance_p2c = { .pick = pick, .done = done };
