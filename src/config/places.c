#include "config/places.h"

struct places_entry {
    const void *address; /* NULL: empty */
    enum place_kind kind;
    const struct conf_node *node;
};

void places_init(struct places *places, struct arena *arena)
{
    *places = (struct places){ .arena = arena };
}

/* Addresses are ours, not a peer's: a plain multiplicative hash is enough. */
static size_t slot_of(const struct places_entry *entries, size_t capacity, const void *address,
                      enum place_kind kind)
{
    uint64_t hash = ((uint64_t)(uintptr_t)address * 2 + kind) * UINT64_C(0x9e3779b97f4a7c15);
    size_t slot = (size_t)(hash >> 32) & (capacity - 1);
    while (entries[slot].address != NULL &&
           (entries[slot].address != address || entries[slot].kind != kind)) {
        slot = (slot + 1) & (capacity - 1);
    }
    return slot;
}

static bool grow(struct places *places)
{
    size_t capacity = places->capacity == 0 ? 256 : places->capacity * 2;
    struct places_entry *entries = arena_calloc(places->arena, capacity, sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < places->capacity; i++) {
        const struct places_entry *old = &places->entries[i];
        if (old->address != NULL) {
            entries[slot_of(entries, capacity, old->address, old->kind)] = *old;
        }
    }
    places->entries = entries;
    places->capacity = capacity;
    return true;
}

bool places_put(struct places *places, const void *address, enum place_kind kind,
                const struct conf_node *node)
{
    if (places->count * 2 >= places->capacity && !grow(places)) {
        return false;
    }
    struct places_entry *entry = &places->entries[slot_of(places->entries, places->capacity, address, kind)];
    places->count += entry->address == NULL;
    *entry = (struct places_entry){ address, kind, node };
    return true;
}

static const struct conf_node *find(const struct places *places, const void *address, enum place_kind kind)
{
    if (places->capacity == 0) {
        return NULL;
    }
    return places->entries[slot_of(places->entries, places->capacity, address, kind)].node;
}

const struct conf_node *places_field(const struct places *places, const void *address)
{
    return find(places, address, PLACE_FIELD);
}

const struct conf_node *places_object(const struct places *places, const void *address)
{
    return find(places, address, PLACE_OBJECT);
}
