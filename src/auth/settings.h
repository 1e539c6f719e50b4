/* What the configuration says about authentication. Plain data; lives in the snapshot. */
#ifndef SALLYPORT_AUTH_SETTINGS_H
#define SALLYPORT_AUTH_SETTINGS_H

#include "base/conf_field.h"
#include "tls/settings.h"

/* X(ID, "name"): JWS algorithms (RFC 7518, RFC 8037, RFC 9864). */
#define JWT_ALGORITHMS(X) \
    X(RS256, "RS256")     \
    X(RS384, "RS384")     \
    X(RS512, "RS512")     \
    X(PS256, "PS256")     \
    X(PS384, "PS384")     \
    X(PS512, "PS512")     \
    X(ES256, "ES256")     \
    X(ES384, "ES384")     \
    X(ES512, "ES512")     \
    X(EDDSA, "EdDSA") X(ED25519, "Ed25519") X(HS256, "HS256") X(HS384, "HS384") X(HS512, "HS512")

enum jwt_algorithm {
#define JWT_ALGORITHM_ENUM(id, name) JWT_##id,
    JWT_ALGORITHMS(JWT_ALGORITHM_ENUM)
#undef JWT_ALGORITHM_ENUM
    JWT_ALGORITHM_COUNT, /* none, unknown */
};

/* Which `typ` headers are access tokens of this issuer (RFC 9068 section 4). */
enum jwt_typ {
    JWT_TYP_AT_JWT, /* at+jwt, application/at+jwt */
    JWT_TYP_JWT,    /* JWT */
    JWT_TYP_ABSENT,
};

/* One of the map `issuers`. */
struct issuer_settings {
    struct slice name;             /* the map's key */
    struct slice issuer;           /* exact `iss` */
    struct conf_strings audiences; /* at least one must be in `aud` */
    uint64_t algorithms;           /* 1 << enum jwt_algorithm; default RS256, PS256, ES256, EdDSA, Ed25519 */
    uint64_t token_types;          /* 1 << enum jwt_typ; default all three */
    struct slice jwks_file;        /* CONF_FILE, watched */
    struct slice jwks_url;         /* https, or http to loopback only */
    struct tls_client_settings *jwks_tls; /* "jwks_tls": CA and so on for jwks_url; NULL: the system's */
    struct slice secret;                  /* CONF_SECRET for HS algorithms: at least 32 bytes */
    struct conf_strings required_claims;
    int64_t clock_skew;                /* ns; 30 s */
    int64_t max_token_lifetime;        /* ns; 24 h */
    int64_t jwks_refresh;              /* ns; 5 min */
    int64_t jwks_unknown_kid_interval; /* ns between fetches that an unknown kid causes; 10 s */
    int64_t jwks_timeout;              /* ns; 5 s */
    int64_t jwks_stale;     /* ns that old keys stay good while the fetch fails; 1 h. 0: for ever */
    struct slice jwks_text; /* contents of jwks_file, filled in by config */
};

enum auth_mode {
    AUTH_REQUIRED,
    AUTH_OPTIONAL, /* an absent credential is anonymous; a wrong one is denied */
    AUTH_NONE,     /* a public route: `auth: none` */
};

/* `auth` of a route: `none`, or { jwt: NAME or [NAMES], mode: required | optional }. */
struct auth_settings {
    int mode;                /* enum auth_mode */
    struct conf_strings jwt; /* names of issuers */
    struct slice realm;      /* of challenges; empty: none */
};

extern const struct conf_object issuer_object;
extern const struct conf_object auth_object;

/* What the tables cannot say. NULL where all is well; else a static text: what is wrong. */
const char *issuer_check_settings(const struct issuer_settings *settings);
const char *auth_check_settings(const struct auth_settings *settings);

#endif
