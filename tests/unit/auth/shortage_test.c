/* Memory that runs out within anything that decides about a token: it is an error or a denial, never consent, and when there is
 * memory again all is as before. */
#include "unit.h"

#include <openssl/err.h>

#include "auth/jwt.h"
#include "auth/mint.h"
#include "base/clock.h"
#include "shortage.h"

#define NOW INT64_C(1700000000)
#define CLAIMS \
    "{\"iss\":\"https://idp\",\"aud\":\"orders\",\"sub\":\"a\",\"scope\":\"x y\",\"exp\":1700000100}"

static const enum jwt_algorithm algorithms[] = { JWT_RS256, JWT_PS256, JWT_ES256,
                                                 JWT_ES384, JWT_EDDSA, JWT_HS512 };
static const char *const algorithm_names[] = { "RS256", "PS256", "ES256", "ES384", "EdDSA", "HS512" };
#define COUNT (sizeof algorithms / sizeof algorithms[0])

static struct mint_key keys[COUNT];
static char *good[COUNT], *bad[COUNT];
static char jwks[16384];
static struct slice audience[] = { SLICE_INIT("orders") };
static struct slice names[] = { SLICE_INIT("main") };
static const struct conf_strings issuers = { names, 1 };
static struct issuer_settings settings;

static char *break_signature(const char *token)
{
    char *broken = strdup(token);
    char *at = strrchr(broken, '.') + 5;
    *at = *at == 'A' ? 'B' : 'A';
    return broken;
}

static int start(void **state)
{
    (void)state;
    keys[0] = keys[1] = mint_rsa(2048);
    keys[2] = mint_ec("P-256");
    keys[3] = mint_ec("P-384");
    keys[4] = mint_ed25519();
    keys[5] = mint_secret("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    snprintf(jwks, sizeof jwks, "{\"keys\":[%s,%s,", mint_jwk(&keys[0], ""), mint_jwk(&keys[2], ""));
    size_t used = strlen(jwks);
    snprintf(jwks + used, sizeof jwks - used, "%s,%s]}", mint_jwk(&keys[3], ""), mint_jwk(&keys[4], ""));
    for (size_t i = 0; i < COUNT; i++) {
        char header[64];
        snprintf(header, sizeof header, "{\"alg\":\"%s\"}", algorithm_names[i]);
        good[i] = mint_token(&keys[i], algorithms[i], header, CLAIMS);
        bad[i] = break_signature(good[i]);
    }
    settings = (struct issuer_settings){
        .name = SLICE("main"),
        .issuer = SLICE("https://idp"),
        .audiences = { audience, 1 },
        .algorithms = (UINT64_C(1) << JWT_ALGORITHM_COUNT) - 1,
        .token_types = 7,
        .secret = keys[5].secret,
        .jwks_text = slice_from_string(jwks),
        .clock_skew = 30 * NS_PER_S,
        .max_token_lifetime = 86400 * NS_PER_S,
    };
    return 0;
}

static int finish(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        free(good[i]);
        free(bad[i]);
        if (i != 1) {
            mint_done(&keys[i]);
        }
    }
    return 0;
}

static bool is_valid(struct jwt_verifier *verifier, const char *text)
{
    struct jwt_request request = { .token = slice_from_string(text), .issuers = &issuers, .now = NOW };
    struct jwt_token *token = NULL;
    struct jwt_job *job = NULL;
    struct jwt_detail detail = { 0 };
    enum jwt_outcome outcome = jwt_verify(verifier, &request, &token, &detail, &job);
    if (outcome == JWT_SLOW) {
        jwt_job_run(job);
        outcome = jwt_finish(verifier, job, &token, &detail);
    }
    if (outcome != JWT_VALID) {
        assert_int_not_equal(detail.reason, DENY_NONE);
        return false;
    }
    jwt_token_unref(token);
    return true;
}

static struct error make(struct jwt_verifier **ret_verifier)
{
    TRY(jwt_verifier_new(16, ret_verifier));
    return jwt_issuer_set(*ret_verifier, &settings);
}

static void keys_are_loaded_or_not(void **state)
{
    (void)state;
    bool met = true;
    for (long after = 0; met; after++) {
        struct jwt_verifier *verifier = NULL;
        shortage_begin(after);
        struct error error = make(&verifier);
        met = shortage_end();
        for (size_t i = 0; verifier != NULL && i < COUNT; i++) {
            assert_false(is_valid(verifier, bad[i]));
            assert_true(met || is_valid(verifier, good[i]));
        }
        assert_true(met || !failed(error));
        assert_true(after < 20000);
        if (verifier != NULL) {
            assert_ok(jwt_issuer_set(verifier, &settings)); /* with memory all is well again */
            jwt_verifier_free(verifier);
        }
        ERR_clear_error();
    }
}

static void a_token_without_memory_is_never_valid_by_mistake(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        bool met = true;
        for (long after = 0; met; after++) {
            struct jwt_verifier *verifier = NULL;
            assert_ok(make(&verifier));
            shortage_begin(after);
            assert_false(is_valid(verifier, bad[i]));
            shortage_end();
            shortage_begin(after);
            bool valid = is_valid(verifier, good[i]);
            met = shortage_end();
            assert_true(met || valid);
            assert_true(is_valid(verifier, good[i]));
            assert_false(is_valid(verifier, bad[i]));
            jwt_verifier_free(verifier);
            assert_true(after < 1000);
        }
    }
}

int main(void)
{
    shortage_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_loaded_or_not),
        cmocka_unit_test(a_token_without_memory_is_never_valid_by_mistake),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
