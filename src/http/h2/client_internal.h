/* An upstream connection over HTTP/2 from within: shared by client.c (its life, and what it sends), client_call.c (calls),
 * client_request.c (what they send), client_frames.c (what the upstream sends) and client_answer.c (what of it is theirs). */
#ifndef SALLYPORT_HTTP_H2_CLIENT_INTERNAL_H
#define SALLYPORT_HTTP_H2_CLIENT_INTERNAL_H

#include "http/h2/client.h"
#include "http/h2/fields.h"
#include "http/h2/frame_budget.h"
#include "http/h2/head.h"
#include "http/h2/memory.h"
#include "http/websocket.h"

#include <nghttp2/nghttp2.h>

enum h2_call_state {
    H2_CALL_TAKEN, /* nothing is sent yet */
    H2_CALL_HEAD,  /* a request is out or going out; the answer's head is awaited */
    H2_CALL_BODY,  /* the answer's body */
    H2_CALL_TAIL,  /* a tunnel by which the upstream sends no more, and we may */
    H2_CALL_OVER,  /* the answer is complete, or failed; to be given back */
};

struct h2_call {
    struct http_call base;
    struct h2_client *client;
    struct h2_call *previous, *next; /* in the client's list of calls; `next` among the spare ones */
    enum h2_call_state state;
    enum http_method method;
    int64_t response_timeout, idle_timeout; /* ns */
    struct deadline deadline;
    int64_t limit;     /* what the deadline was set to */
    int32_t stream;    /* 0: none, or nghttp2 has closed it */
    bool released;     /* given back; kept until nghttp2 has closed the stream, since frames of it may wait */
    bool busy;         /* data of it are being handed out */
    bool read_in_turn; /* data came by the read that is being worked through */
    /* the request */
    struct buffer head; /* h2_write_fields's; stays until the call is over, since nghttp2 does not copy it */
    struct buffer out;  /* body that waits for the upstream's window, or for the socket */
    struct buffer trailers; /* behind it, as `head` */
    size_t trailer_count;
    bool sent;     /* the request is complete */
    bool deferred; /* nghttp2 was told that there is nothing to send now */
    bool sending, blocked;
    bool reset; /* by us */
    bool asks_tunnel;
    char accept[WEBSOCKET_ACCEPT_LENGTH]; /* what HTTP/1.1's words for granting it are */
    /* the answer */
    enum http_body body;
    uint64_t body_left;         /* of BODY_LENGTH */
    struct buffer in;           /* data that came while it was paused */
    struct h2_head *last_head;  /* trailers that came while data waited; whole, and good */
    size_t unconsumed;          /* bytes that the call took and the stream's window does not know of yet */
    unsigned int informational; /* 1xx answers so far */
    bool paused;
    bool on_kept;  /* the connection had brought an answer before */
    bool answered; /* something of the answer has come */
    bool ended;    /* the stream's end has */
};

struct h2_client {
    struct http_client base;
    nghttp2_session *session;
    struct h2_memory memory; /* the session's: its next calls use what those before have used */
    struct h2_account account;
    struct h2_call *calls; /* those that have a stream, or will */
    struct h2_call *spare; /* each with its buffers for head and body */
    size_t spare_count;
    size_t call_count;
    unsigned int finishing; /* calls that are being given back */
    struct buffer out;
    struct net_task resume;
    struct h2_head *head; /* the one that is being read; NULL: none was yet */
    struct h2_frame_budget budget;
    int64_t opened;     /* ns */
    char complaint[96]; /* what is wrong with the connection; empty: nothing so far */
    bool established;
    bool proven;     /* an answer has come by it */
    bool probing;    /* the owner asks whether it is still good: nobody is to be told anything else */
    bool in_session; /* inside nghttp2: neither reads nor sends may begin */
    bool draining;   /* takes no further call: GOAWAY, its age, or an answer that broke the rules */
    bool suspect;    /* a call waited in vain: until something comes, it takes no further one */
    bool dead;       /* nothing more is read or written */
    bool flooded;
};

static inline struct h2_call *h2_call_of(struct http_call *call)
{
    return (struct h2_call *)call;
}

/* ---- client.c ---- */

/* Sends what waits, watches the socket for the rest, and ends the connection where nghttp2 has. */
void h2_client_send(struct h2_client *client);
/* The connection is of no use any more: each of its calls fails. */
void h2_client_lose(struct h2_client *client, enum deny_reason reason, const char *detail);
/* Counts one of the reasons for which a connection is ended by us, and stops taking calls. */
void h2_client_blame(struct h2_client *client, enum metric metric);
void h2_client_changed(struct h2_client *client);
enum http_client_state h2_client_state(struct http_client *base);

/* ---- client_call.c ---- */

struct http_call *h2_client_take(struct http_client *base);
/* The call learns that it failed; its stream is reset where it is open. */
void h2_call_fail(struct h2_call *call, const struct http_call_failure *failure, uint32_t code);
/* Which limit applies now; one that runs already begins anew only after `progress` of what it limits. */
void h2_call_update_deadline(struct h2_call *call, bool progress);
/* Where it was given back and nothing of it is in use any more, its memory waits for the next one. */
void h2_call_let_go(struct h2_call *call);
void h2_call_recycle(struct h2_call *call);
void h2_call_free_spares(struct h2_client *client);
/* Has it begun, and neither failed nor ended? */
static inline bool h2_call_is_under_way(const struct h2_call *call)
{
    return call->state == H2_CALL_HEAD || call->state == H2_CALL_BODY || call->state == H2_CALL_TAIL;
}
/* Is there still something of the answer to come for it? Of a tunnel's tail: there is not. */
static inline bool h2_call_is_waiting(const struct h2_call *call)
{
    return call->state == H2_CALL_HEAD || call->state == H2_CALL_BODY;
}

/* ---- client_request.c ---- */

bool h2_call_may_tunnel(const struct http_call *base);
bool h2_call_begin(struct http_call *base, const struct http_call_request *request);
bool h2_call_send_body(struct http_call *base, struct slice data);
void h2_call_send_end(struct http_call *base, const struct headers *trailers);
void h2_call_flush(struct http_call *base);
int h2_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                    nghttp2_data_source *source, void *user);
/* Tells those that were told to wait, where there is room again. */
void h2_client_tell_writable(struct h2_client *client);

/* ---- client_frames.c ---- */

void h2_client_set_callbacks(nghttp2_session_callbacks *callbacks);
void h2_client_read(struct h2_client *client);

/* ---- client_answer.c ---- */

/* The answer broke the rules: the connection finishes what it has, and takes nothing more (T4, T31). */
void h2_call_fail_broken(struct h2_call *call, const char *detail);
/* The client's head is complete; `ends`: and the stream with it. */
void h2_call_take_head(struct h2_call *call, bool ends);
void h2_call_take_trailers(struct h2_call *call, bool ends);
void h2_call_take_data(struct h2_call *call, struct slice data);
/* The stream has ended; `trailers` may be NULL. Behind data that wait for their reader it waits, too. */
void h2_call_take_end(struct h2_call *call, const struct headers *trailers);
void h2_call_pause(struct http_call *base, bool paused);
/* All that one read brought was handed out. */
void h2_client_tell_pause(struct h2_client *client);
/* Hands out what waited in paused calls. */
void h2_client_deliver(struct h2_client *client);

#endif
