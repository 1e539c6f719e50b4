/* Finds the credential of a request (RFC 6750 section 2.1, RFC 9110 section 11.6.2). Pure. */
#ifndef SALLYPORT_AUTH_CREDENTIAL_H
#define SALLYPORT_AUTH_CREDENTIAL_H

#include "base/buffer.h"
#include "http/headers.h"
#include "pipeline/deny_reasons.h"

enum credential_kind {
    CREDENTIAL_NONE,   /* no Authorization field, or a scheme that the route's methods do not own */
    CREDENTIAL_BEARER, /* `token` */
};

struct credential {
    enum credential_kind kind;
    struct slice token;
};

/* DENY_NONE, CREDENTIAL_REPEATED (two fields) or CREDENTIAL_MALFORMED (Bearer without exactly one b64token). */
enum deny_reason credential_find(const struct headers *headers, struct credential *ret_credential);

/* The value of WWW-Authenticate for a Bearer challenge (RFC 6750 section 3). `error` empty: none is named. */
bool credential_challenge(struct buffer *out, struct slice realm, struct slice error,
                          struct slice description, struct slice scope);

#endif
