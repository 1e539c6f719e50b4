/* The status listeners: /metrics, /healthz and /readyz, and nothing else. Served by the control thread, so that they answer
 * when the workers are busy. */
#ifndef SALLYPORT_GATEWAY_STATUS_H
#define SALLYPORT_GATEWAY_STATUS_H

#include "config/snapshot.h"
#include "net/loop.h"
#include "observe/metrics.h"
#include "tls/tls.h"

struct status_server;

struct error status_new(struct net_loop *loop, struct metrics *metrics,
                        struct status_server **ret_status) MUST_CHECK;
/* Closes everything; the loop must run on until its handles are closed. */
void status_free(struct status_server *status);

/* The listeners with `status: true` of a snapshot: their timeouts and TLS. Holds the snapshot. */
struct error status_configure(struct status_server *status, struct snapshot *snapshot,
                              struct tls_tickets *tickets) MUST_CHECK;
/* A socket for one of them; taken. A socket that is served already is closed. */
void status_add_socket(struct status_server *status, struct slice listener, int fd);

/* What /readyz says: NULL for ready, or why not. Static text. */
void status_set_ready(struct status_server *status, const char *why_not);

#endif
