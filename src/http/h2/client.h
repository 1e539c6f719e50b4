/* HTTP/2 to upstreams (RFC 9113), over nghttp2: many calls at once on a connection. What http/client.h makes of a connection
 * that is to speak it.
 *
 * The connection is established once the upstream's SETTINGS have come: what speaks no HTTP/2 gets no request, and how many
 * calls it allows is known. Answers are read by the rules of h2/head.h; one that breaks them is a failure of its call,
 * and its connection takes no further one. A slow reader holds up nobody else: the connection's window is given back as data
 * comes, a stream's only as its call takes them, so that a call holds `stream_window` bytes at the most. */
#ifndef SALLYPORT_HTTP_H2_CLIENT_H
#define SALLYPORT_HTTP_H2_CLIENT_H

#include "http/client_internal.h"

extern const struct http_client_kind h2_client_kind;

#endif
