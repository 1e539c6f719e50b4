/* A client's connection, whatever protocol it comes to speak: what is known of it, how long it is waited for, and what a
 * protocol has to answer for it. connections.h has all of a worker's; h1/ and h2/ are the protocols.
 *
 * One piece of memory from accept to the end: it starts as this, and the protocol that the client chooses goes on in it,
 * with its own part behind. One loop, one thread. */
#ifndef SALLYPORT_HTTP_CONNECTION_H
#define SALLYPORT_HTTP_CONNECTION_H

#include "http/stream.h"
#include "net/deadline.h"

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
    HTTP_CONNECTION_H2,     /* it speaks HTTP/2 */
    HTTP_CONNECTION_CLOSED, /* the last event of a connection */
};

/* Which protocols a listener speaks; or-ed. */
enum http_protocols {
    HTTP_SPEAKS_H1 = 1,
    HTTP_SPEAKS_H2 = 2, /* by ALPN; on a plaintext listener by prior knowledge (RFC 9113 section 3.3) */
};

struct http_server_settings {
    struct http_server_timeouts timeouts;
    struct http_head_limits limits;
    unsigned int protocols; /* enum http_protocols; 0: HTTP/1.1 alone */
    uint64_t max_requests;  /* of one connection, before its client is asked to make another; 0: any */
    int64_t max_age;        /* ns, of a connection that a request comes on, likewise; 0: any */
    const struct http_handler *handler;
    struct tls_server *tls; /* NULL: plaintext. Used at accept only */
    void *owner;            /* for http_connection_facts */
    int mark;               /* the same */
    bool late;              /* the connection may have waited before it was accepted: see http_stream.late */
    /* What happens to the connection, for counters; may be NULL. */
    void (*on_event)(const struct http_connection_facts *facts, enum http_connection_event event);
    /* It is ended for a flood of HTTP/2 frames (h2/defences.h), by name and number; may be NULL. */
    void (*on_flood)(const struct http_connection_facts *facts, struct slice kind, int number);
};

struct http_connection;
struct http_connections;

/* What a protocol does for its connections. */
struct http_protocol {
    const char *name;
    size_t size; /* of one connection, struct http_connection included, which comes first */
    /* The handshake is over. The part behind struct http_connection is zeroed; `early` was read already, and stays good
     * during the call only. */
    void (*begin)(struct http_connection *connection, struct slice early);
    /* The worker drains with patience: the client may be told that it should go elsewhere. NULL: there is no way. */
    void (*warn)(struct http_connection *connection);
    /* It ends as soon as nobody is harmed: idle ones now, busy ones after what they have begun. */
    void (*drain)(struct http_connection *connection);
    /* It ends now. */
    void (*abort)(struct http_connection *connection, enum http_abort why);
    /* The descriptor is closed: may the memory go? Then the protocol frees what it holds of its own. */
    bool (*is_over)(struct http_connection *connection);
};

extern const struct http_protocol h1_server_protocol;
extern const struct http_protocol h2_server_protocol;

struct http_connection {
    struct stream stream;
    const struct http_protocol *protocol;        /* NULL: not known yet */
    const struct http_server_settings *settings; /* shared with the list's other connections; counted */
    struct http_connections *list;
    struct http_connection *previous, *next;
    struct http_connection_facts facts;
    struct deadline read_deadline;
    int64_t opened_at;        /* ns, monotonic */
    uint32_t requests;        /* that came on it */
    unsigned char early_size; /* bytes of what may become a preface; they lie behind this struct */
    bool chosen;              /* the handshake is over: ALPN tells the protocol, or the first bytes do */
    bool late;                /* as the settings said at accept: those are shared */
    bool ended;               /* http_connection_close was called */
    bool closed;              /* the descriptor is gone */
};

/* 0 clears it. */
static inline void http_connection_set_deadline(struct http_connection *connection, struct deadline *deadline,
                                                int64_t duration)
{
    struct net_loop *loop = connection->stream.loop;
    if (duration > 0) {
        deadline_set(&loop->deadlines, deadline, loop->now, duration);
    } else {
        deadline_park(deadline);
    }
}

/* Is it time for another one, by max_requests and max_age? Asked when a request comes. */
static inline bool http_connection_is_used_up(const struct http_connection *connection)
{
    const struct http_server_settings *settings = connection->settings;
    return (settings->max_requests > 0 && connection->requests >= settings->max_requests) ||
           (settings->max_age > 0 &&
            connection->stream.loop->now - connection->opened_at >= settings->max_age);
}

/* Off the list, and the descriptor is closed; the memory goes when the protocol says that it is over. Once. */
void http_connection_close(struct http_connection *connection);
/* Frees the memory where the descriptor is closed and the protocol agrees. */
void http_connection_free_if_over(struct http_connection *connection);

#endif
