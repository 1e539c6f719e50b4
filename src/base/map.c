#include "base/map.h"

#include "base/hash.h"

#include <stdlib.h>

#define MAP_SMALLEST 16

void map_init(struct map *map)
{
    *map = (struct map){ 0 };
}

void map_done(struct map *map)
{
    free(map->entries);
    map_init(map);
}

/* The entry of the key, or the empty entry where it would go. The table always has an empty one. */
static struct map_entry *locate(const struct map *map, struct slice key, uint64_t hash)
{
    size_t mask = map->capacity - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct map_entry *entry = &map->entries[i];
        if (entry->key.ptr == NULL || (entry->hash == hash && slice_equal(entry->key, key))) {
            return entry;
        }
    }
}

void *map_get(const struct map *map, struct slice key)
{
    if (map->count == 0) {
        return NULL;
    }
    const struct map_entry *entry = locate(map, key, hash_bytes(key.ptr, key.len));
    return entry->key.ptr != NULL ? entry->value : NULL;
}

static bool grow(struct map *map)
{
    struct map larger = { .capacity = map->capacity > 0 ? map->capacity * 2 : MAP_SMALLEST,
                          .count = map->count };
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (larger.entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].key.ptr != NULL) {
            *locate(&larger, map->entries[i].key, map->entries[i].hash) = map->entries[i];
        }
    }
    free(map->entries);
    *map = larger;
    return true;
}

bool map_put(struct map *map, struct slice key, void *value)
{
    if ((map->count + 1) * 4 > map->capacity * 3 && !grow(map)) {
        return false;
    }
    uint64_t hash = hash_bytes(key.ptr, key.len);
    struct map_entry *entry = locate(map, key, hash);
    if (entry->key.ptr == NULL) {
        map->count++;
    }
    *entry = (struct map_entry){ .key = key, .hash = hash, .value = value };
    return true;
}

bool map_remove(struct map *map, struct slice key)
{
    if (map->count == 0) {
        return false;
    }
    struct map_entry *hole = locate(map, key, hash_bytes(key.ptr, key.len));
    if (hole->key.ptr == NULL) {
        return false;
    }
    /* Close the gap: move back every later entry of the run that may not stand behind an empty place. */
    size_t mask = map->capacity - 1;
    size_t gap = (size_t)(hole - map->entries);
    for (size_t i = (gap + 1) & mask; map->entries[i].key.ptr != NULL; i = (i + 1) & mask) {
        size_t home = map->entries[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            map->entries[gap] = map->entries[i];
            gap = i;
        }
    }
    map->entries[gap] = (struct map_entry){ 0 };
    map->count--;
    return true;
}

const struct map_entry *map_next(const struct map *map, size_t *position)
{
    while (*position < map->capacity) {
        const struct map_entry *entry = &map->entries[(*position)++];
        if (entry->key.ptr != NULL) {
            return entry;
        }
    }
    return NULL;
}
