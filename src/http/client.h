/* A connection to an upstream, whatever its protocol, and the calls on it: a call is one request and its answer.
 *
 * Where three meet: who keeps connections (upstream/pool.c), who has a request (pipeline/stages/forward.c), and the
 * protocols (h1/, one call at a time; h2/, many at once). Answers are read with the same strictness as clients' requests:
 * one that two readers could take for two different messages is a failure, and its connection takes no further call. Bodies
 * flow in pieces with back-pressure: a piece is always taken as a whole; who has no room says so, and gets nothing more
 * until it asks again. One loop, one thread. */
#ifndef SALLYPORT_HTTP_CLIENT_H
#define SALLYPORT_HTTP_CLIENT_H

#include "http/message.h"
#include "net/loop.h"
#include "observe/metrics.h"
#include "pipeline/deny_reasons.h"
#include "tls/tls.h"

#include <sys/socket.h>

struct http_client;
struct http_call;

/* How a call failed, or a connection to be. */
struct http_call_failure {
    enum deny_reason reason; /* UPSTREAM_CONNECT, _TLS, _PROTOCOL, _CLOSED, _TIMEOUT */
    const char *detail;      /* safe to log; good during the call that tells it */
    bool reused; /* a kept connection was closed before any byte of an answer: it was probably dead already */
    bool
        refused; /* the upstream says that it has not looked at the request: it may be sent again, whatever it asks for */
};

struct http_call_events {
    /* The final head; response's slices are good during the call only. Not paused: bodies follow at once. */
    void (*on_response)(void *caller, const struct http_response *response);
    void (*on_informational)(void *caller, const struct http_response *response);
    void (*on_body)(void *caller, struct slice data);
    /* All that one read brought was handed out: a good moment to flush. */
    void (*on_pause)(void *caller);
    /* The answer is complete. The call must be given back (http_call_finish). Of a tunnel: the upstream sends no more. */
    void (*on_end)(void *caller, const struct headers *trailers);
    /* After a send that returned false. */
    void (*on_writable)(void *caller);
    /* Nothing more comes. The call must be given back. */
    void (*on_failed)(void *caller, const struct http_call_failure *failure);
};

struct http_call_request {
    const struct http_call_events *events;
    void *caller;
    enum http_method method;
    struct slice method_text;
    struct slice target; /* origin-form or "*" */
    struct slice host;   /* the authority, as the upstream is to see it */
    const struct headers *headers;
    bool takes_trailers; /* the client does, and they would reach it: TE says so, where the protocol has it */
    bool tunnel;         /* it asks to become a tunnel: see http_call_hand_over */
    enum http_body body; /* NONE, LENGTH, CHUNKED */
    uint64_t content_length;  /* LENGTH */
    int64_t response_timeout; /* ns from the request's end to the answer's head */
    int64_t
        idle_timeout; /* ns between two pieces of the answer, and of a request that the upstream does not take */
};

/* ---- the call: for who has a request ---- */

/* What becomes of the connection once the caller is done with a call. */
enum http_client_state {
    HTTP_CLIENT_USABLE,   /* http_client_room says for how many more */
    HTTP_CLIENT_DRAINING, /* for no further one; the calls that it has go on */
    HTTP_CLIENT_CLOSING,  /* it closes itself, and is not to be touched again */
};

struct http_call_ops {
    bool (*may_tunnel)(const struct http_call *call);
    bool (*begin)(struct http_call *call, const struct http_call_request *request);
    bool (*send_body)(struct http_call *call, struct slice data);
    void (*send_end)(struct http_call *call, const struct headers *trailers);
    void (*flush)(struct http_call *call);
    void (*pause)(struct http_call *call, bool paused);
    enum http_client_state (*finish)(struct http_call *call);
};

struct http_call {
    const struct http_call_ops *ops;
    const struct http_call_events *events;
    void *caller;
};

/* May the upstream be asked for a WebSocket on this connection? */
static inline bool http_call_may_tunnel(const struct http_call *call)
{
    return call->ops->may_tunnel(call);
}

/* Writes the request's head, which leaves with the first flush, or with send_end. False: it cannot be written; the call is to
 * be given back. What of `request` is to be kept is copied. */
static inline bool http_call_begin(struct http_call *call, const struct http_call_request *request)
{
    call->events = request->events;
    call->caller = request->caller;
    return call->ops->begin(call, request);
}

/* An answer that grants a tunnel to a request that asked for one comes as on_response with BODY_TUNNEL, not judged any further:
 * 101, and over HTTP/2 (RFC 8441) a 2xx in the words of one. From then on bodies are the tunnel's bytes, and send_end ends our
 * direction alone. Whose it is from now on: allowed within on_response. */
static inline void http_call_hand_over(struct http_call *call, const struct http_call_events *events,
                                       void *caller)
{
    call->events = events;
    call->caller = caller;
}

/* Takes all of `data`. False: wait for on_writable. */
static inline bool http_call_send_body(struct http_call *call, struct slice data)
{
    return call->ops->send_body(call, data);
}

/* The request is complete, and leaves now. Trailers may be NULL. */
static inline void http_call_send_end(struct http_call *call, const struct headers *trailers)
{
    call->ops->send_end(call, trailers);
}

static inline void http_call_flush(struct http_call *call)
{
    call->ops->flush(call);
}

/* Stops or resumes on_body. */
static inline void http_call_pause(struct http_call *call, bool paused)
{
    call->ops->pause(call, paused);
}

/* ---- the connection: for its owner ---- */

/* What to speak on a connection. */
enum http_client_protocol {
    HTTP_PROTOCOL_1,    /* HTTP/1.1 */
    HTTP_PROTOCOL_2,    /* HTTP/2: by ALPN over TLS, else by prior knowledge */
    HTTP_PROTOCOL_AUTO, /* over TLS what the upstream chooses by ALPN, else HTTP/1.1 */
};

struct http_client_settings {
    struct net_loop *loop;
    struct metrics_worker *metrics;
    struct tls_client *tls;  /* NULL: plaintext */
    struct slice host;       /* for TLS */
    int64_t connect_timeout; /* ns, handshake included, and HTTP/2's SETTINGS */
    int protocol;            /* enum http_client_protocol */
    /* of HTTP/2 */
    int64_t max_streams;   /* calls at once, where the upstream allows as many */
    int64_t stream_window; /* bytes of an answer that wait for a slow reader */
    int64_t max_age;       /* ns after which it takes no further call; 0: never */
    /* The owner's: the connection is established, or not (`failure` set; the connection closes itself after the call). */
    void (*on_connected)(struct http_client *client, const struct http_call_failure *failure);
    /* A connection without a call was closed, or sent what nobody asked for: it closes itself after the call. */
    void (*on_idle_lost)(struct http_client *client);
    /* State or room has changed by what the upstream said, not by taking or finishing a call. */
    void (*on_changed)(struct http_client *client);
    void *owner;
};

/* Starts to connect. on_connected is never called from within. */
struct error http_client_open(const struct http_client_settings *settings, const struct sockaddr *address,
                              socklen_t size, struct http_client **ret_client) MUST_CHECK;
void *http_client_owner(const struct http_client *client);

/* Of an established connection: what it speaks, "http/1.1" or "h2"; static. */
struct slice http_client_protocol(const struct http_client *client);
enum http_client_state http_client_state(struct http_client *client);
/* Has the upstream said that it wants HTTP/1.1 (HTTP_1_1_REQUIRED, RFC 9113 section 7), where HTTP_PROTOCOL_AUTO lets it choose?
 * Such a connection takes no further call; on_changed tells, before a call that was refused so fails. */
bool http_client_wants_http1(const struct http_client *client);
/* How many calls it takes beside those that it has. */
size_t http_client_room(struct http_client *client);

/* Is a connection without a call still good: open, and silent? One that has something to say has lost count of questions and
 * answers; what it said must not become the answer to the next question. As of this turn's look at the sockets, or later. */
bool http_client_is_quiet(struct http_client *client);

/* A call on an established connection with room; NULL: no memory. It must be given back, whether it was begun or not. */
struct http_call *http_client_take(struct http_client *client);

/* The caller is done with the call: no event of it follows. */
static inline enum http_client_state http_call_finish(struct http_call *call)
{
    return call->ops->finish(call);
}

/* Closes it, whatever its state: no event follows. */
void http_client_close(struct http_client *client);

#endif
