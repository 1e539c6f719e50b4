/* A verifier with one issuer, its keys, and tokens of every kind: what the tests of jwt.h share. */
#ifndef SALLYPORT_TESTS_UNIT_AUTH_JWT_FIXTURE_H
#define SALLYPORT_TESTS_UNIT_AUTH_JWT_FIXTURE_H

#include "unit.h"

#include <pthread.h>

#include "auth/jwt.h"
#include "auth/mint.h"
#include "base/clock.h"
#include "base/limits.h"

#define NOW    INT64_C(1700000000)
#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CLAIMS \
    "\"iss\":\"https://idp\",\"sub\":\"u1\",\"client_id\":\"app\",\"scope\":\"b a a\",\"roles\":[\"admin\"]"
#define TIMES "\"iat\":1700000000,\"exp\":1700000600"
#define GOOD  "{" CLAIMS ",\"aud\":\"orders\"," TIMES "}"

#define BIT(id) (UINT64_C(1) << JWT_##id)
#define PUBLIC_ALGORITHMS \
    (BIT(RS256) | BIT(PS256) | BIT(ES256) | BIT(ES384) | BIT(ES512) | BIT(EDDSA) | BIT(ED25519) | BIT(RS512))

static struct mint_key rsa, p256, p256_new, p384, ed, stranger;
static struct jwt_verifier *verifier;
static struct issuer_settings settings;
static struct slice orders[] = { SLICE_INIT("orders") };
static struct slice stock[] = { SLICE_INIT("stock") };
static struct slice names[] = { SLICE_INIT("main"), SLICE_INIT("other") };
static struct conf_strings one_issuer = { names, 1 };
static struct jwt_detail detail;
static char jwks[65536];

static inline int make_keys(void **state)
{
    (void)state;
    rsa = mint_rsa(2048);
    p256 = mint_ec("P-256");
    p256_new = mint_ec("P-256");
    p384 = mint_ec("P-384");
    ed = mint_ed25519();
    stranger = mint_ec("P-256");
    return 0;
}

static inline int drop_keys(void **state)
{
    (void)state;
    struct mint_key *keys[] = { &rsa, &p256, &p256_new, &p384, &ed, &stranger };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        mint_done(keys[i]);
    }
    return 0;
}

static inline struct issuer_settings issuer(const char *name, const char *iss, struct slice *audience)
{
    return (struct issuer_settings){
        .name = slice_from_string(name),
        .issuer = slice_from_string(iss),
        .audiences = { audience, 1 },
        .algorithms = PUBLIC_ALGORITHMS,
        .token_types = 7,
        .jwks_url = SLICE("https://idp/keys"),
        .clock_skew = 30 * NS_PER_S,
        .max_token_lifetime = 86400 * NS_PER_S,
    };
}

static inline const char *all_keys(void)
{
    size_t used = (size_t)snprintf(jwks, sizeof jwks, "{\"keys\":[%s,%s", mint_jwk(&rsa, "\"kid\":\"rsa\""),
                                   mint_jwk(&p256, "\"kid\":\"p256\""));
    snprintf(jwks + used, sizeof jwks - used, ",%s,%s]}", mint_jwk(&p384, "\"kid\":\"p384\""),
             mint_jwk(&ed, "\"kid\":\"ed\""));
    return jwks;
}

static inline void set_keys(const char *name, const char *text)
{
    size_t used = 0;
    assert_ok(jwt_issuer_set_keys(verifier, slice_from_string(name), slice_from_string(text), &used));
    assert_true(used > 0);
}

static inline int start(void **state)
{
    (void)state;
    assert_ok(jwt_verifier_new(64, &verifier));
    settings = issuer("main", "https://idp", orders);
    assert_ok(jwt_issuer_set(verifier, &settings));
    set_keys("main", all_keys());
    return 0;
}

static inline int finish(void **state)
{
    (void)state;
    jwt_verifier_free(verifier);
    return 0;
}

/* DENY_NONE where the token is valid; a job is run at once. */
static inline enum deny_reason verify_as(const char *token, const struct conf_strings *issuers, int64_t now,
                                         struct jwt_token **ret_token)
{
    /* Of the exact size, so that a sanitizer sees a read beyond it. */
    struct slice text = slice_from_string(token);
    char *exact = malloc(text.len + 1);
    memcpy(exact, text.ptr, text.len);
    struct jwt_request request = { .token = slice_of(exact, text.len), .issuers = issuers, .now = now };
    struct jwt_token *verified = NULL;
    struct jwt_job *job = NULL;
    detail = (struct jwt_detail){ 0 };
    enum jwt_outcome outcome = jwt_verify(verifier, &request, &verified, &detail, &job);
    free(exact);
    if (outcome == JWT_SLOW) {
        jwt_job_run(job);
        outcome = jwt_finish(verifier, job, &verified, &detail);
    }
    if (outcome == JWT_DENIED) {
        assert_null(verified);
        assert_int_not_equal(detail.reason, DENY_NONE);
        return detail.reason;
    }
    assert_int_equal(outcome, JWT_VALID);
    if (ret_token != NULL) {
        *ret_token = verified;
    } else {
        jwt_token_unref(verified);
    }
    return DENY_NONE;
}

static inline enum deny_reason verify(const char *token)
{
    return verify_as(token, &one_issuer, NOW, NULL);
}

static inline enum deny_reason verify_minted(const struct mint_key *key, enum jwt_algorithm algorithm,
                                             const char *header, const char *payload)
{
    char *token = mint_token(key, algorithm, header, payload);
    enum deny_reason reason = verify(token);
    free(token);
    return reason;
}

#define ES256_HEADER "{\"alg\":\"ES256\",\"kid\":\"p256\",\"typ\":\"at+jwt\"}"

static inline char *good_token(void)
{
    return mint_token(&p256, JWT_ES256, ES256_HEADER, GOOD);
}

#endif
