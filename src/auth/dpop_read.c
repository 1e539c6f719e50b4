/* All that a proof says, beside what was asked for (RFC 9449 section 4.3). */
#include "auth/dpop_verifier.h"

#include "auth/token_digest.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/secret.h"

#define DATE_MAX 253402300799.0 /* the last second of the year 9999 */

/* How long proofs from before our memory of used ones may have been good, and a margin for clocks that are read one after the other. */
#define START_MARGIN (5 * NS_PER_S)

struct proof_claims {
    struct slice jti, htm, htu, ath, nonce;
    bool has_nonce;
    double issued;
};

static enum deny_reason parse(struct arena *scratch, struct slice text, struct jws *out)
{
    if (text.len > DPOP_PROOF_MAX) {
        return DENY_DPOP_MALFORMED;
    }
    arena_reset(scratch);
    enum deny_reason reason = jws_parse(text, scratch, out);
    switch (reason) {
    case DENY_NONE:
    case DENY_INTERNAL:
        return reason;
    case DENY_TOKEN_ALGORITHM:
        return DENY_DPOP_ALGORITHM;
    default:
        return DENY_DPOP_MALFORMED;
    }
}

static enum deny_reason read_header(const struct jws *jws, const struct dpop_settings *settings,
                                    unsigned char thumbprint[JWK_THUMBPRINT_SIZE])
{
    if (!jws->has_typ || !slice_equal(jws->typ, SLICE("dpop+jwt"))) {
        return DENY_DPOP_MALFORMED;
    }
    if (((settings->algorithms >> jws->algorithm) & 1) == 0) {
        return DENY_DPOP_ALGORITHM;
    }
    const struct json *jwk = json_get(jws->header, SLICE("jwk"));
    if (jwk == NULL || jwk->type != JSON_OBJECT || jwk_is_secret(jwk) || !jwk_thumbprint(jwk, thumbprint)) {
        return DENY_DPOP_KEY;
    }
    return DENY_NONE;
}

static bool read_issued(const struct json *payload, double *ret_issued)
{
    const struct json *value = json_get(payload, SLICE("iat"));
    if (value == NULL || value->type != JSON_NUMBER || !(value->number >= 0 && value->number <= DATE_MAX)) {
        return false;
    }
    *ret_issued = value->number;
    return true;
}

static enum deny_reason read_claims(struct slice text, struct arena *scratch, struct proof_claims *out)
{
    struct json *payload;
    struct error error = json_parse(text, JSON_DEPTH_MAX, scratch, &payload, NULL);
    if (failed(error)) {
        return error.kind == ERROR_MEMORY ? DENY_INTERNAL : DENY_DPOP_MALFORMED;
    }
    out->has_nonce = json_get(payload, SLICE("nonce")) != NULL;
    if (payload->type != JSON_OBJECT || !json_get_string(payload, SLICE("jti"), &out->jti) ||
        out->jti.len == 0 || out->jti.len > DPOP_JTI_MAX ||
        !json_get_string(payload, SLICE("htm"), &out->htm) ||
        !json_get_string(payload, SLICE("htu"), &out->htu) || !read_issued(payload, &out->issued) ||
        (out->has_nonce && !json_get_string(payload, SLICE("nonce"), &out->nonce))) {
        return DENY_DPOP_MALFORMED;
    }
    /* Without it the proof is one for the token endpoint, or for none. */
    return json_get_string(payload, SLICE("ath"), &out->ath) ? DENY_NONE : DENY_DPOP_TOKEN;
}

static enum deny_reason check_token(struct slice ath, struct slice token)
{
    unsigned char digest[TOKEN_DIGEST_SIZE];
    char text[BASE64_ENCODED_MAX(sizeof digest)];
    if (!token_digest(token, digest)) {
        return DENY_INTERNAL;
    }
    return secret_equal(ath, slice_of(text, base64url_encode(digest, sizeof digest, text))) ? DENY_NONE
                                                                                            : DENY_DPOP_TOKEN;
}

int64_t dpop_proof_life(const struct dpop_settings *settings)
{
    return settings->proof_lifetime + settings->clock_skew;
}

/* When the proof was made: a nonce of ours tells it, where they are required (RFC 9449 section 11.1), else iat. */
static enum deny_reason check_time(struct dpop_verifier *verifier, const struct dpop_request *request,
                                   const struct proof_claims *claims, struct dpop_proof *out)
{
    const struct dpop_settings *settings = request->settings;
    bool required = settings->nonces == DPOP_NONCES_REQUIRED;
    if (!dpop_nonces_at(&verifier->nonces, settings->nonce_lifetime, request->now)) {
        return DENY_INTERNAL;
    }
    if (claims->has_nonce) {
        enum dpop_nonce_age age = dpop_nonce_look(&verifier->nonces, claims->nonce, &out->until);
        if (age == DPOP_NONCE_WRONG) {
            return DENY_DPOP_NONCE;
        }
        out->nonce_is_old = age == DPOP_NONCE_OLD;
    } else if (required || request->now < request->since + dpop_proof_life(settings) + START_MARGIN) {
        return DENY_DPOP_NONCE;
    }
    if (required) {
        return DENY_NONE;
    }
    double age = (double)request->now_s - claims->issued;
    if (-age * 1e9 > (double)settings->clock_skew || age * 1e9 > (double)settings->proof_lifetime) {
        return DENY_DPOP_TIME;
    }
    out->until = request->now + settings->proof_lifetime - (int64_t)(age * 1e9) + NS_PER_S;
    return DENY_NONE;
}

static bool set_id(struct slice jti, struct dpop_proof *out)
{
    char name[sizeof out->key + DPOP_JTI_MAX];
    memcpy(name, out->key, sizeof out->key);
    memcpy(name + sizeof out->key, jti.ptr, jti.len);
    return token_digest(slice_of(name, sizeof out->key + jti.len), out->id);
}

enum deny_reason dpop_read(struct dpop_verifier *verifier, const struct dpop_request *request,
                           struct dpop_proof *out)
{
    struct jws jws;
    struct proof_claims claims;
    struct arena *scratch = &verifier->scratch;
    *out = (struct dpop_proof){ .text = request->proof };
    enum deny_reason reason = parse(scratch, request->proof, &jws);
    if (reason == DENY_NONE) {
        reason = read_header(&jws, request->settings, out->key);
    }
    if (reason == DENY_NONE) {
        reason = read_claims(jws.payload, scratch, &claims);
    }
    if (reason != DENY_NONE) {
        return reason;
    }
    if (!slice_equal(claims.htm, request->method) ||
        !dpop_target_matches(&request->target, claims.htu, scratch)) {
        return DENY_DPOP_TARGET;
    }
    reason = check_token(claims.ath, request->token);
    if (reason == DENY_NONE) {
        reason = check_time(verifier, request, &claims, out);
    }
    return reason != DENY_NONE || set_id(claims.jti, out) ? reason : DENY_INTERNAL;
}

static bool is_cheap(const struct jws_key *key, const struct json *jwk)
{
    struct slice e;
    return key->modulus_size == 0 || (key->modulus_size <= DPOP_MODULUS_MAX &&
                                      json_get_string(jwk, SLICE("e"), &e) && e.len <= DPOP_EXPONENT_MAX);
}

/* The key's own thumbprint must be what the members as written give: else one key had several. */
struct jws_key *dpop_read_key(struct dpop_verifier *verifier, const struct jws *jws,
                              const unsigned char thumbprint[JWK_THUMBPRINT_SIZE],
                              enum deny_reason *ret_reason)
{
    struct jws_key *key = NULL;
    const struct json *jwk = json_get(jws->header, SLICE("jwk"));
    struct error error = jws_key_parse(&verifier->crypto, jwk, &key);
    if (failed(error)) {
        *ret_reason = error.kind == ERROR_MEMORY ? DENY_INTERNAL : DENY_DPOP_KEY;
        return NULL;
    }
    if (!is_cheap(key, jwk) || memcmp(key->thumbprint, thumbprint, JWK_THUMBPRINT_SIZE) != 0) {
        jws_key_free(key);
        *ret_reason = DENY_DPOP_KEY;
        return NULL;
    }
    return key;
}
