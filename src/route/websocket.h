/* What a route says of WebSocket: which pages may open one, and how long one may be silent. Pure; any thread. */
#ifndef SALLYPORT_ROUTE_WEBSOCKET_H
#define SALLYPORT_ROUTE_WEBSOCKET_H

#include "base/arena.h"
#include "base/conf_field.h"
#include "http/headers.h"

/* `websocket`. Its presence makes tunnels of a route's handshakes. */
struct websocket_settings {
    struct conf_strings origins; /* of pages elsewhere that may open one, or "*" */
    int64_t idle_timeout;        /* ns without a byte either way; 5 min */
};

extern const struct conf_object websocket_object;

/* May a page of this origin open one? A browser sends a cookie, or a client certificate, whatever page asks it to, and no preflight
 * guards a handshake: so Origin does (RFC 6455 section 10.2). Without the field it is no browser. `host`, `port`: of the request;
 * 0: not named. Without TLS the page may have come by either scheme: what ended TLS before us does not say. */
bool websocket_origin_allowed(const struct websocket_settings *settings, const struct headers *request,
                              struct slice host, uint16_t port, bool is_tls, struct arena *arena);

/* NULL, or what is wrong. */
const char *websocket_check_settings(const struct websocket_settings *settings);

#endif
