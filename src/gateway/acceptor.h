/* A listening socket on a loop: accepts, a few a turn, and hands descriptors on.
 *
 * Where the process has no descriptor left, one that is kept in reserve takes each connection and closes it: so clients are
 * told, and the loop does not wake for a connection that it cannot take. */
#ifndef SALLYPORT_GATEWAY_ACCEPTOR_H
#define SALLYPORT_GATEWAY_ACCEPTOR_H

#include "net/address.h"
#include "net/loop.h"

struct acceptor {
    uv_poll_t poll;
    struct net_loop *loop;
    int fd;
    ino_t inode; /* of the socket: tells whether a descriptor handed in later is the same one */
    void (*on_accept)(struct acceptor *acceptor, int fd, const struct address *peer);
    /* Asked before each; ns until it may go on, 0: now. NULL: always. */
    int64_t (*may_accept)(struct acceptor *acceptor);
    void (*on_refused)(
        struct acceptor *acceptor); /* closed for want of a descriptor; NULL: nobody counts them */
    void (*on_closed)(struct acceptor *acceptor);
    struct deadline pause; /* after EMFILE and its kin: a full table is not looked at in a busy loop */
    int reserve;           /* a descriptor for EMFILE; -1: used up */
    int64_t behind_since;  /* since when more connections came than were accepted; 0: they did not */
};

/* A connection that was accepted, until a protocol has it. */
struct arrival {
    int fd;
    struct address client; /* who it is taken for: the socket's peer, or whom a trusted proxy announced */
    bool announced;        /* the latter */
    int exposure;          /* of the listener that it came by, then */
    int64_t behind;        /* acceptor_behind, when it was accepted */
};

/* Takes the descriptor, on success only. */
struct error acceptor_open(struct acceptor *acceptor, struct net_loop *loop, int fd,
                           void (*on_accept)(struct acceptor *acceptor, int fd,
                                             const struct address *peer)) MUST_CHECK;
/* Stops and closes our descriptor; the socket itself lives on in the supervisor. on_closed (may be NULL) in a later turn. */
void acceptor_close(struct acceptor *acceptor, void (*on_closed)(struct acceptor *acceptor));

/* For how long more connections have been waiting than were accepted, ns. */
static inline int64_t acceptor_behind(const struct acceptor *acceptor)
{
    return acceptor->behind_since != 0 ? acceptor->loop->now - acceptor->behind_since : 0;
}

ino_t acceptor_inode(int fd);

#endif
