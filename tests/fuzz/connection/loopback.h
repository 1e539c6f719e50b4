/* A machine for one worker, without sockets, threads and clocks: net/stream.h and gateway/acceptor.h anew, over memory, and
 * in place of libuv's thread pool and resolver, of the clocks and of random numbers what a script decides (linked in their place;
 * see tests/fuzz/meson.build). One thread. */
#ifndef SALLYPORT_TESTS_FUZZ_CONNECTION_LOOPBACK_H
#define SALLYPORT_TESTS_FUZZ_CONNECTION_LOOPBACK_H

#include "gateway/acceptor.h"
#include "net/stream.h"

#define WIRES_MAX   48
#define WIRE_FD     (1 << 20) /* the descriptor of wire 0: none that the kernel knows */
#define MOMENTS_MAX 256

enum connect_mode {
    CONNECT_AT_ONCE,
    CONNECT_REFUSED,
    CONNECT_HANGS, /* until the mode changes */
    CONNECT_UNROUTABLE,
    CONNECT_MODES,
};

/* Bytes from `offset` on were given to the gateway when it had begun `begun` requests on this wire. */
struct moment {
    size_t offset, begun;
};

/* A connection as its peer sees it. */
struct wire {
    struct stream *stream; /* the gateway's end; NULL before it is opened and after it is closed */
    bool used, to_upstream;
    bool connecting, refused; /* to an upstream */
    bool records;             /* as TLS: what was taken from the socket raises no readiness */
    char *in;                 /* all that the peer has sent */
    size_t in_size, in_capacity;
    size_t in_taken; /* by the gateway, or to the inside of a stream of records */
    size_t in_read;  /* by the gateway */
    bool in_end;     /* the peer will send no more */
    bool gone;       /* the peer has closed it whole: what is sent to it is answered by a reset */
    bool broken;     /* reset */
    char *out;       /* all that the gateway has sent */
    size_t out_size, out_capacity;
    size_t window; /* bytes that the peer still takes */
    bool out_end, out_reset, closed;
    char rest[256]; /* how the next write must begin, after one that did not take all */
    size_t rest_size, rest_total;
    struct moment moments[MOMENTS_MAX];
    size_t moment_count;
    size_t begun_at; /* where the first message of `out` starts that is not whole */
    size_t begun;    /* whole messages before it */
};

extern struct wire wires[WIRES_MAX];
extern size_t wire_count;
extern enum connect_mode connect_mode;
extern bool upstream_records;
extern int64_t loopback_turn_cost; /* ns that pass within a turn */

/* Everything as it is before a script. */
void loopback_reset(void);
/* What is left of wires is freed; each must have been closed by the gateway. */
void loopback_done(void);

/* The peer sends. False: too much for one script. `begun`: see struct moment. */
bool wire_send(struct wire *wire, const char *data, size_t size, size_t begun);

/* A client connects to a listening socket; NULL: nobody listens there, or there are too many wires. */
struct wire *loopback_connect(int listener, const char *peer);

/* Tells the streams what they may read and write, runs one turn of the loop, and closes what is to be closed. */
void loopback_turn(struct net_loop *loop);
/* Answers what waits for the thread pool, and look-ups of names. */
void loopback_work(bool names_found);
size_t loopback_memory(void);

void loopback_advance(int64_t ns);

#endif
