/* What the configuration says about introspection endpoints (RFC 7662). Plain data; lives in the snapshot. */
#ifndef SALLYPORT_AUTH_INTROSPECTION_SETTINGS_H
#define SALLYPORT_AUTH_INTROSPECTION_SETTINGS_H

#include "auth/client_authentication.h"
#include "base/conf_field.h"
#include "tls/settings.h"

/* One of the map `introspection`. */
struct introspection_settings {
    struct slice name;         /* the map's key */
    struct slice endpoint;     /* https, or http to loopback only */
    int client_authentication; /* enum client_authentication */
    struct slice client_id, client_secret;
    struct slice client_key, client_key_id; /* CONF_FILE, and its kid */
    struct slice assertion_audience;        /* of private_key_jwt; empty: the issuer, else the endpoint */
    struct tls_client_settings *tls;        /* NULL: the system's */
    struct slice issuer;                    /* exact `iss`; empty: any, or none */
    struct conf_strings audiences;          /* at least one must be in `aud` */
    bool server_checks_audience;            /* instead of `audiences` */
    struct conf_strings required_claims;
    struct slice roles_claim;    /* path, as principal_claim takes it; "roles" */
    int dpop;                    /* enum dpop_mode */
    int64_t clock_skew;          /* ns; 30 s */
    int64_t cache;               /* ns that an active token is believed without asking again; 30 s */
    int64_t cache_inactive;      /* ns, of one that is not; 10 s */
    int64_t stale;               /* ns beyond `cache`, while the endpoint cannot be asked; 0 */
    int64_t timeout;             /* ns that a question may take, waiting for others included; 5 s */
    int64_t max_concurrent;      /* questions under way at once, of all workers */
    struct slice client_key_pem; /* contents, filled in by config */
};

extern const struct conf_object introspection_object;

/* What the table cannot say. NULL where all is well; else a static text: what is wrong. */
const char *introspection_check_settings(const struct introspection_settings *settings);

/* How the gateway proves at the endpoint who it is. Slices are the settings'. */
struct oauth_identity introspection_client(const struct introspection_settings *settings);

#endif
