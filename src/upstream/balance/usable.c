#include "upstream/balance/usable.h"

#include "upstream/balance/balance.h"

#define TIERS_MAX 256

static bool is_less(size_t part, size_t whole, int64_t percent)
{
    return part == 0 || part * 100 < whole * (size_t)percent;
}

/* The first one that can take the requests; where none can, the last one. */
static size_t last_tier_of(const struct balance_target *targets, size_t count, int64_t zone_spill)
{
    uint16_t all[TIERS_MAX] = { 0 }, healthy[TIERS_MAX] = { 0 };
    size_t last = 0, tier = 0;
    for (size_t i = 0; i < count; i++) {
        all[targets[i].tier]++;
        healthy[targets[i].tier] += targets[i].healthy;
        last = targets[i].tier > last ? targets[i].tier : last;
    }
    while (tier < last && is_less(healthy[tier], all[tier], zone_spill)) {
        tier++;
    }
    return tier;
}

/* Where too few are healthy, it is more likely that the checks are wrong, or the way there, than that so many servers failed; and
 * those that are left would fail under the load of all. An answer is worth a try. */
void usable_select(struct balance_target *targets, size_t count, const struct usable_rules *rules)
{
    size_t healthy = 0, last_tier = last_tier_of(targets, count, rules->zone_spill);
    for (size_t i = 0; i < count; i++) {
        healthy += targets[i].healthy;
    }
    bool panics = is_less(healthy, count, rules->panic_threshold);
    for (size_t i = 0; i < count; i++) {
        targets[i].usable = panics || (targets[i].healthy && targets[i].tier <= last_tier);
    }
}
