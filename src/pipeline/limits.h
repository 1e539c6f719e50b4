/* Applies limit rules to an exchange: what the three stages that limit share. */
#ifndef SALLYPORT_PIPELINE_LIMITS_H
#define SALLYPORT_PIPELINE_LIMITS_H

#include "pipeline/stage.h"

/* Checks and charges the rules; refused: denies with `reason`, Retry-After set. Adds to the RateLimit fields. */
enum stage_verdict limits_apply(struct exchange *exchange, const struct limit_settings *const *rules,
                                size_t count, enum deny_reason reason);

/* Fills in what a key by network is made of; `network` lives as long as the key. */
void limits_network_key(const struct address *network, struct limit_key *out);

#endif
