/* A worker's listeners: which sockets it accepts on, and the connections' settings. Part of worker.c's job; worker's
 * thread. */
#ifndef SALLYPORT_GATEWAY_LISTENERS_H
#define SALLYPORT_GATEWAY_LISTENERS_H

#include "gateway/worker.h"

/* Takes up the current configuration's listeners. The sockets are taken; one that is served already goes on without a gap,
 * one that is no longer among them is closed, and connections of a listener that is no more end after their response.
 * False: a socket cannot be served. */
bool worker_listeners_update(struct gateway_worker *worker, const struct worker_socket *sockets,
                             size_t count) MUST_CHECK;
/* Accepts nothing more. */
void worker_listeners_close(struct gateway_worker *worker);
/* What a listener's settings say about its connections, whatever it serves. Any thread. */
struct http_server_timeouts listener_http_timeouts(const struct listener_settings *settings);
struct http_head_limits listener_http_limits(const struct listener_settings *settings);
/* After the loop is gone. */
void worker_listeners_free(struct gateway_worker *worker);

#endif
