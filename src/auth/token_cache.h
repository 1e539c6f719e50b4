/* The verified tokens of a worker: a fixed number of places, eight to a set, of which the least recently used goes first.
 * Private to src/auth. One thread. Only tokens that verified get in, so nobody without an issuer's key can push others out.
 */
#ifndef SALLYPORT_AUTH_TOKEN_CACHE_H
#define SALLYPORT_AUTH_TOKEN_CACHE_H

#include "auth/token.h"

#define TOKEN_CACHE_WAYS 8

struct token_cache_entry {
    unsigned char digest[32]; /* SHA-256 of the whole compact token */
    uint64_t issuer_id;       /* one token may be judged by several issuers of the configuration */
    uint64_t used;            /* tick of the last hit */
    struct jwt_token *token;  /* held; NULL: free */
};

struct token_cache {
    struct token_cache_entry *entries;
    size_t set_mask;
    size_t count;
    uint64_t tick;
};

/* `entries` is rounded up to a power of two, and to one set at least. False without memory. */
bool token_cache_init(struct token_cache *cache, size_t entries);
void token_cache_done(struct token_cache *cache);

/* NULL where it is not there. Good until the next put or remove. */
struct token_cache_entry *token_cache_find(struct token_cache *cache, const unsigned char digest[32],
                                           uint64_t issuer_id);
/* Takes a hold of its own. Replaces what was there for the key. */
void token_cache_put(struct token_cache *cache, const unsigned char digest[32], uint64_t issuer_id,
                     struct jwt_token *token);
void token_cache_remove(struct token_cache *cache, struct token_cache_entry *entry);

/* Drops the tokens of one issuer that `keep` (NULL: none) does not want. */
void token_cache_sweep(struct token_cache *cache, uint64_t issuer_id,
                       bool (*keep)(const void *context, const struct jwt_token *token), const void *context);

#endif
