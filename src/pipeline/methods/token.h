/* What the methods of access tokens share: whose a token is, and what may prove that it is the sender's. On the exchange's thread. */
#ifndef SALLYPORT_PIPELINE_METHODS_TOKEN_H
#define SALLYPORT_PIPELINE_METHODS_TOKEN_H

#include "pipeline/method.h"

/* Finds the token that is for use->method, and judges the proof that it came with, where its scheme is DPoP (RFC 9449 section 7.1).
 * PROOF_VALID: it is ret_credential->text, still to be verified. PROOF_ABSENT: there is none, or it is for another method. PROOF_WRONG. */
enum proof token_find(struct exchange *exchange, const struct auth_use *use,
                      struct credential *ret_credential);

/* What a token may be bound to: the thumbprint of the connection's client certificate, and that of the proof's key. 32 bytes, or
 * NULL: there is none. */
const unsigned char *token_client_thumbprint(const struct exchange *exchange);
const unsigned char *token_proof_key(const struct exchange *exchange);

/* It was verified, and is bound to what token_proof_key says: as dpop_confirm, and PROOF_VALID where no proof came along. */
enum proof token_confirm(struct exchange *exchange, struct principal *principal);

/* Appends the challenge (RFC 6750 section 3) of a route that takes tokens, with where its metadata is (RFC 9728). False: no room. */
bool token_challenge(struct buffer *out, const struct exchange *exchange);

#endif
