/* Who is calling, as proven: what every later stage reads. Lives in the exchange; its slices and claims live until
 * principal_release. */
#ifndef SALLYPORT_AUTH_PRINCIPAL_H
#define SALLYPORT_AUTH_PRINCIPAL_H

#include "base/conf_field.h"
#include "json/json.h"

enum principal_kind {
    PRINCIPAL_ANONYMOUS = 0,
    PRINCIPAL_JWT,
    PRINCIPAL_INTROSPECTION,
    PRINCIPAL_API_KEY,
    PRINCIPAL_CERTIFICATE,
    PRINCIPAL_EXTERNAL,
    PRINCIPAL_BASIC,
};

struct limit_settings;

struct principal {
    enum principal_kind kind;
    struct slice
        issuer_name; /* the configuration's name of what proved it: of the issuer, of the client certificates */
    const void *settings;   /* of that, in the snapshot of the exchange: struct issuer_settings and so on, by
                             * kind; filled in by authenticate */
    struct slice issuer;    /* iss; empty where there is none; "client_certificate:TYPE", of its name;
                          * "authorizer:NAME" */
    struct slice subject;   /* sub, may be empty; the certificate's name that counts */
    struct slice client_id; /* client_id or azp, may be empty */
    const struct slice
        *scopes; /* `scope` string, `scp` and `roles` arrays, sorted by slice_compare, no duplicates */
    size_t scope_count;
    const struct slice *roles; /* of the issuer's roles_claim, sorted by slice_compare, no duplicates */
    size_t role_count;
    const struct json *claims; /* the payload; of introspection the answer; NULL for those without */
    int64_t expires;           /* seconds since 1970; INT64_MAX: never */
    bool bound;                /* sender-constrained: never forwarded */
    const struct limit_settings
        *own_limit; /* what this caller may do in all, beside what the route says (limit_make_own);
                                             * NULL: nothing is said */
    const unsigned char
        *caller_key; /* PRINCIPAL_KEY_SIZE bytes, made beforehand; NULL: principal_caller_key makes it */
    void *held;      /* what it points into, and how that is let go; NULL: nothing */
    void (*release)(void *held);
};

/* Forgets it: the anonymous. */
void principal_release(struct principal *principal);

/* Binary search, byte for byte. */
bool principal_has_scope(const struct principal *principal, struct slice scope);
bool principal_has_role(const struct principal *principal, struct slice role);

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
/* The same of a payload, which may be NULL. */
const struct json *principal_claim_in(const struct json *payload, struct slice path);

#endif
