/* The proof of possession that a token comes with (DPoP, RFC 9449): for every method whose tokens may be bound to a key. On the
 * exchange's thread.
 *
 * A method that finds the scheme DPoP calls dpop_begin before it verifies the token, compares what the token is bound to (cnf.jkt) with
 * exchange->dpop->proof.key, and hands the principal to dpop_confirm. */
#ifndef SALLYPORT_PIPELINE_METHODS_DPOP_H
#define SALLYPORT_PIPELINE_METHODS_DPOP_H

#include "pipeline/method.h"

/* In the exchange's arena; exchange->dpop is NULL where the scheme was another. */
struct dpop_state {
    struct dpop_proof proof;
    bool renews_nonce;       /* the response tells a nonce */
    struct dpop_job *job;    /* of a signature that is slow to verify, with */
    struct principal caller; /* whom it will prove */
};

/* Judges all of the proof but its signature, and makes exchange->dpop. DENY_NONE, or why not. */
enum deny_reason dpop_begin(struct exchange *exchange, struct slice token);

/* The token was verified, and is bound to the proof's key: verifies the signature and uses the proof up. PROOF_VALID; or PROOF_WRONG, with
 * the principal released; or PROOF_WAITING, with the principal taken over. */
enum proof dpop_confirm(struct exchange *exchange, struct principal *principal);

/* Does one of those whose tokens the route takes, issuers and introspection endpoints, take bound ones, and does one take others? Of a
 * route with auth. */
bool dpop_is_used(const struct exchange *exchange);
bool dpop_leaves_bearer(const struct exchange *exchange);

/* A challenge for the scheme DPoP with this error, or none (RFC 9449 section 7.1). */
void dpop_ask(struct exchange *exchange, const struct challenge *challenge);

/* The response's DPoP-Nonce, where it is to have one. */
void dpop_tell_nonce(struct exchange *exchange);

#endif
