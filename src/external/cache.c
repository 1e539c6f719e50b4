#include "external/cache.h"

#include <stdlib.h>

bool decision_cache_init(struct decision_cache *cache, size_t entries)
{
    size_t capacity = DECISION_CACHE_WAYS;
    while (capacity < entries && capacity < SIZE_MAX / 2) {
        capacity *= 2;
    }
    *cache = (struct decision_cache){ .entries = calloc(capacity, sizeof *cache->entries),
                                      .set_mask = capacity / DECISION_CACHE_WAYS - 1 };
    return cache->entries != NULL;
}

void decision_cache_done(struct decision_cache *cache)
{
    size_t capacity = cache->entries != NULL ? (cache->set_mask + 1) * DECISION_CACHE_WAYS : 0;
    for (size_t i = 0; i < capacity; i++) {
        external_answer_unref(cache->entries[i].answer);
    }
    free(cache->entries);
    *cache = (struct decision_cache){ 0 };
}

static struct decision *set_of(const struct decision_cache *cache, const unsigned char *key)
{
    uint64_t word;
    memcpy(&word, key, sizeof word);
    return &cache->entries[(word & cache->set_mask) * DECISION_CACHE_WAYS];
}

static bool is_of(const struct decision *decision, const unsigned char *key)
{
    return decision->answer != NULL && memcmp(decision->key, key, EXTERNAL_KEY_SIZE) == 0;
}

static void forget(struct decision *decision)
{
    external_answer_unref(decision->answer);
    *decision = (struct decision){ .until = 0 };
}

struct external_answer *decision_cache_find(struct decision_cache *cache, const unsigned char *key,
                                            int64_t now)
{
    struct decision *set = set_of(cache, key);
    for (size_t i = 0; i < DECISION_CACHE_WAYS; i++) {
        if (is_of(&set[i], key) && now >= set[i].until) {
            forget(&set[i]);
        } else if (is_of(&set[i], key)) {
            set[i].used = ++cache->tick;
            return external_answer_ref(set[i].answer);
        }
    }
    return NULL;
}

void decision_cache_put(struct decision_cache *cache, const unsigned char *key,
                        struct external_answer *answer, int64_t until)
{
    struct decision *set = set_of(cache, key), *place = &set[0];
    for (size_t i = 0; i < DECISION_CACHE_WAYS; i++) {
        if (is_of(&set[i], key)) {
            place = &set[i];
            break;
        }
        if (place->answer != NULL && (set[i].answer == NULL || set[i].used < place->used)) {
            place = &set[i];
        }
    }
    external_answer_ref(answer); /* first: it may be the one that goes */
    forget(place);
    *place = (struct decision){ .until = until, .used = ++cache->tick, .answer = answer };
    memcpy(place->key, key, EXTERNAL_KEY_SIZE);
}
