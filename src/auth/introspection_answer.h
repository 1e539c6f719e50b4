/* What an introspection endpoint says about a token (RFC 7662 section 2.2), and whether a request may pass by it. Pure; any
 * thread. */
#ifndef SALLYPORT_AUTH_INTROSPECTION_ANSWER_H
#define SALLYPORT_AUTH_INTROSPECTION_ANSWER_H

#include "auth/claims.h"
#include "auth/introspection_settings.h"

/* Takes an answer apart; *ret_payload lives in `arena`. DENY_NONE: `active` is exactly true, and all that it says has the type that
 * it must have. TOKEN_INACTIVE: it is exactly false. INTROSPECTION_ANSWER: it is nonsense, and nothing is known of the token. INTERNAL:
 * no memory. */
enum deny_reason introspection_answer_read(struct slice text, struct arena *arena, struct json **ret_payload);

/* What the time and the request are. */
struct introspection_moment {
    int64_t now; /* seconds since 1970 */
    const unsigned char
        *client_thumbprint;         /* 32 bytes: x5t#S256 of the verified client certificate, or NULL */
    const unsigned char *proof_key; /* 32 bytes: jkt of the proof that came along (DPoP); NULL: a Bearer */
};

/* Everything that the settings, the time and the request say about an active token. Run for every request, on cached ones too.
 * DENY_NONE or the reason. */
enum deny_reason introspection_check(const struct claims *claims,
                                     const struct introspection_settings *settings,
                                     const struct introspection_moment *moment);

#endif
