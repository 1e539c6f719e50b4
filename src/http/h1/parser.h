/* HTTP/1.x heads and chunked bodies (RFC 9112), strictly: what two readers could take for two different messages is
 * refused. Incremental: any split of the bytes gives the same result. No allocation but in h1_parser_keep. Single thread.
 *
 * A head parser keeps offsets into the caller's buffer, so the buffer may move as it grows, but it must hold the whole
 * head from its first byte until the head was taken. */
#ifndef SALLYPORT_HTTP_H1_PARSER_H
#define SALLYPORT_HTTP_H1_PARSER_H

#include "http/message.h"

enum h1_result {
    H1_PARTIAL, /* more bytes are needed */
    H1_DONE,
    H1_FAILED, /* see `failure`; close the connection */
};

enum h1_failure {
    H1_OK = 0,
    H1_BAD_REQUEST_LINE,
    H1_BAD_METHOD,
    H1_BAD_TARGET,
    H1_BAD_VERSION, /* not exactly HTTP/1.0 or HTTP/1.1: HTTP/1.2 to 1.9 do not exist and are refused too */
    H1_BAD_STATUS_LINE,
    H1_BAD_HEADER_NAME,  /* empty, no token, space before the colon; "Content_Length" and its kin */
    H1_BAD_HEADER_VALUE, /* NUL, control characters; a Connection option that is no token */
    H1_BAD_LINE_ENDING,  /* bare LF, CR without LF */
    H1_OBS_FOLD,
    H1_BAD_CONTENT_LENGTH,    /* no plain decimal, more than one, too large */
    H1_BAD_TRANSFER_ENCODING, /* anything but "chunked", once; on HTTP/1.0; twice */
    H1_LENGTH_CONFLICT,       /* Content-Length with Transfer-Encoding */
    H1_BAD_HOST,              /* HTTP/1.1 without Host, or more than one */
    H1_HEAD_TOO_LARGE,        /* answered 431 */
    H1_TARGET_TOO_LONG,       /* answered 414 */
    H1_TOO_MANY_HEADERS,      /* answered 431 */
    H1_BAD_CHUNK_SIZE,
    H1_BAD_CHUNK_EXTENSION,
    H1_BAD_CHUNK_END, /* chunk data not followed by CRLF */
    H1_BAD_TRAILER,   /* malformed, or a field that may not stand in trailers */
};

const char *h1_failure_text(enum h1_failure failure);

struct h1_span {
    uint32_t offset, length;
};

struct h1_field {
    struct h1_span name, value;
    enum header_id id;
};

struct h1_parser {
    /* where the parser stands */
    enum {
        H1_AT_START,
        H1_AT_FIELDS,
        H1_AT_END
    } at;
    bool response;
    bool to_head;      /* the response answers HEAD */
    bool to_connect;   /* the response answers CONNECT */
    uint32_t position; /* bytes looked at */
    uint32_t line;     /* where the unfinished line starts */
    struct http_head_limits limits;
    enum h1_failure failure;
    /* what it found */
    uint32_t head_length; /* DONE: bytes of the head, the empty line included */
    struct h1_span method, target, reason;
    int minor_version;
    unsigned int status;
    uint32_t field_count;
    struct h1_field fields[HTTP_HEADERS_MAX];
    /* framing, decided while reading fields */
    uint64_t content_length;
    uint32_t content_length_count, transfer_encoding_count, host_count;
    bool chunked, connection_close, connection_keep_alive, upgrade, expect_continue, connection_upgrade;
};

/* Nearly every head comes in one piece: its parser lives on the stack of who reads it. */
#define H1_PARSER_SCRATCH(name) __attribute__((uninitialized)) struct h1_parser name

void h1_parser_init_request(struct h1_parser *parser, const struct http_head_limits *limits);
/* `method` of the request that is answered: it decides whether a body follows. */
void h1_parser_init_response(struct h1_parser *parser, const struct http_head_limits *limits,
                             enum http_method method);

/* `data` is the head so far, always from its first byte; call again with more. One empty line before a request line is
 * skipped (RFC 9112 section 2.2) and counted into head_length. */
enum h1_result h1_parse(struct h1_parser *parser, const char *data, size_t size);

/* A copy of a parser that wants more bytes, for when they come: to be freed. NULL: no memory. */
struct h1_parser *h1_parser_keep(const struct h1_parser *parser);

/* After DONE: the head as slices of `data` (the same bytes, or a copy of them). `items` has room for field_count. */
void h1_take_request(const struct h1_parser *parser, const char *data, struct header *items, size_t capacity,
                     struct http_request *ret_request);
void h1_take_response(const struct h1_parser *parser, const char *data, struct header *items, size_t capacity,
                      struct http_response *ret_response);

/* A chunked body, with its trailer section (RFC 9112 section 7.1). No white space but in quoted strings is taken on a
 * size line; extensions are checked and dropped. */
struct h1_chunked {
    int state;
    uint64_t left;            /* bytes left of the chunk */
    uint32_t line_length;     /* of the size line or the trailer section so far */
    uint32_t line_start;      /* where the trailer section's unfinished line starts */
    uint32_t extension_bytes; /* of all size lines so far */
    unsigned int digits;      /* of the chunk size */
    enum h1_failure failure;
};

void h1_chunked_init(struct h1_chunked *chunked);

/* Looks at `size` bytes. Consumes `*ret_consumed` of them; where `*ret_data` is not empty, it is body data within them.
 * PARTIAL: call again with what was not consumed and more; at once where data was handed out, for there may be more of
 * it, else when more bytes have come. DONE: the body and its trailers are over. The data comes in
 * pieces of one chunk at most. Trailers: the bytes of the section are consumed only as a whole, once complete, and
 * handed out in `*ret_trailers` (the lines, the empty one included), at most HTTP_TRAILERS_MAX bytes. */
enum h1_result h1_chunked_parse(struct h1_chunked *chunked, const char *data, size_t size,
                                size_t *ret_consumed, struct slice *ret_data, struct slice *ret_trailers);

/* Parses a trailer section, as handed out above, and adds its fields to `out`. False where a field is malformed, does not
 * fit, or may not stand there (RFC 9110 section 6.5.1): every field that we know by number, since each of them decides
 * something and was to be seen before the body, and the request modifiers, conditions and the like that we know not. */
bool h1_parse_trailers(struct slice text, struct headers *out);

#endif
