/* The one way to a server: each connection to an endpoint, be it for requests or for a health check, is begun here, once its address
 * was judged. A name is judged by what it stands for now, every time. One loop. */
#ifndef SALLYPORT_UPSTREAM_DIAL_H
#define SALLYPORT_UPSTREAM_DIAL_H

#include "http/client.h"
#include "upstream/settings.h"

/* As http_client_open, to `address`, at the endpoint's port, or to its path. ERROR_VALUE: no connection may lead there; `what`
 * says why. */
struct error upstream_dial(const struct guard *guard, const struct upstream_endpoint *endpoint,
                           const struct address *address, const struct http_client_settings *settings,
                           struct http_client **ret_client) MUST_CHECK;

#endif
