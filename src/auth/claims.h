/* What a token says, as far as it is checked (RFC 7519, RFC 9068): private to src/auth. Pure; any thread. */
#ifndef SALLYPORT_AUTH_CLAIMS_H
#define SALLYPORT_AUTH_CLAIMS_H

#include "auth/jws.h"
#include "auth/jwt.h"

enum claims_binding {
    CLAIMS_UNBOUND,
    CLAIMS_BOUND_CERTIFICATE, /* cnf is x5t#S256 and nothing else */
    CLAIMS_BOUND_KEY,         /* cnf is jkt and nothing else (RFC 9449 section 6.1) */
    CLAIMS_BOUND_OTHER,       /* cnf that we have no proof for */
};

#define CLAIMS_TYP_OTHER (-1)

/* Read once, so that a check is a few comparisons. Slices point into the payload. */
struct claims {
    const struct json *payload;
    enum jwt_algorithm algorithm;
    int typ;         /* enum jwt_typ, or CLAIMS_TYP_OTHER */
    bool wrong_type; /* a registered claim has a type that it cannot have */
    bool wrong_kind; /* an ID, refresh, logout token or the like */
    bool has_expires, has_not_before, has_issued;
    int64_t expires, not_before, issued; /* seconds since 1970 */
    struct slice issuer, subject, client_id;
    const struct json *audience; /* NULL, a string, or an array of strings */
    enum claims_binding binding;
    unsigned char thumbprint[32]; /* of the certificate, or of the key */
};

/* What a token is bound to by its cnf (RFC 7800), of any kind of token. `thumbprint` is written where it says one. */
enum claims_binding claims_binding(const struct json *payload, unsigned char thumbprint[32]);

void claims_read(const struct jws *jws, const struct json *payload, struct claims *out);

/* Everything that the issuer's settings, the time and the request say about a token whose signature is known to be good. Run
 * for every request, on cached tokens too. DENY_NONE or the reason. */
enum deny_reason claims_check(const struct claims *claims, const struct issuer_settings *settings,
                              const struct jwt_request *request);

/* Of a token that is no JWS: what its payload says, with no header and no algorithm. */
void claims_read_payload(const struct json *payload, struct claims *out);

/* Parts of the check, for those whose settings are others. Is the binding proven by this client certificate (32 bytes of its
 * thumbprint, or NULL), or by the proof that came along? `dpop` is an enum dpop_mode, `proof_key` the thumbprint of the proof's key, or
 * NULL: a Bearer token. DENY_NONE, TOKEN_BOUND, TOKEN_UNBOUND or DPOP_OTHER_KEY. Then: is one of `accepted` in the audience? Are all of
 * these claims there? */
enum deny_reason claims_check_binding(const struct claims *claims, int dpop,
                                      const unsigned char *client_thumbprint, const unsigned char *proof_key);
bool claims_have_audience(const struct claims *claims, const struct conf_strings *accepted);
bool claims_have_all(const struct claims *claims, const struct conf_strings *required);

/* The scopes: words of `scope` and `scp`, items of them where they are arrays, items of `roles`. Writes at most `capacity`
 * of them and returns how many there are. Neither sorted nor unique. */
size_t claims_scopes(const struct json *payload, struct slice *scopes, size_t capacity);
/* The roles: texts of the array at `path` (an empty path: none), or the one text that stands there, whole. As above. */
size_t claims_roles(const struct json *payload, struct slice path, struct slice *roles, size_t capacity);

#endif
