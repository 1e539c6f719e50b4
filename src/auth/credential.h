/* Finds the credential of a request (RFC 6750 section 2, RFC 9110 section 11.6.2). Pure. */
#ifndef SALLYPORT_AUTH_CREDENTIAL_H
#define SALLYPORT_AUTH_CREDENTIAL_H

#include "auth/place.h"
#include "base/buffer.h"
#include "http/headers.h"
#include "pipeline/deny_reasons.h"

struct credential {
    const struct auth_place *place; /* where it stands; NULL: there is none */
    struct slice text;              /* of a Bearer: the token */
    bool is_dpop; /* a token whose scheme is DPoP: a proof must come with it (RFC 9449 section 7.1) */
};

/* Looks at all the places of a method. DENY_NONE; CREDENTIAL_REPEATED: twice in one, or in two of them; CREDENTIAL_MALFORMED: Bearer
 * or DPoP without exactly one b64token, or a query parameter by another spelling of its name. */
enum deny_reason credential_find(const struct auth_places *places, const struct headers *headers,
                                 struct slice query, struct credential *ret_credential);

/* Has it the shape of a compact JWS (RFC 7515 section 7.1): three parts, of which the first is the base64url of an object's beginning?
 * Says nothing about whether it is one: only whose business it is. */
bool credential_is_jws(struct slice token);

/* Could it be a token at all (RFC 6750 section 2.1)? No other text is ever taken for one. */
bool credential_is_b64token(struct slice text);

/* Makes a token of what was found: in a header of its own it may stand behind Bearer. CREDENTIAL_MALFORMED: it is no b64token. */
enum deny_reason credential_token(struct credential *credential);

/* Parameters of a Bearer challenge; what is empty is not named. */
struct challenge {
    struct slice realm, error, description, scope; /* RFC 6750 section 3 */
    struct slice acr_values, max_age;              /* RFC 9470 section 3 */
    struct slice resource_metadata;                /* RFC 9728 section 5.1: an URL */
};

/* The value of WWW-Authenticate. False: no room. */
bool credential_challenge(struct buffer *out, const struct challenge *challenge);

/* The same for DPoP (RFC 9449 section 7.1): `algs` are those that a proof may be signed with. */
bool credential_dpop_challenge(struct buffer *out, const struct challenge *challenge, struct slice algs);

/* The same of another scheme, without an error. */
bool credential_put_challenge(struct buffer *out, struct slice scheme, struct slice realm);

#endif
