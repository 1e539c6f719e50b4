#include "unit.h"

#include <openssl/err.h>

#include "auth/jwt.h"
#include "auth/mint.h"
#include "base/limits.h"

static struct jws_crypto crypto;
static struct mint_key rsa, p256, p384, p521, ed;

static int start(void **state)
{
    (void)state;
    assert_ok(jws_crypto_init(&crypto));
    rsa = mint_rsa(2048);
    p256 = mint_ec("P-256");
    p384 = mint_ec("P-384");
    p521 = mint_ec("P-521");
    ed = mint_ed25519();
    return 0;
}

static int finish(void **state)
{
    (void)state;
    mint_done(&rsa);
    mint_done(&p256);
    mint_done(&p384);
    mint_done(&p521);
    mint_done(&ed);
    jws_crypto_done(&crypto);
    return 0;
}

/* NULL where it is refused; nothing may stay in OpenSSL's queue either way. */
static struct jws_key *parse(const char *text)
{
    struct arena arena;
    arena_init(&arena, 65536);
    struct json *jwk;
    struct jws_key *key = NULL;
    assert_ok(json_parse(slice_from_string(text), 8, &arena, &jwk, NULL));
    struct error error = jws_key_parse(&crypto, jwk, &key);
    assert_int_equal(failed(error), key == NULL);
    assert_int_equal(ERR_peek_error(), 0);
    arena_done(&arena);
    return key;
}

static void assert_taken(const char *text, uint64_t algorithms)
{
    struct jws_key *key = parse(text);
    assert_non_null(key);
    assert_true(key->algorithms == algorithms);
    jws_key_free(key);
}

static void assert_refused(const char *text)
{
    assert_null(parse(text));
}

#define BIT(id) (UINT64_C(1) << JWT_##id)
#define RSA_ALL (BIT(RS256) | BIT(RS384) | BIT(RS512) | BIT(PS256) | BIT(PS384) | BIT(PS512))

static void takes_keys_of_every_kind(void **state)
{
    (void)state;
    assert_taken(mint_jwk(&rsa, ""), RSA_ALL);
    assert_taken(mint_jwk(&p256, ""), BIT(ES256));
    assert_taken(mint_jwk(&p384, ""), BIT(ES384));
    assert_taken(mint_jwk(&p521, ""), BIT(ES512));
    assert_taken(mint_jwk(&ed, ""), BIT(EDDSA) | BIT(ED25519));
    assert_taken(mint_jwk(&rsa, "\"alg\":\"PS384\",\"use\":\"sig\",\"key_ops\":[\"verify\"]"), BIT(PS384));
    assert_taken(mint_jwk(&ed, "\"alg\":\"Ed25519\""), BIT(ED25519));
    assert_taken(mint_jwk(&p256, "\"x5c\":[\"AAAA\"],\"x5t\":\"x\",\"unknown\":{}"), BIT(ES256));
}

static void remembers_the_kid(void **state)
{
    (void)state;
    struct jws_key *key = parse(mint_jwk(&p256, "\"kid\":\"a\\u0062\""));
    assert_true(key->has_kid);
    assert_slice(key->kid, "ab");
    jws_key_free(key);
    key = parse(mint_jwk(&p256, "\"kid\":\"\""));
    assert_true(key->has_kid);
    jws_key_free(key);
    key = parse(mint_jwk(&p256, ""));
    assert_false(key->has_kid);
    jws_key_free(key);
    assert_refused(mint_jwk(&p256, "\"kid\":1"));
}

static void refuses_keys_for_other_uses(void **state)
{
    (void)state;
    assert_refused(mint_jwk(&rsa, "\"use\":\"enc\""));
    assert_refused(mint_jwk(&rsa, "\"use\":7"));
    assert_refused(mint_jwk(&rsa, "\"key_ops\":[\"encrypt\"]"));
    assert_refused(mint_jwk(&rsa, "\"key_ops\":[]"));
    assert_refused(mint_jwk(&rsa, "\"key_ops\":\"verify\""));
    assert_refused(mint_jwk(&rsa, "\"alg\":\"RSA-OAEP\""));
    assert_refused(mint_jwk(&rsa, "\"alg\":\"ES256\""));
    assert_refused(mint_jwk(&rsa, "\"alg\":\"HS256\""));
    assert_refused(mint_jwk(&rsa, "\"alg\":\"none\""));
    assert_refused(mint_jwk(&rsa, "\"alg\":[\"RS256\"]"));
    assert_refused(mint_jwk(&p256, "\"alg\":\"ES384\""));
    assert_refused(mint_jwk(&ed, "\"alg\":\"ES256\""));
}

static void refuses_private_and_symmetric_keys(void **state)
{
    (void)state;
    assert_refused(mint_jwk(&p256, "\"d\":\"AQ\""));
    assert_refused(
        "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"alg\":\"HS256\"}");
    assert_refused("{\"kty\":\"oct\"}");
    assert_refused("{\"kty\":\"AKP\",\"pub\":\"AA\",\"alg\":\"ML-DSA-44\"}");
    assert_refused("{\"n\":\"AQAB\",\"e\":\"AQAB\"}");
    assert_refused("{\"kty\":7}");
    assert_refused("[]");
    assert_refused("\"RSA\"");
}

static void refuses_weak_and_broken_rsa_keys(void **state)
{
    (void)state;
    struct mint_key small = mint_rsa(1024), odd = mint_rsa(2040), large = mint_rsa(3072);
    assert_refused(mint_jwk(&small, ""));
    assert_refused(mint_jwk(&odd, ""));
    assert_taken(mint_jwk(&large, ""), RSA_ALL);
    mint_done(&small);
    mint_done(&odd);
    mint_done(&large);
    char n[2048], text[4096];
    mint_number(rsa.pkey, OSSL_PKEY_PARAM_RSA_N, 0, n);
    static const struct {
        const char *e;
        bool taken;
    } exponents[] = {
        { "AQAB", true },   { "Aw", true },   { "AAEAAQ", true }, /* a leading zero changes nothing */
        { "AQ", false },    { "AA", false },  { "Ag", false },
        { "AQAA", false },  { "", false },    { "AQABAQABAQABAQABAQAB", false },
        { "AQAB=", false }, { "A Q", false },
    };
    for (size_t i = 0; i < sizeof exponents / sizeof *exponents; i++) {
        snprintf(text, sizeof text, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", n, exponents[i].e);
        if (exponents[i].taken) {
            assert_taken(text, RSA_ALL);
        } else {
            assert_refused(text);
        }
    }
    snprintf(text, sizeof text, "{\"kty\":\"RSA\",\"n\":\"%s\"}", n);
    assert_refused(text);
    snprintf(text, sizeof text, "{\"kty\":\"RSA\",\"n\":[\"%s\"],\"e\":\"AQAB\"}", n);
    assert_refused(text);
}

static void bounds_the_modulus(void **state)
{
    (void)state;
    unsigned char bytes[1100];
    char n[2048], text[4096];
    memset(bytes, 0xff, sizeof bytes);
    static const size_t sizes[] = { 1024, 1025, 1100 };
    for (size_t i = 0; i < 3; i++) {
        n[base64url_encode(bytes, sizes[i], n)] = '\0';
        snprintf(text, sizeof text, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", n);
        struct jws_key *key = parse(text);
        assert_int_equal(key != NULL, sizes[i] == 1024);
        jws_key_free(key);
    }
    /* an even modulus is no product of two odd primes */
    bytes[255] = 0xfe;
    n[base64url_encode(bytes, 256, n)] = '\0';
    snprintf(text, sizeof text, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", n);
    assert_refused(text);
}

/* The leading zero of ASN.1 that some issuers write must not hide that a key is known. */
static void a_leading_zero_is_the_same_modulus(void **state)
{
    (void)state;
    char n[2048], padded[2048], text[4096];
    mint_number(rsa.pkey, OSSL_PKEY_PARAM_RSA_N, 0, n);
    mint_number(rsa.pkey, OSSL_PKEY_PARAM_RSA_N, 257, padded);
    snprintf(text, sizeof text, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", n);
    struct jws_key *a = parse(text);
    snprintf(text, sizeof text, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", padded);
    struct jws_key *b = parse(text);
    assert_memory_equal(a->thumbprint, b->thumbprint, JWS_THUMBPRINT_SIZE);
    assert_int_equal(b->modulus_size, 256);
    jws_key_free(a);
    jws_key_free(b);
}

static void refuses_points_off_the_curve(void **state)
{
    (void)state;
    char x[128], y[128], text[1024];
    mint_number(p256.pkey, OSSL_PKEY_PARAM_EC_PUB_X, 32, x);
    mint_number(p256.pkey, OSSL_PKEY_PARAM_EC_PUB_Y, 32, y);
    snprintf(text, sizeof text, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
    assert_taken(text, BIT(ES256));
    snprintf(text, sizeof text, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", y, x);
    assert_refused(text);
    char zero[128];
    zero[base64url_encode((const unsigned char[32]){ 0 }, 32, zero)] = '\0';
    snprintf(text, sizeof text, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", zero, zero);
    assert_refused(text);
    static const char *const curves[] = { "P-384", "secp256k1", "P-192", "p-256", "Ed25519", "" };
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++) {
        snprintf(text, sizeof text, "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}", curves[i], x,
                 y);
        assert_refused(text);
    }
    /* coordinates have the full length of the field (RFC 7518 section 6.2.1.2) */
    mint_number(p256.pkey, OSSL_PKEY_PARAM_EC_PUB_X, 33, x);
    snprintf(text, sizeof text, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
    assert_refused(text);
    snprintf(text, sizeof text, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\"}", y);
    assert_refused(text);
}

static void refuses_other_okp_keys(void **state)
{
    (void)state;
    assert_refused(
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
    assert_refused(
        "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
    assert_refused(
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ\"}");
    assert_refused("{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}");
    assert_refused(
        "{\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
    assert_taken(
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        BIT(EDDSA) | BIT(ED25519));
}

static void assert_thumbprint(const char *jwk, const char *expected)
{
    struct jws_key *key = parse(jwk);
    assert_non_null(key);
    char text[64];
    size_t size = base64url_encode(key->thumbprint, JWS_THUMBPRINT_SIZE, text);
    assert_slice(slice_of(text, size), expected);
    jws_key_free(key);
}

/* RFC 7638 section 3.1, RFC 8037 appendix A.3. */
static void makes_the_thumbprints_of_the_rfcs(void **state)
{
    (void)state;
    assert_thumbprint(
        "{\"kty\":\"RSA\",\"n\":"
        "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSo"
        "c_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
        "FDW2QvzqY368QQMicAtaS"
        "qzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"
        "bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqb"
        "w0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}",
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_thumbprint(
        "{\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\",\"crv\":\"Ed25519\",\"kty\":\"OKP\"}",
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

static void secrets_fit_hashes_no_longer_than_they(void **state)
{
    (void)state;
    static const char text[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const struct {
        size_t size;
        uint64_t algorithms;
    } cases[] = {
        { 32, BIT(HS256) },
        { 47, BIT(HS256) },
        { 48, BIT(HS256) | BIT(HS384) },
        { 64, BIT(HS256) | BIT(HS384) | BIT(HS512) },
    };
    struct jws_key *key = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(jws_key_from_secret(&crypto, slice_of(text, cases[i].size), &key));
        assert_true(key->algorithms == cases[i].algorithms);
        jws_key_free(key);
    }
    key = NULL;
    assert_fails(jws_key_from_secret(&crypto, slice_of(text, 31), &key), ERROR_VALUE);
    assert_fails(jws_key_from_secret(&crypto, SLICE(""), &key), ERROR_VALUE);
    assert_null(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_keys_of_every_kind),
        cmocka_unit_test(remembers_the_kid),
        cmocka_unit_test(refuses_keys_for_other_uses),
        cmocka_unit_test(refuses_private_and_symmetric_keys),
        cmocka_unit_test(refuses_weak_and_broken_rsa_keys),
        cmocka_unit_test(bounds_the_modulus),
        cmocka_unit_test(a_leading_zero_is_the_same_modulus),
        cmocka_unit_test(refuses_points_off_the_curve),
        cmocka_unit_test(refuses_other_okp_keys),
        cmocka_unit_test(makes_the_thumbprints_of_the_rfcs),
        cmocka_unit_test(secrets_fit_hashes_no_longer_than_they),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
