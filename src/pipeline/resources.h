/* The documents of protected resources (RFC 9728), as the stages `route` and `local` serve them. On the exchange's thread. */
#ifndef SALLYPORT_PIPELINE_RESOURCES_H
#define SALLYPORT_PIPELINE_RESOURCES_H

#include "pipeline/stage.h"

/* Is a document asked for? It then is exchange->resource, and there is no route. */
bool resource_is_asked(struct exchange *exchange);

enum stage_verdict resource_answer(struct exchange *exchange);

#endif
