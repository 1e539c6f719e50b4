#include "auth/jws.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "base/secret.h"

#define BIT(id) (UINT64_C(1) << JWT_##id)

static EVP_MAC_CTX *make_mac(struct jws_crypto *crypto, const char *hash, struct slice secret)
{
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(crypto->hmac);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)hash, 0),
        OSSL_PARAM_construct_end(),
    };
    if (context != NULL &&
        EVP_MAC_init(context, (const unsigned char *)secret.ptr, secret.len, parameters) == 1) {
        return context;
    }
    EVP_MAC_CTX_free(context);
    return NULL;
}

static struct error fill_secret(struct jws_crypto *crypto, struct slice secret, struct jws_key *key)
{
    static const struct {
        const char *name;
        size_t size; /* bytes of the hash, and so the least of the secret */
        uint64_t algorithm;
    } hashes[JWS_HASH_COUNT] = {
        [JWS_SHA256] = { "SHA256", 32, BIT(HS256) },
        [JWS_SHA384] = { "SHA384", 48, BIT(HS384) },
        [JWS_SHA512] = { "SHA512", 64, BIT(HS512) },
    };
    if (secret.len < hashes[JWS_SHA256].size) {
        return FAIL(ERROR_VALUE, "the secret has less than 32 bytes");
    }
    for (int i = 0; i < JWS_HASH_COUNT && secret.len >= hashes[i].size; i++) {
        key->mac[i] = make_mac(crypto, hashes[i].name, secret);
        if (key->mac[i] == NULL) {
            return FAIL(ERROR_CRYPTO, "OpenSSL cannot make an HMAC with the secret");
        }
        key->algorithms |= hashes[i].algorithm;
    }
    unsigned char digest[JWS_DIGEST_MAX];
    if (jws_digest(crypto, JWS_SHA256, secret, digest) == 0) {
        return FAIL(ERROR_CRYPTO, "OpenSSL cannot digest the secret");
    }
    memcpy(key->thumbprint, digest, sizeof key->thumbprint);
    secret_wipe(digest, sizeof digest);
    return OK;
}

struct error jws_key_from_secret(struct jws_crypto *crypto, struct slice secret, struct jws_key **ret_key)
{
    struct jws_key *key = calloc(1, sizeof *key);
    if (key == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a key");
    }
    struct error error = fill_secret(crypto, secret, key);
    ERR_clear_error();
    if (failed(error)) {
        jws_key_free(key);
        return error;
    }
    *ret_key = key;
    return OK;
}
