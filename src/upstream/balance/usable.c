#include "upstream/balance/usable.h"

#include "upstream/balance/balance.h"

static bool is_less(size_t part, size_t whole, int64_t percent)
{
    return part == 0 || part * 100 < whole * (size_t)percent;
}

/* Where too few are healthy, it is more likely that the checks are wrong, or the way there, than that so many servers failed; and
 * those that are left would fail under the load of all. An answer is worth a try. */
void usable_select(struct balance_target *targets, size_t count, const struct usable_rules *rules)
{
    size_t healthy = 0, local = 0, local_healthy = 0;
    for (size_t i = 0; i < count; i++) {
        healthy += targets[i].healthy;
        local += targets[i].local;
        local_healthy += targets[i].local && targets[i].healthy;
    }
    bool panics = is_less(healthy, count, rules->panic_threshold);
    bool stays = local < count && !is_less(local_healthy, local, rules->zone_spill);
    for (size_t i = 0; i < count; i++) {
        targets[i].usable = panics || (targets[i].healthy && (!stays || targets[i].local));
    }
}
