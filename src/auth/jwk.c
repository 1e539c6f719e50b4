#include "auth/jws.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encoding.h"
#include "base/limits.h"
#include "base/secret.h"

#define RSA_MODULUS_MIN 256  /* bytes: 2048 bits (RFC 7518 section 3.3) */
#define RSA_MODULUS_MAX 1024 /* bytes: a larger one costs too much to verify with */
#define COORDINATE_MAX  66

#define BIT(id) (UINT64_C(1) << JWT_##id)

/* A big-endian number or string of bytes of a JWK. */
struct octets {
    unsigned char bytes[RSA_MODULUS_MAX + 8];
    size_t size;
};

static bool read_octets(const struct json *jwk, struct slice name, struct octets *out)
{
    struct slice text;
    if (!json_get_string(jwk, name, &text) || BASE64_DECODED_MAX(text.len) > sizeof out->bytes) {
        return false;
    }
    ssize_t size = base64url_decode(text, out->bytes);
    if (size <= 0) {
        return false;
    }
    out->size = (size_t)size;
    return true;
}

/* Some issuers write the leading zero of ASN.1: the number is the same. */
static void strip_zeros(struct octets *number)
{
    size_t zeros = 0;
    while (zeros < number->size && number->bytes[zeros] == 0) {
        zeros++;
    }
    number->size -= zeros;
    memmove(number->bytes, number->bytes + zeros, number->size);
}

static struct slice encode_octets(const struct octets *octets, char *out)
{
    return slice_of(out, base64url_encode(octets->bytes, octets->size, out));
}

/* SHA-256 over the JSON that RFC 7638 prescribes for the key type. */
static bool set_thumbprint(struct jws_crypto *crypto, struct jws_key *key, const char *text, int length)
{
    unsigned char digest[JWS_DIGEST_MAX];
    if (length <= 0 || jws_digest(crypto, JWS_SHA256, slice_of(text, (size_t)length), digest) == 0) {
        return false;
    }
    memcpy(key->thumbprint, digest, sizeof key->thumbprint);
    return true;
}

static EVP_PKEY *make_pkey(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (parameters == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    return pkey;
}

static EVP_PKEY *make_rsa(const struct octets *n, const struct octets *e)
{
    EVP_PKEY *pkey = NULL;
    BIGNUM *modulus = BN_bin2bn(n->bytes, (int)n->size, NULL);
    BIGNUM *exponent = BN_bin2bn(e->bytes, (int)e->size, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (modulus != NULL && exponent != NULL && build != NULL &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1) {
        pkey = make_pkey("RSA", build);
    }
    OSSL_PARAM_BLD_free(build);
    BN_free(exponent);
    BN_free(modulus);
    return pkey;
}

/* e = 1 would make every message its own signature, an even one is no exponent, a long one is only slow. */
static bool exponent_is_good(const struct octets *e)
{
    return e->size >= 1 && e->size <= 8 && (e->bytes[e->size - 1] & 1) != 0 &&
           (e->size > 1 || e->bytes[0] >= 3);
}

/* Keys of a faulty chip can be factored (ROCA, CVE-2017-15361). They are known by their moduli, which are powers of 65537
 * modulo every one of these primes; another key has that by chance once in 2^150. */
static bool has_roca_mark(const struct octets *n)
{
    static const unsigned char primes[] = { 3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
                                            47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
                                            107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167 };
    for (size_t i = 0; i < sizeof primes; i++) {
        unsigned int rest = 0;
        for (size_t k = 0; k < n->size; k++) {
            rest = (rest * 256 + n->bytes[k]) % primes[i];
        }
        unsigned int power = 1, tried = 0;
        while (power != rest && tried < primes[i]) {
            power = power * (65537 % primes[i]) % primes[i];
            tried++;
        }
        if (power != rest) {
            return false;
        }
    }
    return true;
}

static struct error parse_rsa(struct jws_crypto *crypto, const struct json *jwk, struct jws_key *key)
{
    struct octets n, e;
    if (!read_octets(jwk, SLICE("n"), &n) || !read_octets(jwk, SLICE("e"), &e)) {
        return FAIL(ERROR_VALUE, "the RSA key lacks n or e, or one is malformed");
    }
    strip_zeros(&n);
    strip_zeros(&e);
    if (n.size < RSA_MODULUS_MIN || (n.size == RSA_MODULUS_MIN && (n.bytes[0] & 0x80) == 0)) {
        return FAIL(ERROR_VALUE, "the RSA key has less than 2048 bits");
    }
    if (n.size > RSA_MODULUS_MAX || (n.bytes[n.size - 1] & 1) == 0 || !exponent_is_good(&e)) {
        return FAIL(ERROR_VALUE, "the RSA key's modulus or exponent is not acceptable");
    }
    if (has_roca_mark(&n)) {
        return FAIL(ERROR_VALUE, "the RSA key can be factored (CVE-2017-15361)");
    }
    char n_text[BASE64_ENCODED_MAX(sizeof n.bytes)], e_text[BASE64_ENCODED_MAX(sizeof e.bytes)];
    char canonical[sizeof n_text + 64];
    int length = snprintf(canonical, sizeof canonical, "{\"e\":\"%.*s\",\"kty\":\"RSA\",\"n\":\"%.*s\"}",
                          SLICE_ARG(encode_octets(&e, e_text)), SLICE_ARG(encode_octets(&n, n_text)));
    key->pkey = make_rsa(&n, &e);
    if (key->pkey == NULL || !set_thumbprint(crypto, key, canonical, length)) {
        return FAIL(ERROR_VALUE, "OpenSSL refuses the RSA key");
    }
    key->modulus_size = n.size;
    key->algorithms = BIT(RS256) | BIT(RS384) | BIT(RS512) | BIT(PS256) | BIT(PS384) | BIT(PS512);
    return OK;
}

static const struct curve {
    struct slice name; /* crv */
    const char *group;
    size_t size; /* bytes of a coordinate */
    uint64_t algorithms;
} curves[] = {
    { SLICE_INIT("P-256"), "P-256", 32, BIT(ES256) },
    { SLICE_INIT("P-384"), "P-384", 48, BIT(ES384) },
    { SLICE_INIT("P-521"), "P-521", 66, BIT(ES512) },
};

static const struct curve *find_curve(struct slice name)
{
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
        if (slice_equal(name, curves[i].name)) {
            return &curves[i];
        }
    }
    return NULL;
}

/* OpenSSL refuses a point that is not on the curve; these curves have no small subgroups. */
static EVP_PKEY *make_ec(const struct curve *curve, const struct octets *x, const struct octets *y)
{
    EVP_PKEY *pkey = NULL;
    unsigned char point[1 + 2 * COORDINATE_MAX] = { 4 };
    memcpy(point + 1, x->bytes, curve->size);
    memcpy(point + 1 + curve->size, y->bytes, curve->size);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (build != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * curve->size) == 1) {
        pkey = make_pkey("EC", build);
    }
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

static struct error parse_ec(struct jws_crypto *crypto, const struct json *jwk, struct slice crv,
                             struct jws_key *key)
{
    struct octets x, y;
    const struct curve *curve = find_curve(crv);
    if (curve == NULL) {
        return FAIL(ERROR_VALUE, "the EC key's curve is none that tokens are verified with");
    }
    if (!read_octets(jwk, SLICE("x"), &x) || !read_octets(jwk, SLICE("y"), &y) || x.size != curve->size ||
        y.size != curve->size) {
        return FAIL(ERROR_VALUE, "the EC key lacks x or y, or one has the wrong length");
    }
    char x_text[BASE64_ENCODED_MAX(COORDINATE_MAX)], y_text[BASE64_ENCODED_MAX(COORDINATE_MAX)];
    char canonical[sizeof x_text + sizeof y_text + 64];
    int length = snprintf(canonical, sizeof canonical,
                          "{\"crv\":\"%.*s\",\"kty\":\"EC\",\"x\":\"%.*s\",\"y\":\"%.*s\"}", SLICE_ARG(crv),
                          SLICE_ARG(encode_octets(&x, x_text)), SLICE_ARG(encode_octets(&y, y_text)));
    key->pkey = make_ec(curve, &x, &y);
    if (key->pkey == NULL || !set_thumbprint(crypto, key, canonical, length)) {
        return FAIL(ERROR_VALUE, "the EC key's point is not on its curve");
    }
    key->algorithms = curve->algorithms;
    return OK;
}

static struct error parse_okp(struct jws_crypto *crypto, const struct json *jwk, struct slice crv,
                              struct jws_key *key)
{
    struct octets x;
    if (!slice_equal(crv, SLICE("Ed25519")) || !read_octets(jwk, SLICE("x"), &x) || x.size != 32) {
        return FAIL(ERROR_VALUE, "the OKP key is no Ed25519 key of 32 bytes");
    }
    char x_text[BASE64_ENCODED_MAX(32)];
    char canonical[sizeof x_text + 64];
    int length = snprintf(canonical, sizeof canonical, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%.*s\"}",
                          SLICE_ARG(encode_octets(&x, x_text)));
    key->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, x.bytes, x.size);
    if (key->pkey == NULL || !set_thumbprint(crypto, key, canonical, length)) {
        return FAIL(ERROR_VALUE, "OpenSSL refuses the Ed25519 key");
    }
    key->algorithms = BIT(EDDSA) | BIT(ED25519);
    return OK;
}

static bool array_holds(const struct json *array, struct slice text)
{
    for (size_t i = 0; i < array->count; i++) {
        if (array->items[i].type == JSON_STRING && slice_equal(array->items[i].text, text)) {
            return true;
        }
    }
    return false;
}

/* A key for encryption is none for signatures (RFC 7517 sections 4.2 and 4.3). */
static bool usage_allows(const struct json *jwk)
{
    const struct json *use = json_get(jwk, SLICE("use")), *operations = json_get(jwk, SLICE("key_ops"));
    if (use != NULL && (use->type != JSON_STRING || !slice_equal(use->text, SLICE("sig")))) {
        return false;
    }
    return operations == NULL || (operations->type == JSON_ARRAY && array_holds(operations, SLICE("verify")));
}

static struct error parse_material(struct jws_crypto *crypto, const struct json *jwk, struct jws_key *key)
{
    struct slice kty, crv = SLICE("");
    if (!json_get_string(jwk, SLICE("kty"), &kty)) {
        return FAIL(ERROR_VALUE, "the key has no kty");
    }
    if (json_get(jwk, SLICE("d")) != NULL || json_get(jwk, SLICE("k")) != NULL) {
        /* What is published is no secret: whoever reads the key set could sign. */
        return FAIL(ERROR_VALUE, "the key is a private or symmetric one");
    }
    if (!usage_allows(jwk)) {
        return FAIL(ERROR_VALUE, "the key is not meant to verify signatures");
    }
    if (slice_equal(kty, SLICE("RSA"))) {
        return parse_rsa(crypto, jwk, key);
    }
    if (!json_get_string(jwk, SLICE("crv"), &crv)) {
        return FAIL(ERROR_VALUE, "the key has another kty, or lacks crv");
    }
    if (slice_equal(kty, SLICE("EC"))) {
        return parse_ec(crypto, jwk, crv, key);
    }
    return slice_equal(kty, SLICE("OKP")) ? parse_okp(crypto, jwk, crv, key)
                                          : FAIL(ERROR_VALUE, "the key's kty is none that we verify with");
}

/* alg and kid; an alg narrows what the key may do to that one. */
static struct error parse_labels(const struct json *jwk, struct jws_key *key)
{
    const struct json *alg = json_get(jwk, SLICE("alg")), *kid = json_get(jwk, SLICE("kid"));
    if (alg != NULL) {
        enum jwt_algorithm algorithm =
            alg->type == JSON_STRING ? jws_algorithm_of(alg->text) : JWT_ALGORITHM_COUNT;
        if (!jws_key_fits(key, algorithm)) {
            return FAIL(ERROR_VALUE, "the key's alg is none that its type can verify");
        }
        key->algorithms = UINT64_C(1) << algorithm;
    }
    if (kid != NULL) {
        if (kid->type != JSON_STRING) {
            return FAIL(ERROR_VALUE, "the key's kid is no string");
        }
        char *copy = malloc(kid->text.len + 1);
        if (copy == NULL) {
            return FAIL(ERROR_MEMORY, "no memory for a key");
        }
        memcpy(copy, kid->text.ptr, kid->text.len);
        key->kid = slice_of(copy, kid->text.len);
        key->has_kid = true;
    }
    return OK;
}

/* Contexts for what is verified on the loop; the slow ones are made where they are used. */
static struct error prepare_contexts(struct jws_crypto *crypto, struct jws_key *key)
{
    for (int i = 0; i < JWT_ALGORITHM_COUNT; i++) {
        const struct jws_algorithm *algorithm = &jws_algorithms[i];
        if (!jws_key_fits(key, (enum jwt_algorithm)i) || algorithm->is_slow ||
            algorithm->family == JWS_EDDSA) {
            continue;
        }
        key->verify[i] = jws_prepare(key->pkey, (enum jwt_algorithm)i, crypto->md[algorithm->hash]);
        if (key->verify[i] == NULL) {
            return FAIL(ERROR_CRYPTO, "OpenSSL cannot verify with the key");
        }
    }
    if ((key->algorithms & (BIT(EDDSA) | BIT(ED25519))) != 0) {
        key->one_shot = EVP_MD_CTX_new();
        if (key->one_shot == NULL ||
            EVP_DigestVerifyInit_ex(key->one_shot, NULL, NULL, NULL, NULL, key->pkey, NULL) != 1) {
            return FAIL(ERROR_CRYPTO, "OpenSSL cannot verify with the key");
        }
    }
    return OK;
}

static struct error parse_key(struct jws_crypto *crypto, const struct json *jwk, struct jws_key *key)
{
    TRY(parse_material(crypto, jwk, key));
    TRY(parse_labels(jwk, key));
    return prepare_contexts(crypto, key);
}

struct error jws_key_parse(struct jws_crypto *crypto, const struct json *jwk, struct jws_key **ret_key)
{
    struct jws_key *key = calloc(1, sizeof *key);
    if (key == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a key");
    }
    struct error error = parse_key(crypto, jwk, key);
    ERR_clear_error();
    if (failed(error)) {
        jws_key_free(key);
        return error;
    }
    *ret_key = key;
    return OK;
}

void jws_key_free(struct jws_key *key)
{
    if (key == NULL) {
        return;
    }
    for (int i = 0; i < JWT_ALGORITHM_COUNT; i++) {
        EVP_PKEY_CTX_free(key->verify[i]);
    }
    for (int i = 0; i < JWS_HASH_COUNT; i++) {
        EVP_MAC_CTX_free(key->mac[i]);
    }
    EVP_MD_CTX_free(key->one_shot);
    EVP_PKEY_free(key->pkey);
    free((char *)(uintptr_t)key->kid.ptr);
    secret_wipe(key->thumbprint, sizeof key->thumbprint);
    free(key);
}
