/* Proofs of possession. Text that nobody signed proves nothing. Header and payload that the fuzzer thinks up are signed for it by a key of
 * ours, so that it gets behind the signature: what proves something there must say what was asked for, and prove the same again. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "auth/dpop.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "json/json.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

#define NOW_S INT64_C(1700000000)
#define NOW   (INT64_C(100000) * NS_PER_S)

static const unsigned char secret[32] = "0123456789abcdef0123456789abcde";
/* RFC 8032 section 7.1, TEST 1: its public key is the jwk of the seeds. */
static const unsigned char private_key[32] = { 0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60,
                                               0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
                                               0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19,
                                               0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60 };
static struct dpop_origin origin = { true, SLICE_INIT("api.example.com"), 443 };
static struct dpop_settings settings;
static struct dpop_verifier *verifier;
static EVP_PKEY *key;

static void set_up(void)
{
    if (verifier != NULL) {
        return;
    }
    settings = (struct dpop_settings){
        .algorithms = UINT64_MAX,
        .proof_lifetime = 60 * NS_PER_S,
        .clock_skew = 30 * NS_PER_S,
        .nonce_lifetime = 60 * NS_PER_S,
    };
    key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, sizeof private_key);
    CHECK(key != NULL && !failed(dpop_verifier_new(secret, &verifier)));
}

static enum deny_reason judge(struct slice text, struct dpop_proof *out)
{
    struct dpop_request request = {
        .settings = &settings,
        .proof = text,
        .token = SLICE("a.b.c"),
        .method = SLICE("GET"),
        .target = { .origins = &origin, .origin_count = 1, .host = origin.host, .path = SLICE("/orders/1") },
        .now_s = NOW_S,
        .now = NOW,
    };
    enum deny_reason reason = dpop_read(verifier, &request, out);
    struct dpop_job *job = NULL;
    if (reason != DENY_NONE) {
        CHECK(reason < DENY_REASON_COUNT);
        return reason;
    }
    CHECK(out->until > NOW && out->until <= NOW + 92 * NS_PER_S);
    switch (dpop_verify(verifier, out, &reason, &job)) {
    case DPOP_VALID:
        return DENY_NONE;
    case DPOP_DENIED:
        CHECK(reason > DENY_NONE && reason < DENY_REASON_COUNT);
        return reason;
    case DPOP_SLOW:
        break;
    }
    dpop_job_run(job);
    return dpop_job_finish(job);
}

static void check_unsigned(struct slice text)
{
    struct dpop_proof proof;
    char *exact = malloc(text.len > 0 ? text.len : 1);
    CHECK(exact != NULL);
    if (text.len > 0) {
        memcpy(exact, text.ptr, text.len);
    }
    CHECK(judge(slice_of(exact, text.len), &proof) != DENY_NONE);
    free(exact);
}

/* What a good one must say, read by itself. */
static void check_good(struct slice payload, const struct dpop_proof *proof)
{
    struct arena arena;
    struct json *claims = NULL;
    struct slice jti, htm, ath;
    unsigned char jkt[JWK_THUMBPRINT_SIZE];
    arena_init(&arena, 1024 * 1024);
    CHECK(!failed(json_parse(payload, 64, &arena, &claims, NULL)));
    CHECK(json_get_string(claims, SLICE("jti"), &jti) && jti.len > 0);
    CHECK(json_get_string(claims, SLICE("htm"), &htm) && slice_equal(htm, SLICE("GET")));
    CHECK(json_get_string(claims, SLICE("ath"), &ath) && ath.len == 43);
    CHECK(jwk_thumbprint_decode(SLICE("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"), jkt));
    CHECK(memcmp(proof->key, jkt, sizeof jkt) == 0);
    arena_done(&arena);
}

/* Header up to the first newline, payload behind it. */
static void check_signed(struct slice text)
{
    struct slice rest = text, header;
    if (text.ptr == NULL || !slice_next(&rest, '\n', &header) || rest.ptr == NULL || text.len > 16384) {
        return;
    }
    char *token = malloc(BASE64_ENCODED_MAX(text.len) + 256);
    CHECK(token != NULL);
    size_t used = base64url_encode(header.ptr, header.len, token);
    token[used++] = '.';
    used += base64url_encode(rest.ptr, rest.len, token + used);
    unsigned char signature[64];
    size_t size = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CHECK(EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
          EVP_DigestSign(context, signature, &size, (const unsigned char *)token, used) == 1);
    EVP_MD_CTX_free(context);
    token[used++] = '.';
    used += base64url_encode(signature, size, token + used);
    struct dpop_proof first, second;
    enum deny_reason reason = judge(slice_of(token, used), &first);
    if (reason == DENY_NONE) {
        check_good(rest, &first);
    }
    CHECK(judge(slice_of(token, used), &second) == reason);
    CHECK(reason != DENY_NONE || memcmp(first.id, second.id, sizeof first.id) == 0);
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
