#include "auth/dpop.h"

#include "unit.h"

#include "auth/dpop_verifier.h"
#include "auth/mint.h"
#include "base/clock.h"

/* RFC 9449 figures 2, 9 and 13. */
#define RFC_HEADER                                                                                           \
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOX" \
    "pD"                                                                                                     \
    "a0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydi" \
    "I6"                                                                                                     \
    "IlAtMjU2In19."
#define RFC_RESOURCE                                                                                        \
    RFC_HEADER                                                                                              \
    "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wc" \
    "m90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0" \
    "NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
#define RFC_TOKEN_ENDPOINT                                                                                   \
    RFC_HEADER                                                                                               \
    "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2" \
    "VuIi"                                                                                                   \
    "wiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-"            \
    "FNyJK70nfbV37xR"                                                                                        \
    "ZT3Lg"
#define RFC_ACCESS_TOKEN "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
#define RFC_JKT          "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
#define RFC_NOW          1562262618

#define SINCE (1000 * NS_PER_S)
#define LATER (SINCE + 1000 * NS_PER_S)

static const unsigned char secret[DPOP_SECRET_SIZE] = "0123456789abcdef0123456789abcde";
static struct dpop_origin origin = { true, SLICE_INIT("resource.example.org"), 443 };
static struct dpop_settings settings;
static struct dpop_verifier *verifier;
static struct dpop_request request;

static int start(void **state)
{
    (void)state;
    settings = (struct dpop_settings){
        .algorithms = UINT64_C(1) << JWT_ES256 | UINT64_C(1) << JWT_ES384 | UINT64_C(1) << JWT_EDDSA |
                      UINT64_C(1) << JWT_RS256,
        .proof_lifetime = 60 * NS_PER_S,
        .clock_skew = 30 * NS_PER_S,
        .nonce_lifetime = 60 * NS_PER_S,
        .targets = &origin,
    };
    request = (struct dpop_request){
        .settings = &settings,
        .token = SLICE(RFC_ACCESS_TOKEN),
        .method = SLICE("GET"),
        .target = { .origins = &origin,
                    .origin_count = 1,
                    .host = SLICE("resource.example.org"),
                    .path = SLICE("/protectedresource") },
        .now_s = RFC_NOW,
        .now = LATER,
        .since = SINCE,
    };
    assert_ok(dpop_verifier_new(secret, &verifier));
    return 0;
}

static int end(void **state)
{
    (void)state;
    dpop_verifier_free(verifier);
    return 0;
}

/* All three steps but the last. */
static enum deny_reason judge(const char *text, struct dpop_proof *out)
{
    request.proof = slice_from_string(text);
    enum deny_reason reason = dpop_read(verifier, &request, out);
    struct dpop_job *job = NULL;
    if (reason != DENY_NONE) {
        return reason;
    }
    switch (dpop_verify(verifier, out, &reason, &job)) {
    case DPOP_VALID:
        return DENY_NONE;
    case DPOP_DENIED:
        return reason;
    case DPOP_SLOW:
        break;
    }
    dpop_job_run(job);
    return dpop_job_finish(job);
}

static void the_example_of_the_rfc(void **state)
{
    (void)state;
    struct dpop_proof proof;
    unsigned char jkt[JWK_THUMBPRINT_SIZE];
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_NONE);
    assert_true(jwk_thumbprint_decode(SLICE(RFC_JKT), jkt));
    assert_memory_equal(proof.key, jkt, sizeof jkt);
    assert_true(proof.until > LATER && proof.until <= LATER + 61 * NS_PER_S);
    /* the key is known by now */
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_NONE);
}

static void the_example_for_anything_else(void **state)
{
    (void)state;
    struct dpop_proof proof;
    struct dpop_request good = request;
    request.method = SLICE("POST");
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_DPOP_TARGET);
    request = good;
    request.target.path = SLICE("/protectedresources");
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_DPOP_TARGET);
    request = good;
    request.token = SLICE("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxV");
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_DPOP_TOKEN);
    request = good;
    request.now_s = RFC_NOW + 61;
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_DPOP_TIME);
    request.now_s = RFC_NOW + 60;
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_NONE);
    request.now_s = RFC_NOW - 30;
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_NONE);
    request.now_s = RFC_NOW - 31;
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_DPOP_TIME);
    request = good;
    settings.algorithms = UINT64_C(1) << JWT_RS256;
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_DPOP_ALGORITHM);
}

/* It has no ath. */
static void a_proof_for_the_token_endpoint_is_none(void **state)
{
    (void)state;
    struct dpop_proof proof;
    origin.host = SLICE("server.example.com");
    request.target.host = origin.host;
    request.target.path = SLICE("/token");
    request.method = SLICE("POST");
    assert_int_equal(judge(RFC_TOKEN_ENDPOINT, &proof), DENY_DPOP_TOKEN);
    origin.host = SLICE("resource.example.org");
}

static void a_signature_that_was_changed(void **state)
{
    (void)state;
    struct dpop_proof proof;
    char text[] = RFC_RESOURCE;
    text[sizeof text - 20] ^= 1;
    assert_int_equal(judge(text, &proof), DENY_DPOP_SIGNATURE);
    /* beside a key that is known, too */
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_NONE);
    assert_int_equal(judge(text, &proof), DENY_DPOP_SIGNATURE);
}

static void after_a_start_a_nonce_is_needed(void **state)
{
    (void)state;
    struct dpop_proof proof;
    request.now = SINCE + 94 * NS_PER_S;
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_DPOP_NONCE);
    request.now = SINCE + 95 * NS_PER_S;
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_NONE);
    settings.nonces = DPOP_NONCES_REQUIRED;
    request.now = LATER;
    assert_int_equal(judge(RFC_RESOURCE, &proof), DENY_DPOP_NONCE);
}

/* Of a key of ours, with these claims beside the usual ones. */
static char *mint(const struct mint_key *key, enum jwt_algorithm algorithm, const char *name,
                  const char *header_more, const char *claims)
{
    char header[4096], payload[4096];
    snprintf(header, sizeof header, "{\"typ\":\"dpop+jwt\",\"alg\":\"%s\",\"jwk\":%s%s}", name,
             mint_jwk(key, ""), header_more);
    snprintf(payload, sizeof payload,
             "{\"htm\":\"GET\",\"htu\":\"https://resource.example.org/protectedresource\","
             "\"ath\":\"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo\",%s}",
             claims);
    return mint_token(key, algorithm, header, payload);
}

#define CLAIMS "\"jti\":\"1\",\"iat\":1562262618"

static void a_nonce_of_ours_is_good_and_tells_the_time(void **state)
{
    (void)state;
    struct mint_key key = mint_ec("P-256");
    struct dpop_proof proof;
    char claims[256];
    settings.nonces = DPOP_NONCES_REQUIRED;
    struct slice nonce = dpop_nonce(verifier, &settings, LATER);
    snprintf(claims, sizeof claims, "\"jti\":\"1\",\"iat\":1,\"nonce\":\"%.*s\"", SLICE_ARG(nonce));
    char *text = mint(&key, JWT_ES256, "ES256", "", claims);
    assert_int_equal(judge(text, &proof), DENY_NONE);
    assert_false(proof.nonce_is_old);
    assert_true(proof.until > LATER && proof.until <= LATER + settings.nonce_lifetime);
    request.now = LATER + 30 * NS_PER_S;
    assert_int_equal(judge(text, &proof), DENY_NONE);
    assert_true(proof.nonce_is_old);
    request.now = LATER + 60 * NS_PER_S;
    assert_int_equal(judge(text, &proof), DENY_DPOP_NONCE);
    request.now = LATER;
    settings.nonces = DPOP_NONCES_AFTER_START;
    assert_int_equal(judge(text, &proof), DENY_DPOP_TIME);
    free(text);
    mint_done(&key);
}

static void keys_of_every_kind(void **state)
{
    (void)state;
    struct {
        struct mint_key key;
        enum jwt_algorithm algorithm;
        const char *name;
    } cases[] = {
        { mint_ec("P-256"), JWT_ES256, "ES256" },
        { mint_ec("P-384"), JWT_ES384, "ES384" },
        { mint_rsa(2048), JWT_RS256, "RS256" },
        { mint_ed25519(), JWT_EDDSA, "EdDSA" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dpop_proof proof;
        char *text = mint(&cases[i].key, cases[i].algorithm, cases[i].name, "", CLAIMS);
        assert_int_equal(judge(text, &proof), DENY_NONE);
        assert_int_equal(judge(text, &proof), DENY_NONE);
        free(text);
        mint_done(&cases[i].key);
    }
}

/* The cost of a signature is the client's choice only up to here. */
static void an_rsa_key_that_costs_too_much(void **state)
{
    (void)state;
    struct mint_key large = mint_rsa(4352);
    struct dpop_proof proof;
    char *text = mint(&large, JWT_RS256, "RS256", "", CLAIMS);
    assert_int_equal(judge(text, &proof), DENY_DPOP_KEY);
    free(text);
    mint_done(&large);
}

static void what_is_malformed(void **state)
{
    (void)state;
    struct mint_key key = mint_ec("P-256");
    struct dpop_proof proof;
    static const char *const claims[] = {
        "\"iat\":1562262618",
        "\"jti\":\"\",\"iat\":1562262618",
        "\"jti\":1,\"iat\":1562262618",
        "\"jti\":\"1\"",
        "\"jti\":\"1\",\"iat\":\"1562262618\"",
        "\"jti\":\"1\",\"iat\":-1",
        "\"jti\":\"1\",\"iat\":1562262618,\"nonce\":1",
        "\"jti\":\"1\",\"iat\":1562262618,\"htm\":\"GET\"",
    };
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        char *text = mint(&key, JWT_ES256, "ES256", "", claims[i]);
        assert_int_equal(judge(text, &proof), DENY_DPOP_MALFORMED);
        free(text);
    }
    static const char *const headers[] = { ",\"crit\":[\"x\"],\"x\":1", ",\"b64\":false",
                                           ",\"typ\":\"dpop+jwt\"" };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        char *text = mint(&key, JWT_ES256, "ES256", headers[i], CLAIMS);
        assert_int_equal(judge(text, &proof), DENY_DPOP_MALFORMED);
        free(text);
    }
    assert_int_equal(judge("", &proof), DENY_DPOP_MALFORMED);
    static char large[DPOP_PROOF_MAX + 2];
    memset(large, 'A', sizeof large - 1);
    assert_int_equal(judge(large, &proof), DENY_DPOP_MALFORMED);
    mint_done(&key);
}

/* One jti of two keys is two; what else a proof says makes it no other. */
static void what_is_used_once(void **state)
{
    (void)state;
    struct mint_key keys[] = { mint_ec("P-256"), mint_ec("P-256") };
    struct dpop_proof one, same, other_jti, other_key;
    char *texts[] = { mint(&keys[0], JWT_ES256, "ES256", "", CLAIMS),
                      mint(&keys[0], JWT_ES256, "ES256", "", "\"iat\":1562262610,\"jti\":\"1\",\"x\":1"),
                      mint(&keys[0], JWT_ES256, "ES256", "", "\"jti\":\"2\",\"iat\":1562262618"),
                      mint(&keys[1], JWT_ES256, "ES256", "", CLAIMS) };
    assert_int_equal(judge(texts[0], &one), DENY_NONE);
    assert_int_equal(judge(texts[1], &same), DENY_NONE);
    assert_int_equal(judge(texts[2], &other_jti), DENY_NONE);
    assert_int_equal(judge(texts[3], &other_key), DENY_NONE);
    assert_memory_equal(one.id, same.id, sizeof one.id);
    assert_memory_not_equal(one.id, other_jti.id, sizeof one.id);
    assert_memory_not_equal(one.id, other_key.id, sizeof one.id);
    for (size_t i = 0; i < 4; i++) {
        free(texts[i]);
    }
    mint_done(&keys[0]);
    mint_done(&keys[1]);
}

static void algorithms_as_a_challenge_names_them(void **state)
{
    (void)state;
    char text[DPOP_ALGS_MAX];
    assert_slice(dpop_algs(&settings, text), "RS256 ES256 ES384 EdDSA");
    settings.algorithms = UINT64_MAX;
    assert_true(dpop_algs(&settings, text).len <= DPOP_ALGS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_example_of_the_rfc, start, end),
        cmocka_unit_test_setup_teardown(the_example_for_anything_else, start, end),
        cmocka_unit_test_setup_teardown(a_proof_for_the_token_endpoint_is_none, start, end),
        cmocka_unit_test_setup_teardown(a_signature_that_was_changed, start, end),
        cmocka_unit_test_setup_teardown(after_a_start_a_nonce_is_needed, start, end),
        cmocka_unit_test_setup_teardown(a_nonce_of_ours_is_good_and_tells_the_time, start, end),
        cmocka_unit_test_setup_teardown(keys_of_every_kind, start, end),
        cmocka_unit_test_setup_teardown(an_rsa_key_that_costs_too_much, start, end),
        cmocka_unit_test_setup_teardown(what_is_malformed, start, end),
        cmocka_unit_test_setup_teardown(what_is_used_once, start, end),
        cmocka_unit_test_setup_teardown(algorithms_as_a_challenge_names_them, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
