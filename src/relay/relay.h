/* What of a request reaches the upstream, and what of its response reaches the client: header hygiene and the proven
 * identity. Pure; any thread. */
#ifndef SALLYPORT_RELAY_RELAY_H
#define SALLYPORT_RELAY_RELAY_H

#include "auth/principal.h"
#include "base/arena.h"
#include "base/conf_field.h"
#include "base/error.h"
#include "http/message.h"
#include "net/address.h"

enum relay_token {
    RELAY_STRIP,   /* the default: no credential of the client goes on */
    RELAY_FORWARD, /* the verified token goes on, unless it is bound (cnf) */
};

/* `relay`.
 *
 * Values of `headers`: a claim's string, number (as written in the token) or boolean; an array's elements joined by ", ";
 * scopes joined by a space, roles by ", ". What is absent, null or empty sends no header; the client's own is stripped all the same.
 * What has no faithful form is a failure, and the request denied: control characters, surrounding white space, an object,
 * an array in an array, an array's element with a comma, a scope with a space. */
struct relay_settings {
    int token; /* enum relay_token */
    struct conf_pairs
        headers;      /* X-User-Id: claims.NAME | subject | issuer | client_id | scopes | roles | 'text' */
    bool trailers;    /* pass trailers on (minus identity and forbidden ones) */
    bool underscores; /* let header names with "_" pass */
};

extern const struct conf_object relay_object;

/* NULL, or what is wrong with a header name or an expression; the pair's index in *ret_pair. Refused names: hop-by-hop,
 * framing, Host, credentials, cookies, what describes the body, what the gateway sets itself or strips from clients, names
 * with "_", and two spellings of one name. */
const char *relay_check_settings(const struct relay_settings *settings, size_t *ret_pair);

/* How the client's address is learned and told (`forwarded` of a listener). */
enum forwarded_source {
    FORWARDED_NONE,        /* the peer is the client; all families are stripped and X-Forwarded-* set anew */
    FORWARDED_X_FORWARDED, /* X-Forwarded-For and its kin, from trusted_proxies only */
    FORWARDED_RFC7239,     /* Forwarded, from trusted_proxies only */
};

/* The address of the client: the right-most hop that is not trusted, or the peer where the peer is not trusted. Several
 * fields are one list. A hop that is no address (garbage, "unknown", an obfuscated identifier) ends the walk: the client is
 * then the last good trusted hop. Read from the right, so that what a client put to the left of it changes nothing. */
struct address relay_client_address(const struct headers *headers, const struct address *peer, int source,
                                    const struct address_prefix *trusted, size_t trusted_count);

/* What credentials are taken from, on any route of the snapshot: on every route it goes no further. */
struct relay_credentials {
    struct conf_strings headers; /* Authorization and its kin are gone anyway */
    struct conf_strings cookies;
    struct conf_strings queries; /* parameters */
};

struct relay_request {
    const struct relay_settings *settings; /* NULL: strip everything */
    const struct http_request *input;
    const struct principal *principal;
    struct slice token; /* the verified token's text, or empty */
    struct address client;
    struct slice host; /* canonical, as the client named it */
    uint16_t port;     /* that the client named, 0: none */
    bool is_tls;
    struct slice request_id;
    struct slice traceparent; /* empty: none */
    const struct conf_strings
        *identity_headers; /* names that any route of the snapshot sets from identity: always stripped */
    const struct headers *granted; /* fields that external authorizers have answered with; NULL: none */
    size_t spare;                  /* fields to leave room for in the list */
    const struct relay_credentials *credentials; /* its headers are among those, too; NULL: none */
};

/* Builds the upstream's header list in `arena`; values that pass are the input's. Dropped: hop-by-hop (Connection's own
 * list too, RFC 9110 section 7.6.1, of at most 32 names: more is ERROR_LIMIT), framing, Host, credentials (Authorization,
 * Proxy-Authorization, DPoP; the cookies that hold one; a Referer whose query holds one), forwarded families, override headers, identity
 * headers in any spelling ("_" or another sign for "-", case, duplicates), all names with "_".
 * Set, after the dropping, so that a client cannot name them away in Connection: X-Forwarded-For, -Proto, -Host,
 * X-Request-Id, traceparent, Via, the identity headers, Authorization where the route forwards the token. tracestate passes
 * only with the client's own trace. A claim value that is no valid field value is a failure: denied. */
struct error relay_build_request(const struct relay_request *request, struct arena *arena,
                                 struct headers *out) MUST_CHECK;

/* Might the upstream take a client's field `name` for the field `wanted`? One spelled with another sign for "-" may be the
 * same to it; "_" only where it passes. `settings` may be NULL. */
bool relay_is_field(const struct relay_settings *settings, struct slice name, struct slice wanted);

/* The response's fields for the client: without hop-by-hop and framing fields, X-Request-Id (the gateway's own is set) and
 * Alt-Svc (it would lead clients around the gateway); where `hide_upstream`, without Server and its like. Appends to `out`. False: no room, or Connection lists over 32 names. */
bool relay_build_response(const struct http_response *response, bool hide_upstream, struct headers *out);

/* Trailers of either direction, where the route passes them: drops what must not stand in trailers (RFC 9110 section 6.5.1)
 * and everything that relay_build_request drops. Appends to `out`. False: no room. */
bool relay_build_trailers(const struct headers *trailers, const struct conf_strings *identity_headers,
                          struct headers *out);

#endif
