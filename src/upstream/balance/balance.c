#include "upstream/balance/balance.h"

#include "base/hash.h"
#include "base/random.h"

#include <stdlib.h>

static const struct balance_algorithm *const algorithms[BALANCE_KINDS] = {
    [BALANCE_ROUND_ROBIN] = &balance_round_robin,
    [BALANCE_WEIGHTED] = &balance_weighted,
    [BALANCE_LEAST_REQUESTS] = &balance_least_requests,
    [BALANCE_P2C] = &balance_p2c,
    [BALANCE_HASH] = &balance_hash,
};

uint64_t balance_key(struct slice text)
{
    static const struct hash_key key = { { 3, 0x6b6579 } };
    return hash_keyed(&key, text.ptr, text.len);
}

struct error balancer_init(struct balancer *balancer, enum upstream_balance balance,
                           const struct maglev *maglev, size_t count)
{
    *balancer = (struct balancer){ .algorithm = algorithms[balance], .maglev = maglev, .count = count };
    random_bytes(&balancer->random, sizeof balancer->random);
    balancer->targets = calloc(count, sizeof *balancer->targets);
    balancer->usable = calloc(count, sizeof *balancer->usable);
    balancer->weights = calloc(count, sizeof *balancer->weights);
    if (balancer->targets == NULL || balancer->usable == NULL || balancer->weights == NULL ||
        (balance == BALANCE_WEIGHTED && !lottery_init(&balancer->lottery, count, balancer->random))) {
        balancer_done(balancer);
        return FAIL(ERROR_MEMORY, "upstream balance");
    }
    for (size_t i = 0; i < count; i++) {
        balancer->targets[i].weight = 1;
        balancer->targets[i].healthy = true;
    }
    balancer_refresh(balancer);
    return OK;
}

void balancer_done(struct balancer *balancer)
{
    free(balancer->targets);
    free(balancer->usable);
    free(balancer->weights);
    lottery_done(&balancer->lottery);
    *balancer = (struct balancer){ 0 };
}

static void find_ramps(struct balancer *balancer)
{
    balancer->ramps_end = 0;
    for (size_t i = 0; balancer->slow_start > 0 && i < balancer->usable_count; i++) {
        const struct balance_target *target = &balancer->targets[balancer->usable[i]];
        int64_t end = target->since != 0 ? target->since + balancer->slow_start : 0;
        balancer->ramps_end = end > balancer->ramps_end ? end : balancer->ramps_end;
    }
}

void balancer_refresh(struct balancer *balancer)
{
    usable_select(balancer->targets, balancer->count, &balancer->rules);
    balancer->usable_count = 0;
    for (size_t i = 0; i < balancer->count; i++) {
        if (balancer->targets[i].usable) {
            balancer->usable[balancer->usable_count++] = (uint16_t)i;
        }
    }
    find_ramps(balancer);
    balancer->next = balancer->next < balancer->usable_count ? balancer->next : 0;
    if (balancer->algorithm->refresh != NULL) {
        balancer->algorithm->refresh(balancer);
    }
}

/* Its share grows evenly with time, from a tenth on: with less it would not be warm in the end. */
bool balance_is_held(const struct balancer *balancer, const struct balance_ask *ask, size_t index,
                     uint32_t chance)
{
    const uint64_t least = UINT32_MAX / 10;
    const struct balance_target *target = &balancer->targets[index];
    int64_t age = ask->now - target->since;
    if (target->since == 0 || age >= balancer->slow_start) {
        return false;
    }
    uint64_t share =
        age > 0 ? (uint64_t)(((unsigned __int128)age << 32) / (uint64_t)balancer->slow_start) : 0;
    return chance >= (share > least ? share : least);
}

bool balance_may(const struct balancer *balancer, const struct balance_ask *ask, size_t index)
{
    (void)balancer;
    for (size_t i = 0; i < ask->tried_count; i++) {
        if (ask->tried[i] == index) {
            return false;
        }
    }
    return ask->has_room(ask->context, index);
}

size_t balance_first(const struct balancer *balancer, const struct balance_ask *ask, size_t start)
{
    for (size_t i = 0; i < balancer->usable_count; i++) {
        size_t index = balancer->usable[(start + i) % balancer->usable_count];
        if (balance_may(balancer, ask, index)) {
            return index;
        }
    }
    return BALANCE_NONE;
}

/* Any of the best tier that there is: of several, each is as likely to stay. */
size_t balancer_pick_beyond(struct balancer *balancer, const struct balance_ask *ask)
{
    size_t best = BALANCE_NONE, equals = 0;
    for (size_t i = 0; i < balancer->count; i++) {
        const struct balance_target *target = &balancer->targets[i];
        bool worse = best != BALANCE_NONE && target->tier > balancer->targets[best].tier;
        if (worse || target->usable || !target->healthy || !balance_may(balancer, ask, i)) {
            continue;
        }
        equals = best != BALANCE_NONE && target->tier == balancer->targets[best].tier ? equals + 1 : 1;
        best = balance_below((uint32_t)balance_random(balancer), equals) == 0 ? i : best;
    }
    return best;
}
