/* Who is calling, as proven: what every later stage reads. Lives in the exchange; its slices and claims live as long as
 * `token` is held. */
#ifndef SALLYPORT_AUTH_PRINCIPAL_H
#define SALLYPORT_AUTH_PRINCIPAL_H

#include "base/slice.h"
#include "json/json.h"

struct jwt_token;

enum principal_kind {
    PRINCIPAL_ANONYMOUS = 0,
    PRINCIPAL_JWT,
};

struct principal {
    enum principal_kind kind;
    struct slice issuer_name; /* the configuration's name of the issuer */
    struct slice issuer;      /* iss */
    struct slice subject;     /* sub, may be empty */
    struct slice client_id;   /* client_id or azp, may be empty */
    const struct slice
        *scopes; /* `scope` string, `scp` and `roles` arrays, sorted by slice_compare, no duplicates */
    size_t scope_count;
    const struct json *claims; /* the payload; NULL for anonymous */
    int64_t expires;           /* seconds since 1970 */
    bool bound;                /* sender-constrained: never forwarded */
    struct jwt_token *token;   /* held */
};

/* Binary search. */
bool principal_has_scope(const struct principal *principal, struct slice scope);

/* The identity that limits "by: caller" count by: issuer and subject, or issuer and client_id where there is no subject;
 * false for the anonymous. A SHA-256 of both. */
#define PRINCIPAL_KEY_SIZE 32
bool principal_caller_key(const struct principal *principal, unsigned char out[PRINCIPAL_KEY_SIZE]);

/* Is it a claim path that principal_claim can follow? */
bool principal_claim_path_valid(struct slice path);

/* `claims.PATH` or `claims["NAME"]…`, as the configuration names a claim: its path. False where it is nothing of the kind. */
bool principal_claim_reference(struct slice text, struct slice *ret_path);

/* A claim by its path: "sub", "address.country", or ["https://example.com/role"] for a name with dots. NULL: absent. */
const struct json *principal_claim(const struct principal *principal, struct slice path);

#endif
