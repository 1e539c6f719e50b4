#include "auth/verifier.h"

#include <stdlib.h>

static bool is_hmac(enum jwt_algorithm algorithm)
{
    return jws_algorithms[algorithm].family == JWS_HMAC;
}

static bool kid_matches(const struct jws_key *key, bool has_kid, struct slice kid)
{
    return !has_kid || (key->has_kid && slice_equal(key->kid, kid));
}

/* Keys that are being fetched may come: the caller should try again. Others never will. */
static enum deny_reason no_keys(const struct issuer_settings *settings)
{
    return issuer_fetches_keys(settings) ? DENY_ISSUER_UNAVAILABLE : DENY_TOKEN_KEY_UNKNOWN;
}

static enum deny_reason select_from_set(const struct jws_key_set *set, const struct jws *jws,
                                        const struct jws_key *keys[JWT_KEYS_TRIED_MAX], size_t *ret_count,
                                        bool *ret_unknown_kid)
{
    size_t count = 0;
    bool known = false;
    for (size_t i = 0; i < set->count && count < JWT_KEYS_TRIED_MAX; i++) {
        if (!kid_matches(set->keys[i], jws->has_kid, jws->kid)) {
            continue;
        }
        known = true;
        if (jws_key_fits(set->keys[i], jws->algorithm)) {
            keys[count++] = set->keys[i];
        }
    }
    if (count > 0) {
        *ret_count = count;
        return DENY_NONE;
    }
    *ret_unknown_kid = jws->has_kid && !known;
    return jws->has_kid && known ? DENY_TOKEN_ALGORITHM : DENY_TOKEN_KEY_UNKNOWN;
}

enum deny_reason issuer_select_keys(const struct jwt_issuer *issuer, const struct jws *jws,
                                    const struct jws_key *keys[JWT_KEYS_TRIED_MAX], size_t *ret_count,
                                    bool *ret_unknown_kid)
{
    *ret_unknown_kid = false;
    if (((issuer->settings->algorithms >> jws->algorithm) & 1) == 0) {
        return DENY_TOKEN_ALGORITHM;
    }
    if (!is_hmac(jws->algorithm)) {
        return issuer->keys != NULL ? select_from_set(issuer->keys, jws, keys, ret_count, ret_unknown_kid)
                                    : no_keys(issuer->settings);
    }
    /* A shared secret comes from the configuration alone: a public key is none (CVE-2015-9235 and its kin). */
    if (issuer->secret == NULL) {
        return DENY_TOKEN_KEY_UNKNOWN;
    }
    if (!jws_key_fits(issuer->secret, jws->algorithm)) {
        return DENY_TOKEN_ALGORITHM;
    }
    keys[0] = issuer->secret;
    *ret_count = 1;
    return DENY_NONE;
}

static bool is_key_of(const struct jws_key *key, const struct jwt_token *token)
{
    return jws_key_fits(key, token->claims.algorithm) &&
           memcmp(key->thumbprint, token->key, sizeof token->key) == 0;
}

bool issuer_stands_by(const struct jwt_issuer *issuer, const struct jwt_token *token)
{
    if (!slice_equal(token->roles_claim, issuer->settings->roles_claim)) {
        return false;
    }
    if (is_hmac(token->claims.algorithm)) {
        return issuer->secret != NULL && is_key_of(issuer->secret, token);
    }
    for (size_t i = 0; issuer->keys != NULL && i < issuer->keys->count; i++) {
        const struct jws_key *key = issuer->keys->keys[i];
        if (kid_matches(key, token->has_kid, token->kid) && is_key_of(key, token)) {
            return true;
        }
    }
    return false;
}

static bool keep_token(const void *context, const void *token)
{
    return issuer_stands_by(context, token);
}

/* What was verified with a key that is gone goes too; the rest stays. */
static void sweep_tokens(struct jwt_verifier *verifier, const struct jwt_issuer *issuer)
{
    digest_cache_sweep(&verifier->cache, issuer->id, keep_token, issuer);
}

static struct slice own(struct slice text)
{
    char *copy = malloc(text.len + 1);
    if (copy == NULL) {
        return SLICE_NONE;
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return slice_of(copy, text.len);
}

static void disown(struct slice text)
{
    free((char *)(uintptr_t)text.ptr);
}

static void issuer_free(struct jwt_issuer *issuer)
{
    if (issuer == NULL) {
        return;
    }
    jws_key_set_free(issuer->keys);
    jws_key_free(issuer->secret);
    disown(issuer->name);
    disown(issuer->iss);
    disown(issuer->jwks_url);
    free(issuer);
}

static struct error issuer_add(struct jwt_verifier *verifier, struct slice name,
                               struct jwt_issuer **ret_issuer)
{
    struct jwt_issuer *issuer = calloc(1, sizeof *issuer);
    if (issuer != NULL) {
        issuer->name = own(name);
    }
    if (issuer == NULL || issuer->name.ptr == NULL || !map_put(&verifier->by_name, issuer->name, issuer)) {
        issuer_free(issuer);
        return FAIL(ERROR_MEMORY, "no memory for an issuer");
    }
    issuer->id = ++verifier->last_id;
    issuer->next = verifier->issuers;
    verifier->issuers = issuer;
    *ret_issuer = issuer;
    return OK;
}

/* What the new settings bring along, before anything old is touched. */
struct issuer_change {
    struct jws_key_set *keys;
    struct jws_key *secret;
    struct slice iss, jwks_url;
};

static void change_done(struct issuer_change *change)
{
    jws_key_set_free(change->keys);
    jws_key_free(change->secret);
    disown(change->iss);
    disown(change->jwks_url);
}

static struct error change_prepare(struct jwt_verifier *verifier, const struct issuer_settings *settings,
                                   struct issuer_change *out)
{
    if (!slice_is_empty(settings->jwks_text)) {
        TRY(jws_key_set_parse(&verifier->crypto, settings->jwks_text, &out->keys));
    }
    if (!slice_is_empty(settings->secret)) {
        TRY(jws_key_from_secret(&verifier->crypto, settings->secret, &out->secret));
    }
    out->iss = own(settings->issuer);
    out->jwks_url = own(settings->jwks_url);
    return out->iss.ptr != NULL && out->jwks_url.ptr != NULL ? OK
                                                             : FAIL(ERROR_MEMORY, "no memory for an issuer");
}

static void change_apply(struct jwt_issuer *issuer, const struct issuer_settings *settings,
                         struct issuer_change *change)
{
    /* Keys of another place or another issuer prove nothing about this one. */
    bool fetches = issuer_fetches_keys(settings);
    bool same_source = fetches && issuer->fetches_keys && slice_equal(issuer->iss, change->iss) &&
                       slice_equal(issuer->jwks_url, change->jwks_url);
    if (change->keys != NULL || !same_source) {
        jws_key_set_free(issuer->keys);
        issuer->keys = change->keys;
        memset(issuer->keys_digest, 0, sizeof issuer->keys_digest);
    }
    jws_key_free(issuer->secret);
    disown(issuer->iss);
    disown(issuer->jwks_url);
    issuer->secret = change->secret;
    issuer->iss = change->iss;
    issuer->jwks_url = change->jwks_url;
    issuer->fetches_keys = fetches;
    issuer->settings = settings;
    issuer->is_set = true;
    issuer->generation++;
}

struct error jwt_issuer_set(struct jwt_verifier *verifier, const struct issuer_settings *settings)
{
    if (slice_is_empty(settings->name) || slice_is_empty(settings->issuer) ||
        settings->audiences.count == 0) {
        return FAIL(ERROR_VALUE, "an issuer needs a name, an iss and audiences");
    }
    struct issuer_change change = { 0 };
    struct jwt_issuer *issuer = verifier_issuer(verifier, settings->name);
    struct error error = change_prepare(verifier, settings, &change);
    if (!failed(error) && issuer == NULL) {
        error = issuer_add(verifier, settings->name, &issuer);
    }
    if (failed(error)) {
        change_done(&change);
        return error;
    }
    change_apply(issuer, settings, &change);
    sweep_tokens(verifier, issuer);
    return OK;
}

static void issuer_drop(struct jwt_verifier *verifier, struct jwt_issuer *issuer)
{
    digest_cache_sweep(&verifier->cache, issuer->id, NULL, NULL);
    map_remove(&verifier->by_name, issuer->name);
    issuer_free(issuer);
}

void jwt_verifier_sweep(struct jwt_verifier *verifier)
{
    struct jwt_issuer **link = &verifier->issuers;
    while (*link != NULL) {
        struct jwt_issuer *issuer = *link;
        if (issuer->is_set) {
            issuer->is_set = false;
            link = &issuer->next;
        } else {
            *link = issuer->next;
            issuer_drop(verifier, issuer);
        }
    }
}

struct error jwt_issuer_set_keys(struct jwt_verifier *verifier, struct slice issuer_name,
                                 struct slice jwks_text, size_t *ret_used)
{
    struct jwt_issuer *issuer = verifier_issuer(verifier, issuer_name);
    if (issuer == NULL) {
        return FAIL(ERROR_STATE, "no issuer has this name");
    }
    unsigned char digest[JWS_DIGEST_MAX];
    if (jws_digest(&verifier->crypto, JWS_SHA256, jwks_text, digest) == 0) {
        return FAIL(ERROR_CRYPTO, "OpenSSL cannot digest the key set");
    }
    if (issuer->keys == NULL || memcmp(digest, issuer->keys_digest, sizeof issuer->keys_digest) != 0) {
        struct jws_key_set *keys;
        TRY(jws_key_set_parse(&verifier->crypto, jwks_text, &keys));
        jws_key_set_free(issuer->keys);
        issuer->keys = keys;
        memcpy(issuer->keys_digest, digest, sizeof issuer->keys_digest);
        issuer->generation++;
        sweep_tokens(verifier, issuer);
    }
    *ret_used = issuer->keys->count;
    return OK;
}

void jwt_issuer_drop_keys(struct jwt_verifier *verifier, struct slice issuer_name)
{
    struct jwt_issuer *issuer = verifier_issuer(verifier, issuer_name);
    if (issuer == NULL) {
        return;
    }
    jws_key_set_free(issuer->keys);
    issuer->keys = NULL;
    issuer->generation++;
    sweep_tokens(verifier, issuer);
}

struct error jwt_verifier_new(size_t cache_entries, struct jwt_verifier **ret_verifier)
{
    struct jwt_verifier *verifier = calloc(1, sizeof *verifier);
    if (verifier == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a token verifier");
    }
    map_init(&verifier->by_name);
    arena_init(&verifier->scratch, JWT_TREE_MAX);
    struct error error = jws_crypto_init(&verifier->crypto);
    if (!failed(error) && !digest_cache_init(&verifier->cache, cache_entries, token_release)) {
        error = FAIL(ERROR_MEMORY, "no memory for the cache of verified tokens");
    }
    if (failed(error)) {
        jwt_verifier_free(verifier);
        return error;
    }
    *ret_verifier = verifier;
    return OK;
}

void jwt_verifier_free(struct jwt_verifier *verifier)
{
    if (verifier == NULL) {
        return;
    }
    while (verifier->issuers != NULL) {
        struct jwt_issuer *issuer = verifier->issuers;
        verifier->issuers = issuer->next;
        issuer_free(issuer);
    }
    digest_cache_done(&verifier->cache);
    map_done(&verifier->by_name);
    arena_done(&verifier->scratch);
    jws_crypto_done(&verifier->crypto);
    free(verifier);
}

size_t jwt_cache_count(const struct jwt_verifier *verifier)
{
    return verifier->cache.count;
}
