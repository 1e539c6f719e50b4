/* Key sets: whatever document comes, the keys that are taken are fit for something, of a kind that we verify with, and verify
 * nothing that their owner did not sign. */
#include <openssl/err.h>
#include <stdlib.h>

#include "auth/jws.h"
#include "auth/jwt.h"
#include "base/limits.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static void check_key(struct jws_crypto *crypto, const struct jws_key *key)
{
    static const unsigned char zeros[1024] = { 0 };
    CHECK(key->pkey != NULL && key->algorithms != 0);
    for (int i = 0; i < JWT_ALGORITHM_COUNT; i++) {
        enum jwt_algorithm algorithm = (enum jwt_algorithm)i;
        size_t size =
            jws_algorithms[i].signature_size > 0 ? jws_algorithms[i].signature_size : key->modulus_size;
        CHECK(jws_algorithms[i].family != JWS_HMAC || !jws_key_fits(key, algorithm));
        CHECK(jws_algorithms[i].family == JWS_EDDSA ||
              !jws_verify(crypto, key, algorithm, SLICE("a.b"), slice_of((const char *)zeros, size)));
        CHECK(!jws_verify(crypto, key, algorithm, SLICE("a.b"), SLICE("")));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct jws_crypto crypto;
    if (crypto.hmac == NULL) {
        CHECK(!failed(jws_crypto_init(&crypto)));
    }
    struct jws_key_set *set = NULL;
    size_t used = SIZE_MAX;
    struct slice text = slice_of((const char *)data, size);
    struct error error = jws_key_set_parse(&crypto, text, &set);
    CHECK(ERR_peek_error() == 0);
    CHECK(failed(error) == failed(jwt_keys_check(text, &used)));
    if (failed(error)) {
        CHECK(set == NULL && used == SIZE_MAX);
        return 0;
    }
    CHECK(used == set->count && set->count <= JWKS_KEYS_MAX);
    for (size_t i = 0; i < set->count; i++) {
        check_key(&crypto, set->keys[i]);
    }
    jws_key_set_free(set);
    return 0;
}
