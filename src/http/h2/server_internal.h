/* A client's HTTP/2 connection (RFC 9113): nghttp2 frames it, this decides. Each stream is a request for the handler, as one on
 * an HTTP/1.1 connection is. One loop, one thread.
 *
 * Flow control is end to end: a stream's window is given back when the exchange has taken its body, so a slow upstream slows
 * its client; and what waits for a slow client makes its upstream wait. What is written leaves at the end of the turn, in one
 * piece for all streams.
 *
 * Memory of a connection: bodies on the way in, at most HTTP2_CONNECTION_WINDOW; frames that wait for the socket, at most
 * HTTP_WRITE_BUFFER_MAX; of each stream what one HTTP/1.1 connection may hold, and less beyond HTTP2_QUEUE_HIGH_WATER or where
 * memory is scarce; nghttp2's own, at most HTTP2_SESSION_MEMORY_MAX.
 *
 * Shared by server.c (its life), input.c (reading), session.c (what frames become), stream.c (a stream's life and head),
 * body.c (the request's body), response.c (what an exchange sends) and output.c (writing). */
#ifndef SALLYPORT_HTTP_H2_SERVER_INTERNAL_H
#define SALLYPORT_HTTP_H2_SERVER_INTERNAL_H

#include "base/buffer.h"
#include "http/connections.h"
#include "http/h2/defences.h"
#include "http/h2/fields.h"
#include "http/h2/head.h"
#include "http/h2/memory.h"
#include "http/h2/server.h"
#include "http/patience.h"

enum h2_server_state {
    H2_SERVER_OPEN,
    H2_SERVER_HELD_OFF, /* no stream is open, and it is not listened to: see http_stream_ops.hold_off */
    H2_SERVER_ENDING,   /* the last frames are to be written; what comes is dropped */
    H2_SERVER_LINGER,   /* our side is closed; what still comes is dropped */
    H2_SERVER_CLOSED,
};

struct h2_server;

/* A request and its response. */
struct h2_stream {
    struct http_stream request; /* first */
    struct h2_server *server;
    struct h2_stream *previous, *next; /* of the connection's; `next` also of the spare ones */
    struct h2_stream *next_dirty, *next_woken, *next_sent;
    struct buffer in;   /* bytes of the request's body that wait for the exchange */
    struct buffer head; /* the response's head, for nghttp2; until it is made a frame */
    struct buffer body; /* bytes of the response that wait for the client */
    struct buffer trailers;
    size_t head_count, trailer_count;
    struct h2_head *request_trailers; /* that wait behind `in`; or NULL */
    struct deadline read_deadline, write_deadline;
    struct patience reading, writing;
    uint64_t body_left; /* BODY_LENGTH: still to come */
    uint64_t dropped;
    uint64_t end_at; /* the last byte of the response, counted as h2_server.put */
    enum http_body body_kind;
    int32_t id;
    bool open;         /* nghttp2 knows it */
    bool held;         /* the handler has not released it */
    bool malformed;    /* whatever is answered, the client gets a stream error */
    bool paused;       /* the handler does not want on_body */
    bool tunnel;       /* the answer made it one: see stream.h */
    bool discarding;   /* it will not look at the rest of the body */
    bool remote_ended; /* END_STREAM has come */
    bool body_done;    /* the request is complete for the handler, or nothing more of it is looked at */
    bool expect_continue;
    bool is_head;      /* no body in the answer */
    bool without_body; /* so is what it answers */
    bool head_given;   /* send_head was called */
    bool submitted;    /* and nghttp2 has it */
    bool deferred;     /* nghttp2 waits for body */
    bool ended;        /* send_end was called */
    bool finished;     /* END_STREAM is in `out` */
    bool blocked;      /* the handler waits for on_writable */
    bool starved;      /* it takes what it gets too slowly */
    bool busy;         /* somebody goes on with it after a call that may end it */
    bool dirty, woken, sent_listed;
};

/* What the connections of a thread share. */
struct h2_shared {
    struct h2_memory memory;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    struct h2_head *head;     /* a spare one, or NULL */
    struct h2_stream *spares; /* each with its buffers for head and body */
    size_t spare_count;
};

/* What a connection needs and one of HTTP/1.1 does not: apart, so that those do not grow by it. */
struct h2_own {
    struct http_stream idle; /* stands for the connection where no stream is open: on_held_off */
    struct h2_account account;
    struct h2_defences defences;
};

struct h2_server {
    struct http_connection base; /* first */
    nghttp2_session *session;
    struct h2_shared *shared;
    struct h2_own *own;
    struct h2_head *head; /* while one comes */
    struct h2_stream *streams;
    struct h2_stream *dirty;             /* have something for nghttp2 */
    struct h2_stream *woken;             /* had body written, or have some that waits */
    struct h2_stream *sent, **sent_last; /* complete in `out`, in its order */
    size_t stream_count;                 /* open or held */
    size_t queued;                       /* bytes in all `body` */
    struct buffer out;
    uint64_t put, written; /* bytes that went into `out`, and left it */
    uint64_t sent_bytes;   /* of bodies, in this round */
    uint64_t dropped;
    struct deadline write_deadline;
    struct patience writing;
    struct net_task resume, flush;
    int64_t hold_off;           /* ns, once no stream is open; 0: not at all */
    unsigned int continuations; /* of the head that comes */
    enum h2_server_state state;
    bool warned;   /* the first GOAWAY is sent: new streams are still taken */
    bool draining; /* the last one: they are not */
    bool read_ended;
    bool shutting; /* LINGER: the end of our side does not fit into the socket yet */
    bool inside;   /* nghttp2 reads: it must not be asked to write */
    bool running;  /* inside h2_output_run */
};

/* ---- server.c ---- */

void h2_server_close(struct h2_server *server);
/* Every exchange learns it. */
void h2_server_abort(struct h2_server *server, enum http_abort why);
/* The time limits of a connection without streams, or with a head that is incomplete. */
void h2_server_await(struct h2_server *server);
/* A stream is gone: is there anything left to do? */
void h2_server_stream_over(struct h2_server *server);
/* Tells the client to go elsewhere; what it sends before it knows is still taken. Once. */
void h2_server_warn(struct h2_server *server);
/* The same; where it was told before, it ends when what is open is answered. */
void h2_server_drain(struct h2_server *server);
/* Ends it for what the client does: GOAWAY ENHANCE_YOUR_CALM. */
void h2_server_flood(struct h2_server *server, enum h2_flood kind);
/* The last frames are queued: the connection ends when they are written. */
void h2_server_end(struct h2_server *server);
void h2_server_drop_head(struct h2_server *server);
/* After h2_output_run: what is next? */
void h2_server_output_done(struct h2_server *server);

/* LINGER: the end of our side, as far as the socket takes it. */
void h2_server_end_output(struct h2_server *server);

/* ---- input.c ---- */

/* Requests of one connection that are open, or answered and not written yet, before it is not listened to. */
#define H2_STREAMS_HELD_MAX (2 * HTTP2_STREAMS_MAX)

bool h2_server_may_read(const struct h2_server *server);
void h2_server_update_interest(struct h2_server *server);
/* Reads as much as one connection may in a turn. */
void h2_server_read(struct h2_server *server);
/* Bytes that have come. */
void h2_server_take(struct h2_server *server, struct slice data);
void h2_server_on_ready(struct stream *stream, unsigned int events);

/* ---- session.c ---- */

/* NULL without memory. */
struct h2_shared *h2_shared_of(struct http_connections *list);
bool h2_session_open(struct h2_server *server);

/* ---- stream.c ---- */

struct h2_stream *h2_stream_new(struct h2_server *server, int32_t id);
/* Memory goes where neither nghttp2 nor the handler nor a list has it. */
void h2_stream_free_if_over(struct h2_stream *stream);
void h2_stream_free_spares(struct h2_shared *shared);
/* A whole head has come, in server->head. */
void h2_stream_on_head(struct h2_stream *stream, bool ends);
void h2_stream_drop_request_trailers(struct h2_stream *stream);

/* nghttp2 has forgotten it. */
void h2_stream_on_close(struct h2_stream *stream);
/* RST_STREAM; nothing more is sent. */
void h2_stream_reset(struct h2_stream *stream, uint32_t code);
/* The same for what the client did: counted. */
void h2_stream_refuse(struct h2_stream *stream, uint32_t code);
/* And the handler learns that it is over. */
void h2_stream_provoked(struct h2_stream *stream, uint32_t code);
/* The exchange learns that the client is gone, where it has not released the stream. */
void h2_stream_abort(struct h2_stream *stream, enum http_abort why);

/* ---- body.c ---- */

void h2_stream_on_trailers(struct h2_stream *stream);
void h2_stream_on_data(struct h2_stream *stream, struct slice data);
void h2_stream_on_end(struct h2_stream *stream);
/* Goes on with what waits for the exchange. */
void h2_stream_deliver(struct h2_stream *stream);
/* The time limits of a body run only while the client is what we wait for. */
void h2_stream_await_body(struct h2_stream *stream);
/* Bytes of its windows that the client may use again. */
void h2_stream_consume(struct h2_stream *stream, size_t size);
/* It broke, or stopped coming: the handler learns it. */
void h2_stream_fail_body(struct h2_stream *stream, enum deny_reason reason);
/* Its length or its trailers are not what they may be: a stream error, and a denial. */
void h2_stream_break_body(struct h2_stream *stream);

/* ---- response.c ---- */

extern const struct http_stream_ops h2_stream_ops;

/* What waits becomes frames of nghttp2: once per turn. */
void h2_stream_submit(struct h2_stream *stream);
void h2_stream_drop_response(struct h2_stream *stream);
/* Body was written: may the handler go on? */
void h2_stream_wake(struct h2_stream *stream);

static inline struct h2_stream *h2_stream_of(struct http_stream *stream)
{
    return (struct h2_stream *)stream;
}

/* ---- output.c ---- */

/* Something is to be written at the end of the turn. */
void h2_output_schedule(struct h2_server *server);
void h2_stream_mark_dirty(struct h2_stream *stream);
void h2_output_run(struct h2_server *server);
/* nghttp2 wants the payload of a DATA frame. */
int h2_output_data(struct h2_stream *stream, const uint8_t *frame_head, size_t size);
/* The last frame of the stream is in `out`. */
void h2_output_finished(struct h2_stream *stream);

#endif
