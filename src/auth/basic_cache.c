#include "auth/basic_cache.h"

#include "base/random.h"
#include "base/secret.h"

#include <stdlib.h>

struct error basic_cache_init(struct basic_cache *cache, size_t entries)
{
    size_t capacity = BASIC_CACHE_WAYS;
    char key[API_PEPPER_MIN];
    while (capacity < entries && capacity < SIZE_MAX / 2) {
        capacity *= 2;
    }
    *cache = (struct basic_cache){ .entries = calloc(capacity, sizeof *cache->entries),
                                   .set_mask = capacity / BASIC_CACHE_WAYS - 1 };
    random_bytes(key, sizeof key);
    bool made = api_pepper_init(&cache->key, slice_of(key, sizeof key));
    secret_wipe(key, sizeof key);
    if (cache->entries == NULL || !made) {
        basic_cache_done(cache);
        return FAIL(ERROR_MEMORY, "no memory for users of HTTP Basic");
    }
    return OK;
}

void basic_cache_done(struct basic_cache *cache)
{
    free(cache->entries);
    api_pepper_done(&cache->key);
    cache->entries = NULL;
}

bool basic_cache_digest(const struct basic_cache *cache, struct slice text,
                        unsigned char out[API_KEY_DIGEST_SIZE])
{
    return api_key_digest(&cache->key, text, out);
}

/* A digest is random to whoever does not know the key: nobody can aim at a place. */
static struct basic_cache_entry *places_of(const struct basic_cache *cache, const unsigned char *digest)
{
    uint64_t word;
    memcpy(&word, digest, sizeof word);
    return &cache->entries[(word & cache->set_mask) * BASIC_CACHE_WAYS];
}

static bool is_entry_of(const struct basic_cache_entry *entry, const unsigned char *digest,
                        const struct basic_user *user)
{
    return memcmp(entry->digest, digest, sizeof entry->digest) == 0 &&
           memcmp(entry->identity, user->identity, sizeof entry->identity) == 0;
}

bool basic_cache_knows(struct basic_cache *cache, const unsigned char digest[API_KEY_DIGEST_SIZE],
                       const struct basic_user *user, int64_t now, int64_t life)
{
    struct basic_cache_entry *places = places_of(cache, digest);
    for (size_t i = 0; i < BASIC_CACHE_WAYS; i++) {
        if (places[i].until > now && places[i].until - now <= life && is_entry_of(&places[i], digest, user)) {
            places[i].used = ++cache->tick;
            return true;
        }
    }
    return false;
}

/* Its own; else the one that was not used for longest, of which a free one is the oldest. */
void basic_cache_put(struct basic_cache *cache, const unsigned char digest[API_KEY_DIGEST_SIZE],
                     const struct basic_user *user, int64_t until)
{
    struct basic_cache_entry *places = places_of(cache, digest), *place = &places[0];
    for (size_t i = 0; i < BASIC_CACHE_WAYS; i++) {
        if (places[i].until != 0 && is_entry_of(&places[i], digest, user)) {
            place = &places[i];
            break;
        }
        place = places[i].used < place->used ? &places[i] : place;
    }
    *place = (struct basic_cache_entry){ .until = until, .used = ++cache->tick };
    memcpy(place->digest, digest, sizeof place->digest);
    memcpy(place->identity, user->identity, sizeof place->identity);
}
