/* Tunnels: what an exchange becomes whose request asked for one and whose response granted it, whatever the protocol on either side.
 * Today that is WebSocket.
 *
 * A tunnel holds the client's stream, the upstream's connection, and what its log line will say, in memory of its own: neither the
 * exchange nor the snapshot that it began with. So a reload keeps tunnels and frees what they were opened under. Bytes pass as they
 * are read, with back-pressure, either direction ends by itself. It ends at the latest when its token does (max_stream_age, idle_timeout:
 * route/websocket.h), and tells both sides by a Close frame, where one frame of theirs is not cut by it. Worker's thread. */
#ifndef SALLYPORT_PIPELINE_TUNNEL_H
#define SALLYPORT_PIPELINE_TUNNEL_H

#include "pipeline/exchange.h"

/* Makes a tunnel of the exchange, whose response's head was sent: takes its stream and its upstream connection. False: no memory, and
 * nothing has changed. Within the call's on_response. */
bool tunnel_open(struct exchange *exchange) MUST_CHECK;

/* Each of the worker's tunnels ends at some moment within `patience` ns: not all in one, for all their clients will come again. */
void tunnel_drain_all(struct worker *worker, int64_t patience);
/* The same for those of one listener. */
void tunnel_drain_listener(struct worker *worker, const struct worker_listener *listener, int64_t patience);

#endif
