/* Tunnels: what an exchange becomes whose request asked for one and whose response granted it, whatever the protocol on either side
 * (WebSocket). And event streams, an answer of text/event-stream, which are tunnels that go one way.
 *
 * A tunnel holds the client's stream, the upstream's connection, and what its log line will say, in memory of its own: neither the
 * exchange nor the snapshot that it began with. So a reload keeps tunnels and frees what they were opened under. Bytes pass as they
 * are read, with back-pressure, and either direction ends by itself. It ends at the latest when its token does, when it is too old
 * or silent for too long: a WebSocket tells both sides by a Close frame, where that cuts no frame of theirs; an event stream's answer
 * is complete then, and its client asks again. Worker's thread. */
#ifndef SALLYPORT_PIPELINE_TUNNEL_H
#define SALLYPORT_PIPELINE_TUNNEL_H

#include "pipeline/exchange.h"

/* Does it have an answer that goes on until somebody ends it? Never a gRPC call, which has a deadline and trailers. */
bool tunnel_is_event_stream(const struct exchange *exchange);

/* Takes the stream and the upstream connection of an exchange whose response is BODY_TUNNEL or an event stream, and whose head was
 * sent. False: no memory, and nothing has changed. Within the call's on_response. */
bool tunnel_open(struct exchange *exchange) MUST_CHECK;

/* Each of the worker's tunnels ends at some moment within `patience` ns: not all in one, for all their clients will come again. */
void tunnel_drain_all(struct worker *worker, int64_t patience);
/* The same for those of one listener. */
void tunnel_drain_listener(struct worker *worker, const struct worker_listener *listener, int64_t patience);

/* Those that one of the worker's blocks meets end within milliseconds, WebSockets with 1008: for a new set of blocks. */
void tunnel_sweep(struct worker *worker);

#endif
