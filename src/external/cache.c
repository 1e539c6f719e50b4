#include "external/cache.h"

static void release(void *answer)
{
    external_answer_unref(answer);
}

bool decision_cache_init(struct decision_cache *cache, size_t entries)
{
    return digest_cache_init(&cache->answers, entries, release);
}

void decision_cache_done(struct decision_cache *cache)
{
    digest_cache_done(&cache->answers);
}

struct external_answer *decision_cache_find(struct decision_cache *cache, const unsigned char *key,
                                            int64_t now)
{
    struct digest_cache_entry *entry = digest_cache_find(&cache->answers, key, 0);
    if (entry != NULL && now >= entry->until) {
        digest_cache_remove(&cache->answers, entry);
        entry = NULL;
    }
    return entry != NULL ? external_answer_ref(entry->value) : NULL;
}

void decision_cache_put(struct decision_cache *cache, const unsigned char *key,
                        struct external_answer *answer, int64_t until)
{
    /* Referred to first: it may be the one that goes. */
    digest_cache_put(&cache->answers, key, 0, external_answer_ref(answer))->until = until;
}
