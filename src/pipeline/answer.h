/* Answers that the gateway gives itself: denials as problem+json (RFC 9457), or by a page of the
 * configuration to clients that ask for its type; to gRPC calls as Trailers-Only. */
#ifndef SALLYPORT_PIPELINE_ANSWER_H
#define SALLYPORT_PIPELINE_ANSWER_H

#include "pipeline/exchange.h"

/* Answers exchange->reason: status, challenge, Allow, Retry-After, body. The response must not have begun. */
void answer_denial(struct exchange *exchange);

#endif
