/* Who shows a client certificate: what of it counts as the caller's name, and which names are let in.
 *
 * The certificate itself was verified by the handshake (tls/). Patterns stand for names of one type only, and a "*" in one for
 * exactly one part: a label, a path segment, a mailbox. All functions are pure; any thread. */
#ifndef SALLYPORT_AUTH_CLIENT_CERTIFICATE_H
#define SALLYPORT_AUTH_CLIENT_CERTIFICATE_H

#include "base/conf_field.h"
#include "tls/tls.h"

/* Which name of a certificate becomes the caller's. */
enum certificate_identity {
    CERTIFICATE_SPIFFE, /* the SPIFFE ID (X509-SVID) */
    CERTIFICATE_DNS,    /* subject alternative names of one type */
    CERTIFICATE_URI,
    CERTIFICATE_EMAIL,
    CERTIFICATE_SUBJECT,     /* RFC 4514 */
    CERTIFICATE_FINGERPRINT, /* SHA-256 of the certificate, lower-case hexadecimal */
    CERTIFICATE_IDENTITY_COUNT,
};

#define CERTIFICATE_FINGERPRINT_LENGTH 64

/* One of the map `client_certificates`. */
struct client_certificate_settings {
    struct slice name;                 /* the map's key */
    int identity;                      /* enum certificate_identity */
    struct conf_strings allow;         /* patterns */
    struct conf_strings trust_domains; /* of SPIFFE IDs; empty: those of the patterns */
    struct conf_strings scopes;        /* that each caller has; sorted by client_certificate_prepare */
};

extern const struct conf_object client_certificate_object;

/* What the table cannot say. NULL where all is well; else a static text: what is wrong. */
const char *client_certificate_check_settings(const struct client_certificate_settings *settings);
/* The same of one of `allow`, of `trust_domains` and of `scopes`. */
const char *client_certificate_check_pattern(const struct client_certificate_settings *settings,
                                             struct slice pattern);
const char *client_certificate_check_domain(struct slice domain);
const char *client_certificate_check_scope(struct slice scope);

/* Once they are read: sorts the scopes, without doubles. */
void client_certificate_prepare(struct client_certificate_settings *settings);

enum certificate_outcome {
    CERTIFICATE_IDENTIFIED,
    CERTIFICATE_NAMELESS,  /* it has no usable name of the type */
    CERTIFICATE_UNKNOWN,   /* none of its names is allowed */
    CERTIFICATE_AMBIGUOUS, /* several are: nothing says which of them the caller is */
    CERTIFICATE_OUTCOMES,
};

/* The caller's name, which lives as long as both arguments; only where it is CERTIFICATE_IDENTIFIED. */
enum certificate_outcome client_certificate_identify(const struct client_certificate_settings *settings,
                                                     const struct tls_client_facts *facts,
                                                     struct slice *ret_id);
/* For a person: static text. */
const char *client_certificate_outcome_text(enum certificate_outcome outcome);

#endif
