/* A tunnel from within: shared by tunnel.c (its opening, what passes) and tunnel_end.c (how it ends, and when). */
#ifndef SALLYPORT_PIPELINE_TUNNEL_INTERNAL_H
#define SALLYPORT_PIPELINE_TUNNEL_INTERNAL_H

#include "http/websocket.h"
#include "pipeline/blocks.h"
#include "pipeline/tunnel.h"

enum tunnel_end {
    TUNNEL_GOES_ON,
    TUNNEL_CLIENT,
    TUNNEL_UPSTREAM,
    TUNNEL_CLIENT_ABORTED,
    TUNNEL_CLIENT_SLOW,
    TUNNEL_UPSTREAM_FAILED,
    TUNNEL_TOKEN_EXPIRED,
    TUNNEL_CERTIFICATE_EXPIRED,
    TUNNEL_IDLE,
    TUNNEL_AGE,
    TUNNEL_DRAINING,
    TUNNEL_BLOCKED,
};

enum tunnel_state {
    TUNNEL_OPEN,
    TUNNEL_LAST_FRAME, /* the upstream's frame is let through to its end */
    TUNNEL_CLOSING,    /* all that the client gets is with its connection; the upstream's is gone */
};

struct tunnel {
    struct worker *worker;
    const struct worker_listener *listener;
    struct tunnel *previous, *next;
    struct http_stream *stream;
    struct pool_connection *connection; /* NULL: closed */
    struct http_call *call;             /* on it; NULL with it */
    enum tunnel_state state;
    enum tunnel_end why;
    bool is_websocket; /* else an event stream */
    bool client_ended, upstream_ended;
    bool sending, over; /* inside tunnel_send: its end frees nothing */
    bool age_is_drain;
    unsigned int metrics_slot;
    struct websocket_frames from_client, from_upstream;
    struct deadline deadline;  /* when to look whether it is over */
    int64_t started;           /* ns, monotonic: of the request */
    int64_t active;            /* ns, monotonic: the last byte either way */
    int64_t idle_timeout;      /* ns */
    int64_t ends_at;           /* ns, monotonic: max_stream_age, or a drain */
    int64_t token_until;       /* ns, real: the token is no longer accepted; INT64_MAX: any time */
    int64_t certificate_until; /* ns, real */
    bool blocked;              /* it ends at the next look */
    size_t mark_count;
    struct block_mark marks[BLOCK_MARKS_MAX]; /* of who opened it, and where */
    char detail[96];                          /* how the upstream failed; the block that ended it */
    struct log_record record;                 /* its texts lie behind this struct */
};

static inline bool tunnel_is_within_frame(const struct websocket_frames *frames)
{
    return !frames->lost && (frames->left > 0 || frames->have > 0);
}

/* The first reason is the one that counts, unless we end it. */
void tunnel_note_end(struct tunnel *tunnel, enum tunnel_end why);
/* It is over and freed; its log line is written, its stream released. */
void tunnel_finish(struct tunnel *tunnel, enum tunnel_end why);
/* The same, not in order: the client must see that it was cut. */
void tunnel_cut(struct tunnel *tunnel, enum tunnel_end why);
/* To the client. False: that is gone, and the tunnel with it. */
bool tunnel_send(struct tunnel *tunnel, struct slice data, bool *ret_room);
/* The last that the client gets; the upstream's connection is closed. The tunnel may be over by then. */
void tunnel_say_goodbye(struct tunnel *tunnel);

/* Its deadline: is it over? */
void tunnel_look(struct deadline *deadline);
/* Looks for the first time, soon. */
void tunnel_look_soon(struct tunnel *tunnel);
/* It was opened while its worker drains: its request was let in, and is not lost. It ends with the others. */
void tunnel_drain_late(struct tunnel *tunnel);
int64_t tunnel_random_below(int64_t limit);

#endif
