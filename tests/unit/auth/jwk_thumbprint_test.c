#include "auth/jwk_thumbprint.h"

#include "unit.h"

#include "auth/mint.h"
#include "base/limits.h"

static struct arena arena;

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 1024 * 1024);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static const struct json *parse(const char *text)
{
    struct json *jwk = NULL;
    assert_ok(json_parse(slice_from_string(text), JSON_DEPTH_MAX, &arena, &jwk, NULL));
    return jwk;
}

static void assert_thumbprint(const char *jwk, const char *expected)
{
    unsigned char thumbprint[JWK_THUMBPRINT_SIZE], same[JWK_THUMBPRINT_SIZE];
    char text[BASE64_ENCODED_MAX(JWK_THUMBPRINT_SIZE)];
    assert_true(jwk_thumbprint(parse(jwk), thumbprint));
    assert_slice(slice_of(text, base64url_encode(thumbprint, sizeof thumbprint, text)), expected);
    assert_true(jwk_thumbprint_decode(slice_from_string(expected), same));
    assert_memory_equal(thumbprint, same, sizeof same);
}

#define N                                                                                                    \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZC" \
    "iFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZg" \
    "nYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIq" \
    "bw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

static void examples_of_the_rfcs(void **state)
{
    (void)state;
    /* RFC 7638 section 3.1: members that are not demanded do not count, and their order neither */
    assert_thumbprint("{\"kty\":\"RSA\",\"n\":\"" N
                      "\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}",
                      "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_thumbprint("{\"kid\":\"x\",\"e\":\"AQAB\",\"n\":\"" N "\",\"kty\":\"RSA\"}",
                      "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    /* RFC 8037 appendix A.3 */
    assert_thumbprint(
        "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    /* RFC 9449 section 6.1 */
    assert_thumbprint("{\"kty\":\"EC\",\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\","
                      "\"y\":\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA\",\"crv\":\"P-256\"}",
                      "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

/* The same as the key itself says, which is made by other code. */
static void as_of_the_key_itself(void **state)
{
    (void)state;
    struct jws_crypto crypto;
    assert_ok(jws_crypto_init(&crypto));
    struct mint_key keys[] = { mint_rsa(2048),   mint_rsa(4096),   mint_ec("P-256"),
                               mint_ec("P-384"), mint_ec("P-521"), mint_ed25519() };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct json *jwk = parse(mint_jwk(&keys[i], "\"use\":\"sig\""));
        struct jws_key *key = NULL;
        unsigned char thumbprint[JWK_THUMBPRINT_SIZE];
        assert_ok(jws_key_parse(&crypto, jwk, &key));
        assert_true(jwk_thumbprint(jwk, thumbprint));
        assert_memory_equal(thumbprint, key->thumbprint, sizeof thumbprint);
        jws_key_free(key);
        mint_done(&keys[i]);
    }
    jws_crypto_done(&crypto);
}

static void what_has_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[]",
        "{}",
        "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"x\":\"AAAA\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":1}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"A\\\"B\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAA=\"}",
    };
    unsigned char thumbprint[JWK_THUMBPRINT_SIZE];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_false(jwk_thumbprint(parse(texts[i]), thumbprint));
    }
    static char large[8192];
    memset(large, 'A', sizeof large);
    char text[9000];
    snprintf(text, sizeof text, "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"%.*s\"}", 4000, large);
    assert_false(jwk_thumbprint(parse(text), thumbprint));
    static const char *const encoded[] = { "", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4",
                                           "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4J",
                                           "0ZcOCORZNYy+DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
                                           "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I=" };
    for (size_t i = 0; i < sizeof encoded / sizeof *encoded; i++) {
        assert_false(jwk_thumbprint_decode(slice_from_string(encoded[i]), thumbprint));
    }
}

static void what_only_secrets_hold(void **state)
{
    (void)state;
    static const char *const members[] = { "d", "p", "q", "dp", "dq", "qi", "oth", "k" };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"%s\":null}", members[i]);
        assert_true(jwk_is_secret(parse(text)));
    }
    assert_false(
        jwk_is_secret(parse("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"A\",\"y\":\"B\",\"use\":\"sig\"}")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(examples_of_the_rfcs, start, end),
        cmocka_unit_test_setup_teardown(as_of_the_key_itself, start, end),
        cmocka_unit_test_setup_teardown(what_has_none, start, end),
        cmocka_unit_test_setup_teardown(what_only_secrets_hold, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
