/* What the gateway knows of gRPC over HTTP/2 (gRPC's PROTOCOL-HTTP2.md): which requests are calls. Pure; any thread. */
#ifndef SALLYPORT_HTTP_GRPC_H
#define SALLYPORT_HTTP_GRPC_H

#include "http/message.h"

/* A call is a POST over HTTP/2 with one Content-Type of `application/grpc`, `application/grpc+...` or either with parameters.
 * `application/grpc-web` is another protocol, which has its trailers in the body. Nothing is allowed because of this: it says
 * what form a denial has, and that trailers pass. */
bool grpc_is_call(const struct http_request *request);

#endif
