#include "auth/jws.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

const struct jws_algorithm jws_algorithms[JWT_ALGORITHM_COUNT] = {
    [JWT_RS256] = { JWS_RSA_PKCS1, JWS_SHA256 },
    [JWT_RS384] = { JWS_RSA_PKCS1, JWS_SHA384 },
    [JWT_RS512] = { JWS_RSA_PKCS1, JWS_SHA512 },
    [JWT_PS256] = { JWS_RSA_PSS, JWS_SHA256 },
    [JWT_PS384] = { JWS_RSA_PSS, JWS_SHA384 },
    [JWT_PS512] = { JWS_RSA_PSS, JWS_SHA512 },
    [JWT_ES256] = { JWS_ECDSA, JWS_SHA256, .signature_size = 64 },
    [JWT_ES384] = { JWS_ECDSA, JWS_SHA384, .signature_size = 96, .is_slow = true },
    [JWT_ES512] = { JWS_ECDSA, JWS_SHA512, .signature_size = 132, .is_slow = true },
    [JWT_EDDSA] = { JWS_EDDSA, .signature_size = 64 },
    [JWT_ED25519] = { JWS_EDDSA, .signature_size = 64 },
    [JWT_HS256] = { JWS_HMAC, JWS_SHA256, .signature_size = 32 },
    [JWT_HS384] = { JWS_HMAC, JWS_SHA384, .signature_size = 48 },
    [JWT_HS512] = { JWS_HMAC, JWS_SHA512, .signature_size = 64 },
};

enum jwt_algorithm jws_algorithm_of(struct slice name)
{
    static const struct slice names[JWT_ALGORITHM_COUNT] = {
#define ALGORITHM_NAME(id, text) [JWT_##id] = SLICE_INIT(text),
        JWT_ALGORITHMS(ALGORITHM_NAME)
#undef ALGORITHM_NAME
    };
    int algorithm = 0;
    while (algorithm < JWT_ALGORITHM_COUNT && !slice_equal(name, names[algorithm])) {
        algorithm++;
    }
    return (enum jwt_algorithm)algorithm;
}

static bool fetch_all(struct jws_crypto *crypto)
{
    static const char *const names[JWS_HASH_COUNT] = { "SHA256", "SHA384", "SHA512" };
    for (int i = 0; i < JWS_HASH_COUNT; i++) {
        crypto->md[i] = EVP_MD_fetch(NULL, names[i], NULL);
        crypto->digest[i] = EVP_MD_CTX_new();
        if (crypto->md[i] == NULL || crypto->digest[i] == NULL) {
            return false;
        }
    }
    crypto->one_shot = EVP_MD_CTX_new();
    crypto->hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    return crypto->one_shot != NULL && crypto->hmac != NULL;
}

struct error jws_crypto_init(struct jws_crypto *crypto)
{
    *crypto = (struct jws_crypto){ 0 };
    if (!fetch_all(crypto)) {
        int number = (int)ERR_get_error();
        ERR_clear_error();
        jws_crypto_done(crypto);
        return FAIL_NUMBER(ERROR_CRYPTO, number, "OpenSSL lacks an algorithm for tokens");
    }
    return OK;
}

void jws_crypto_done(struct jws_crypto *crypto)
{
    for (int i = 0; i < JWS_HASH_COUNT; i++) {
        EVP_MD_CTX_free(crypto->digest[i]);
        EVP_MD_free(crypto->md[i]);
    }
    EVP_MD_CTX_free(crypto->one_shot);
    EVP_MAC_free(crypto->hmac);
    *crypto = (struct jws_crypto){ 0 };
}

size_t jws_digest(struct jws_crypto *crypto, enum jws_hash hash, struct slice data, unsigned char *out)
{
    unsigned int size = 0;
    EVP_MD_CTX *context = crypto->digest[hash];
    if (EVP_DigestInit_ex2(context, crypto->md[hash], NULL) != 1 ||
        EVP_DigestUpdate(context, data.ptr, data.len) != 1 || EVP_DigestFinal_ex(context, out, &size) != 1) {
        ERR_clear_error();
        return 0;
    }
    return size;
}
