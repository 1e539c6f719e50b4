/* A connection to an upstream, HTTP/1.1: one request at a time, kept alive between them. One loop, one thread.
 *
 * The owner (upstream/pool.c) opens and keeps it; whoever has a request on it implements http_call_events. Request heads are
 * written as given; the answer is read with the same strictness as a client's request (RFC 9112): an answer that two
 * readers could take for two different messages is a failure, and its connection never used again. */
#ifndef SALLYPORT_HTTP_H1_CLIENT_H
#define SALLYPORT_HTTP_H1_CLIENT_H

#include "base/buffer.h"
#include "http/h1/parser.h"
#include "net/stream.h"
#include "pipeline/deny_reasons.h"
#include "tls/tls.h"

struct h1_client;

/* How a call failed. */
struct http_call_failure {
    enum deny_reason reason; /* UPSTREAM_CONNECT, _TLS, _PROTOCOL, _CLOSED, _TIMEOUT */
    const char *detail;      /* static, safe to log */
    bool reused; /* a kept connection was closed before any byte of an answer: it was probably dead already */
};

struct http_call_events {
    /* The final head; response's slices are good during the call only. Not paused: bodies follow at once. */
    void (*on_response)(void *call, const struct http_response *response, struct slice raw);
    void (*on_informational)(void *call, const struct http_response *response);
    void (*on_body)(void *call, struct slice data);
    /* All that one read brought was handed out: a good moment to flush. */
    void (*on_pause)(void *call);
    /* The answer is complete. The connection must be given back (h1_client_finish). Of a tunnel: the upstream sends no more. */
    void (*on_end)(void *call, const struct headers *trailers);
    /* After a send that returned false. */
    void (*on_writable)(void *call);
    /* The connection is dead or in an unknown state. It must be given back. */
    void (*on_failed)(void *call, const struct http_call_failure *failure);
};

struct h1_client_settings {
    struct net_loop *loop;
    struct tls_client *tls;  /* NULL: plaintext */
    struct slice host;       /* for TLS */
    int64_t connect_timeout; /* ns, handshake included */
    /* The owner's: the connection is established, or not (`failure` set; the connection closes itself after the call). */
    void (*on_connected)(struct h1_client *client, const struct http_call_failure *failure);
    /* An idle connection was closed, or sent bytes that nobody asked for: it closes itself after the call. */
    void (*on_idle_lost)(struct h1_client *client);
    void *owner;
};

/* Starts to connect. on_connected is never called from within. */
struct error h1_client_open(const struct h1_client_settings *settings, const struct sockaddr *address,
                            socklen_t size, struct h1_client **ret_client) MUST_CHECK;
void *h1_client_owner(const struct h1_client *client);

struct h1_client_call {
    const struct http_call_events *events;
    void *call;
    enum http_method method;
    enum http_body body;      /* of the request: NONE, LENGTH, CHUNKED */
    bool tunnel;              /* it asks to become a tunnel: see h1_client_hand_over */
    int64_t response_timeout; /* ns from the request's end to the answer's head */
    int64_t
        idle_timeout; /* ns between two pieces of the answer, and of a request that the upstream does not take */
};

/* Is an idle connection still good: open, and silent? One that has something to say has lost count of questions and answers;
 * what it said must not become the answer to the next question. A read of the socket, but for one whose last answer was read to
 * the socket's end in this same turn of the loop. */
bool h1_client_is_quiet(struct h1_client *client);

/* Begins a call on an established, idle connection. The caller writes the request's head onto the buffer that this returns
 * (h1/writer.h); it leaves with the first flush. */
struct buffer *h1_client_begin(struct h1_client *client, const struct h1_client_call *call);
/* An answer of 101 to a request that asked for a tunnel comes as on_response with BODY_TUNNEL, not judged any further; from then on
 * bodies are the tunnel's bytes, and send_end ends our direction alone. Whose it is from now on: allowed within on_response. */
void h1_client_hand_over(struct h1_client *client, const struct http_call_events *events, void *call);

/* Takes all of `data`. False: wait for on_writable. */
bool h1_client_send_body(struct h1_client *client, struct slice data);
void h1_client_send_end(struct h1_client *client, const struct headers *trailers);
void h1_client_flush(struct h1_client *client);
/* Stops or resumes on_body. */
void h1_client_pause(struct h1_client *client, bool paused);

/* The caller is done. True: the connection is idle and can be used again (the owner keeps it). False: it is closing. */
bool h1_client_finish(struct h1_client *client) MUST_CHECK;
/* Closes it, whatever its state: no event follows. */
void h1_client_close(struct h1_client *client);

#endif
