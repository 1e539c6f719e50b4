#include "http/h2/defences.h"

#include "base/clock.h"

static const struct {
    struct slice name;
    int64_t burst;
    int64_t interval; /* ns; 0: counted elsewhere */
} kinds[H2_FLOOD_COUNT] = {
#define H2_FLOOD_ROW(id, name, burst, rate) \
    [H2_FLOOD_##id] = { SLICE_INIT(name), burst, (rate) > 0 ? NS_PER_S / ((rate) > 0 ? (rate) : 1) : 0 },
    H2_FLOODS(H2_FLOOD_ROW)
#undef H2_FLOOD_ROW
};

bool h2_defences_count(struct h2_defences *defences, enum h2_flood kind, int64_t now)
{
    int64_t *full_at = &defences->full_at[kind];
    int64_t interval = kinds[kind].interval;
    int64_t next = (*full_at > now ? *full_at : now) + interval;
    if (next - now > kinds[kind].burst * interval) {
        return false;
    }
    *full_at = next;
    return true;
}

void h2_defences_earn(struct h2_defences *defences, enum h2_flood kind, int64_t now, uint64_t count)
{
    int64_t owed = defences->full_at[kind] - now, interval = kinds[kind].interval;
    if (owed > 0 && interval > 0) {
        defences->full_at[kind] -= count < (uint64_t)(owed / interval) ? (int64_t)count * interval : owed;
    }
}

struct slice h2_flood_name(enum h2_flood kind)
{
    return kinds[kind].name;
}
