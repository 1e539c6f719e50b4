/* What the gateway knows of gRPC over HTTP/2 (gRPC's PROTOCOL-HTTP2.md): which requests are calls, how long
 * they may take, and how they ended. Pure; any thread. */
#ifndef SALLYPORT_HTTP_GRPC_H
#define SALLYPORT_HTTP_GRPC_H

#include "base/decimal.h"
#include "http/message.h"

/* The Content-Type of gRPC's messages: `application/grpc`, alone or followed by `+...` or parameters. */
bool grpc_is_type(struct slice type);

/* A call is a POST over HTTP/2 with one Content-Type of `application/grpc`, `application/grpc+...` or either with parameters.
 * `application/grpc-web` is another protocol, which has its trailers in the body. Nothing is allowed because of this: it says
 * what form a denial has, and that trailers pass. */
bool grpc_is_call(const struct http_request *request);

/* The time that a client gives its call, `grpc-timeout`: 1 to 8 digits and a unit, H, M, S, m (milliseconds), u, n. Some send 0
 * for a time that has passed already, so that is none left, not malformed. */
#define GRPC_NO_TIMEOUT   (-1)
#define GRPC_TIMEOUT_MAX  (36500 * INT64_C(86400) * INT64_C(1000000000)) /* ns; what is longer becomes it */
#define GRPC_TIMEOUT_SIZE (DECIMAL_MAX + 1) /* bytes that its text, of 9 at most, is written into */

/* NULL, with ns or GRPC_NO_TIMEOUT; or what is wrong with it, and *ret_ns untouched. */
const char *grpc_timeout_of(const struct headers *headers, int64_t *ret_ns);
bool grpc_timeout_parse(struct slice text, int64_t *ret_ns);
/* The text of `ns`, of 1 to GRPC_TIMEOUT_MAX: in the finest unit that 8 digits have room for, never longer than it is. */
struct slice grpc_timeout_text(int64_t ns, char out[GRPC_TIMEOUT_SIZE]);

/* How a call ended: `grpc-status`, in its trailers or in a head that is its whole answer (Trailers-Only). The numbers from 0 (OK)
 * on that have a name are so many; to clients others are as good as UNKNOWN. */
#define GRPC_STATUSES  17
#define GRPC_NO_STATUS (-1)
/* What says that the server has failed. */
#define GRPC_UNKNOWN     2
#define GRPC_INTERNAL    13
#define GRPC_UNAVAILABLE 14
#define GRPC_DATA_LOSS   15

/* The number, of 8 digits at most, or GRPC_NO_STATUS. */
int32_t grpc_status_of(const struct headers *fields);

#endif
