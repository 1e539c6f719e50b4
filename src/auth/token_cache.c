#include "auth/token_cache.h"

#include <stdlib.h>

bool token_cache_init(struct token_cache *cache, size_t entries)
{
    size_t capacity = TOKEN_CACHE_WAYS;
    while (capacity < entries && capacity < SIZE_MAX / 2) {
        capacity *= 2;
    }
    *cache = (struct token_cache){ .entries = calloc(capacity, sizeof *cache->entries),
                                   .set_mask = capacity / TOKEN_CACHE_WAYS - 1 };
    return cache->entries != NULL;
}

static size_t capacity_of(const struct token_cache *cache)
{
    return cache->entries != NULL ? (cache->set_mask + 1) * TOKEN_CACHE_WAYS : 0;
}

void token_cache_done(struct token_cache *cache)
{
    for (size_t i = 0; i < capacity_of(cache); i++) {
        jwt_token_unref(cache->entries[i].token);
    }
    free(cache->entries);
    *cache = (struct token_cache){ 0 };
}

static struct token_cache_entry *set_of(const struct token_cache *cache, const unsigned char digest[32])
{
    uint64_t word;
    memcpy(&word, digest, sizeof word);
    return &cache->entries[(word & cache->set_mask) * TOKEN_CACHE_WAYS];
}

static bool is_entry_of(const struct token_cache_entry *entry, const unsigned char digest[32],
                        uint64_t issuer_id)
{
    return entry->token != NULL && entry->issuer_id == issuer_id &&
           memcmp(entry->digest, digest, sizeof entry->digest) == 0;
}

struct token_cache_entry *token_cache_find(struct token_cache *cache, const unsigned char digest[32],
                                           uint64_t issuer_id)
{
    struct token_cache_entry *set = set_of(cache, digest);
    for (size_t i = 0; i < TOKEN_CACHE_WAYS; i++) {
        if (is_entry_of(&set[i], digest, issuer_id)) {
            set[i].used = ++cache->tick;
            return &set[i];
        }
    }
    return NULL;
}

/* The entry with this key; else a free one; else the one that was not used for longest. */
static struct token_cache_entry *choose_place(struct token_cache *cache, const unsigned char digest[32],
                                              uint64_t issuer_id)
{
    struct token_cache_entry *set = set_of(cache, digest), *place = &set[0];
    for (size_t i = 0; i < TOKEN_CACHE_WAYS; i++) {
        if (is_entry_of(&set[i], digest, issuer_id)) {
            return &set[i];
        }
        if (place->token != NULL && (set[i].token == NULL || set[i].used < place->used)) {
            place = &set[i];
        }
    }
    return place;
}

void token_cache_put(struct token_cache *cache, const unsigned char digest[32], uint64_t issuer_id,
                     struct jwt_token *token)
{
    struct token_cache_entry *place = choose_place(cache, digest, issuer_id);
    token_ref(token);
    if (place->token != NULL) {
        token_cache_remove(cache, place);
    }
    *place = (struct token_cache_entry){ .issuer_id = issuer_id, .used = ++cache->tick, .token = token };
    memcpy(place->digest, digest, sizeof place->digest);
    cache->count++;
}

void token_cache_remove(struct token_cache *cache, struct token_cache_entry *entry)
{
    jwt_token_unref(entry->token);
    *entry = (struct token_cache_entry){ 0 };
    cache->count--;
}

void token_cache_sweep(struct token_cache *cache, uint64_t issuer_id,
                       bool (*keep)(const void *context, const struct jwt_token *token), const void *context)
{
    for (size_t i = 0; i < capacity_of(cache); i++) {
        struct token_cache_entry *entry = &cache->entries[i];
        if (entry->token != NULL && entry->issuer_id == issuer_id &&
            (keep == NULL || !keep(context, entry->token))) {
            token_cache_remove(cache, entry);
        }
    }
}
