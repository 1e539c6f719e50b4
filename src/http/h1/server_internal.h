/* A client's HTTP/1.1 connection: reads requests one after the other, hands each to the handler, writes the answers in order.
 * Pipelined requests wait in the read buffer. One loop, one thread.
 *
 * Memory of a connection: a read buffer of at most the head limit, and a write buffer of at most HTTP_WRITE_BUFFER_MAX; less
 * where memory is scarce (scarcity.h).
 *
 * Shared by server.c (its life, reading), server_request.c (what the client sends) and server_response.c (what an exchange
 * sends). */
#ifndef SALLYPORT_HTTP_H1_SERVER_INTERNAL_H
#define SALLYPORT_HTTP_H1_SERVER_INTERNAL_H

#include "base/buffer.h"
#include "http/connections.h"
#include "http/h1/parser.h"
#include "http/patience.h"

enum server_state {
    SERVER_IDLE,     /* between requests, nothing of the next one has come */
    SERVER_HEAD,     /* part of a head has come */
    SERVER_EXCHANGE, /* a request is with the handler, or the unread rest of its body is being dropped */
    SERVER_HELD_OFF, /* between requests, and not listened to: see http_stream_ops.hold_off */
    SERVER_LINGER,   /* our side is closed; what still comes is dropped */
    SERVER_CLOSED,
};

struct h1_server {
    struct http_connection base; /* first */
    struct http_stream request;
    enum server_state state;
    struct buffer in; /* bytes that wait: an incomplete head, a paused body, pipelined requests */
    struct buffer out;
    struct h1_parser *parser; /* of a head that has come in part; else NULL */
    struct deadline write_deadline;
    struct patience reading, writing;
    struct net_task resume;
    struct h1_chunked chunked;
    int64_t hold_off;   /* ns, after this response; 0: not at all */
    uint64_t body_left; /* BODY_LENGTH: still to come */
    size_t before_head; /* bytes in `out` that were there before the response's head */
    uint64_t dropped;   /* bytes of a body that nobody wanted, or that came while lingering */
    enum http_body body;
    int minor_version;
    bool processing; /* inside h1_server_process_data: do not enter it again */
    bool body_done;  /* the request is complete, or nothing more of it is looked at */
    bool paused;
    bool discarding;      /* the handler does not want the rest of the body */
    bool expect_continue; /* 100 is still to be sent */
    bool is_head;         /* the request's method: no body in the answer */
    bool client_keep_alive;
    bool keep_alive; /* as the response's head promised */
    bool head_sent;
    bool written; /* since the head was put into `out`, something of it may have left */
    bool chunked_out;
    bool ended;       /* send_end was called */
    bool blocked;     /* the handler waits for on_writable */
    bool read_ended;  /* the client will send no more */
    bool held;        /* the handler has not released the stream */
    bool draining;    /* this connection is to end after its response */
    bool shutting;    /* LINGER, and tunnels: the end of our side does not fit into the socket yet */
    bool half_closed; /* a tunnel's: our side has ended */
};

/* What an exchange calls. */
extern const struct http_stream_ops h1_server_stream_ops;

/* ---- server.c ---- */

void h1_server_close(struct h1_server *server);
/* The client is gone or given up: the exchange, if there is one, learns it. */
void h1_server_abort(struct h1_server *server, enum http_abort why);
void h1_server_update_interest(struct h1_server *server);
/* Is there anybody for what the client sends? */
bool h1_server_may_read(const struct h1_server *server);
/* Our side ends; the client's bytes are read and dropped for a while, so that it can read our answer before a reset
 * destroys it (RFC 9112 section 9.6). */
void h1_server_linger(struct h1_server *server);
/* LINGER: the end of our side, as far as the socket takes it. */
void h1_server_end_output(struct h1_server *server);
/* Will the connection end after this response, whoever asked for it? */
static inline bool h1_server_is_draining(const struct h1_server *server)
{
    return server->draining || server->base.list->draining;
}

/* Has the response made it a tunnel? */
static inline bool h1_server_is_tunnel(const struct h1_server *server)
{
    return server->state == SERVER_EXCHANGE && server->body == BODY_TUNNEL;
}

/* ---- server_request.c ---- */

void h1_server_drop_parser(struct h1_server *server);
bool h1_server_wants_body(const struct h1_server *server);
/* The time limits of a body run only while the client is what we wait for. */
void h1_server_await_body(struct h1_server *server);
/* Nothing more of the request's body is looked at; the connection ends after the response. */
void h1_server_give_up_body(struct h1_server *server);
/* The same because the body broke: the handler learns it. */
void h1_server_fail_body(struct h1_server *server, enum deny_reason reason);
/* A tunnel's client has ended its direction. */
void h1_server_end_body(struct h1_server *server, const struct headers *trailers);
/* What came is no request. */
void h1_server_reject(struct h1_server *server, enum deny_reason reason, const char *why);
/* The response is out and the stream released: what next? */
void h1_server_end_exchange(struct h1_server *server);
/* Works through `data`; returns how much of it is done with. */
size_t h1_server_process_data(struct h1_server *server, struct slice data);
/* Goes on with what waits in the buffer. */
void h1_server_process(struct h1_server *server);

/* ---- server_response.c ---- */

/* Writes what waits; tells the handler of room, and of the response's end. */
void h1_server_flush(struct h1_server *server);

#endif
