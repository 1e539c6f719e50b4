/* What every connection to an upstream begins with, and what a protocol adds: for client.c and the protocols. */
#ifndef SALLYPORT_HTTP_CLIENT_INTERNAL_H
#define SALLYPORT_HTTP_CLIENT_INTERNAL_H

#include "http/client.h"
#include "net/stream.h"

#define HTTP_CLIENT_END_MAX 256 /* bytes of a text for the log */

/* A protocol's part of a connection. */
struct http_client_kind {
    struct slice protocol; /* as ALPN names it */
    size_t size;           /* of its struct, which begins with a struct http_client; zeroed before `start` */
    /* The stream is connected: takes over on_ready and the deadline, and says http_client_established, at once or later. */
    void (*start)(struct http_client *client);
    bool (*is_quiet)(struct http_client *client);
    size_t (*room)(struct http_client *client);
    enum http_client_state (*state)(struct http_client *client);
    struct http_call *(*take)(struct http_client *client);
    /* The stream will be closed: no event follows. */
    void (*close)(struct http_client *client);
    /* The stream is closed: frees the memory, now or once no task is queued. */
    void (*free)(struct http_client *client);
};

struct http_client {
    struct stream stream;
    struct http_client_settings settings;
    const struct http_client_kind *kind; /* NULL: not decided yet */
    struct deadline deadline;            /* of connecting, then the protocol's */
    bool connected;                      /* the socket is, and TLS may be under way */
    bool wants_http1;                    /* see http_client_wants_http1 */
    bool closing, closed;
};

void http_client_established(struct http_client *client);
/* How an upstream has ended a connection without a word of HTTP. Where it did so by TLS, which in TLS 1.3 is how it says that it
 * does not take our certificate, that is the reason. */
struct http_client_end {
    enum deny_reason reason; /* UPSTREAM_TLS or UPSTREAM_CLOSED */
    char detail[HTTP_CLIENT_END_MAX];
};
/* `what`: how it looks from outside. */
void http_client_judge_end(const struct http_client *client, const char *what, struct http_client_end *out);
/* The connection is of no use before it was established. */
void http_client_connect_failed(struct http_client *client, enum deny_reason reason, const char *detail);

#endif
