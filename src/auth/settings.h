/* What the configuration says about authentication. Plain data; lives in the snapshot. */
#ifndef SALLYPORT_AUTH_SETTINGS_H
#define SALLYPORT_AUTH_SETTINGS_H

#include "auth/caller_kind.h"
#include "auth/place.h"
#include "base/conf_field.h"
#include "base/shadow.h"
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
    struct slice jwks_url; /* https, or http to loopback only. Without key source: issuer_discovers_keys */
    struct tls_client_settings *jwks_tls; /* of fetches: CA and so on; NULL: the system's */
    struct slice secret;                  /* CONF_SECRET for HS algorithms: at least 32 bytes */
    struct conf_strings required_claims;
    struct auth_place_settings *token_from;         /* NULL: Authorization */
    struct service_tokens_settings *service_tokens; /* NULL: no mark of its own */
    struct slice roles_claim;                       /* path, as principal_claim takes it; "roles" */
    int dpop;                                       /* enum dpop_mode */
    int64_t clock_skew;                             /* ns; 30 s */
    int64_t max_token_lifetime;                     /* ns; 24 h */
    int64_t jwks_refresh;                           /* ns; 5 min */
    int64_t jwks_unknown_kid_interval;              /* ns between fetches that an unknown kid causes; 10 s */
    int64_t jwks_timeout;                           /* ns; 5 s */
    int64_t jwks_stale;     /* ns that old keys stay good while the fetch fails; 1 h. 0: for ever */
    struct slice jwks_text; /* contents of jwks_file, filled in by config */
};

enum auth_mode {
    AUTH_REQUIRED,
    AUTH_OPTIONAL, /* an absent credential is anonymous; a wrong one is denied */
    AUTH_NONE,     /* a public route: `auth: none` */
};

/* X(ID, "key", "what it names", "what proves it"): methods of authentication, by which callers prove who they are. The key stands
 * in `auth`, and its value names those whose proofs count. */
#define AUTH_METHODS(X)                                                             \
    X(JWT, "jwt", "issuer", "a token of")                                           \
    X(INTROSPECTION, "introspection", "introspection endpoint", "a token known to") \
    X(API_KEY, "api_key", "set of API keys", "an API key of")                       \
    X(CERTIFICATE, "certificate", "client certificate", "a client certificate of")  \
    X(EXTERNAL, "external", "authorizer", "the word of")                            \
    X(BASIC, "basic", "set of Basic users", "a password of")

enum auth_method {
#define AUTH_METHOD_ENUM(id, key, kind, proof) AUTH_##id,
    AUTH_METHODS(AUTH_METHOD_ENUM)
#undef AUTH_METHOD_ENUM
    AUTH_METHOD_COUNT,
};

struct auth_method_info {
    const char *key, *kind, *proof;
};
extern const struct auth_method_info auth_method_infos[AUTH_METHOD_COUNT];

/* A way: one method, and the names that count. Of `names` one is given, except in `auth` itself. */
struct auth_way_settings {
    struct conf_strings names[AUTH_METHOD_COUNT];
};

/* An entry of `any_of` or `all_of`: a way, or a list of the other kind, whose entries are ways. */
struct auth_entry_settings {
    struct auth_way_settings way;
    struct conf_list inner; /* of struct auth_way_settings: `all_of` in `any_of`, `any_of` in `all_of` */
};

/* `auth` of a route: `none`, or ways (any of them proves it), or a list of entries. */
struct auth_settings {
    int mode; /* enum auth_mode */
    struct auth_way_settings way;
    struct conf_list any_of, all_of; /* of struct auth_entry_settings */
    struct slice realm;              /* of challenges; empty: none */
    struct slice resource;           /* one of resources, whose document challenges name; empty: none */
    struct auth_place_settings *token_from; /* NULL: as each issuer says */
    struct auth_place_settings *key_from;   /* NULL: the header of each set */
    struct auth_settings *candidate; /* judged beside it, and only told; NULL: none, and in a candidate */
    struct shadow_settings shadow;   /* of a candidate: until when it is judged; mode is observe */
    const struct auth_plan *plan;    /* filled in by config: plan.h; NULL where mode is none */
};

extern const struct conf_object issuer_object;
extern const struct conf_object auth_object, auth_candidate_object;
/* What an entry of `any_of` and of `all_of` may hold. */
extern const struct conf_object auth_any_object, auth_all_object;

/* Neither jwks_file, jwks_url nor secret: the keys are where the issuer's own metadata says (discovery.h). */
bool issuer_discovers_keys(const struct issuer_settings *settings);
/* From jwks_url, or discovered. */
bool issuer_fetches_keys(const struct issuer_settings *settings);

/* What the tables cannot say. NULL where all is well; else a static text: what is wrong. */
const char *issuer_check_settings(const struct issuer_settings *settings);
const char *auth_check_settings(const struct auth_settings *settings);
/* The same of a candidate, beyond that. Fills in its shadow. */
const char *auth_check_candidate(struct auth_settings *candidate);
/* The same of an entry of a list. */
const char *auth_check_entry(const struct auth_entry_settings *entry);
/* And of an entry of a list in a list. */
const char *auth_check_way(const struct auth_way_settings *way);

#endif
