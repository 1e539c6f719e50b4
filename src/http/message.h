/* A message's head, whatever the protocol it came by. */
#ifndef SALLYPORT_HTTP_MESSAGE_H
#define SALLYPORT_HTTP_MESSAGE_H

#include "base/arena.h"
#include "http/headers.h"

/* X(ID, "METHOD") */
#define HTTP_METHODS(X)   \
    X(GET, "GET")         \
    X(HEAD, "HEAD")       \
    X(POST, "POST")       \
    X(PUT, "PUT")         \
    X(DELETE, "DELETE")   \
    X(OPTIONS, "OPTIONS") \
    X(PATCH, "PATCH")     \
    X(CONNECT, "CONNECT") \
    X(TRACE, "TRACE")

enum http_method {
    METHOD_OTHER = 0, /* another token: compare the text */
#define HTTP_METHOD_ENUM(id, name) METHOD_##id,
    HTTP_METHODS(HTTP_METHOD_ENUM)
#undef HTTP_METHOD_ENUM
    METHOD_COUNT,
};

/* Methods are case-sensitive (RFC 9110 section 9.1). */
enum http_method http_method_of(struct slice text);

enum http_body {
    BODY_NONE,    /* there is none */
    BODY_LENGTH,  /* `content_length` bytes */
    BODY_CHUNKED, /* delimited by the protocol: chunked coding, or h2 DATA frames without content-length */
    BODY_CLOSE,   /* a response that ends with its connection */
    BODY_TUNNEL, /* a response that makes the stream a tunnel: bytes either way from here on, until either side ends */
};

/* What a head may have. */
struct http_head_limits {
    uint32_t head_max;   /* bytes, start line included; at most HTTP_HEAD_MAX */
    uint32_t target_max; /* at most HTTP_TARGET_MAX */
    uint32_t fields_max; /* at most HTTP_HEADERS_MAX */
};

/* The same, and no more than any head may have. */
struct http_head_limits http_head_limits_capped(const struct http_head_limits *limits);

struct http_request {
    enum http_method method;
    struct slice method_text;
    struct slice target; /* as received */
    struct headers headers;
    enum http_body body;
    uint64_t content_length; /* BODY_LENGTH */
    int minor_version;       /* of HTTP/1: 0 or 1; 2 for h2 */
    bool keep_alive;         /* the client lets the connection go on */
    bool expect_continue;    /* it waits for 100 before its body */
    bool upgrade; /* it asks to become a tunnel of another protocol, in a way that its own allows */
};

struct http_response {
    unsigned int status;
    struct slice reason; /* of HTTP/1; informational only */
    struct headers headers;
    enum http_body body;
    uint64_t content_length;
    int minor_version;
    bool keep_alive;
    bool upgrade; /* 101, and a 426 that says that WebSocket is meant */
};

/* The standard reason phrase of a status, or "". */
struct slice http_reason_phrase(unsigned int status);

#endif
