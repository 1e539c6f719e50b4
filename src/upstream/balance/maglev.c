#include "upstream/balance/maglev.h"

#include "base/hash.h"

#include <stdlib.h>

#define NOBODY UINT16_MAX

/* The order in which an endpoint would take places, if it were alone: from `next` on, in steps. */
struct claimant {
    struct slice name;
    uint16_t index;
    size_t next, step;
};

static int compare(const void *a, const void *b)
{
    const struct claimant *one = a, *other = b;
    int order = slice_compare(one->name, other->name);
    return order != 0 ? order : (one->index > other->index) - (one->index < other->index);
}

/* Hashes whose keys are fixed, and known: they only have to spread. */
static void begin(struct claimant *claimant)
{
    static const struct hash_key offset = { { 1, 0x6d61676c6576 } }, skip = { { 2, 0x6d61676c6576 } };
    claimant->next = hash_keyed(&offset, claimant->name.ptr, claimant->name.len) % MAGLEV_SIZE;
    claimant->step = hash_keyed(&skip, claimant->name.ptr, claimant->name.len) % (MAGLEV_SIZE - 1) + 1;
}

/* In turn, each takes the first place of its own order that is free. */
static void fill(struct maglev *maglev, struct claimant *claimants, size_t count)
{
    for (size_t filled = 0; filled < MAGLEV_SIZE; filled++) {
        struct claimant *claimant = &claimants[filled % count];
        while (maglev->owners[claimant->next] != NOBODY) {
            claimant->next = (claimant->next + claimant->step) % MAGLEV_SIZE;
        }
        maglev->owners[claimant->next] = claimant->index;
    }
}

const struct maglev *maglev_new(struct arena *arena, const struct slice *names, size_t count)
{
    struct claimant *claimants = arena_calloc(arena, count, sizeof *claimants);
    struct maglev *maglev = arena_alloc(arena, sizeof *maglev);
    if (claimants == NULL || maglev == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < MAGLEV_SIZE; i++) {
        maglev->owners[i] = NOBODY;
    }
    for (size_t i = 0; i < count; i++) {
        claimants[i] = (struct claimant){ .name = names[i], .index = (uint16_t)i };
        begin(&claimants[i]);
    }
    qsort(claimants, count, sizeof *claimants, compare);
    fill(maglev, claimants, count);
    return maglev;
}
