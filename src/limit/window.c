/* `limit: N/W`. The N of a window are dealt out to SLOTS slots, a share each. A slot takes requests until its share is used
 * up, and remembers when the last one came; it starts afresh only W after that. So no slot admits more than its share within
 * any W, and all together never more than N; one compare-and-swap on one word is the whole decision, whoever else decides
 * meanwhile. Up to SLOTS, a share is one request, and the slots are exact times. */
#include "base/clock.h"
#include "limit/state.h"

/* A time ahead of ours by less (19 h, in µs) is another thread's newer clock; by more, it is no time at all. */
#define FUTURE_MAX (UINT64_C(1) << 36)

struct view {
    uint64_t words[SLOTS]; /* as they were read */
    unsigned int live;     /* a bit for each slot whose time still counts */
    uint64_t used;
    int slot; /* that can take one more, or -1 */
    uint64_t before, after;
};

static uint64_t slot_word(uint64_t time, uint64_t count)
{
    return (time & SLOT_TIME_MASK) << SLOT_COUNT_BITS | count;
}

/* Times are rounded up when written and down when compared, so that rounding never shortens a window. */
static uint64_t now_rounded_up(int64_t now)
{
    return ((uint64_t)now + 999) / 1000;
}

/* One more in a live slot; its time never goes back. */
static uint64_t slot_add(uint64_t word, int64_t now)
{
    uint64_t last = word >> SLOT_COUNT_BITS;
    uint64_t ahead = (last - (uint64_t)now / 1000) & SLOT_TIME_MASK;
    uint64_t time = ahead <= FUTURE_MAX && ahead > 0 ? last : now_rounded_up(now);
    return slot_word(time, (word & SLOT_COUNT_MAX) + 1);
}

/* The slots that start afresh: their time is over, or nothing is in them. */
static unsigned int find_fresh(const struct view *view, unsigned int all)
{
    unsigned int fresh = all & ~view->live;
    for (unsigned int i = 0; fresh == 0 && i < SLOTS; i++) {
        fresh = (view->words[i] & SLOT_COUNT_MAX) == 0 ? all & 1U << i : 0;
    }
    return fresh;
}

/* A slot that is begun goes first: then at most one holds requests that are older than the window. */
static void choose_slot(struct view *view, unsigned int begun, unsigned int all, int64_t now)
{
    unsigned int takes = begun != 0 ? begun : find_fresh(view, all);
    if (takes == 0) {
        view->slot = -1;
        return;
    }
    view->slot = __builtin_ctz(takes);
    view->before = view->words[view->slot];
    view->after = begun != 0 ? slot_add(view->before, now) : slot_word(now_rounded_up(now), 1);
}

/* Goes through the slots without branches, since which of them are live is anybody's guess; and without ages, which few ask
 * for. Times are compared where they stand, above the counts: there they wrap around by themselves. They are counted from
 * FUTURE_MAX ahead of now, so that one comparison tells what is live. */
static void look(const struct rule *rule, const struct cell *cell, int64_t now, struct view *view)
{
    const uint64_t ahead = ((uint64_t)now / 1000 + FUTURE_MAX) << SLOT_COUNT_BITS;
    const uint64_t dead_age = (rule->window_us + FUTURE_MAX) << SLOT_COUNT_BITS;
    const uint64_t share = rule->count / SLOTS;
    const unsigned int larger = (unsigned int)(rule->count % SLOTS); /* so many slots have one more */
    uint64_t used = 0;
    unsigned int live = 0, begun = 0, level = 0; /* a bit each */
#pragma GCC unroll 16
    for (unsigned int i = SLOTS; i-- > 0;) {
        uint64_t word = atomic_load_explicit(&cell->slots[i], memory_order_acquire);
        uint64_t count = word & SLOT_COUNT_MAX;
        bool is_live = ahead - (word - count) < dead_age;
        view->words[i] = word;
        live = live * 2 + is_live;
        begun = begun * 2 + (count - 1 < share); /* from 1 to the share */
        level = level * 2 + (count == share);
        used += count & -(uint64_t)is_live;
    }
    view->live = live;
    view->used = used;
    const unsigned int first = (1U << larger) - 1;
    choose_slot(view, live & begun & (~level | first), share > 0 ? (1U << SLOTS) - 1 : first, now);
}

/* Ages of the newest and the oldest live slot, µs; false where none is. */
static bool find_ages(const struct view *view, int64_t now, uint64_t *ret_newest, uint64_t *ret_oldest)
{
    const uint64_t ahead_us = (uint64_t)now / 1000 + FUTURE_MAX;
    uint64_t newest = UINT64_MAX, oldest = 0;
    for (unsigned int left = view->live; left != 0; left &= left - 1) {
        uint64_t word = view->words[__builtin_ctz(left)];
        if ((word & SLOT_COUNT_MAX) == 0) {
            continue; /* taken back, or never used */
        }
        uint64_t age = (ahead_us - (word >> SLOT_COUNT_BITS)) & SLOT_TIME_MASK;
        age = age > FUTURE_MAX ? age - FUTURE_MAX : 0;
        newest = age < newest ? age : newest;
        oldest = age > oldest ? age : oldest;
    }
    *ret_newest = newest;
    *ret_oldest = oldest;
    return newest != UINT64_MAX;
}

static uint64_t remaining_of(const struct rule *rule, uint64_t used)
{
    return used < rule->count ? rule->count - used : 0;
}

static void tell_refused(const struct rule *rule, const struct view *view, int64_t now, struct state *out)
{
    uint64_t newest, oldest;
    *out = (struct state){ 0 };
    if (find_ages(view, now, &newest, &oldest)) {
        out->retry_after = (int64_t)(rule->window_us - oldest) * NS_PER_US;
        out->reset = (int64_t)(rule->window_us - newest) * NS_PER_US;
    }
}

bool window_check(const struct rule *rule, const struct place *place, int64_t now, struct state *out)
{
    if (place->entry == NULL) {
        *out = (struct state){ .remaining = rule->count };
        return true;
    }
    struct view view __attribute__((uninitialized));
    look(rule, place->cell, now, &view);
    if (view.slot < 0) {
        tell_refused(rule, &view, now, out);
        return false;
    }
    uint64_t newest, oldest;
    *out = (struct state){ .remaining = remaining_of(rule, view.used) };
    if (find_ages(&view, now, &newest, &oldest)) {
        out->reset = (int64_t)(rule->window_us - newest) * NS_PER_US;
    }
    return true;
}

/* In proportion to what is used, so that a crowd of keys with one request each goes before the one that is spent. */
static void note_full_at(const struct rule *rule, struct entry *entry, uint64_t seen, uint64_t used,
                         int64_t now)
{
    uint64_t full_at = (uint64_t)now + (uint64_t)((double)rule->window * (double)(int64_t)used /
                                                  (double)(int64_t)rule->count);
    if (full_at > seen + (uint64_t)rule->window / LIMIT_SUBWINDOWS ||
        seen > (uint64_t)now + 2 * (uint64_t)rule->window) {
        atomic_compare_exchange_strong(&entry->full_at, &seen, full_at);
    }
}

enum charge_result window_charge(const struct rule *rule, const struct place *place, int64_t now,
                                 struct state *out, struct charge *ret_charge)
{
    struct cell *cell = place->cell;
    struct view view __attribute__((uninitialized));
    uint64_t seen;
    uint64_t expected;
    do {
        seen = atomic_load_explicit(&place->entry->full_at, memory_order_acquire);
        look(rule, cell, now, &view);
        /* Asked after the words were read: where it is ours now, they were ours. */
        if (!place_is_ours(place)) {
            return LOST;
        }
        if (view.slot < 0) {
            tell_refused(rule, &view, now, out);
            return REFUSED;
        }
        expected = view.before;
    } while (!atomic_compare_exchange_weak(&cell->slots[view.slot], &expected, view.after));
    *ret_charge = (struct charge){ &cell->slots[view.slot], view.before, view.after };
    /* Evicted in between: nobody will count this charge. Where it went into the next owner's cell it stays: it only costs,
     * and to take it back could take the owner's own. */
    if (!place_is_ours(place)) {
        return LOST;
    }
    note_full_at(rule, place->entry, seen, view.used + 1, now);
    *out = (struct state){
        .remaining = remaining_of(rule, view.used + 1),
        .reset = (int64_t)rule->window_us * NS_PER_US,
    };
    return CHARGED;
}

void window_refund(const struct place *place, const struct charge *charge)
{
    /* Others may have added to the slot since. Its generation lasts a window at least, so the one to take off is still in
     * it, unless the cell has gone to another key: hence the question between reading and writing. */
    uint64_t word;
    uint64_t without;
    do {
        word = atomic_load(charge->word);
        if ((word & SLOT_COUNT_MAX) == 0 || !place_is_ours(place)) {
            return;
        }
        without = word == charge->after ? charge->before : word - 1;
    } while (!atomic_compare_exchange_weak(charge->word, &word, without));
}
