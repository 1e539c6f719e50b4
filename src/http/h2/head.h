/* HTTP/2 heads (RFC 9113 section 8): the fields that HPACK decoded, one by one, become the same message as an HTTP/1.1 head
 * does, with the same strictness and the same limits. Pure but for random keys: no socket, no allocation. Single thread.
 *
 * Two kinds of failure: what is malformed has no answer but a stream error (section 8.1.1), since two readers could take it
 * for two messages; what is well-formed and too much, or names nothing that could be asked for, is answered as over
 * HTTP/1.1. */
#ifndef SALLYPORT_HTTP_H2_HEAD_H
#define SALLYPORT_HTTP_H2_HEAD_H

#include "http/message.h"

enum h2_head_kind {
    H2_HEAD_REQUEST,
    H2_HEAD_RESPONSE,
    H2_HEAD_TRAILERS, /* of either direction */
};

enum h2_head_failure {
    H2_HEAD_OK = 0,
    /* malformed: a stream error PROTOCOL_ERROR */
    H2_HEAD_BAD_NAME,         /* empty, no token, upper case; "content_length" and its kin */
    H2_HEAD_BAD_VALUE,        /* control characters, white space at an end */
    H2_HEAD_BAD_PSEUDO,       /* unknown, of the other kind of message, repeated, missing, or empty */
    H2_HEAD_LATE_PSEUDO,      /* behind an ordinary field, or in trailers */
    H2_HEAD_CONNECTION_FIELD, /* connection, keep-alive, proxy-connection, transfer-encoding, upgrade; te but for
                                   "trailers" (section 8.2.2) */
    H2_HEAD_BAD_METHOD,       /* no token, or too long */
    H2_HEAD_BAD_SCHEME,       /* neither http nor https */
    H2_HEAD_BAD_STATUS,       /* not three digits from 100 to 599; 101 (section 8.6) */
    H2_HEAD_LAST_INFORMATIONAL, /* 1xx that ends the stream */
    H2_HEAD_BAD_CONTENT_LENGTH, /* no plain decimal, repeated, too large, or beside a head that ends the stream */
    H2_HEAD_TWO_HOSTS,          /* :authority and host differ, or host is repeated */
    H2_HEAD_BAD_TRAILER,        /* a field that may not stand in trailers */
    /* answered */
    H2_HEAD_BAD_TARGET,       /* 400: no leading slash, a byte that is not visible */
    H2_HEAD_NO_HOST,          /* 400: neither :authority nor host */
    H2_HEAD_UNKNOWN_PROTOCOL, /* 501: an extended CONNECT to something else than WebSocket (RFC 9220 section 3) */
    H2_HEAD_TARGET_TOO_LONG,  /* 414 */
    H2_HEAD_TOO_LARGE,        /* 431 */
    H2_HEAD_TOO_MANY_HEADERS, /* 431 */
};

static inline bool h2_head_is_malformed(enum h2_head_failure failure)
{
    return failure != H2_HEAD_OK && failure < H2_HEAD_BAD_TARGET;
}

const char *h2_head_failure_text(enum h2_head_failure failure);

/* The text holds names and values as they came, and once more where crumbs of a cookie that stood apart are joined. */
#define H2_HEAD_TEXT_MAX (2 * HTTP_HEAD_MAX)

/* A head while it comes. Large: one serves whoever is being read. */
struct h2_head {
    enum h2_head_kind kind;
    enum h2_head_failure failure; /* the first malformed one counts, else the first */
    struct http_head_limits limits;
    uint64_t
        decoded; /* bytes that HPACK made of it, four more a field, failed or not: what a bomb is measured by */
    uint64_t counted; /* bytes as HTTP/1.1 would spell the head, for head_max */
    bool ordinary;    /* a field that is no pseudo-header has come */
    bool expect_continue;
    /* pseudo-headers; ptr NULL: has not come */
    struct slice method, scheme, authority, path, protocol;
    unsigned int status;
    uint64_t content_length;
    unsigned int content_length_count;
    struct header *cookie; /* the one that crumbs are joined to (section 8.2.3) */
    struct header *host;
    /* Behind these nothing is cleared. */
    size_t field_count;
    size_t size; /* of `text` */
    struct header fields[HTTP_HEADERS_MAX];
    char text[H2_HEAD_TEXT_MAX];
};

void h2_head_init(struct h2_head *head, enum h2_head_kind kind, const struct http_head_limits *limits);

/* The next field; copied. After a failure it is only counted. */
void h2_head_field(struct h2_head *head, struct slice name, struct slice value);

/* All fields have come; `ends`: and nothing follows (END_STREAM). Once. */
enum h2_head_failure h2_head_end(struct h2_head *head, bool ends);

/* After OK: the message as slices of `text`, its fields in `fields`. As HTTP/1.1's, with a Host field made of :authority;
 * `minor_version` is 2. CONNECT has its authority as target; an extended one (RFC 8441) is a WebSocket handshake in the words of
 * HTTP/1.1, see http/websocket.h, with a random key: it asks for a tunnel unless it `ends`, and has no body. */
void h2_take_request(struct h2_head *head, bool ends, struct http_request *ret_request);
/* `method` of the request that is answered: it decides whether a body follows. An answer that `ends` has an empty body, and
 * says so (BODY_LENGTH), where its status may have one. */
void h2_take_response(struct h2_head *head, bool ends, enum http_method method,
                      struct http_response *ret_response);
void h2_take_trailers(struct h2_head *head, struct headers *ret_trailers);

#endif
