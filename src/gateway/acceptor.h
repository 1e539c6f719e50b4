/* A listening socket on a loop: accepts, a few a turn, and hands descriptors on. */
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
    void (*on_closed)(struct acceptor *acceptor);
    struct deadline pause; /* after EMFILE and its kin: a full table is not looked at in a busy loop */
};

/* Takes the descriptor, on success only. */
struct error acceptor_open(struct acceptor *acceptor, struct net_loop *loop, int fd,
                           void (*on_accept)(struct acceptor *acceptor, int fd,
                                             const struct address *peer)) MUST_CHECK;
/* Stops and closes our descriptor; the socket itself lives on in the supervisor. on_closed (may be NULL) in a later turn. */
void acceptor_close(struct acceptor *acceptor, void (*on_closed)(struct acceptor *acceptor));

ino_t acceptor_inode(int fd);

#endif
