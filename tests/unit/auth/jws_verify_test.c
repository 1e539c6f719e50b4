#include "unit.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "auth/mint.h"

static struct jws_crypto crypto;
static struct arena arena;
static struct mint_key rsa, rsa_other, p256, p256_other, p384, p521, ed, secret, secret_other;

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 1024 * 1024);
    assert_ok(jws_crypto_init(&crypto));
    rsa = mint_rsa(2048);
    rsa_other = mint_rsa(2048);
    p256 = mint_ec("P-256");
    p256_other = mint_ec("P-256");
    p384 = mint_ec("P-384");
    p521 = mint_ec("P-521");
    ed = mint_ed25519();
    secret = mint_secret("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    secret_other = mint_secret("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF");
    return 0;
}

static int finish(void **state)
{
    (void)state;
    struct mint_key *keys[] = { &rsa, &rsa_other, &p256, &p256_other, &p384, &p521, &ed };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        mint_done(keys[i]);
    }
    jws_crypto_done(&crypto);
    arena_done(&arena);
    return 0;
}

static struct jws_key *load(const struct mint_key *key, const char *more)
{
    struct jws_key *loaded = NULL;
    if (key->pkey == NULL) {
        assert_ok(jws_key_from_secret(&crypto, key->secret, &loaded));
        return loaded;
    }
    struct json *jwk;
    const char *text = mint_jwk(key, more);
    assert_ok(json_parse(slice_from_string(text), 8, &arena, &jwk, NULL));
    assert_ok(jws_key_parse(&crypto, jwk, &loaded));
    return loaded;
}

static const struct mint_key *key_for(enum jwt_algorithm algorithm)
{
    switch (algorithm) {
    case JWT_ES256:
        return &p256;
    case JWT_ES384:
        return &p384;
    case JWT_ES512:
        return &p521;
    case JWT_EDDSA:
    case JWT_ED25519:
        return &ed;
    case JWT_HS256:
    case JWT_HS384:
    case JWT_HS512:
        return &secret;
    default:
        return &rsa;
    }
}

#define INPUT SLICE("eyJhbGciOiJ4In0.eyJhIjoxfQ")

static void verifies_every_algorithm_again_and_again(void **state)
{
    (void)state;
    for (int i = 0; i < JWT_ALGORITHM_COUNT; i++) {
        enum jwt_algorithm algorithm = (enum jwt_algorithm)i;
        struct jws_key *key = load(key_for(algorithm), "");
        unsigned char bytes[1100];
        size_t size = mint_signature(key_for(algorithm), algorithm, RSA_PSS_SALTLEN_DIGEST, INPUT, bytes);
        struct slice signature = slice_of((const char *)bytes, size);
        /* The prepared context must be as good after a failure as before it. */
        for (int round = 0; round < 3; round++) {
            assert_true(jws_verify(&crypto, key, algorithm, INPUT, signature));
            assert_false(jws_verify(&crypto, key, algorithm, SLICE("eyJhbGciOiJ4In0.eyJhIjoyfQ"), signature));
            bytes[size / 2] ^= 1;
            assert_false(jws_verify(&crypto, key, algorithm, INPUT, signature));
            bytes[size / 2] ^= 1;
        }
        jws_key_free(key);
    }
}

static void refuses_signatures_of_any_other_size(void **state)
{
    (void)state;
    for (int i = 0; i < JWT_ALGORITHM_COUNT; i++) {
        enum jwt_algorithm algorithm = (enum jwt_algorithm)i;
        struct jws_key *key = load(key_for(algorithm), "");
        unsigned char bytes[1200] = { 0 };
        size_t size = mint_signature(key_for(algorithm), algorithm, RSA_PSS_SALTLEN_DIGEST, INPUT, bytes + 1);
        const char *signature = (const char *)bytes + 1;
        assert_true(jws_verify(&crypto, key, algorithm, INPUT, slice_of(signature, size)));
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, slice_of(signature, size - 1)));
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, slice_of(signature, size + 1)));
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, slice_of(signature - 1, size + 1)));
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, slice_of(signature, size / 2)));
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, SLICE("")));
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, SLICE_NONE));
        jws_key_free(key);
    }
}

/* T17: a key verifies with the algorithms of its kind and no other, whatever the token says. */
static void never_verifies_beyond_the_keys_kind(void **state)
{
    (void)state;
    for (int made = 0; made < JWT_ALGORITHM_COUNT; made++) {
        unsigned char bytes[1100];
        const struct mint_key *signer = key_for((enum jwt_algorithm)made);
        size_t size = mint_signature(signer, (enum jwt_algorithm)made, RSA_PSS_SALTLEN_DIGEST, INPUT, bytes);
        struct jws_key *key = load(signer, "");
        for (int said = 0; said < JWT_ALGORITHM_COUNT; said++) {
            bool same = made == said || (jws_algorithms[made].family == JWS_EDDSA &&
                                         jws_algorithms[said].family == JWS_EDDSA);
            assert_int_equal(jws_verify(&crypto, key, (enum jwt_algorithm)said, INPUT,
                                        slice_of((const char *)bytes, size)),
                             same);
        }
        jws_key_free(key);
    }
}

/* The public key is public: whoever could use it as an HMAC secret could sign. */
static void a_public_key_is_no_hmac_secret(void **state)
{
    (void)state;
    struct jws_key *key = load(&rsa, "");
    char *pem = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, rsa.pkey), 1);
    long length = BIO_get_mem_data(bio, &pem);
    struct mint_key forged = { .secret = slice_of(pem, (size_t)length) };
    unsigned char bytes[1100];
    size_t size = mint_signature(&forged, JWT_HS256, 0, INPUT, bytes);
    assert_false(jws_verify(&crypto, key, JWT_HS256, INPUT, slice_of((const char *)bytes, size)));
    BIO_free(bio);
    jws_key_free(key);
}

static void an_alg_in_the_key_narrows_it(void **state)
{
    (void)state;
    unsigned char bytes[1100];
    struct jws_key *key = load(&rsa, "\"alg\":\"PS256\"");
    size_t size = mint_signature(&rsa, JWT_RS256, 0, INPUT, bytes);
    assert_false(jws_verify(&crypto, key, JWT_RS256, INPUT, slice_of((const char *)bytes, size)));
    size = mint_signature(&rsa, JWT_PS256, RSA_PSS_SALTLEN_DIGEST, INPUT, bytes);
    assert_true(jws_verify(&crypto, key, JWT_PS256, INPUT, slice_of((const char *)bytes, size)));
    jws_key_free(key);
    key = load(&ed, "\"alg\":\"EdDSA\"");
    size = mint_signature(&ed, JWT_EDDSA, 0, INPUT, bytes);
    assert_true(jws_verify(&crypto, key, JWT_EDDSA, INPUT, slice_of((const char *)bytes, size)));
    assert_false(jws_verify(&crypto, key, JWT_ED25519, INPUT, slice_of((const char *)bytes, size)));
    jws_key_free(key);
}

static void refuses_other_keys_of_the_same_kind(void **state)
{
    (void)state;
    static const struct {
        const struct mint_key *signer, *holder;
        enum jwt_algorithm algorithm;
    } cases[] = {
        { &rsa, &rsa_other, JWT_RS256 },
        { &rsa, &rsa_other, JWT_PS256 },
        { &p256, &p256_other, JWT_ES256 },
        { &secret, &secret_other, JWT_HS256 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[1100];
        struct jws_key *key = load(cases[i].holder, "");
        size_t size =
            mint_signature(cases[i].signer, cases[i].algorithm, RSA_PSS_SALTLEN_DIGEST, INPUT, bytes);
        assert_false(
            jws_verify(&crypto, key, cases[i].algorithm, INPUT, slice_of((const char *)bytes, size)));
        jws_key_free(key);
    }
}

/* RFC 7518 section 3.5: the salt is as long as the digest, not whatever fits. */
static void refuses_other_salt_lengths(void **state)
{
    (void)state;
    struct jws_key *key = load(&rsa, "");
    static const int salts[] = { 0, 20, 31, 33, RSA_PSS_SALTLEN_MAX };
    unsigned char bytes[1100];
    for (size_t i = 0; i < sizeof salts / sizeof *salts; i++) {
        size_t size = mint_signature(&rsa, JWT_PS256, salts[i], INPUT, bytes);
        assert_false(jws_verify(&crypto, key, JWT_PS256, INPUT, slice_of((const char *)bytes, size)));
    }
    size_t size = mint_signature(&rsa, JWT_PS256, 32, INPUT, bytes);
    assert_true(jws_verify(&crypto, key, JWT_PS256, INPUT, slice_of((const char *)bytes, size)));
    jws_key_free(key);
}

/* CVE-2022-21449 and its kin: r or s of zero, of the group's order, or DER in place of r||s. */
static void refuses_degenerate_ecdsa_signatures(void **state)
{
    (void)state;
    static const enum jwt_algorithm algorithms[] = { JWT_ES256, JWT_ES384, JWT_ES512 };
    for (size_t i = 0; i < 3; i++) {
        enum jwt_algorithm algorithm = algorithms[i];
        struct jws_key *key = load(key_for(algorithm), "");
        size_t size = jws_algorithms[algorithm].signature_size;
        unsigned char good[1100], bytes[256] = { 0 };
        mint_signature(key_for(algorithm), algorithm, 0, INPUT, good);
        struct slice signature = slice_of((const char *)bytes, size);
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, signature));
        memcpy(bytes, good, size / 2);
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, signature));
        memset(bytes, 0, size / 2);
        memcpy(bytes + size / 2, good + size / 2, size / 2);
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, signature));
        memset(bytes, 0xff, size);
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, signature));
        memset(bytes, 0, size);
        bytes[size / 2 - 1] = bytes[size - 1] = 1;
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, signature));
        assert_true(jws_verify(&crypto, key, algorithm, INPUT, slice_of((const char *)good, size)));
        jws_key_free(key);
    }
}

/* Signatures whose r or s starts with zeros or the top bit have another DER each time: all of them must convert. */
static void converts_every_shape_of_ecdsa_signature(void **state)
{
    (void)state;
    struct jws_key *key = load(&p256, "");
    unsigned char bytes[1100];
    for (int round = 0; round < 400; round++) {
        char input[32];
        int length = snprintf(input, sizeof input, "a.%d", round);
        struct slice text = slice_of(input, (size_t)length);
        size_t size = mint_signature(&p256, JWT_ES256, 0, text, bytes);
        assert_true(jws_verify(&crypto, key, JWT_ES256, text, slice_of((const char *)bytes, size)));
    }
    jws_key_free(key);
}

static void a_detached_verification_needs_nothing_else(void **state)
{
    (void)state;
    static const enum jwt_algorithm algorithms[] = { JWT_ES256, JWT_ES384, JWT_ES512 };
    for (size_t i = 0; i < 3; i++) {
        struct jws_key *key = load(key_for(algorithms[i]), "");
        unsigned char bytes[1100];
        size_t size = mint_signature(key_for(algorithms[i]), algorithms[i], 0, INPUT, bytes);
        struct jws_detached good, bad;
        struct slice signature = slice_of((const char *)bytes, size);
        assert_true(jws_detach(&crypto, key, algorithms[i], INPUT, signature, &good));
        assert_true(jws_detach(&crypto, key, algorithms[i], SLICE("other"), signature, &bad));
        assert_false(jws_detach(&crypto, key, JWT_RS256, INPUT, signature, &bad));
        assert_false(
            jws_detach(&crypto, key, algorithms[i], INPUT, slice_part(signature, 0, size - 1), &bad));
        jws_key_free(key);
        assert_true(jws_detached_verify(&good));
        assert_false(jws_detached_verify(&bad));
        jws_detached_done(&good);
        jws_detached_done(&bad);
    }
}

/* TLS reads the thread's error queue: a bad token must leave nothing there. */
static void leaves_no_errors_behind(void **state)
{
    (void)state;
    for (int i = 0; i < JWT_ALGORITHM_COUNT; i++) {
        enum jwt_algorithm algorithm = (enum jwt_algorithm)i;
        struct jws_key *key = load(key_for(algorithm), "");
        unsigned char bytes[1100];
        size_t size = mint_signature(key_for(algorithm), algorithm, RSA_PSS_SALTLEN_DIGEST, INPUT, bytes);
        memset(bytes, 0xff, size);
        ERR_clear_error();
        assert_false(jws_verify(&crypto, key, algorithm, INPUT, slice_of((const char *)bytes, size)));
        assert_int_equal(ERR_peek_error(), 0);
        jws_key_free(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_every_algorithm_again_and_again),
        cmocka_unit_test(refuses_signatures_of_any_other_size),
        cmocka_unit_test(never_verifies_beyond_the_keys_kind),
        cmocka_unit_test(a_public_key_is_no_hmac_secret),
        cmocka_unit_test(an_alg_in_the_key_narrows_it),
        cmocka_unit_test(refuses_other_keys_of_the_same_kind),
        cmocka_unit_test(refuses_other_salt_lengths),
        cmocka_unit_test(refuses_degenerate_ecdsa_signatures),
        cmocka_unit_test(converts_every_shape_of_ecdsa_signature),
        cmocka_unit_test(a_detached_verification_needs_nothing_else),
        cmocka_unit_test(leaves_no_errors_behind),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
