#include "auth/jwt.h"

#include <stdlib.h>

#include "auth/job.h"
#include "auth/token_digest.h"
#include "auth/verifier.h"
#include "base/limits.h"

/* One token under the knife. */
struct verification {
    struct jwt_verifier *verifier;
    const struct jwt_request *request;
    const unsigned char *digest; /* of the token, 32 bytes */
    const struct jwt_job *done;  /* a job that has run; NULL: none has */
    struct jwt_job *planned;     /* what is to run; NULL: nothing */
    struct jws jws;
    struct json *payload;
    struct claims claims;
    struct jwt_detail detail; /* the best reason to deny so far */
    struct jwt_token *token;  /* verified, held */
};

/* Of several issuers' reasons, the one that tells most: one that could not judge may still accept; next, one whose keys
 * verified the token. */
static int weight(enum deny_reason reason)
{
    switch (reason) {
    case DENY_NONE:
        return 0;
    case DENY_TOKEN_ISSUER:
        return 1;
    case DENY_TOKEN_ALGORITHM:
    case DENY_TOKEN_KEY_UNKNOWN:
        return 2;
    case DENY_TOKEN_SIGNATURE:
        return 3;
    case DENY_ISSUER_UNAVAILABLE:
    case DENY_INTERNAL:
        return 5;
    default:
        return 4;
    }
}

static void note(struct verification *verification, enum deny_reason reason, struct slice issuer_name)
{
    if (weight(reason) > weight(verification->detail.reason)) {
        verification->detail.reason = reason;
        verification->detail.issuer_name = issuer_name;
    }
}

static enum jwt_outcome denied(struct jwt_detail *ret_detail, struct jwt_detail detail)
{
    *ret_detail = detail;
    return JWT_DENIED;
}

/* A cached token, checked again in all that may differ from the time, the route and the request that it was verified for.
 * NULL, with the reason noted where it was there. */
static struct jwt_token *find_cached(struct verification *verification, struct jwt_issuer *issuer,
                                     struct slice issuer_name)
{
    struct digest_cache *cache = &verification->verifier->cache;
    struct digest_cache_entry *entry = digest_cache_find(cache, verification->digest, issuer->id);
    if (entry == NULL) {
        return NULL;
    }
    struct jwt_token *token = entry->value;
    if (token->generation != issuer->generation) {
        if (!issuer_stands_by(issuer, token)) {
            digest_cache_remove(cache, entry);
            return NULL;
        }
        token->generation = issuer->generation;
    }
    enum deny_reason reason = claims_check(&token->claims, issuer->settings, verification->request);
    if (reason == DENY_NONE) {
        return token_ref(token);
    }
    if (reason == DENY_TOKEN_EXPIRED) {
        digest_cache_remove(cache, entry);
    }
    note(verification, reason, issuer_name);
    return NULL;
}

/* True where the cache answers: the token is there and good, or there and bad for the only issuer asked. */
static bool ask_cache(struct verification *verification)
{
    const struct conf_strings *names = verification->request->issuers;
    for (size_t i = 0; i < names->count && verification->token == NULL; i++) {
        struct jwt_issuer *issuer = verifier_issuer(verification->verifier, names->items[i]);
        if (issuer != NULL) {
            verification->token = find_cached(verification, issuer, names->items[i]);
        }
    }
    if (verification->token != NULL || (verification->detail.reason != DENY_NONE && names->count == 1)) {
        return true;
    }
    verification->detail = (struct jwt_detail){ 0 };
    return false;
}

static enum deny_reason parse_token(struct verification *verification)
{
    struct arena *arena = &verification->verifier->scratch;
    arena_reset(arena);
    enum deny_reason reason = jws_parse(verification->request->token, arena, &verification->jws);
    if (reason != DENY_NONE) {
        return reason;
    }
    struct error error =
        json_parse(verification->jws.payload, JSON_DEPTH_MAX, arena, &verification->payload, NULL);
    if (failed(error)) {
        return error.kind == ERROR_MEMORY ? DENY_INTERNAL : DENY_TOKEN_MALFORMED;
    }
    if (verification->payload->type != JSON_OBJECT) {
        return DENY_TOKEN_MALFORMED;
    }
    claims_read(&verification->jws, verification->payload, &verification->claims);
    return DENY_NONE;
}

static bool is_signed_by(struct verification *verification, const struct jws_key *key)
{
    const struct jws *jws = &verification->jws;
    if (verification->done != NULL) {
        return job_has_verified(verification->done, key);
    }
    return jws_verify(&verification->verifier->crypto, key, jws->algorithm, jws->signing_input,
                      jws->signature);
}

/* The token is genuine: is it good here and now? Then it is kept for the next time. */
static enum deny_reason accept(struct verification *verification, struct jwt_issuer *issuer,
                               const struct jws_key *key, struct slice issuer_name)
{
    enum deny_reason reason = claims_check(&verification->claims, issuer->settings, verification->request);
    if (reason != DENY_NONE) {
        return reason;
    }
    if (claims_roles(verification->payload, issuer->settings->roles_claim, NULL, 0) > JWT_SCOPES_MAX) {
        return DENY_TOKEN_CLAIM;
    }
    const struct token_source source = { .name = issuer_name,
                                         .roles_claim = issuer->settings->roles_claim,
                                         .jws = &verification->jws,
                                         .key = key,
                                         .generation = issuer->generation };
    struct jwt_token *token = token_new(&verification->verifier->crypto, verification->payload, &source);
    if (token == NULL) {
        return DENY_INTERNAL;
    }
    if (token->size <= JWT_CACHED_MAX) {
        digest_cache_put(&verification->verifier->cache, verification->digest, issuer->id, token_ref(token));
    }
    verification->token = token;
    return DENY_NONE;
}

/* Tries one issuer whose iss the token names. */
static enum deny_reason try_issuer(struct verification *verification, struct jwt_issuer *issuer,
                                   struct slice issuer_name)
{
    const struct jws_key *keys[JWT_KEYS_TRIED_MAX];
    size_t count = 0;
    bool unknown_kid = false;
    enum deny_reason reason = issuer_select_keys(issuer, &verification->jws, keys, &count, &unknown_kid);
    verification->detail.unknown_kid |= unknown_kid;
    if (reason != DENY_NONE) {
        return reason;
    }
    if (verification->done == NULL) {
        reason = verification_gate_pass(&verification->request->gate);
    }
    if (reason != DENY_NONE) {
        return reason;
    }
    if (jws_algorithms[verification->jws.algorithm].is_slow && verification->done == NULL) {
        return job_plan(&verification->planned, &verification->verifier->crypto, &verification->jws, keys,
                        count);
    }
    for (size_t i = 0; i < count; i++) {
        if (is_signed_by(verification, keys[i])) {
            return accept(verification, issuer, keys[i], issuer_name);
        }
    }
    return DENY_TOKEN_SIGNATURE;
}

/* The route's issuers whose iss is exactly the token's, in the route's order. */
static void try_issuers(struct verification *verification)
{
    const struct conf_strings *names = verification->request->issuers;
    note(verification, DENY_TOKEN_ISSUER, SLICE_NONE);
    for (size_t i = 0; i < names->count && verification->token == NULL; i++) {
        struct jwt_issuer *issuer = verifier_issuer(verification->verifier, names->items[i]);
        if (issuer == NULL || slice_is_empty(verification->claims.issuer) ||
            !slice_equal(verification->claims.issuer, issuer->settings->issuer)) {
            continue;
        }
        note(verification, try_issuer(verification, issuer, names->items[i]), names->items[i]);
    }
}

/* Verifies a token that is not cached, or of which a job has verified the signature. */
static enum jwt_outcome verify_afresh(struct verification *verification, struct jwt_token **ret_token,
                                      struct jwt_detail *ret_detail)
{
    enum deny_reason reason = parse_token(verification);
    if (reason != DENY_NONE) {
        return denied(ret_detail, (struct jwt_detail){ .reason = reason });
    }
    try_issuers(verification);
    if (verification->token != NULL) {
        *ret_token = verification->token;
        return JWT_VALID;
    }
    if (verification->planned != NULL) {
        return JWT_SLOW;
    }
    return denied(ret_detail, verification->detail);
}

enum jwt_outcome jwt_verify(struct jwt_verifier *verifier, const struct jwt_request *request,
                            struct jwt_token **ret_token, struct jwt_detail *ret_detail,
                            struct jwt_job **ret_job)
{
    unsigned char digest[TOKEN_DIGEST_SIZE];
    if (request->token.len > JWT_TEXT_MAX) {
        return denied(ret_detail, (struct jwt_detail){ .reason = DENY_TOKEN_TOO_LARGE });
    }
    if (!token_digest(request->token, digest)) {
        return denied(ret_detail, (struct jwt_detail){ .reason = DENY_INTERNAL });
    }
    struct verification verification = { .verifier = verifier, .request = request, .digest = digest };
    if (ask_cache(&verification)) {
        if (verification.token == NULL) {
            return denied(ret_detail, verification.detail);
        }
        *ret_token = verification.token;
        *ret_detail = (struct jwt_detail){ .cached = true };
        return JWT_VALID;
    }
    *ret_detail = (struct jwt_detail){ .cached = false };
    enum jwt_outcome outcome = verify_afresh(&verification, ret_token, ret_detail);
    if (outcome == JWT_SLOW && !job_take_request(verification.planned, request, digest)) {
        job_free(verification.planned);
        return denied(ret_detail, (struct jwt_detail){ .reason = DENY_INTERNAL });
    }
    if (outcome == JWT_SLOW) {
        *ret_job = verification.planned;
    }
    return outcome;
}

enum jwt_outcome jwt_finish(struct jwt_verifier *verifier, struct jwt_job *job, struct jwt_token **ret_token,
                            struct jwt_detail *ret_detail)
{
    struct verification verification = {
        .verifier = verifier, .request = job_request(job), .digest = job_digest(job), .done = job
    };
    enum jwt_outcome outcome = verify_afresh(&verification, ret_token, ret_detail);
    job_free(job);
    return outcome;
}
