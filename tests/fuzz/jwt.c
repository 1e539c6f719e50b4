/* Tokens. Text that nobody signed is never valid. Header and payload that the fuzzer thinks up are signed for it, so that it
 * gets behind the signature: what is valid there must be what the rules say, and the cache must say the same again. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "auth/jwt.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/limits.h"
#include "base/random.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

#define NOW INT64_C(1700000000)

static struct slice audience[] = { SLICE_INIT("orders") };
static struct slice issuer_names[] = { SLICE_INIT("main") };
static const struct conf_strings issuers = { issuer_names, 1 };
static const char jwks[] =
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"x\":\"11qYAYKxCrfVS_"
    "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"ec\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

static unsigned char secret[64];
static struct issuer_settings settings;
static struct jwt_verifier *verifier;

static void set_up(void)
{
    if (verifier != NULL) {
        return;
    }
    random_bytes(secret, sizeof secret);
    settings = (struct issuer_settings){
        .name = SLICE("main"),
        .issuer = SLICE("https://idp"),
        .audiences = { audience, 1 },
        .algorithms = (UINT64_C(1) << JWT_ALGORITHM_COUNT) - 1,
        .token_types = 7,
        .secret = slice_of((const char *)secret, sizeof secret),
        .jwks_text = slice_from_string(jwks),
        .clock_skew = 30 * NS_PER_S,
        .max_token_lifetime = 86400 * NS_PER_S,
    };
    CHECK(!failed(jwt_verifier_new(64, &verifier)));
    CHECK(!failed(jwt_issuer_set(verifier, &settings)));
}

static void check_principal(struct jwt_token *token)
{
    struct principal principal;
    jwt_principal(token, &principal);
    CHECK(slice_equal(principal.issuer, settings.issuer) &&
          slice_equal(principal.issuer_name, settings.name));
    CHECK(principal.expires > NOW - 30 && principal.expires <= NOW + 86400 + 30);
    CHECK(!principal.bound && principal_claim(&principal, SLICE("cnf")) == NULL);
    CHECK(principal_claim(&principal, SLICE("nonce")) == NULL &&
          principal_claim(&principal, SLICE("events")) == NULL);
    for (size_t i = 0; i < principal.scope_count; i++) {
        CHECK(i == 0 || slice_compare(principal.scopes[i - 1], principal.scopes[i]) < 0);
        CHECK(principal_has_scope(&principal, principal.scopes[i]));
    }
    unsigned char key[PRINCIPAL_KEY_SIZE], same[PRINCIPAL_KEY_SIZE];
    bool has_key = principal_caller_key(&principal, key);
    principal.caller_key = NULL;
    CHECK(has_key == principal_caller_key(&principal, same) &&
          (!has_key || memcmp(key, same, sizeof key) == 0));
}

/* DENY_NONE where it is valid. */
static enum deny_reason verify(struct slice text)
{
    struct jwt_request request = { .token = text, .issuers = &issuers, .now = NOW };
    struct jwt_token *token = NULL;
    struct jwt_job *job = NULL;
    struct jwt_detail detail = { 0 };
    enum jwt_outcome outcome = jwt_verify(verifier, &request, &token, &detail, &job);
    if (outcome == JWT_SLOW) {
        jwt_job_run(job);
        outcome = jwt_finish(verifier, job, &token, &detail);
    }
    if (outcome == JWT_DENIED) {
        CHECK(token == NULL && detail.reason > DENY_NONE && detail.reason < DENY_REASON_COUNT);
        CHECK(detail.issuer_name.len == 0 || detail.issuer_name.ptr == issuer_names[0].ptr);
        return detail.reason;
    }
    CHECK(outcome == JWT_VALID);
    check_principal(token);
    jwt_token_unref(token);
    return DENY_NONE;
}

static void check_unsigned(struct slice text)
{
    char *exact = malloc(text.len > 0 ? text.len : 1);
    CHECK(exact != NULL);
    if (text.len > 0) {
        memcpy(exact, text.ptr, text.len);
    }
    CHECK(verify(slice_of(exact, text.len)) != DENY_NONE);
    free(exact);
}

/* Header up to the first newline, payload behind it. */
static void check_signed(struct slice text)
{
    struct slice rest = text, header;
    if (text.ptr == NULL || !slice_next(&rest, '\n', &header) || rest.ptr == NULL ||
        text.len > 2 * JWT_TEXT_MAX) {
        return;
    }
    char *token = malloc(BASE64_ENCODED_MAX(text.len) + 128);
    CHECK(token != NULL);
    size_t used = base64url_encode(header.ptr, header.len, token);
    token[used++] = '.';
    used += base64url_encode(rest.ptr, rest.len, token + used);
    unsigned char tag[32];
    unsigned int size = 0;
    CHECK(HMAC(EVP_sha256(), secret, sizeof secret, (const unsigned char *)token, used, tag, &size) != NULL);
    token[used++] = '.';
    used += base64url_encode(tag, size, token + used);
    enum deny_reason first = verify(slice_of(token, used));
    CHECK(verify(slice_of(token, used)) == first);
    free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    set_up();
    struct slice text = slice_of((const char *)data, size);
    check_unsigned(text);
    check_signed(text);
    return 0;
}
