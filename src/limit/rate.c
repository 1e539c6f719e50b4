/* `rate: N/W, burst: B`: GCRA in its virtual-scheduling form. The word is the theoretical arrival time: when the allowance
 * will be full again. Each request moves it on by one interval; it may lie at most `full` ahead of now. */
#include "limit/state.h"

struct rate_view {
    int64_t used; /* ns of the allowance that is used up */
    uint64_t before;
};

static void look(const struct rule *rule, const struct entry *entry, int64_t now, struct rate_view *view)
{
    uint64_t word = entry != NULL ? atomic_load_explicit(&entry->full_at, memory_order_acquire) : 0;
    view->before = word;
    if (word <= (uint64_t)now) {
        view->used = 0;
    } else {
        uint64_t ahead = word - (uint64_t)now;
        /* Farther ahead than the rule can reach: an older clock, or a stray word. It is as spent as can be. */
        view->used = ahead > (uint64_t)rule->full ? rule->full : (int64_t)ahead;
    }
}

static bool tell(const struct rule *rule, int64_t used, struct state *out)
{
    if (rule->interval > rule->full - used) {
        *out = (struct state){ .retry_after = used + rule->interval - rule->full, .reset = used };
        return false;
    }
    *out = (struct state){ .remaining = (uint64_t)((rule->full - used) / rule->interval), .reset = used };
    return true;
}

bool rate_check(const struct rule *rule, const struct place *place, int64_t now, struct state *out)
{
    struct rate_view view;
    look(rule, place->entry, now, &view);
    return tell(rule, view.used, out);
}

enum charge_result rate_charge(const struct rule *rule, const struct place *place, int64_t now,
                               struct state *out, struct charge *ret_charge)
{
    _Atomic uint64_t *word = &place->entry->full_at;
    struct rate_view view;
    uint64_t after;
    uint64_t expected;
    do {
        look(rule, place->entry, now, &view);
        if (!place_is_ours(place)) {
            return LOST;
        }
        if (!tell(rule, view.used, out)) {
            return REFUSED;
        }
        after = (uint64_t)(now + view.used + rule->interval);
        expected = view.before;
    } while (!atomic_compare_exchange_weak(word, &expected, after));
    *ret_charge = (struct charge){ word, view.before, after };
    if (!place_is_ours(place)) {
        return LOST;
    }
    out->remaining--;
    out->reset = view.used + rule->interval;
    return CHARGED;
}

void rate_refund(const struct rule *rule, const struct place *place, const struct charge *charge)
{
    uint64_t word;
    uint64_t without;
    do {
        word = atomic_load(charge->word);
        if (word < (uint64_t)rule->interval || !place_is_ours(place)) {
            return;
        }
        without = word == charge->after ? charge->before : word - (uint64_t)rule->interval;
    } while (!atomic_compare_exchange_weak(charge->word, &word, without));
}
