/* An upstream connection from within: shared by client.c (its life), client_request.c (what a call sends) and
 * client_answer.c (what the upstream sends). */
#ifndef SALLYPORT_HTTP_H1_CLIENT_INTERNAL_H
#define SALLYPORT_HTTP_H1_CLIENT_INTERNAL_H

#include "base/buffer.h"
#include "http/h1/client.h"
#include "http/h1/parser.h"

enum client_state {
    CLIENT_IDLE,
    CLIENT_HEAD, /* a request is out or going out; the answer's head is awaited */
    CLIENT_BODY, /* the answer's body */
    CLIENT_OVER, /* the answer is complete, or failed; to be given back */
    CLIENT_CLOSED,
};

struct h1_client {
    struct http_client base;
    struct http_call call;
    enum client_state state;
    enum http_method method;
    int64_t response_timeout, idle_timeout; /* ns, of the call */
    struct buffer in, out;
    struct h1_parser *parser; /* of a head that has come in part; else NULL */
    struct h1_chunked chunked;
    enum http_body body;
    uint64_t body_left;
    int64_t limit;      /* what the deadline was set to */
    int64_t emptied_in; /* the loop's turn whose read left nothing in the socket; 0: it may have */
    int64_t idle_since; /* the turn in which the last call ended */
    struct net_task resume;
    unsigned int informational; /* 1xx answers so far */
    bool processing;
    bool reused;
    bool asked;    /* a byte of the request has left */
    bool answered; /* a byte of the answer has come */
    bool sent;     /* the request is complete */
    bool chunked_out;
    bool keep_alive;
    bool paused;
    bool blocked;
    bool read_ended;
    bool output_lost; /* the request cannot be sent whole: what the upstream has said so far decides */
    bool broken;      /* never to be used again */
    bool asks_tunnel;
    bool shutting;    /* a tunnel's: the end of our side does not fit into the socket yet */
    bool half_closed; /* a tunnel's: our side has ended */
    bool end_told;    /* a tunnel's: the upstream's side has, and the call knows */
};

static inline bool h1_client_is_tunnel(const struct h1_client *client)
{
    return client->state == CLIENT_BODY && client->body == BODY_TUNNEL;
}

/* ---- client.c ---- */

void h1_client_update_interest(struct h1_client *client);
/* Which limit applies now: to the head once the request is out, to the flow of bodies otherwise. A limit that runs already
 * begins anew only after `progress` of what it limits. */
void h1_client_update_deadline(struct h1_client *client, bool progress);
/* Neither bytes nor the connection's end. What there was is lost: what has something to say now is never used again. */
bool h1_client_has_nothing_to_say(struct h1_client *client);
/* The call learns that it failed; the caller gives the connection back. */
void h1_client_fail(struct h1_client *client, enum deny_reason reason, const char *detail);

/* ---- client_request.c ---- */

bool h1_client_begin(struct http_call *call, const struct http_call_request *request);
bool h1_client_send_body(struct http_call *call, struct slice data);
void h1_client_send_end(struct http_call *call, const struct headers *trailers);
void h1_client_flush_call(struct http_call *call);
void h1_client_flush(struct h1_client *client);
/* The rest of the request is dropped, and the answer is read as far as there is one. */
void h1_client_lose_output(struct h1_client *client);

/* ---- client_answer.c ---- */

void h1_client_pause(struct http_call *call, bool paused);
/* Is there anybody for what the upstream sends? */
bool h1_client_may_read(const struct h1_client *client);
/* Reads what has come, a few pieces a turn. */
void h1_client_read(struct h1_client *client);
/* The task: goes on with what was read, or waits inside TLS. */
void h1_client_resume(struct net_task *task);
/* Frees the memory once the descriptor is closed and no task queued. */
void h1_client_free_if_over(struct h1_client *client);

static inline struct h1_client *h1_client_of(struct http_call *call)
{
    return (struct h1_client *)((char *)call - offsetof(struct h1_client, call));
}

#endif
