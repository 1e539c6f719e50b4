/* May this connection be taken? Asked right after accept, before anything else costs: no memory, no TLS. Part of a worker's
 * listeners; worker's thread.
 *
 * Refused is closed at once, by a reset: there is nobody yet who could be answered. */
#ifndef SALLYPORT_GATEWAY_ADMISSION_H
#define SALLYPORT_GATEWAY_ADMISSION_H

#include "gateway/worker.h"

/* Why not: each has a metric of its own, sallyport_connections_refused_total{reason}. */
enum refusal {
    REFUSAL_NONE,
    REFUSAL_LISTENER_CONNECTIONS, /* max_connections of the listener, in this worker */
    REFUSAL_ADDRESS_CONNECTIONS,  /* max_connections_per_address */
    REFUSAL_ADDRESS_HANDSHAKES,   /* handshakes_per_address */
    REFUSAL_QUEUE_DEADLINE,       /* waited too long to be accepted */
    REFUSAL_PROXY_UNTRUSTED,      /* proxy_protocol, and the peer is not among trusted_proxies */
    REFUSAL_PROXY_HEADER_BAD,     /* what came is no PROXY protocol header */
    REFUSAL_PROXY_HEADER_MISSING, /* it did not come whole in time */
    REFUSAL_ADDRESS_BLOCKED,      /* its address is blocked */
    REFUSAL_DESCRIPTORS,          /* the process has no more of them */
    REFUSAL_ERROR,                /* no memory for it */
};

/* What a listener of a worker remembers. */
struct admission {
    int64_t handshakes_full_at; /* GCRA: when the whole allowance of handshakes is back */
};

/* Before accepting: how long to wait until another TLS handshake may begin here; 0: now. */
int64_t admission_pause(const struct admission *admission, const struct listener_settings *settings,
                        int64_t now);

/* The connection is counted (peers_add) already. */
enum refusal admission_check(struct admission *admission, const struct worker_listener *listener,
                             const struct listener_settings *settings, const struct arrival *arrival,
                             uint32_t of_address);

/* The same for one whose client is still to be announced by the PROXY protocol: may its peer do that, and is there room? */
enum refusal admission_check_proxy(const struct worker_listener *listener,
                                   const struct listener_settings *settings, const struct arrival *arrival);

/* Closes and counts. */
void admission_refuse(struct metrics_worker *metrics, int fd, enum refusal why);

/* Might a request on a connection accepted now have waited for that longer than it should? */
bool admission_is_late(const struct worker *worker, int64_t behind);

#endif
