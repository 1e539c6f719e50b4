/* What becomes of a request whose upstream has failed it: asked again where the route's `retry` allows it, or answered by its `fallback`.
 * Beside what is always safe to send again, which `forward` does by itself. One worker's thread. */
#ifndef SALLYPORT_PIPELINE_RECOVERY_H
#define SALLYPORT_PIPELINE_RECOVERY_H

#include "pipeline/exchange.h"

/* No call is left: none could be had, or (`begun`) it has failed and was given back. False: that is what the client is told. */
bool recovery_from_failure(struct exchange *exchange, enum deny_reason reason, bool begun);
/* A response's head, of which nothing has gone on. True: it is not to go on, and its call is given back. */
bool recovery_from_response(struct exchange *exchange, const struct http_response *response);

/* ns that the next try may take until its response's head. */
int64_t recovery_response_timeout(const struct exchange *exchange);

#endif
