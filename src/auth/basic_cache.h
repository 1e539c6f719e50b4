/* Passwords that were right, as one worker remembers them: by a keyed digest of them and of the user's line, so only for as long as
 * that is the same, and for a time. What was wrong is not remembered: it costs a hash each time, which is what the failure budget counts.
 *
 * One thread. Allocates nothing once it is made. */
#ifndef SALLYPORT_AUTH_BASIC_CACHE_H
#define SALLYPORT_AUTH_BASIC_CACHE_H

#include "auth/api_key.h"
#include "auth/basic_settings.h"
#include "base/digest_cache.h"
#include "base/error.h"

#include <assert.h>

static_assert(API_KEY_DIGEST_SIZE == DIGEST_CACHE_SIZE, "one is looked up by the other");

struct basic_cache {
    struct digest_cache known;
    struct api_pepper key; /* random, its own */
};

/* `entries` is rounded up to a power of two. */
struct error basic_cache_init(struct basic_cache *cache, size_t entries) MUST_CHECK;
void basic_cache_done(struct basic_cache *cache);

/* Of "user:password", as it was sent, for this user (NULL: nobody), whose line it is compared with. False: OpenSSL cannot. */
bool basic_cache_digest(const struct basic_cache *cache, const struct basic_user *user, struct slice text,
                        unsigned char out[API_KEY_DIGEST_SIZE]);

/* Was it right `life` ns ago or less? `now`: monotonic ns. */
bool basic_cache_knows(struct basic_cache *cache, const unsigned char digest[API_KEY_DIGEST_SIZE],
                       int64_t now, int64_t life);
/* Until then it is known. */
void basic_cache_put(struct basic_cache *cache, const unsigned char digest[API_KEY_DIGEST_SIZE],
                     int64_t until);

#endif
