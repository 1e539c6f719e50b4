/* The order of the stages, and the loop that runs them. */
#ifndef SALLYPORT_PIPELINE_PIPELINE_H
#define SALLYPORT_PIPELINE_PIPELINE_H

#include "pipeline/stage.h"

/* Runs stages from exchange->stage on, until one waits, denies or answers; denials are answered here. */
void pipeline_run(struct exchange *exchange);

/* A piece of the request body through the stages. */
void pipeline_body(struct exchange *exchange, struct slice data);
void pipeline_body_end(struct exchange *exchange, const struct headers *trailers);

/* The response's head through the stages that the request reached, in reverse. */
void pipeline_response(struct exchange *exchange);

void pipeline_done(struct exchange *exchange);

#endif
