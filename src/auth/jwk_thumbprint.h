/* The thumbprint of a public key (RFC 7638, RFC 8037 section 2), without the cost of the key itself. Pure; any thread. */
#ifndef SALLYPORT_AUTH_JWK_THUMBPRINT_H
#define SALLYPORT_AUTH_JWK_THUMBPRINT_H

#include "json/json.h"

#define JWK_THUMBPRINT_SIZE 32
#define JWK_THUMBPRINT_TEXT 43 /* characters of it as base64url */

/* SHA-256 over the members that its kty demands, as they are written. False: another kty, or a member that is missing, no text or
 * holds what base64url and the names of curves do not. */
bool jwk_thumbprint(const struct json *jwk, unsigned char out[JWK_THUMBPRINT_SIZE]);

/* As a claim holds it (jkt, RFC 9449 section 6.1). */
bool jwk_thumbprint_decode(struct slice text, unsigned char out[JWK_THUMBPRINT_SIZE]);

/* Does it hold a member that only a private or symmetric key has (RFC 7518 section 6, RFC 8037)? */
bool jwk_is_secret(const struct json *jwk);

#endif
