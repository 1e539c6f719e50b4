/* A verified token: private to src/auth. One piece of memory, immutable, counted by its worker only. */
#ifndef SALLYPORT_AUTH_TOKEN_H
#define SALLYPORT_AUTH_TOKEN_H

#include "auth/claims.h"

struct jwt_token {
    unsigned int references;
    size_t size;          /* bytes of memory, all told */
    uint64_t generation;  /* of the issuer, when key and token were last found to belong together */
    struct claims claims; /* of the own copy of the payload */
    bool has_kid;
    struct slice kid;
    unsigned char key[JWS_THUMBPRINT_SIZE]; /* that verified it; zeros: none did */
    struct slice issuer_name;               /* the configuration's */
    const struct slice *scopes;             /* sorted, no duplicates */
    size_t scope_count;
    struct slice roles_claim; /* where the roles were found: the issuer's, then */
    const struct slice *roles;
    size_t role_count;
    int64_t believed_until; /* monotonic ns: of one that an introspection endpoint vouched for */
    bool has_caller_key;
    unsigned char caller_key[PRINCIPAL_KEY_SIZE];
};

/* What a token is made of, beside its payload. */
struct token_source {
    struct slice name;         /* the configuration's, of whose word was taken */
    struct slice issuer;       /* whose it is where its payload does not say; empty: nobody's */
    struct slice roles_claim;  /* path */
    const struct jws *jws;     /* whose signature was verified; NULL: there is none */
    const struct jws_key *key; /* by this one; NULL: there is none */
    uint64_t generation;
};

/* A copy of what was verified, which refers to nothing else; one hold, the caller's. NULL without memory. */
struct jwt_token *token_new(struct jws_crypto *crypto, const struct json *payload,
                            const struct token_source *source);

static inline struct jwt_token *token_ref(struct jwt_token *token)
{
    token->references++;
    return token;
}

/* Of one that a cache holds. */
void token_release(void *token);

/* What limits by caller count by; false where there is neither subject nor client. `context` and `md` (SHA-256) are lent. */
bool caller_key_make(EVP_MD_CTX *context, const EVP_MD *md, struct slice issuer, struct slice subject,
                     struct slice client_id, unsigned char out[PRINCIPAL_KEY_SIZE]);

#endif
