/* Verification of JWT access tokens (RFC 7519, 7515, 9068; RFC 8725 throughout).
 *
 * A verifier belongs to one worker: its keys (own EVP_PKEYs), its cache of verified tokens, its fetched algorithms. The
 * control thread hands it key set documents as text. */
#ifndef SALLYPORT_AUTH_JWT_H
#define SALLYPORT_AUTH_JWT_H

#include "auth/gate.h"
#include "auth/principal.h"
#include "auth/settings.h"
#include "base/arena.h"
#include "base/error.h"
#include "pipeline/deny_reasons.h"

struct jwt_verifier; /* all issuers of one worker */
struct jwt_issuer;   /* one issuer: settings and keys */
struct jwt_token;    /* a verified token: immutable, counted by its worker only */
struct jwt_job;      /* a verification under way */

/* `cache_entries`: verified tokens kept, all issuers together; rounded up to a power of two. */
struct error jwt_verifier_new(size_t cache_entries, struct jwt_verifier **ret_verifier) MUST_CHECK;
void jwt_verifier_free(struct jwt_verifier *verifier);

/* Adds or updates the issuer with settings->name; keeps its keys and cached tokens where they are still valid under the
 * new settings. `settings` must live until the next call for this name. Keys from `jwks_text` and `secret` are set here. */
struct error jwt_issuer_set(struct jwt_verifier *verifier, const struct issuer_settings *settings) MUST_CHECK;
/* Drops every issuer that was not set since the last call of this: the end of a reload. */
void jwt_verifier_sweep(struct jwt_verifier *verifier);

/* Replaces the issuer's keys by those of a JWKS document (RFC 7517). Keys that we cannot use (other kty, enc, private or
 * symmetric ones, too weak: RSA under 2048 bits) are skipped, `*ret_used` counts the others. A removed key takes its
 * cached tokens along; an unchanged set flushes nothing. On failure nothing changes. */
struct error jwt_issuer_set_keys(struct jwt_verifier *verifier, struct slice issuer_name,
                                 struct slice jwks_text, size_t *ret_used) MUST_CHECK;
/* Would jwt_issuer_set_keys take this document? For whoever fetches or checks documents. Any thread. */
struct error jwt_keys_check(struct slice jwks_text, size_t *ret_used) MUST_CHECK;
/* The keys are too old to be trusted (stale limit): forget them. */
void jwt_issuer_drop_keys(struct jwt_verifier *verifier, struct slice issuer_name);

/* What about the request a token is checked against. */
struct jwt_request {
    struct slice token; /* compact serialisation */
    const struct conf_strings
        *issuers; /* names of the issuers that the route accepts; live until jwt_finish */
    int64_t now;  /* seconds since 1970 */
    const unsigned char
        *client_thumbprint; /* 32 bytes: x5t#S256 of the verified client certificate, or NULL */
    const unsigned char
        *proof_key; /* 32 bytes: jkt of the key that a proof of DPoP came with, or NULL: a Bearer token */
    struct verification_gate gate; /* asked by jwt_verify before a signature is verified */
};

enum jwt_outcome {
    JWT_VALID,  /* *ret_token is held for the caller */
    JWT_DENIED, /* *ret_reason */
    JWT_SLOW,   /* *ret_job: run jwt_job_run in the pool, then jwt_finish on the loop */
};

struct jwt_detail {
    enum deny_reason reason;
    struct slice issuer_name; /* of the issuer that was tried: one of the request's; or empty */
    bool unknown_kid;         /* the control thread should look for new keys (throttled there) */
    bool cached; /* JWT_VALID: no signature had to be verified. Written for every outcome of jwt_verify */
};

enum jwt_outcome jwt_verify(struct jwt_verifier *verifier, const struct jwt_request *request,
                            struct jwt_token **ret_token, struct jwt_detail *ret_detail,
                            struct jwt_job **ret_job);

/* The expensive part, on any thread: touches only the job. */
void jwt_job_run(struct jwt_job *job);
/* On the verifier's thread, once jwt_job_run has returned; frees the job. Never JWT_SLOW. */
enum jwt_outcome jwt_finish(struct jwt_verifier *verifier, struct jwt_job *job, struct jwt_token **ret_token,
                            struct jwt_detail *ret_detail);

/* Fills in the principal, which takes over the caller's hold. */
void jwt_principal(struct jwt_token *token, struct principal *out);
void jwt_token_unref(struct jwt_token *token);

/* Number of cached tokens; for metrics and tests. */
size_t jwt_cache_count(const struct jwt_verifier *verifier);

#endif
