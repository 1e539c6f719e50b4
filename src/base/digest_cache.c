#include "base/digest_cache.h"

#include <stdlib.h>
#include <string.h>

bool digest_cache_init(struct digest_cache *cache, size_t entries, void (*release)(void *value))
{
    size_t capacity = DIGEST_CACHE_WAYS;
    while (capacity < entries && capacity < SIZE_MAX / 2) {
        capacity *= 2;
    }
    *cache = (struct digest_cache){ .entries = calloc(capacity, sizeof *cache->entries),
                                    .release = release,
                                    .set_mask = capacity / DIGEST_CACHE_WAYS - 1 };
    return cache->entries != NULL;
}

static size_t capacity_of(const struct digest_cache *cache)
{
    return cache->entries != NULL ? (cache->set_mask + 1) * DIGEST_CACHE_WAYS : 0;
}

void digest_cache_done(struct digest_cache *cache)
{
    for (size_t i = 0; i < capacity_of(cache); i++) {
        if (cache->entries[i].value != NULL) {
            cache->release(cache->entries[i].value);
        }
    }
    free(cache->entries);
    *cache = (struct digest_cache){ 0 };
}

static struct digest_cache_entry *set_of(const struct digest_cache *cache, const unsigned char *digest)
{
    uint64_t word;
    memcpy(&word, digest, sizeof word);
    return &cache->entries[(word & cache->set_mask) * DIGEST_CACHE_WAYS];
}

static bool is_entry_of(const struct digest_cache_entry *entry, const unsigned char *digest, uint64_t owner)
{
    return entry->value != NULL && entry->owner == owner &&
           memcmp(entry->digest, digest, sizeof entry->digest) == 0;
}

struct digest_cache_entry *digest_cache_find(struct digest_cache *cache,
                                             const unsigned char digest[DIGEST_CACHE_SIZE], uint64_t owner)
{
    struct digest_cache_entry *set = set_of(cache, digest);
    for (size_t i = 0; i < DIGEST_CACHE_WAYS; i++) {
        if (is_entry_of(&set[i], digest, owner)) {
            set[i].used = ++cache->tick;
            return &set[i];
        }
    }
    return NULL;
}

/* The one with this digest; else a free one; else the one that was not used for longest. */
static struct digest_cache_entry *choose_place(const struct digest_cache *cache, const unsigned char *digest,
                                               uint64_t owner)
{
    struct digest_cache_entry *set = set_of(cache, digest), *place = &set[0];
    for (size_t i = 0; i < DIGEST_CACHE_WAYS; i++) {
        if (is_entry_of(&set[i], digest, owner)) {
            return &set[i];
        }
        if (place->value != NULL && (set[i].value == NULL || set[i].used < place->used)) {
            place = &set[i];
        }
    }
    return place;
}

struct digest_cache_entry *digest_cache_put(struct digest_cache *cache,
                                            const unsigned char digest[DIGEST_CACHE_SIZE], uint64_t owner,
                                            void *value)
{
    struct digest_cache_entry *place = choose_place(cache, digest, owner);
    if (place->value != NULL) {
        digest_cache_remove(cache, place);
    }
    *place = (struct digest_cache_entry){ .owner = owner, .used = ++cache->tick, .value = value };
    memcpy(place->digest, digest, sizeof place->digest);
    cache->count++;
    return place;
}

void digest_cache_remove(struct digest_cache *cache, struct digest_cache_entry *entry)
{
    cache->release(entry->value);
    *entry = (struct digest_cache_entry){ .value = NULL };
    cache->count--;
}

void digest_cache_sweep(struct digest_cache *cache, uint64_t owner,
                        bool (*keep)(const void *context, const void *value), const void *context)
{
    for (size_t i = 0; i < capacity_of(cache); i++) {
        struct digest_cache_entry *entry = &cache->entries[i];
        if (entry->value != NULL && entry->owner == owner && (keep == NULL || !keep(context, entry->value))) {
            digest_cache_remove(cache, entry);
        }
    }
}
