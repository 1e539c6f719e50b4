/* What the files of tls/ share; for them only. */
#ifndef SALLYPORT_TLS_INTERNAL_H
#define SALLYPORT_TLS_INTERNAL_H

#include "tls/tls.h"

#include <openssl/ssl.h>

#define TLS_RECORD_MAX      16384 /* bytes of plain text in a record (RFC 8446 section 5.1) */
#define TLS_SERVER_NAME_MAX 255
#define TLS_CHAIN_MAX       16 /* certificates in a chain that is sent or accepted */
#define TLS_CA_MAX          1024
#define TLS_DIGEST_SIZE     32

/* TLS 1.2 with forward secrecy and AEAD; the cheaper AES-128 first. */
#define TLS_CIPHERS                                              \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#define TLS_CIPHERSUITES "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
/* Elliptic curves only, the cheap ones first. OpenSSL's own list has finite fields too: whoever asks for one of 8192 bits, and
 * sends any number for a key, makes us compute for 10 ms (CVE-2002-20001). */
#define TLS_CURVES "X25519:P-256:P-384:P-521"
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
#define TLS_GROUPS "X25519MLKEM768:" TLS_CURVES
#else
#define TLS_GROUPS TLS_CURVES
#endif

/* The revocation lists of a client policy, by their issuers. */
struct tls_crl {
    X509_NAME *issuer;
    int64_t from, until; /* seconds since 1970, of the newest */
};
struct tls_crls {
    struct tls_crl *items;
    size_t count;
    size_t total; /* lists, not issuers */
};

/* A listener's certificate with its context and client policy. */
struct tls_certificate {
    SSL_CTX *context;
    int mode;        /* enum tls_client_certificate */
    uint64_t policy; /* equal for equal (client CA, mode): the first bytes of the digest */
    unsigned char policy_digest[TLS_DIGEST_SIZE];
    uint64_t trust; /* equal for equal (policy, revocation lists) */
    unsigned char trust_digest[TLS_DIGEST_SIZE];
    unsigned char session_context[TLS_DIGEST_SIZE]; /* over host set, client CA, mode and revocation lists */
    struct tls_crls crls;
};

/* Of our side as a client: what became of the certificate that a server may ask for. */
enum tls_own {
    TLS_OWN_UNASKED,
    TLS_OWN_SHOWN,
    TLS_OWN_MISSING,
    TLS_OWN_EXPIRED,
};

/* stream->tls */
struct tls_state {
    SSL *ssl;
    const struct stream *stream;
    struct tls_server *server;                 /* counted; NULL on the client side */
    const struct tls_certificate *certificate; /* of `server` */
    bool complete;                             /* the handshake */
    bool dead;         /* after a fatal error OpenSSL must not be called again, not even to shut down */
    bool read_blocked; /* what is buffered is part of a record: only the socket can bring the rest */
    bool hello_seen;
    bool more_follows; /* the record that is written now is not the last one */
    bool refused;      /* the peer has ended it by an alert */
    unsigned char own; /* enum tls_own */
    /* Each a piece of memory of its own, since few have them: thousands of quiet connections have nothing else. */
    char *server_name;               /* in lower case; NULL: none was sent */
    struct tls_client_facts *client; /* with all its texts behind it */
    char *failure;                   /* text; NULL: none, or no memory for it */
};

/* stream.c: makes `stream` a TLS stream over its descriptor. `server` is NULL on the client side. */
struct error tls_attach(struct stream *stream, SSL_CTX *context, struct tls_server *server,
                        struct tls_state **ret_state) MUST_CHECK;

/* transport.c: what `state->ssl` reads from and writes to. False: no memory. */
bool tls_transport_attach(struct tls_state *state);
/* Whose SSL it is, for OpenSSL's callbacks. By its transport: application data of an SSL is a list, which takes a hundred
 * bytes of each connection. */
struct tls_state *tls_state_of(const SSL *ssl);

/* stream.c: what is wrong with the peer, in words; goes before what OpenSSL would say. */
__attribute__((format(printf, 2, 3))) void tls_object(struct tls_state *state, const char *format, ...);

/* spiffe.c: the peer must be one that the settings name by SPIFFE ID, beside all that its chain must be. */
struct error tls_expect_spiffe(SSL_CTX *context, const struct tls_client_settings *settings) MUST_CHECK;

/* server.c */
void tls_server_ref(struct tls_server *server);
/* Which serves a name; the first one where none does. */
const struct tls_certificate *tls_server_certificate(const struct tls_server *server, struct slice name);
/* Equal for equal hosts, client policies and revocation lists. */
uint64_t tls_server_trust(const struct tls_server *server);

/* revocation.c: the lists into the store, which checks them from now on. `crls` is the caller's, also on failure. */
struct error tls_use_crls(SSL_CTX *context, const struct conf_strings *texts,
                          struct tls_crls *crls) MUST_CHECK;
void tls_crls_done(struct tls_crls *crls);
/* Until when all lists are good that a verified chain needs (NULL: not known, so all of them); INT64_MAX: there are none. */
int64_t tls_crls_until(const struct tls_crls *crls, STACK_OF(X509) * chain);

/* tickets.c: the callback finds the keys through tls_server_tickets. */
int tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                   int encrypt);
struct tls_tickets *tls_server_tickets(const struct tls_server *server);

/* pem.c. Errors are static text; `what` names the file for a person. */
struct error tls_new_context(const SSL_METHOD *method, int min_version, SSL_CTX **ret_context) MUST_CHECK;
struct error tls_use_certificate(SSL_CTX *context, struct slice cert_pem, struct slice key_pem) MUST_CHECK;
/* Fills the store that peers are verified against; with `names`, also the list that a server sends to clients. */
struct error tls_use_ca(SSL_CTX *context, struct slice ca_pem, bool names) MUST_CHECK;
bool tls_digest(unsigned char out[TLS_DIGEST_SIZE], const void *data, size_t size);

/* client_facts.c: in one piece of memory, with what only tls/ knows of it. NULL: no memory, or no certificate of this world. */
struct tls_client_record {
    uint64_t trust, server_trust; /* by what it was last verified: tls_client_standing */
    int64_t lists_until;          /* seconds since 1970 */
    struct tls_client_facts facts;
};
static inline struct tls_client_record *tls_client_record_of(const struct tls_client_facts *facts)
{
    return (struct tls_client_record *)((char *)(uintptr_t)facts - offsetof(struct tls_client_record, facts));
}
void tls_client_facts_free(struct tls_client_facts *facts);
struct tls_client_facts *tls_client_facts_new(X509 *certificate);

/* names.c: the hosts that a certificate serves, lower-case, sorted, without doubles. */
struct error tls_hosts_of(const struct conf_strings *stated, X509 *leaf, struct arena *arena,
                          struct conf_strings *ret_hosts) MUST_CHECK;
/* The normal form of one, or false: a DNS name, "*." and a DNS name, or an address. */
bool tls_host_normalise(struct slice host, struct arena *arena, struct slice *ret_host);

#endif
