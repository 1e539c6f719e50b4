/* HTTP/1.1 to upstreams: one call at a time on a connection, kept alive between them. What http/client.h makes of a connection
 * that is to speak it.
 *
 * Request heads are written as given (h1/writer.h); the answer is read with the same strictness as a client's request
 * (RFC 9112): an answer that two readers could take for two different messages is a failure, and its connection never used
 * again. */
#ifndef SALLYPORT_HTTP_H1_CLIENT_H
#define SALLYPORT_HTTP_H1_CLIENT_H

#include "http/client_internal.h"

extern const struct http_client_kind h1_client_kind;

#endif
