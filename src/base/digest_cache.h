/* What was found out about something that is known by a digest: a fixed number of places, eight to a set, of which the least recently
 * used goes first. Nobody can aim at a set who does not know what is digested, or with what key. One thread; finding allocates nothing. */
#ifndef SALLYPORT_BASE_DIGEST_CACHE_H
#define SALLYPORT_BASE_DIGEST_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_CACHE_WAYS 8
#define DIGEST_CACHE_SIZE 32 /* bytes of a digest */

struct digest_cache_entry {
    unsigned char digest[DIGEST_CACHE_SIZE];
    uint64_t owner; /* who found it out: the same digest may mean something to several */
    uint64_t used;  /* tick of the last hit */
    int64_t until;  /* for the caller: nothing here reads it */
    void *value;    /* held; NULL: free */
};

struct digest_cache {
    struct digest_cache_entry *entries;
    void (*release)(void *value);
    size_t set_mask;
    size_t count;
    uint64_t tick;
};

/* `entries` is rounded up to a power of two, and to one set at least; `release` lets go of a value. False without memory. */
bool digest_cache_init(struct digest_cache *cache, size_t entries, void (*release)(void *value));
void digest_cache_done(struct digest_cache *cache);

/* NULL where it is not there. Good until the next put or remove. */
struct digest_cache_entry *digest_cache_find(struct digest_cache *cache,
                                             const unsigned char digest[DIGEST_CACHE_SIZE], uint64_t owner);
/* Takes the value over. Replaces what was there. */
struct digest_cache_entry *digest_cache_put(struct digest_cache *cache,
                                            const unsigned char digest[DIGEST_CACHE_SIZE], uint64_t owner,
                                            void *value);
void digest_cache_remove(struct digest_cache *cache, struct digest_cache_entry *entry);

/* Drops what one owner has, but for what `keep` (NULL: nothing) wants. */
void digest_cache_sweep(struct digest_cache *cache, uint64_t owner,
                        bool (*keep)(const void *context, const void *value), const void *context);

#endif
