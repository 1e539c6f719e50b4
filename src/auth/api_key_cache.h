/* The API keys that a worker has checked: those that are good, and apart from them those that are not.
 *
 * Only what a store knows is among the good ones, so that a flood of wrong keys can push none of them out: what is wrong has a small table of its own, one place each,
 * and is believed for a short time only. Private to src/auth. One thread. */
#ifndef SALLYPORT_AUTH_API_KEY_CACHE_H
#define SALLYPORT_AUTH_API_KEY_CACHE_H

#include "auth/api_key.h"
#include "auth/api_key_entry.h"
#include "auth/denials.h"
#include "base/digest_cache.h"

struct api_key_cache {
    struct digest_cache
        good; /* by the digest under the set's pepper for new keys, whichever it is stored under */
    struct denials wrong;
};

/* `entries` is rounded up to a power of two, and to one set of places at least. False without memory. */
bool api_key_cache_init(struct api_key_cache *cache, size_t entries);
void api_key_cache_done(struct api_key_cache *cache);

/* NULL where it is not there. Good until the next change of the cache. */
struct api_key *api_key_cache_find(struct api_key_cache *cache,
                                   const unsigned char digest[API_KEY_DIGEST_SIZE], uint64_t set_id);
/* Takes a hold of its own. Replaces what was there for the digest. */
void api_key_cache_put(struct api_key_cache *cache, const unsigned char digest[API_KEY_DIGEST_SIZE],
                       uint64_t set_id, struct api_key *key);

/* Forgets a set's keys of these numbers, which are sorted; NULL: all of them. And all wrong keys of the set: one may be a new
 * one now. */
void api_key_cache_forget(struct api_key_cache *cache, uint64_t set_id, const uint64_t *numbers,
                          size_t count);

#endif
