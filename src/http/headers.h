/* Header fields: a list in order of arrival, with a number for each name that we know.
 * Storage for items is the owner's; slices point into the head's own copy. One thread. */
#ifndef SALLYPORT_HTTP_HEADERS_H
#define SALLYPORT_HTTP_HEADERS_H

#include "base/limits.h"
#include "base/slice.h"

/* Room for a head's fields on the stack. Not zeroed, as other variables are: that would be 4 KB of stores for each head, and only
 * fields that were written are read. */
#define HEADERS_SCRATCH(name) __attribute__((uninitialized)) struct header name[HTTP_HEADERS_MAX]

/* X(ID, "name"): in lower case, as compared. */
#define HTTP_HEADER_NAMES(X)                                                \
    X(ACCEPT, "accept")                                                     \
    X(ACCESS_CONTROL_ALLOW_CREDENTIALS, "access-control-allow-credentials") \
    X(ACCESS_CONTROL_ALLOW_HEADERS, "access-control-allow-headers")         \
    X(ACCESS_CONTROL_ALLOW_METHODS, "access-control-allow-methods")         \
    X(ACCESS_CONTROL_ALLOW_ORIGIN, "access-control-allow-origin")           \
    X(ACCESS_CONTROL_EXPOSE_HEADERS, "access-control-expose-headers")       \
    X(ACCESS_CONTROL_MAX_AGE, "access-control-max-age")                     \
    X(ACCESS_CONTROL_REQUEST_HEADERS, "access-control-request-headers")     \
    X(ACCESS_CONTROL_REQUEST_METHOD, "access-control-request-method")       \
    X(ALLOW, "allow")                                                       \
    X(AUTHORIZATION, "authorization")                                       \
    X(CACHE_CONTROL, "cache-control")                                       \
    X(CLIENT_CERT, "client-cert")                                           \
    X(CLIENT_CERT_CHAIN, "client-cert-chain")                               \
    X(CONNECTION, "connection")                                             \
    X(CONTENT_ENCODING, "content-encoding")                                 \
    X(CONTENT_LENGTH, "content-length")                                     \
    X(CONTENT_TYPE, "content-type")                                         \
    X(COOKIE, "cookie")                                                     \
    X(DATE, "date")                                                         \
    X(DPOP, "dpop")                                                         \
    X(EXPECT, "expect")                                                     \
    X(FORWARDED, "forwarded")                                               \
    X(HOST, "host")                                                         \
    X(HTTP2_SETTINGS, "http2-settings")                                     \
    X(KEEP_ALIVE, "keep-alive")                                             \
    X(LOCATION, "location")                                                 \
    X(MAX_FORWARDS, "max-forwards")                                         \
    X(ORIGIN, "origin")                                                     \
    X(PROXY, "proxy")                                                       \
    X(PROXY_AUTHENTICATE, "proxy-authenticate")                             \
    X(PROXY_AUTHORIZATION, "proxy-authorization")                           \
    X(PROXY_CONNECTION, "proxy-connection")                                 \
    X(RETRY_AFTER, "retry-after")                                           \
    X(SERVER, "server")                                                     \
    X(SET_COOKIE, "set-cookie")                                             \
    X(TE, "te")                                                             \
    X(TRACEPARENT, "traceparent")                                           \
    X(TRACESTATE, "tracestate")                                             \
    X(TRAILER, "trailer")                                                   \
    X(TRANSFER_ENCODING, "transfer-encoding")                               \
    X(UPGRADE, "upgrade")                                                   \
    X(USER_AGENT, "user-agent")                                             \
    X(VARY, "vary")                                                         \
    X(VIA, "via")                                                           \
    X(WWW_AUTHENTICATE, "www-authenticate")                                 \
    X(X_FORWARDED_CLIENT_CERT, "x-forwarded-client-cert")                   \
    X(X_FORWARDED_FOR, "x-forwarded-for")                                   \
    X(X_FORWARDED_HOST, "x-forwarded-host")                                 \
    X(X_FORWARDED_PORT, "x-forwarded-port")                                 \
    X(X_FORWARDED_PREFIX, "x-forwarded-prefix")                             \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")                               \
    X(X_HTTP_METHOD, "x-http-method")                                       \
    X(X_HTTP_METHOD_OVERRIDE, "x-http-method-override")                     \
    X(X_METHOD_OVERRIDE, "x-method-override")                               \
    X(X_ORIGINAL_URL, "x-original-url")                                     \
    X(X_REAL_IP, "x-real-ip")                                               \
    X(X_REQUEST_ID, "x-request-id")                                         \
    X(X_REWRITE_URL, "x-rewrite-url")

enum header_id {
    HEADER_OTHER = 0,
#define HTTP_HEADER_ENUM(id, name) HEADER_##id,
    HTTP_HEADER_NAMES(HTTP_HEADER_ENUM)
#undef HTTP_HEADER_ENUM
    HEADER_ID_COUNT,
};

struct header {
    struct slice name;  /* as written */
    struct slice value; /* without surrounding white space */
    enum header_id id;
};

struct headers {
    struct header *items;
    size_t count;
    size_t capacity;
};

/* The number of a name, whatever its case; HEADER_OTHER where we do not know it. */
enum header_id header_id_of(struct slice name);
/* Of the connection, or of the message's frame: who writes a message has it from elsewhere, or leaves it out. Host frames requests,
 * too, but an answer may have one. */
bool header_is_of_frame(enum header_id id);
/* The lower-case name of a number. */
struct slice header_name(enum header_id id);

/* The first such field, or NULL. */
const struct header *headers_find(const struct headers *headers, enum header_id id);
const struct header *headers_find_name(const struct headers *headers, struct slice name);
/* How often it stands there. */
size_t headers_count(const struct headers *headers, enum header_id id);
/* False when the capacity is used up. */
bool headers_add(struct headers *headers, enum header_id id, struct slice name, struct slice value);

/* RFC 9110 section 5.6.2 and 5.5: a value has no control characters but HTAB, and no white space at its ends; it may be
 * empty, and may have bytes of 0x80 and above. */
bool http_token_valid(struct slice text);
bool http_field_value_valid(struct slice text);

/* "Transfer_Encoding", "Content--Length" and their kin, which some servers take for the real ones: such a name is refused.
 * Not asked for names that we know. */
bool http_spells_framing(struct slice name);
/* May it stand in trailers (RFC 9110 section 6.5.1)? No field that we know by number, since each of them decides something
 * and was to be seen before the body; nor the request modifiers, conditions and the like that we know not. */
bool http_may_be_trailer(enum header_id id, struct slice name);

/* Does a comma-separated list of tokens hold this one, without case? */
bool http_list_contains(struct slice list, struct slice token);
/* The next non-empty element of a comma-separated list (RFC 9110 section 5.6.1), trimmed; quoted strings are not split.
 * False at the end. `*rest` starts as the whole value. */
bool http_list_next(struct slice *rest, struct slice *ret_element);

#endif
