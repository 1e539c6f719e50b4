/* What the configuration says about TLS. Plain data; lives in the snapshot. File contents are read by `config`. */
#ifndef SALLYPORT_TLS_SETTINGS_H
#define SALLYPORT_TLS_SETTINGS_H

#include "base/conf_field.h"

enum tls_client_certificate {
    TLS_CLIENT_NONE,     /* never asked for */
    TLS_CLIENT_OPTIONAL, /* asked for; verified when given */
    TLS_CLIENT_REQUIRED, /* the handshake completes without one, then each request is denied 403, unless alert = true */
};

enum tls_version {
    TLS_1_2,
    TLS_1_3,
};

/* One certificate, and the client policy of the hosts that it serves. */
struct tls_certificate_settings {
    struct slice cert;         /* CONF_FILE: PEM chain, leaf first */
    struct slice key;          /* CONF_FILE: PEM private key */
    struct conf_strings hosts; /* names and *.wildcards it serves; empty: the certificate's DNS names */
    struct slice client_ca;    /* CONF_FILE; empty: the listener's */
    struct conf_strings crl;   /* CONF_FILES; none: the listener's, unless it has a client_ca of its own */
    int client_certificate;    /* enum tls_client_certificate; -1: the listener's */
    struct slice cert_pem, key_pem, client_ca_pem; /* contents, filled in by config */
    struct conf_strings crl_texts;
};

struct tls_server_settings {
    struct conf_list
        certificates;        /* of struct tls_certificate_settings; the first serves clients without SNI */
    struct slice client_ca;  /* CONF_FILE: PEM */
    struct conf_strings crl; /* CONF_FILES: PEM or DER, watched */
    int client_certificate;  /* enum tls_client_certificate */
    int min_version;         /* enum tls_version */
    struct slice ciphers;    /* TLS 1.2, OpenSSL's notation; default: ECDHE with AEAD only */
    struct slice client_ca_pem;
    struct conf_strings crl_texts;
    /* Filled in by config: when its revocation lists must be renewed, seconds since 1970; 0: there are none. */
    int64_t lists_from, lists_until;
};

struct tls_client_settings {
    struct slice ca;          /* CONF_FILE: PEM; empty: the system's store */
    struct slice server_name; /* SNI and the name to verify; empty: the endpoint's host */
    struct slice cert, key;   /* CONF_FILE: client certificate for the upstream */
    int min_version;
    /* Instead of the name (X509-SVID section 5.2): one or the other, and a `ca`. Of tls_service_object only. */
    struct conf_strings spiffe_ids;
    struct slice spiffe_trust_domain;
    struct slice ca_pem, cert_pem, key_pem;
};

/* Is the server known by its SPIFFE ID, and not by its name? */
static inline bool tls_knows_by_spiffe(const struct tls_client_settings *settings)
{
    return settings->spiffe_ids.count > 0 || settings->spiffe_trust_domain.len > 0;
}

/* In `arena`, and of nothing else; NULL without memory. It holds the key: tls_client_settings_wipe before the arena goes. */
struct arena;
struct tls_client_settings *tls_client_settings_copy(const struct tls_client_settings *settings,
                                                     struct arena *arena);
/* The key of a copy. NULL is fine. */
void tls_client_settings_wipe(struct tls_client_settings *copy);
/* The same contents of files, and the same demands; NULL is the same as NULL alone. */
bool tls_client_settings_equal(const struct tls_client_settings *a, const struct tls_client_settings *b);

extern const struct conf_object tls_server_object;  /* "tls" of a listener */
extern const struct conf_object tls_service_object; /* "tls" of an upstream or an authorizer */
extern const struct conf_object tls_client_object;  /* of other outgoing connections */

#endif
