/* What metrics tell about the keys of issuers. Control thread. */
#ifndef SALLYPORT_GATEWAY_KEY_METRICS_H
#define SALLYPORT_GATEWAY_KEY_METRICS_H

#include "auth/key_source.h"
#include "base/buffer.h"

/* Families by issuer; none where no keys are fetched. False: the buffer was full. */
bool key_metrics_render(const struct key_source *keys, struct buffer *out);

#endif
