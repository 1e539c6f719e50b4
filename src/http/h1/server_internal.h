/* A client's connection from within: shared by server.c (connection, reading) and response.c (writing). */
#ifndef SALLYPORT_HTTP_H1_SERVER_INTERNAL_H
#define SALLYPORT_HTTP_H1_SERVER_INTERNAL_H

#include "base/buffer.h"
#include "http/h1/server.h"
#include "http/patience.h"

enum server_state {
    SERVER_HANDSHAKE,
    SERVER_IDLE,     /* between requests, nothing of the next one has come */
    SERVER_HEAD,     /* part of a head has come */
    SERVER_EXCHANGE, /* a request is with the handler */
    SERVER_LINGER,   /* our side is closed; what still comes is dropped */
    SERVER_CLOSED,
};

struct h1_server {
    struct stream stream;
    struct http_stream request;
    struct http_connection_facts facts;
    struct http_server_settings settings;
    struct h1_server_list *list;
    struct h1_server *previous, *next;
    enum server_state state;
    struct buffer in; /* bytes that wait: an incomplete head, a paused body, pipelined requests */
    struct buffer out;
    struct h1_parser *parser; /* while a head is incomplete */
    struct deadline read_deadline;
    struct deadline write_deadline;
    struct patience reading, writing;
    struct net_task resume;
    struct h1_chunked chunked;
    uint64_t body_left; /* BODY_LENGTH: still to come */
    uint64_t dropped;
    enum http_body body;
    int minor_version;
    bool processing; /* inside process(): do not enter it again */
    bool body_done;  /* the request is complete */
    bool paused;
    bool discarding;      /* the handler does not want the rest of the body */
    bool expect_continue; /* 100 is still to be sent */
    bool is_head;         /* the request's method: no body in the answer */
    bool client_keep_alive;
    bool keep_alive; /* as the response's head promised */
    bool head_sent;
    bool chunked_out;
    bool ended;      /* send_end was called */
    bool blocked;    /* the handler waits for on_writable */
    bool read_ended; /* the client will send no more */
    bool held;       /* the handler has not released the stream */
    bool closed;     /* the descriptor is gone */
};

/* What an exchange calls. */
extern const struct http_stream_ops h1_server_stream_ops;

/* Frees the memory once the descriptor is closed, the stream released, and no task queued. */
void h1_server_free_if_over(struct h1_server *server);
void h1_server_close(struct h1_server *server);
/* The client is gone or given up: the exchange, if there is one, learns it. */
void h1_server_abort(struct h1_server *server, enum http_abort why);
/* 0 clears it. */
void h1_server_set_deadline(struct h1_server *server, struct deadline *deadline, int64_t duration);
void h1_server_update_interest(struct h1_server *server);
/* The time limits of a body run only while the client is what we wait for. */
void h1_server_await_body(struct h1_server *server);
/* The response is out and the stream released: what next? */
void h1_server_end_exchange(struct h1_server *server);
/* Writes what waits; tells the handler of room, and of the response's end. */
void h1_server_flush(struct h1_server *server);

#endif
