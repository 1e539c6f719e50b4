/* Keys, key sets and tokens for the tests, made anew in every run. Includers use what they need. */
#ifndef SALLYPORT_TESTS_UNIT_AUTH_MINT_H
#define SALLYPORT_TESTS_UNIT_AUTH_MINT_H

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "auth/jws.h"
#include "base/encoding.h"

struct mint_key {
    EVP_PKEY *pkey;
    struct slice secret; /* of HS algorithms, where pkey is NULL */
};

static inline struct mint_key mint_rsa(unsigned int bits)
{
    struct mint_key key = { .pkey = EVP_RSA_gen(bits) };
    assert_non_null(key.pkey);
    return key;
}

static inline struct mint_key mint_ec(const char *curve)
{
    struct mint_key key = { .pkey = EVP_EC_gen(curve) };
    assert_non_null(key.pkey);
    return key;
}

static inline struct mint_key mint_ed25519(void)
{
    struct mint_key key = { .pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") };
    assert_non_null(key.pkey);
    return key;
}

static inline struct mint_key mint_secret(const char *text)
{
    return (struct mint_key){ .secret = slice_from_string(text) };
}

static inline void mint_done(struct mint_key *key)
{
    EVP_PKEY_free(key->pkey);
    key->pkey = NULL;
}

/* A big number of a key as base64url, left-padded to `size` bytes (0: as long as it is). */
static inline void mint_number(EVP_PKEY *pkey, const char *name, size_t size, char *out)
{
    BIGNUM *number = NULL;
    unsigned char bytes[1100];
    assert_int_equal(EVP_PKEY_get_bn_param(pkey, name, &number), 1);
    if (size == 0) {
        size = (size_t)BN_num_bytes(number);
    }
    assert_true(BN_bn2binpad(number, bytes, (int)size) == (int)size);
    BN_free(number);
    out[base64url_encode(bytes, size, out)] = '\0';
}

/* The public JWK, with `more` ("\"kid\":\"1\"", or empty) among its members. Static memory, of the last four calls. */
static inline const char *mint_jwk(const struct mint_key *key, const char *more)
{
    static char texts[4][8192];
    static unsigned int turn;
    char *text = texts[turn++ % 4];
    char a[2048], b[2048], group[32];
    const char *comma = more[0] != '\0' ? "," : "";
    if (EVP_PKEY_is_a(key->pkey, "RSA")) {
        mint_number(key->pkey, OSSL_PKEY_PARAM_RSA_N, 0, a);
        mint_number(key->pkey, OSSL_PKEY_PARAM_RSA_E, 0, b);
        snprintf(text, sizeof texts[0], "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s%s}", a, b, comma, more);
    } else if (EVP_PKEY_is_a(key->pkey, "EC")) {
        assert_int_equal(
            EVP_PKEY_get_utf8_string_param(key->pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL),
            1);
        size_t size = strcmp(group, "secp521r1") == 0 ? 66 : strcmp(group, "secp384r1") == 0 ? 48 : 32;
        mint_number(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, size, a);
        mint_number(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, size, b);
        snprintf(text, sizeof texts[0], "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"%s%s}",
                 size == 66   ? "P-521"
                 : size == 48 ? "P-384"
                              : "P-256",
                 a, b, comma, more);
    } else {
        unsigned char raw[32];
        size_t size = sizeof raw;
        assert_int_equal(EVP_PKEY_get_raw_public_key(key->pkey, raw, &size), 1);
        a[base64url_encode(raw, size, a)] = '\0';
        snprintf(text, sizeof texts[0], "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"%s%s}", a, comma,
                 more);
    }
    return text;
}

static inline const EVP_MD *mint_md(enum jwt_algorithm algorithm)
{
    switch (jws_algorithms[algorithm].hash) {
    case JWS_SHA384:
        return EVP_sha384();
    case JWS_SHA512:
        return EVP_sha512();
    default:
        return EVP_sha256();
    }
}

/* DER to r||s. */
static inline size_t mint_raw_ecdsa(const unsigned char *der, size_t der_size, size_t half,
                                    unsigned char *out)
{
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)der_size);
    assert_non_null(signature);
    assert_true(BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, (int)half) == (int)half);
    assert_true(BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + half, (int)half) == (int)half);
    ECDSA_SIG_free(signature);
    return 2 * half;
}

/* The raw JWS signature; `salt` is for PS algorithms: RSA_PSS_SALTLEN_DIGEST, or a wrong one. */
static inline size_t mint_signature(const struct mint_key *key, enum jwt_algorithm algorithm, int salt,
                                    struct slice input, unsigned char out[1100])
{
    const struct jws_algorithm *info = &jws_algorithms[algorithm];
    if (info->family == JWS_HMAC) {
        unsigned int size = 0;
        assert_non_null(HMAC(mint_md(algorithm), key->secret.ptr, (int)key->secret.len,
                             (const unsigned char *)input.ptr, input.len, out, &size));
        return size;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pkey_context = NULL;
    size_t size = 1100;
    const EVP_MD *md = info->family == JWS_EDDSA ? NULL : mint_md(algorithm);
    assert_int_equal(EVP_DigestSignInit(context, &pkey_context, md, NULL, key->pkey), 1);
    if (info->family == JWS_RSA_PSS) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pkey_context, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_context, salt), 1);
    }
    assert_int_equal(EVP_DigestSign(context, out, &size, (const unsigned char *)input.ptr, input.len), 1);
    EVP_MD_CTX_free(context);
    if (info->family == JWS_ECDSA) {
        unsigned char der[256];
        memcpy(der, out, size);
        size = mint_raw_ecdsa(der, size, info->signature_size / 2, out);
    }
    return size;
}

static inline size_t mint_encode(struct slice bytes, char *out)
{
    return base64url_encode(bytes.ptr, bytes.len, out);
}

/* header.payload, NUL-terminated; returns its length. */
static inline size_t mint_input(struct slice header, struct slice payload, char *out)
{
    size_t used = mint_encode(header, out);
    out[used++] = '.';
    used += mint_encode(payload, out + used);
    out[used] = '\0';
    return used;
}

/* A compact token, malloc'd and NUL-terminated. */
static inline char *mint_token(const struct mint_key *key, enum jwt_algorithm algorithm, const char *header,
                               const char *payload)
{
    size_t room = (strlen(header) + strlen(payload) + 1100) * 4 / 3 + 32;
    char *token = malloc(room);
    assert_non_null(token);
    size_t used = mint_input(slice_from_string(header), slice_from_string(payload), token);
    unsigned char signature[1100];
    size_t size = mint_signature(key, algorithm, RSA_PSS_SALTLEN_DIGEST, slice_of(token, used), signature);
    token[used++] = '.';
    used += base64url_encode(signature, size, token + used);
    token[used] = '\0';
    return token;
}

#endif
