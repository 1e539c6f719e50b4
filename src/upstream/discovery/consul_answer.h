/* The answer of Consul to /v1/health/service/NAME: a JSON list of instances, each its node, its service and its checks. Pure. */
#ifndef SALLYPORT_UPSTREAM_DISCOVERY_CONSUL_ANSWER_H
#define SALLYPORT_UPSTREAM_DISCOVERY_CONSUL_ANSWER_H

#include "upstream/discovery/found.h"

/* Bytes of an answer: an instance has 1 to 3 KiB, with its node and its checks. */
#define CONSUL_ANSWER_MAX ((size_t)4 * 1024 * 1024)
/* Bytes of an arena that `scratch` needs for that. */
#define CONSUL_SCRATCH_MAX ((size_t)64 * 1024 * 1024)

/* Instances whose checks all pass. Passed over: those without a port, or at an address that no server can have; where nothing else is
 * left, that is ERROR_VALUE, as is anything that is no such answer. What is found lies in `memory`, and nothing in `text`
 * or `scratch`. */
struct error consul_answer_parse(struct slice text, const struct found_frame *frame, struct arena *scratch,
                                 struct arena *memory, struct found_endpoints *ret_found) MUST_CHECK;

#endif
