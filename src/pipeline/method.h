/* A method of authentication, as the stage `authenticate` tries it: finds its credential in the request, and proves who sent it.
 * One file each in pipeline/methods; the room auth does the proving. On the exchange's thread. */
#ifndef SALLYPORT_PIPELINE_METHOD_H
#define SALLYPORT_PIPELINE_METHOD_H

#include "auth/credential.h"
#include "auth/plan.h"
#include "pipeline/exchange.h"

enum proof {
    PROOF_ABSENT, /* the request has no credential of this method */
    PROOF_VALID,  /* *ret_principal, which the caller releases; issuer_name is one of the use's names */
    PROOF_NOBODY, /* what is there is good, and nobody's who counts here: other ways may hold. exchange->nobody says what */
    PROOF_WRONG,   /* exchange->reason says why: a credential that is there must be right, whatever else is */
    PROOF_WAITING, /* authenticate_resume will be called, not from within */
};

struct method {
    enum proof (*prove)(struct exchange *exchange, const struct auth_use *use,
                        struct principal *ret_principal);
    /* The value of WWW-Authenticate that asks for its credential (RFC 9110 section 11.6.1), where none was sent. NULL: it cannot
     * be asked for, and what is missing is answered by 403. */
    bool (*challenge)(struct buffer *out, const struct exchange *exchange);
};

/* In the order of enum auth_method. */
extern const struct method *const methods[AUTH_METHOD_COUNT];

extern const struct method method_jwt, method_introspection, method_api_key, method_certificate,
    method_external, method_basic;

/* Finds the credential of a method in its places: credential->place is NULL where there is none. DENY_NONE, or why it is refused
 * unseen: that of credential_find, or COOKIE_ORIGIN. */
enum deny_reason method_find(struct exchange *exchange, const struct auth_use *use,
                             struct credential *ret_credential);

/* Why too little was proven: what is missing is asked for where there is a way to ask. */
enum deny_reason authenticate_missing(const struct exchange *exchange);

/* What the method that said PROOF_WAITING found: VALID with a principal, which is taken over, ABSENT, or WRONG. */
void authenticate_resume(struct exchange *exchange, enum proof proof, struct principal *principal);

/* A refusal without a reason must not pass for consent. */
static inline enum proof proof_wrong(struct exchange *exchange, enum deny_reason reason, struct slice detail)
{
    exchange->reason = reason != DENY_NONE ? reason : DENY_INTERNAL;
    exchange->detail = detail;
    return PROOF_WRONG;
}

#endif
