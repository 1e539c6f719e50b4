#include "auth/jws.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/secret.h"

static bool set_padding(EVP_PKEY_CTX *context, enum jws_family family, const EVP_MD *md)
{
    switch (family) {
    case JWS_RSA_PKCS1:
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
    case JWS_RSA_PSS:
        /* Exactly the salt that RFC 7518 section 3.5 names, not whatever the signature claims. */
        return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(context, md) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
    default:
        return true;
    }
}

EVP_PKEY_CTX *jws_prepare(EVP_PKEY *pkey, enum jwt_algorithm algorithm, const EVP_MD *md)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (context != NULL && EVP_PKEY_verify_init(context) == 1 &&
        EVP_PKEY_CTX_set_signature_md(context, md) == 1 &&
        set_padding(context, jws_algorithms[algorithm].family, md)) {
        return context;
    }
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return NULL;
}

/* The errors of a bad signature must not stay in the thread's queue: TLS reads it. */
static bool verdict(int result)
{
    if (result != 1) {
        ERR_clear_error();
    }
    return result == 1;
}

static bool verify_digest(EVP_PKEY_CTX *context, struct slice signature, const unsigned char *digest,
                          size_t size)
{
    return context != NULL && size > 0 &&
           verdict(
               EVP_PKEY_verify(context, (const unsigned char *)signature.ptr, signature.len, digest, size));
}

/* An INTEGER of DER from big-endian bytes: no needless zeros, and one where the top bit would make it negative. */
static size_t put_integer(const unsigned char *bytes, size_t size, unsigned char *out)
{
    while (size > 1 && bytes[0] == 0) {
        bytes++;
        size--;
    }
    size_t zero = (bytes[0] & 0x80) != 0 ? 1 : 0;
    out[0] = 0x02;
    out[1] = (unsigned char)(size + zero);
    out[2] = 0;
    memcpy(out + 2 + zero, bytes, size);
    return 2 + zero + size;
}

/* r||s of RFC 7518 section 3.4 as the DER that OpenSSL reads; r or s of 0 is refused there. */
static size_t ecdsa_der(struct slice raw, unsigned char out[JWS_ECDSA_DER_MAX])
{
    unsigned char integers[JWS_ECDSA_DER_MAX];
    const unsigned char *bytes = (const unsigned char *)raw.ptr;
    size_t half = raw.len / 2;
    size_t size = put_integer(bytes, half, integers);
    size += put_integer(bytes + half, half, integers + size);
    size_t at = 0;
    out[at++] = 0x30;
    if (size > 127) {
        out[at++] = 0x81;
    }
    out[at++] = (unsigned char)size;
    memcpy(out + at, integers, size);
    return at + size;
}

bool jws_detach(struct jws_crypto *crypto, const struct jws_key *key, enum jwt_algorithm algorithm,
                struct slice signing_input, struct slice signature, struct jws_detached *out)
{
    if (!jws_key_fits(key, algorithm) || jws_algorithms[algorithm].family != JWS_ECDSA ||
        signature.len != jws_algorithms[algorithm].signature_size) {
        return false;
    }
    struct jws_detached detached = { .algorithm = algorithm, .pkey = key->pkey };
    detached.digest_size = jws_digest(crypto, jws_algorithms[algorithm].hash, signing_input, detached.digest);
    detached.der_size = ecdsa_der(signature, detached.der);
    if (detached.digest_size == 0 || EVP_PKEY_up_ref(key->pkey) != 1) {
        return false;
    }
    *out = detached;
    return true;
}

bool jws_detached_verify(const struct jws_detached *detached)
{
    /* Of the hash only the name is read here: the digest is made already. */
    const EVP_MD *md = jws_algorithms[detached->algorithm].hash == JWS_SHA512   ? EVP_sha512()
                       : jws_algorithms[detached->algorithm].hash == JWS_SHA384 ? EVP_sha384()
                                                                                : EVP_sha256();
    EVP_PKEY_CTX *context = jws_prepare(detached->pkey, detached->algorithm, md);
    struct slice der = slice_of((const char *)detached->der, detached->der_size);
    bool valid = verify_digest(context, der, detached->digest, detached->digest_size);
    EVP_PKEY_CTX_free(context);
    return valid;
}

void jws_detached_done(struct jws_detached *detached)
{
    EVP_PKEY_free(detached->pkey);
    detached->pkey = NULL;
}

static bool verify_rsa(struct jws_crypto *crypto, const struct jws_key *key, enum jwt_algorithm algorithm,
                       struct slice input, struct slice signature)
{
    unsigned char digest[JWS_DIGEST_MAX];
    if (signature.len != key->modulus_size) {
        return false;
    }
    size_t size = jws_digest(crypto, jws_algorithms[algorithm].hash, input, digest);
    return verify_digest(key->verify[algorithm], signature, digest, size);
}

static bool verify_ecdsa(struct jws_crypto *crypto, const struct jws_key *key, enum jwt_algorithm algorithm,
                         struct slice input, struct slice signature)
{
    struct jws_detached detached;
    if (!jws_detach(crypto, key, algorithm, input, signature, &detached)) {
        return false;
    }
    struct slice der = slice_of((const char *)detached.der, detached.der_size);
    bool valid = key->verify[algorithm] != NULL
                     ? verify_digest(key->verify[algorithm], der, detached.digest, detached.digest_size)
                     : jws_detached_verify(&detached);
    jws_detached_done(&detached);
    return valid;
}

static bool verify_eddsa(struct jws_crypto *crypto, const struct jws_key *key, struct slice input,
                         struct slice signature)
{
    if (!verdict(EVP_MD_CTX_copy_ex(crypto->one_shot, key->one_shot))) {
        return false;
    }
    return verdict(EVP_DigestVerify(crypto->one_shot, (const unsigned char *)signature.ptr, signature.len,
                                    (const unsigned char *)input.ptr, input.len));
}

static bool verify_hmac(const struct jws_key *key, enum jwt_algorithm algorithm, struct slice input,
                        struct slice signature)
{
    unsigned char tag[JWS_DIGEST_MAX];
    size_t size = 0;
    EVP_MAC_CTX *context = key->mac[jws_algorithms[algorithm].hash];
    bool made = context != NULL && EVP_MAC_init(context, NULL, 0, NULL) == 1 &&
                EVP_MAC_update(context, (const unsigned char *)input.ptr, input.len) == 1 &&
                EVP_MAC_final(context, tag, &size, sizeof tag) == 1;
    return verdict(made) && secret_equal(slice_of((const char *)tag, size), signature);
}

bool jws_verify(struct jws_crypto *crypto, const struct jws_key *key, enum jwt_algorithm algorithm,
                struct slice signing_input, struct slice signature)
{
    if (!jws_key_fits(key, algorithm)) {
        return false;
    }
    size_t size = jws_algorithms[algorithm].signature_size;
    if (slice_is_empty(signature) || (size != 0 && signature.len != size)) {
        return false;
    }
    switch (jws_algorithms[algorithm].family) {
    case JWS_RSA_PKCS1:
    case JWS_RSA_PSS:
        return verify_rsa(crypto, key, algorithm, signing_input, signature);
    case JWS_ECDSA:
        return verify_ecdsa(crypto, key, algorithm, signing_input, signature);
    case JWS_EDDSA:
        return verify_eddsa(crypto, key, signing_input, signature);
    case JWS_HMAC:
        return verify_hmac(key, algorithm, signing_input, signature);
    }
    return false;
}
