/* A connected byte stream over a non-blocking descriptor, driven by readiness: plain here, TLS in tls/.
 *
 * The owner calls read and write itself; the stream only says when that is worth trying. Belongs to one loop's thread. */
#ifndef SALLYPORT_NET_STREAM_H
#define SALLYPORT_NET_STREAM_H

#include "base/error.h"
#include "net/address.h"
#include "net/loop.h"

#include <sys/socket.h>
#include <sys/uio.h>

enum stream_result {
    STREAM_OK,     /* at least one byte moved, or the step is complete */
    STREAM_AGAIN,  /* wait for readiness */
    STREAM_END,    /* read: the peer closed its direction in an orderly way */
    STREAM_FAILED, /* reset, TLS failure: the stream is dead */
};

struct stream;

struct stream_ops {
    const char *name;
    /* The next step of a handshake; OK once complete, and always for plain streams. After AGAIN either wanted event
     * stands for the one that the handshake waits for. */
    enum stream_result (*handshake)(struct stream *stream);
    enum stream_result (*read)(struct stream *stream, void *out, size_t size, size_t *ret_size);
    /* Gathers; may write less than all. After AGAIN, and for what is left after a short write, the next call begins with
     * the same bytes and has at least as many: a TLS record may wait already encrypted. */
    enum stream_result (*write)(struct stream *stream, const struct iovec *parts, int count,
                                size_t *ret_size);
    /* Ends our direction (TLS: close_notify first). AGAIN: call again when writable. */
    enum stream_result (*shutdown)(struct stream *stream);
    /* Decoded bytes wait inside: a read would succeed although the descriptor may never become readable again. */
    bool (*pending)(const struct stream *stream);
    /* Frees what the kind of stream holds; the descriptor is closed by stream_close. */
    void (*free)(struct stream *stream);
};

enum stream_events {
    STREAM_READABLE = 1,
    STREAM_WRITABLE = 2,
    STREAM_BROKEN = 4, /* error or full hang-up: reads and writes will say more */
};

/* Embedded in the owner's struct. */
struct stream {
    const struct stream_ops *ops;
    struct net_loop *loop;
    int fd;
    uv_poll_t poll;
    unsigned int wanted;   /* what the owner asked for by stream_want */
    unsigned int watched;  /* what libuv watches */
    bool read_needs_write; /* TLS: the last read can go on only when the descriptor is writable */
    bool write_needs_read;
    bool closing;
    void *tls;                                                    /* the TLS state, for TLS streams */
    void (*on_ready)(struct stream *stream, unsigned int events); /* events: what was wanted and is ready */
    void (*on_closed)(struct stream *stream);
};

extern const struct stream_ops stream_plain_ops;

/* Takes the descriptor (made non-blocking by the caller), on success only. */
struct error stream_open(struct stream *stream, struct net_loop *loop, int fd,
                         void (*on_ready)(struct stream *stream, unsigned int events)) MUST_CHECK;

/* Says which readiness the owner wants from now on: STREAM_READABLE | STREAM_WRITABLE, or 0. Cheap when unchanged.
 * STREAM_BROKEN is reported whenever anything is watched, together with what was wanted; nothing is watched after it
 * until the next call. The end of the peer's direction alone is readiness to read, never BROKEN. */
void stream_want(struct stream *stream, unsigned int events);

/* Had it nothing to be read at this turn's look at the sockets? Of one that the owner has wanted to read since an earlier turn.
 * False: it had, or it is not known. No system call. */
bool stream_was_silent(const struct stream *stream);

/* Closes the descriptor; on_closed comes in a later turn, and only then may the memory go. No other callback after this. */
void stream_close(struct stream *stream, void (*on_closed)(struct stream *stream));

/* Makes the coming close send a reset instead of an orderly end. */
void stream_reset_on_close(struct stream *stream);

/* How long the newest bytes that the peer sent have been here, read or not: ns, by the kernel's own clock, to a few
 * milliseconds; -1: not known, as where it is no TCP. One system call. */
int64_t stream_waited(int fd);

/* The same, only where bytes are there that were not read: -1 where none are. */
int64_t stream_unread(int fd);

/* Accepts one connection, non-blocking, without delay (TCP_NODELAY). The descriptor, or -errno; -EAGAIN: none waits.
 * `ret_peer` may be NULL; it is zeroed where the peer has no IP address. */
int stream_accept(int listening_fd, struct address *ret_peer);

/* Starts a non-blocking TCP connection: a descriptor in `*ret_fd`, writable when it is decided; then stream_connected. */
struct error stream_connect(const struct sockaddr *address, socklen_t size, int *ret_fd) MUST_CHECK;

/* The outcome of a connection attempt: 0 or an errno. */
int stream_connected(int fd);

#endif
