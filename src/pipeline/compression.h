/* Responses of routes with `compress`, on their way from the upstream to the client. What may be compressed is compress/judge.h's to
 * say; what goes on meanwhile is as without: a body flows in pieces with back-pressure, and leaves at the latest when its upstream
 * pauses. An encoder is the exchange's from the head to the end of the body. Worker's thread. */
#ifndef SALLYPORT_PIPELINE_COMPRESSION_H
#define SALLYPORT_PIPELINE_COMPRESSION_H

#include "pipeline/exchange.h"

/* Of a route with `compress`: before the upstream is asked. False: no room for it. */
bool compression_ask(struct exchange *exchange);

/* The same: whether the answer is compressed, once the exchange knows its head and framing, before the stages add their fields. */
void compression_begin(struct exchange *exchange);

/* Of an exchange that has an encoder, which the caller holds. A piece of the body: false as with http_stream_ops.send_body. */
bool compression_body(struct exchange *exchange, struct slice data);
/* What the encoder keeps goes on; the same. */
bool compression_flush(struct exchange *exchange);
/* The body is complete, and the encoder is given back. False: the exchange is over. */
bool compression_end(struct exchange *exchange, struct headers *trailers);

/* Gives the encoder back, if there is one: the exchange ends. */
void compression_forget(struct exchange *exchange);

#endif
