/* The two messages of gRPC's health checking protocol (grpc.health.v1, GRFC "Health Checking Protocol"), each as the one
 * length-prefixed message of its body (gRPC's PROTOCOL-HTTP2.md), in the encoding of Protocol Buffers. Pure; any thread. */
#ifndef SALLYPORT_UPSTREAM_HEALTH_GRPC_MESSAGE_H
#define SALLYPORT_UPSTREAM_HEALTH_GRPC_MESSAGE_H

#include "base/slice.h"
#include "http/grpc_messages.h"
#include "upstream/health/settings.h"

#define GRPC_HEALTH_REQUEST_MAX  (GRPC_PREFIX_SIZE + 3 + HEALTH_SERVICE_MAX)
#define GRPC_HEALTH_RESPONSE_MAX 1024 /* bytes of an answer's body: two would do */

enum grpc_serving_status { /* HealthCheckResponse.ServingStatus; servers may know further ones */
    GRPC_SERVING_UNKNOWN = 0,
    GRPC_SERVING = 1,
    GRPC_NOT_SERVING = 2,
    GRPC_SERVICE_UNKNOWN = 3,
};

/* HealthCheckRequest { string service = 1 }; the name has at most HEALTH_SERVICE_MAX bytes. Returns the body's size. */
size_t grpc_health_request(struct slice service, char out[GRPC_HEALTH_REQUEST_MAX]);

/* HealthCheckResponse { ServingStatus status = 1 }, the whole body of an answer: one message, not compressed, nothing behind
 * it. Unknown fields are passed over, as Protocol Buffers demand; the last of several statuses counts. NULL, or what is
 * wrong, static; then nothing is written. */
const char *grpc_health_parse(struct slice body, uint64_t *ret_status);

#endif
