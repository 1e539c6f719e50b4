#include "auth/api_key_cache.h"

static void release(void *key)
{
    api_key_unref(key);
}

bool api_key_cache_init(struct api_key_cache *cache, size_t entries)
{
    *cache = (struct api_key_cache){ .wrong = { NULL } };
    if (!denials_init(&cache->wrong) || !digest_cache_init(&cache->good, entries, release)) {
        api_key_cache_done(cache);
        return false;
    }
    return true;
}

void api_key_cache_done(struct api_key_cache *cache)
{
    digest_cache_done(&cache->good);
    denials_done(&cache->wrong);
}

struct api_key *api_key_cache_find(struct api_key_cache *cache,
                                   const unsigned char digest[API_KEY_DIGEST_SIZE], uint64_t set_id)
{
    const struct digest_cache_entry *entry = digest_cache_find(&cache->good, digest, set_id);
    return entry != NULL ? entry->value : NULL;
}

void api_key_cache_put(struct api_key_cache *cache, const unsigned char digest[API_KEY_DIGEST_SIZE],
                       uint64_t set_id, struct api_key *key)
{
    api_key_ref(key);
    digest_cache_put(&cache->good, digest, set_id, key);
}

struct numbers {
    const uint64_t *items; /* sorted; NULL: all */
    size_t count;
};

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

static bool is_kept(const void *context, const void *value)
{
    const struct numbers *numbers = context;
    const struct api_key *key = value;
    return numbers->items != NULL && !is_among(numbers->items, numbers->count, key->record.number);
}

void api_key_cache_forget(struct api_key_cache *cache, uint64_t set_id, const uint64_t *numbers, size_t count)
{
    digest_cache_sweep(&cache->good, set_id, is_kept, &(struct numbers){ numbers, count });
    denials_forget(&cache->wrong, set_id);
}
