/* Proofs of possession (DPoP, RFC 9449): that whoever sends a token holds the key which it is bound to. Knows no kind of token: who
 * verifies one says what it is bound to (cnf.jkt), and asks here for the proof.
 *
 * Three steps, in the order of their cost: dpop_read judges all that a proof says; then the token is verified, and what it is bound to
 * compared with the key of the proof; then dpop_verify looks at the signature. Last, the proof's `id` is used up (limit/once.h), which
 * so only callers with a good token can do. A verifier belongs to one worker. */
#ifndef SALLYPORT_AUTH_DPOP_H
#define SALLYPORT_AUTH_DPOP_H

#include "auth/dpop_settings.h"
#include "auth/jwk_thumbprint.h"
#include "base/error.h"
#include "pipeline/deny_reasons.h"

struct dpop_verifier;
struct dpop_job; /* a signature that is slow to verify */

/* `secret`: DPOP_SECRET_SIZE bytes that all workers and processes share, and that live as long as the verifier. */
struct error dpop_verifier_new(const unsigned char *secret, struct dpop_verifier **ret_verifier) MUST_CHECK;
void dpop_verifier_free(struct dpop_verifier *verifier);

struct dpop_request {
    const struct dpop_settings *settings;
    struct slice proof;  /* the one DPoP field; outlives the proof */
    struct slice token;  /* that it came with */
    struct slice method; /* as sent */
    struct dpop_target target;
    int64_t now_s; /* seconds since 1970 */
    int64_t now;   /* ns, monotonic */
    int64_t since; /* the same: used proofs are remembered since then, and the secret is no older */
};

/* A proof that is right in all but, perhaps, its signature. */
struct dpop_proof {
    struct slice text;
    unsigned char key[JWK_THUMBPRINT_SIZE]; /* RFC 7638: what the token must be bound to */
    unsigned char id[32];                   /* of key and jti: what may be used once */
    int64_t until;                          /* ns, monotonic: no longer good from then on */
    bool nonce_is_old;                      /* it holds one whose successor the client should be told */
};

/* How long a proof may be good, ns: what is to be remembered of it. */
int64_t dpop_proof_life(const struct dpop_settings *settings);

/* DENY_NONE, or one of DPOP_… or INTERNAL. `*out` is written either way; its key only on DENY_NONE. */
enum deny_reason dpop_read(struct dpop_verifier *verifier, const struct dpop_request *request,
                           struct dpop_proof *out);

enum dpop_outcome {
    DPOP_VALID,
    DPOP_DENIED, /* *ret_reason */
    DPOP_SLOW,   /* *ret_job: dpop_job_run in the pool, then dpop_job_finish */
};

enum dpop_outcome dpop_verify(struct dpop_verifier *verifier, const struct dpop_proof *proof,
                              enum deny_reason *ret_reason, struct dpop_job **ret_job);

/* Any thread: touches only the job. */
void dpop_job_run(struct dpop_job *job);
/* Frees it. DENY_NONE: the signature is good. */
enum deny_reason dpop_job_finish(struct dpop_job *job);

/* What DPoP-Nonce is to say now; good until the next call for this verifier. Empty: there is none. */
struct slice dpop_nonce(struct dpop_verifier *verifier, const struct dpop_settings *settings, int64_t now);

/* The value of a challenge's `algs`: names with spaces between; at most DPOP_ALGS_MAX characters are written. */
#define DPOP_ALGS_MAX 128
struct slice dpop_algs(const struct dpop_settings *settings, char out[DPOP_ALGS_MAX]);

#endif
