/* Connections whose proxy still has to say who the client is: the PROXY protocol's header (net/proxy_protocol.h), before TLS
 * and everything else. The header is read and not one byte more, so that whoever comes next finds the connection as if it
 * were new. Part of a worker's listeners; worker's thread. */
#ifndef SALLYPORT_GATEWAY_ANNOUNCEMENT_H
#define SALLYPORT_GATEWAY_ANNOUNCEMENT_H

#include "gateway/acceptor.h"

enum announcement_end {
    ANNOUNCEMENT_MADE,
    ANNOUNCEMENT_BAD,
    ANNOUNCEMENT_MISSING,   /* it did not come whole in time, or at all */
    ANNOUNCEMENT_CALLED_OFF /* announcements_end */
};

struct announcement;

/* All of a worker's. Each takes less than 5 KB; who calls bounds their number. */
struct announcement_list {
    struct announcement *first;
    size_t count;
};

/* Waits at most `patience` ns. `on_end` comes once, in a later turn or from announcements_end; the descriptor is then the
 * callee's again, however it ended. `arrival->client` and `announced` are as the header says; `problem` is a static text,
 * with BAD and MISSING. False, and nothing has changed: no memory, or the loop takes no more. */
bool announcement_await(struct announcement_list *list, struct net_loop *loop, const struct arrival *arrival,
                        int64_t patience,
                        void (*on_end)(void *owner, const struct arrival *arrival, enum announcement_end end,
                                       const char *problem),
                        void *owner) MUST_CHECK;

/* Calls off those of one owner, or all of them where it is NULL. */
void announcements_end(struct announcement_list *list, const void *owner);

#endif
