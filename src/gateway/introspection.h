/* Questions about tokens between the workers and the control thread, which asks the endpoints; and what it counts. */
#ifndef SALLYPORT_GATEWAY_INTROSPECTION_H
#define SALLYPORT_GATEWAY_INTROSPECTION_H

#include "auth/introspection_source.h"
#include "base/buffer.h"
#include "gateway/worker.h"

/* Worker's thread: an introspector's `ask`, with the gateway's worker as its context. */
bool introspection_send(void *context, struct introspection_question *question);

/* Control thread: gives an answered question back to who asked it. Of introspection_callbacks. */
void introspection_return(void *context, struct introspection_question *question);
/* The same: logs it. */
void introspection_log(void *context, struct slice endpoint_name, const char *failure);

/* In Prometheus' text format. False: the buffer was full. */
bool introspection_render(const struct introspection_source *source, struct buffer *out);

#endif
