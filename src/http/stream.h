/* Where a protocol meets an exchange: the request side of a connection, one request at a time, whatever the protocol.
 *
 * A connection (connection.h) calls the events of the handler that it was given; the handler calls the
 * operations of the stream. Bodies flow in pieces with back-pressure: a piece is always taken as a whole; who has no
 * room says so, and gets nothing more until it asks again. Everything on the connection's loop.
 *
 * A request may ask to become a tunnel (http_request.upgrade; HTTP/1.1's Upgrade, HTTP/2's extended CONNECT). A response with
 * BODY_TUNNEL grants it: from its head on the bodies are the tunnel's two directions, and each ends by itself: on_body_end is the
 * end of the client's, send_end makes that of ours, on_sent tells that it was made. Time limits of a body do not hold for it,
 * those of writing do. It is over when the handler releases it; nothing follows on that stream. */
#ifndef SALLYPORT_HTTP_STREAM_H
#define SALLYPORT_HTTP_STREAM_H

#include "http/message.h"
#include "net/address.h"
#include "pipeline/deny_reasons.h"
#include "tls/tls.h"

struct http_stream;

/* What a connection tells the handler about itself; lives as long as the connection. */
struct http_connection_facts {
    struct address peer; /* the socket's, or PROXY protocol's */
    struct address local;
    bool is_tls;
    struct tls_facts tls;
    uint64_t id; /* unique in this process */
    void *owner; /* the listener, as given to the connection */
    int mark;    /* the owner's, of when it was accepted */
};

enum http_abort {
    HTTP_ABORT_CLIENT,      /* reset, or closed before its request was complete */
    HTTP_ABORT_SLOW_READER, /* did not take the response within the time limit */
    HTTP_ABORT_SHUTDOWN,    /* the drain deadline */
    HTTP_ABORT_INTERNAL,    /* no memory for the response's head, or a field of it that may not be written */
};

/* The handler's side. `stream->exchange` is the handler's, set in on_request. */
struct http_handler {
    /* A request head has come, strict in syntax. `raw` is the head's text; request's slices point into it, and it stays
     * good only during the call: copy it. Never called for a stream that failed to parse: that is on_reject. */
    void (*on_request)(struct http_stream *stream, const struct http_request *request, struct slice raw);
    /* A head that is no request, or did not come in time: the handler answers it through the stream like any other; the
     * connection closes after. */
    void (*on_reject)(struct http_stream *stream, enum deny_reason reason, const char *why);
    /* A piece of the request body. Not called while paused. */
    void (*on_body)(struct http_stream *stream, struct slice data);
    /* The body is complete. Trailers may be NULL. Not called where the head says that there is no body, or an empty one. */
    void (*on_body_end)(struct http_stream *stream, const struct headers *trailers);
    /* After a send that returned false: there is room again. */
    void (*on_writable)(struct http_stream *stream);
    /* The request body broke its framing or stopped coming. Where no response has begun the handler may still send one;
     * else it resets the stream. No on_body follows. */
    void (*on_body_failed)(struct http_stream *stream, enum deny_reason reason);
    /* The client is gone, or must be given up. The stream is dead: only `release` may follow. */
    void (*on_abort)(struct http_stream *stream, enum http_abort why);
    /* A hold_off is over: for how many ns more is the connection not to be listened to? 0: it is again. May be NULL: 0. */
    int64_t (*on_held_off)(struct http_stream *stream);
    /* The response was handed to the kernel whole. The stream must be released; a tunnel once both directions have ended, or
     * where it was told to discard what the client still sends. */
    void (*on_sent)(struct http_stream *stream);
};

struct http_stream_ops {
    /* The final response's head. `framing` as the exchange knows it: BODY_NONE, _LENGTH or _CHUNKED; the protocol maps it
     * (HTTP/1.0 clients get a close-delimited body). Buffered until body, end or flush. */
    void (*send_head)(struct http_stream *stream, const struct http_response *response);
    void (*send_informational)(struct http_stream *stream, unsigned int status,
                               const struct headers *headers);
    /* Takes all of `data`. False: stop sending until on_writable. */
    bool (*send_body)(struct http_stream *stream, struct slice data);
    /* The response is complete; on_sent follows, possibly within the call. */
    void (*send_end)(struct http_stream *stream, const struct headers *trailers);
    /* Hands what is buffered to the kernel now. */
    void (*flush)(struct http_stream *stream);
    /* Takes the response back as far as it was sent: true where no byte of it has left, and another may be sent instead. What
     * was buffered of it is dropped. */
    bool (*retract)(struct http_stream *stream);
    /* The response cannot be completed: the client must see that it is cut (h1: reset; h2: RST_STREAM). */
    void (*reset)(struct http_stream *stream);
    /* Stops or resumes on_body. A stream starts paused: the handler asks when it is ready; that is also what answers
     * Expect: 100-continue. */
    void (*pause)(struct http_stream *stream, bool paused);
    /* The handler will not look at the rest of the request body: it is dropped, bounded, then the connection closes. */
    void (*discard_body)(struct http_stream *stream);
    /* How long the newest bytes of the request have waited for us, ns; -1: not known. One system call. */
    int64_t (*waited)(struct http_stream *stream);
    /* The same of bytes that came while it was held off; -1: there are none, or it is not known. */
    int64_t (*unread)(struct http_stream *stream);
    /* After this response the connection is not listened to for `duration` ns, where it goes on at all: what the client was
     * told to do by Retry-After, it does. What it sends meanwhile waits in the kernel, and costs nothing. */
    void (*hold_off)(struct http_stream *stream, int64_t duration);
    /* Before the response's head: the connection takes no further request after this one. */
    void (*end_connection)(struct http_stream *stream);
    /* The handler is done with the stream, after on_sent, on_abort or reset. */
    void (*release)(struct http_stream *stream);
};

struct http_stream {
    const struct http_stream_ops *ops;
    const struct http_handler *handler;
    struct http_connection_facts *connection;
    void *exchange;
    uint64_t received;  /* bytes of request body */
    uint64_t sent;      /* bytes of response body */
    unsigned int holds; /* how often a hold_off was made longer; the handler's */
    int minor_version;  /* as of http_request: of the connection, for what is no request */
    bool held_off;      /* the first request after hold_off */
    bool late;          /* the first request of a connection that may have waited long to be accepted */
};

#endif
