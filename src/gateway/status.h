/* The status listeners: /metrics, /healthz and /readyz, and nothing else. Served by the control thread, so that they answer
 * when the workers are busy. */
#ifndef SALLYPORT_GATEWAY_STATUS_H
#define SALLYPORT_GATEWAY_STATUS_H

#include "config/snapshot.h"
#include "net/loop.h"
#include "observe/metrics.h"
#include "tls/tls.h"

struct status_server;
struct status_change; /* the status listeners of a configuration: their settings and TLS */

struct error status_new(struct net_loop *loop, struct metrics *metrics,
                        struct status_server **ret_status) MUST_CHECK;
/* Closes everything; the loop must run on until its handles are closed. */
void status_free(struct status_server *status);

/* Everything that can fail about a configuration's status listeners. Holds the snapshot. */
struct error status_prepare(struct snapshot *snapshot, struct tls_tickets *tickets,
                            struct status_change **ret_change) MUST_CHECK;
void status_change_free(struct status_change *change);
/* Takes the change up; then its sockets, then settle. */
void status_commit(struct status_server *status, struct status_change *change);
/* A socket for one of the listeners; taken. One that is served already goes on. False: it cannot be served. */
bool status_add_socket(struct status_server *status, struct slice listener, int fd) MUST_CHECK;
/* Closes the sockets that were not added since the commit, and their connections, after the answers that they wait for. */
void status_settle(struct status_server *status);

/* Closes all of them, likewise: another process serves the listeners. */
void status_retire(struct status_server *status);

/* What /readyz adds where it says that all is ready: a line, or NULL. */
void status_set_remark(struct status_server *status, const char *(*remark)(const void *context),
                       const void *context);

/* What /readyz says: NULL for ready, or why not. Static text. */
void status_set_ready(struct status_server *status, const char *why_not);

#endif
