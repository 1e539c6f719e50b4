#include "auth/basic_cache.h"

#include "auth/basic_credential.h"
#include "base/random.h"
#include "base/secret.h"

/* That it is there is all there is to know. */
static char known;

static void release(void *value)
{
    (void)value;
}

struct error basic_cache_init(struct basic_cache *cache, size_t entries)
{
    char key[API_PEPPER_MIN];
    random_bytes(key, sizeof key);
    bool made = digest_cache_init(&cache->known, entries, release);
    made = api_pepper_init(&cache->key, slice_of(key, sizeof key)) && made;
    secret_wipe(key, sizeof key);
    if (!made) {
        basic_cache_done(cache);
        return FAIL(ERROR_MEMORY, "no memory for users of HTTP Basic");
    }
    return OK;
}

void basic_cache_done(struct basic_cache *cache)
{
    digest_cache_done(&cache->known);
    api_pepper_done(&cache->key);
}

bool basic_cache_digest(const struct basic_cache *cache, const struct basic_user *user, struct slice text,
                        unsigned char out[API_KEY_DIGEST_SIZE])
{
    char both[BASIC_IDENTITY_SIZE + BASIC_DECODED_MAX];
    if (text.len > BASIC_DECODED_MAX) {
        return false;
    }
    memset(both, 0, BASIC_IDENTITY_SIZE);
    if (user != NULL) {
        memcpy(both, user->identity, BASIC_IDENTITY_SIZE);
    }
    memcpy(both + BASIC_IDENTITY_SIZE, text.ptr, text.len);
    bool good = api_key_digest(&cache->key, slice_of(both, BASIC_IDENTITY_SIZE + text.len), out);
    secret_wipe(both, BASIC_IDENTITY_SIZE + text.len);
    return good;
}

bool basic_cache_knows(struct basic_cache *cache, const unsigned char digest[API_KEY_DIGEST_SIZE],
                       int64_t now, int64_t life)
{
    const struct digest_cache_entry *entry = digest_cache_find(&cache->known, digest, 0);
    return entry != NULL && entry->until > now && entry->until - now <= life;
}

void basic_cache_put(struct basic_cache *cache, const unsigned char digest[API_KEY_DIGEST_SIZE],
                     int64_t until)
{
    digest_cache_put(&cache->known, digest, 0, &known)->until = until;
}
