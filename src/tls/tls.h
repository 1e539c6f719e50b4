/* TLS over OpenSSL 3 for listeners and upstreams, as streams (net/stream.h).
 *
 * Contexts belong to one worker each: sharing an SSL_CTX or a key between threads is a contended reference count. Only
 * the ticket keys are shared. TLS 1.2 and 1.3, no compression, no renegotiation, no early data. */
#ifndef SALLYPORT_TLS_TLS_H
#define SALLYPORT_TLS_TLS_H

#include "base/arena.h"
#include "net/stream.h"
#include "tls/settings.h"

struct tls_server; /* a listener's certificates and policies, for one worker */
struct tls_client; /* an upstream's, for one worker */

/* Session-ticket keys shared by the workers (RFC 5077 section 4): a current and a previous key, rotated by one thread,
 * read by all. Tickets are also bound to the host's policy: see tls_server_new. */
struct tls_tickets;
struct error tls_tickets_new(struct tls_tickets **ret_tickets) MUST_CHECK;
void tls_tickets_free(struct tls_tickets *tickets);
/* The current key becomes the previous one, a fresh one is drawn. Any one thread. */
void tls_tickets_rotate(struct tls_tickets *tickets);
/* From one process to the next: what was the current key there is the previous one here, so that the change is a rotation.
 * The caller wipes what it holds of it. */
#define TLS_TICKET_KEY_SIZE 80
void tls_tickets_export(struct tls_tickets *tickets, unsigned char out[TLS_TICKET_KEY_SIZE]);
void tls_tickets_inherit(struct tls_tickets *tickets, const unsigned char key[TLS_TICKET_KEY_SIZE]);

/* Checks everything that can be wrong with certificates and keys (unreadable PEM, key not matching, empty CA file,
 * expired is only a warning of `check`). On failure `*ret_index` is the certificate's index, or -1 for the listener's
 * own fields. The session id context is a digest over host set, client CA and verify mode, so that a ticket never
 * resumes under another policy (CVE-2025-23419). `alpn`: protocols offered, most wanted first, in ALPN wire format. */
struct error tls_server_new(const struct tls_server_settings *settings, struct tls_tickets *tickets,
                            struct slice alpn, struct tls_server **ret_server, int *ret_index) MUST_CHECK;
void tls_server_free(struct tls_server *server);

/* Turns an open plain stream into the server side of TLS; then call ops->handshake until OK. The server may be freed
 * while its streams live. */
struct error tls_accept(struct tls_server *server, struct stream *stream) MUST_CHECK;

/* The policy (client CA and mode) that a host is served under: equal numbers are equal policies, in every configuration.
 * TLS_POLICY_NONE: no certificate names the host. Lower-case, without port and trailing dot. */
#define TLS_POLICY_NONE 0
uint64_t tls_policy_of_host(const struct tls_server *server, struct slice host);

struct tls_client_names {
    const struct slice *items;
    size_t count;
};

/* A client's certificate that was verified; a resumed session tells the same. Names are usable ones of their type
 * (tls/client_name.h), in the certificate's order; of a certificate with more of them than limits.h holds there are none. */
struct tls_client_facts {
    unsigned char thumbprint[32]; /* SHA-256 of the DER form (x5t#S256, RFC 8705) */
    int64_t not_after; /* seconds since 1970: requests after it are refused on a living connection */
    struct slice subject, issuer; /* RFC 4514; empty: none, or control characters in it, or too long */
    struct slice serial;          /* lower-case hexadecimal, whole bytes; empty: negative or too long */
    struct tls_client_names dns, uris, emails; /* subject alternative names */
    struct slice spiffe_id;  /* the one URI, where it is the SPIFFE ID of a workload; else empty */
    struct tls_state *state; /* of tls_client_standing */
};

/* What a finished handshake agreed on. What it points to lives as long as the stream. */
struct tls_facts {
    const char *version; /* "TLSv1.3" */
    const char *cipher;
    struct slice server_name; /* SNI, lower-case; empty where none was sent */
    struct slice alpn;
    uint64_t policy;                       /* of the certificate that served it */
    const struct tls_client_facts *client; /* NULL: no certificate was given and verified */
    int client_mode;                       /* enum tls_client_certificate of that policy */
    bool resumed;
};
void tls_facts_of(const struct stream *stream, struct tls_facts *out);

enum tls_standing {
    TLS_CLIENT_GOOD,
    TLS_CLIENT_REVOKED,
    TLS_CLIENT_LIST_EXPIRED, /* a revocation list of its CAs is too old to say */
    TLS_CLIENT_UNVERIFIED,   /* by the CAs of today; or of a resumed session, which does not say enough */
};

/* Does the certificate of a living connection still hold? By the CAs and revocation lists of `server`: the listener's, now.
 * `facts` are the connection's, with a client; their policy becomes that of today where it holds. A number is compared; only
 * where CAs or lists have changed since is the chain verified again. `now`: seconds since 1970. */
enum tls_standing tls_client_standing(struct tls_facts *facts, const struct tls_server *server, int64_t now);

/* Of the revocation lists that a server's client policies need: which must be renewed first. `until` 0: there are none. */
struct tls_renewal {
    int64_t from, until; /* seconds since 1970 */
};
/* A list that was not renewed by then, three quarters of its life, is late. */
static inline int64_t tls_renewal_due(const struct tls_renewal *renewal)
{
    return renewal->until - (renewal->until - renewal->from) / 4;
}
struct tls_renewal tls_server_renewal(const struct tls_server *server);

struct error tls_client_new(const struct tls_client_settings *settings,
                            struct tls_client **ret_client) MUST_CHECK;
void tls_client_free(struct tls_client *client);

/* Turns a connected stream into the client side. `host` (NUL-free, DNS name or address) is verified against the
 * certificate's subject alternative names and, for a DNS name, sent as SNI; settings' server_name goes first. Where the
 * settings know the server by its SPIFFE ID that is verified instead, and a name only sent. No session is ever resumed: each
 * connection verifies anew, and none carries what another one has proven. The client may be freed while its streams live.
 * `alpn`: the protocols to offer, each behind a byte that says its length (RFC 7301 section 3.1); empty: none. */
struct error tls_connect(struct tls_client *client, struct stream *stream, struct slice host,
                         struct slice alpn) MUST_CHECK;

/* Why the last handshake failed, in static or OpenSSL's text: "certificate verify failed: unable to get local issuer". */
const char *tls_failure(const struct stream *stream);
/* Has the peer ended it by a fatal alert? In TLS 1.3 a server judges a client's certificate when the client is done with the
 * handshake already (RFC 8446 section 2), so that it is the first read which fails so. */
bool tls_is_refused(const struct stream *stream);
/* Of a server that has ended the connection, what it may have against our own certificate: there is none, it has expired, it is
 * not what is wanted. NULL: it has not asked for one. Static. */
const char *tls_own_fault(const struct stream *stream);

#endif
