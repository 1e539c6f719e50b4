/* The verifier of a worker and its issuers: private to src/auth. One thread. */
#ifndef SALLYPORT_AUTH_VERIFIER_H
#define SALLYPORT_AUTH_VERIFIER_H

#include "auth/jws.h"
#include "auth/jwt.h"
#include "auth/token.h"
#include "base/digest_cache.h"
#include "base/limits.h"
#include "base/map.h"

struct jwt_issuer {
    struct jwt_issuer *next;
    uint64_t id;         /* never used again: a dropped issuer's tokens fit no later one */
    uint64_t generation; /* grows with every change of settings or keys */
    bool is_set;         /* since the last sweep */
    struct slice name;   /* own copies: the settings of old may be gone when new ones come */
    struct slice iss, jwks_url;
    bool fetches_keys;
    const struct issuer_settings *settings;
    struct jws_key_set *keys;                       /* NULL: none yet, or none any more */
    unsigned char keys_digest[JWS_THUMBPRINT_SIZE]; /* of the document that they were read from */
    struct jws_key *secret;                         /* NULL: none */
};

struct jwt_verifier {
    struct jws_crypto crypto;
    struct digest_cache cache; /* of verified tokens, by the SHA-256 of the whole and the id of the issuer */
    struct arena scratch;      /* of the token under the knife */
    struct map by_name;        /* struct jwt_issuer */
    struct jwt_issuer *issuers;
    uint64_t last_id;
};

static inline struct jwt_issuer *verifier_issuer(const struct jwt_verifier *verifier, struct slice name)
{
    return map_get(&verifier->by_name, name);
}

/* The keys that may have made the token's signature: those with its kid (all, where it has none) that fit its algorithm, at
 * most JWT_KEYS_TRIED_MAX. DENY_NONE with at least one key, or why there is none; `*ret_unknown_kid`: no key has its kid. */
enum deny_reason issuer_select_keys(const struct jwt_issuer *issuer, const struct jws *jws,
                                    const struct jws_key *keys[JWT_KEYS_TRIED_MAX], size_t *ret_count,
                                    bool *ret_unknown_kid);

/* Would the key that verified this token still be chosen for it, and would the same roles be found in it? */
bool issuer_stands_by(const struct jwt_issuer *issuer, const struct jwt_token *token);

#endif
