/* Passwords that were right, as one worker remembers them: by a keyed digest, for a time, and only for as long as the user's line
 * is the same. What was wrong is not remembered: it costs a hash each time, which is what the failure budget counts.
 *
 * One thread. Allocates nothing once it is made. */
#ifndef SALLYPORT_AUTH_BASIC_CACHE_H
#define SALLYPORT_AUTH_BASIC_CACHE_H

#include "auth/api_key.h"
#include "auth/basic_settings.h"
#include "base/error.h"

#define BASIC_CACHE_WAYS 8

struct basic_cache_entry {
    unsigned char digest[API_KEY_DIGEST_SIZE];
    unsigned char identity[BASIC_IDENTITY_SIZE];
    int64_t until; /* monotonic ns; 0: free */
    uint64_t used;
};

struct basic_cache {
    struct basic_cache_entry *entries;
    size_t set_mask;
    uint64_t tick;
    struct api_pepper key; /* random, its own */
};

/* `entries` is rounded up to a power of two. */
struct error basic_cache_init(struct basic_cache *cache, size_t entries) MUST_CHECK;
void basic_cache_done(struct basic_cache *cache);

/* Of "user:password", as it was sent. False: OpenSSL cannot. */
bool basic_cache_digest(const struct basic_cache *cache, struct slice text,
                        unsigned char out[API_KEY_DIGEST_SIZE]);

/* Was it right for this user, whose line has not changed since, `life` ns ago or less? `now`: monotonic ns. */
bool basic_cache_knows(struct basic_cache *cache, const unsigned char digest[API_KEY_DIGEST_SIZE],
                       const struct basic_user *user, int64_t now, int64_t life);
/* Until then it is known; above 0. */
void basic_cache_put(struct basic_cache *cache, const unsigned char digest[API_KEY_DIGEST_SIZE],
                     const struct basic_user *user, int64_t until);

#endif
