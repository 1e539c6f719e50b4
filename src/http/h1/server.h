/* A client's HTTP/1.1 connection: reads requests one after the other, hands each to the handler, writes the answers in
 * order. Pipelined requests wait in the read buffer. One loop, one thread.
 *
 * Memory of a connection: a read buffer of at most the head limit, and a write buffer of at most HTTP_WRITE_BUFFER_MAX; less
 * where memory is scarce (scarcity.h). */
#ifndef SALLYPORT_HTTP_H1_SERVER_H
#define SALLYPORT_HTTP_H1_SERVER_H

#include "base/buffer.h"
#include "http/h1/parser.h"
#include "http/stream.h"

/* All in nanoseconds; 0: no limit. */
struct http_server_timeouts {
    int64_t handshake; /* from accept to the end of the TLS handshake */
    int64_t head;  /* from the first byte of a request, or from the handshake's end, to the end of its head */
    int64_t body;  /* between two reads of a body; also the patience with one slower than min_rate */
    int64_t idle;  /* between requests */
    int64_t write; /* between two writes of a response */
    int64_t drain; /* for an unread body, and for lingering after an early answer */
    int64_t min_rate; /* bytes per second that bodies must flow with on average, either way; 0: any */
};

enum http_connection_event {
    HTTP_CONNECTION_HANDSHAKE,         /* TLS is established */
    HTTP_CONNECTION_HANDSHAKE_RESUMED, /* the same, by a ticket */
    HTTP_CONNECTION_HANDSHAKE_FAILED,
    HTTP_CONNECTION_CLOSED, /* the last event of a connection */
};

struct http_server_settings {
    struct http_server_timeouts timeouts;
    struct h1_limits limits;
    const struct http_handler *handler;
    struct tls_server *tls; /* NULL: plaintext. Used at accept only */
    void *owner;            /* for http_connection_facts */
    bool late; /* the connection may have waited before it was accepted: see http_stream.held_off */
    /* What happens to the connection, for counters; may be NULL. */
    void (*on_event)(const struct http_connection_facts *facts, enum http_connection_event event);
};

struct h1_server;

#define H1_SERVER_SPARES 16

/* All connections of a worker, and what they share: a head parser serves whoever is being read, write buffers whoever is
 * answered, and all of a listener have the same settings, so that an idle connection holds little. */
struct h1_server_list {
    struct h1_server *first;
    size_t count;
    uint64_t next_id;
    bool draining;
    bool patient;                           /* while draining, an idle connection may send one more request */
    struct h1_parser *parser;               /* a spare one, or NULL */
    struct h1_server_shared *shared;        /* the settings of the newest connection; counted */
    struct buffer spares[H1_SERVER_SPARES]; /* write buffers that nobody uses now */
    size_t spare_count;
};

void h1_server_list_init(struct h1_server_list *list);
void h1_server_list_done(struct h1_server_list *list);

/* Takes the descriptor, whether it succeeds or not; where it fails, no event comes. */
struct error h1_server_accept(struct h1_server_list *list, struct net_loop *loop, int fd,
                              const struct address *peer,
                              const struct http_server_settings *settings) MUST_CHECK;

/* Idle connections close now; busy ones after their response, which says Connection: close. */
void h1_server_drain_all(struct h1_server_list *list);

/* Every response says Connection: close from now on, and nothing is closed before: a client that knows of no drain meets no
 * closed connection. h1_server_drain_all may follow. */
void h1_server_drain_patiently(struct h1_server_list *list);

/* The same as drain_all for the connections of one owner: a listener that is no more. */
void h1_server_drain_owner(struct h1_server_list *list, const void *owner);

/* Cuts every connection: the drain deadline. */
void h1_server_close_all(struct h1_server_list *list);

#endif
