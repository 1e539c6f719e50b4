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

/* A listener's certificate with its context and client policy. */
struct tls_certificate {
    SSL_CTX *context;
    int mode;        /* enum tls_client_certificate */
    uint64_t policy; /* equal for equal (client CA, mode): the first bytes of the digest */
    unsigned char policy_digest[TLS_DIGEST_SIZE];
    unsigned char session_context[TLS_DIGEST_SIZE]; /* over host set, client CA and mode */
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
    /* Each a piece of memory of its own, since few have them: thousands of quiet connections have nothing else. */
    char *server_name;               /* in lower case; NULL: none was sent */
    struct tls_client_facts *client; /* with the subject's text behind it */
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

/* server.c */
void tls_server_ref(struct tls_server *server);

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

/* names.c: the hosts that a certificate serves, lower-case, sorted, without doubles. */
struct error tls_hosts_of(const struct conf_strings *stated, X509 *leaf, struct arena *arena,
                          struct conf_strings *ret_hosts) MUST_CHECK;
/* The normal form of one, or false: a DNS name, "*." and a DNS name, or an address. */
bool tls_host_normalise(struct slice host, struct arena *arena, struct slice *ret_host);

#endif
