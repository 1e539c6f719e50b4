/* What a caller is, whoever it is: somebody who has logged in, or a program that acts for itself. Pure; any thread. */
#ifndef SALLYPORT_AUTH_CALLER_KIND_H
#define SALLYPORT_AUTH_CALLER_KIND_H

#include "auth/principal.h"

enum caller_kind {
    CALLER_USER,        /* a token that somebody's login stands behind, or a password */
    CALLER_SERVICE,     /* a token that a client got for itself (RFC 6749 section 4.4) */
    CALLER_API_KEY,     /* an API key */
    CALLER_CERTIFICATE, /* a client certificate */
    CALLER_EXTERNAL,    /* whoever an external authorizer says */
};

/* `service_tokens` of an issuer: a claim by which it marks tokens of clients. */
struct service_tokens_settings {
    struct slice claim;  /* path, as principal_claim takes it */
    struct slice equals; /* ptr NULL: that it is there */
};

extern const struct conf_object service_tokens_object;

/* Of a caller that is not anonymous. A token is a client's own where it has no subject, where its subject is its client (RFC 9068
 * section 2.2), and where it bears the issuer's mark; `marks`: NULL where the issuer has none. */
enum caller_kind caller_kind_of(const struct principal *principal,
                                const struct service_tokens_settings *marks);

/* NULL, or what is wrong. */
const char *service_tokens_check(const struct service_tokens_settings *settings);

#endif
