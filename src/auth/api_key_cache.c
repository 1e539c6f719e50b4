#include "auth/api_key_cache.h"

#include <stdlib.h>

bool api_key_cache_init(struct api_key_cache *cache, size_t entries)
{
    size_t capacity = API_KEY_CACHE_WAYS;
    while (capacity < entries && capacity < SIZE_MAX / 2) {
        capacity *= 2;
    }
    *cache = (struct api_key_cache){ .entries = calloc(capacity, sizeof *cache->entries),
                                     .set_mask = capacity / API_KEY_CACHE_WAYS - 1 };
    if (!denials_init(&cache->wrong) || cache->entries == NULL) {
        api_key_cache_done(cache);
        return false;
    }
    return true;
}

static size_t capacity_of(const struct api_key_cache *cache)
{
    return cache->entries != NULL ? (cache->set_mask + 1) * API_KEY_CACHE_WAYS : 0;
}

void api_key_cache_done(struct api_key_cache *cache)
{
    for (size_t i = 0; i < capacity_of(cache); i++) {
        api_key_unref(cache->entries[i].key);
    }
    free(cache->entries);
    denials_done(&cache->wrong);
    *cache = (struct api_key_cache){ 0 };
}

/* A digest is random to whoever does not know the pepper: nobody can aim at a place. */
static uint64_t word_of(const unsigned char digest[API_KEY_DIGEST_SIZE])
{
    uint64_t word;
    memcpy(&word, digest, sizeof word);
    return word;
}

static bool is_entry_of(const struct api_key_cache_entry *entry, const unsigned char *digest, uint64_t set_id)
{
    return entry->key != NULL && entry->set_id == set_id &&
           memcmp(entry->digest, digest, sizeof entry->digest) == 0;
}

static struct api_key_cache_entry *places_of(const struct api_key_cache *cache, const unsigned char *digest)
{
    return &cache->entries[(word_of(digest) & cache->set_mask) * API_KEY_CACHE_WAYS];
}

struct api_key *api_key_cache_find(struct api_key_cache *cache,
                                   const unsigned char digest[API_KEY_DIGEST_SIZE], uint64_t set_id)
{
    struct api_key_cache_entry *places = places_of(cache, digest);
    for (size_t i = 0; i < API_KEY_CACHE_WAYS; i++) {
        if (is_entry_of(&places[i], digest, set_id)) {
            places[i].used = ++cache->tick;
            return places[i].key;
        }
    }
    return NULL;
}

/* The one with this digest; else a free one; else the one that was not used for longest. */
static struct api_key_cache_entry *choose_place(const struct api_key_cache *cache,
                                                const unsigned char *digest, uint64_t set_id)
{
    struct api_key_cache_entry *places = places_of(cache, digest), *place = &places[0];
    for (size_t i = 0; i < API_KEY_CACHE_WAYS; i++) {
        if (is_entry_of(&places[i], digest, set_id)) {
            return &places[i];
        }
        if (place->key != NULL && (places[i].key == NULL || places[i].used < place->used)) {
            place = &places[i];
        }
    }
    return place;
}

static void remove_entry(struct api_key_cache *cache, struct api_key_cache_entry *entry)
{
    api_key_unref(entry->key);
    *entry = (struct api_key_cache_entry){ .key = NULL };
    cache->count--;
}

void api_key_cache_put(struct api_key_cache *cache, const unsigned char digest[API_KEY_DIGEST_SIZE],
                       uint64_t set_id, struct api_key *key)
{
    struct api_key_cache_entry *place = choose_place(cache, digest, set_id);
    api_key_ref(key);
    if (place->key != NULL) {
        remove_entry(cache, place);
    }
    *place = (struct api_key_cache_entry){ .set_id = set_id, .used = ++cache->tick, .key = key };
    memcpy(place->digest, digest, sizeof place->digest);
    cache->count++;
}

static bool is_among(const uint64_t *numbers, size_t count, uint64_t number)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (numbers[middle] == number) {
            return true;
        }
        if (numbers[middle] < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

void api_key_cache_forget(struct api_key_cache *cache, uint64_t set_id, const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < capacity_of(cache); i++) {
        struct api_key_cache_entry *entry = &cache->entries[i];
        if (entry->key != NULL && entry->set_id == set_id &&
            (numbers == NULL || is_among(numbers, count, entry->key->record.number))) {
            remove_entry(cache, entry);
        }
    }
    denials_forget(&cache->wrong, set_id);
}
