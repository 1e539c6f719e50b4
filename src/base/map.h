/* A hash map from text to pointer: open addressing, keyed hash (SipHash-1-3), so that chosen keys cannot collide on
 * purpose. Keys and values are borrowed: they must outlive the map. One thread, or read-only from many. */
#ifndef SALLYPORT_BASE_MAP_H
#define SALLYPORT_BASE_MAP_H

#include "base/slice.h"

struct map_entry {
    struct slice key; /* ptr NULL: empty */
    uint64_t hash;
    void *value;
};

struct map {
    struct map_entry *entries;
    size_t capacity; /* 0 or a power of two */
    size_t count;
};

void map_init(struct map *map);
void map_done(struct map *map);

/* NULL where the key is absent. */
void *map_get(const struct map *map, struct slice key);

/* Adds or replaces; false without memory. An empty key must have a non-NULL ptr. */
bool map_put(struct map *map, struct slice key, void *value);

/* Drops a key; false where it was absent. */
bool map_remove(struct map *map, struct slice key);

/* Walks all entries in no order: `*position` starts at 0. NULL at the end. The map must not change meanwhile. */
const struct map_entry *map_next(const struct map *map, size_t *position);

#endif
