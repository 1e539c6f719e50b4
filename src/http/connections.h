/* All client connections of a worker: taking them up, ending them, and what they share. A connection starts here: TLS, then
 * the protocol that the client chose (connection.h) goes on. One loop, one thread. */
#ifndef SALLYPORT_HTTP_CONNECTIONS_H
#define SALLYPORT_HTTP_CONNECTIONS_H

#include "base/buffer.h"
#include "http/connection.h"

#define HTTP_SPARE_BUFFERS 16

struct h2_shared;
struct http_shared_settings;

/* Write buffers serve whoever is answered, and all of a listener have the same settings, so that an idle connection holds
 * little. */
struct http_connections {
    struct http_connection *first;
    size_t count;
    uint64_t next_id;
    bool draining;
    bool patient;                        /* while draining, an idle connection may send one more request */
    struct h2_shared *h2;                /* what HTTP/2 connections share; NULL: there was none yet */
    struct http_shared_settings *shared; /* the settings of the newest connection; counted */
    struct buffer spares[HTTP_SPARE_BUFFERS]; /* write buffers that nobody uses now */
    size_t spare_count;
};

void http_connections_init(struct http_connections *list);
void http_connections_done(struct http_connections *list);

/* Takes the descriptor, whether it succeeds or not; where it fails, no event comes. */
struct error http_connections_accept(struct http_connections *list, struct net_loop *loop, int fd,
                                     const struct address *peer,
                                     const struct http_server_settings *settings) MUST_CHECK;

/* Idle connections close now; busy ones after what they have begun, and their clients are told. */
void http_connections_drain_all(struct http_connections *list);

/* Every connection says from now on that it ends, and nothing is closed before: a client that knows of no drain meets no
 * closed connection. http_connections_drain_all may follow. */
void http_connections_drain_patiently(struct http_connections *list);

/* The same as drain_all for the connections of one owner: a listener that is no more. */
void http_connections_drain_owner(struct http_connections *list, const void *owner);

/* The same for those that `wants` picks out by what is known of them. */
void http_connections_drain_some(struct http_connections *list,
                                 bool (*wants)(const void *context,
                                               const struct http_connection_facts *facts),
                                 const void *context);

/* Cuts every connection: the drain deadline. */
void http_connections_close_all(struct http_connections *list);

/* Memory for an empty write buffer; and back, when all of it is written: who answers now uses what the one before has just
 * used, and a quiet connection holds nothing. */
void http_connections_take_buffer(struct http_connections *list, struct buffer *buffer);
void http_connections_give_buffer(struct http_connections *list, struct buffer *buffer);

#endif
