/* Whether a page may use what a browser sends along whatever page asks it to (RFC 6454; RFC 6455 section 10.2). Pure; any thread. */
#ifndef SALLYPORT_ROUTE_ORIGIN_H
#define SALLYPORT_ROUTE_ORIGIN_H

#include "route/cors.h"
#include "route/websocket.h"

/* What a request says of its page and of its own host. */
struct origin_request {
    const struct headers *headers;
    enum http_method method;
    struct slice host; /* canonical */
    uint16_t port;     /* 0: not named */
    bool is_tls; /* else what ended TLS before us does not say, and the page may have come by either scheme */
};

/* Is `origin` that of the request's own host? `arena` only for a host with a port. */
bool origin_is_own(const struct origin_request *request, struct slice origin, struct arena *arena);

/* May the page act by a cookie that authenticates? Safe methods may, whatever the page. Others, and WebSocket handshakes
 * (`websocket` not NULL), must name one origin: the host's own, one that `cors` lets use credentials, or for a handshake one that
 * `websocket` lists, by its name and not by "*". Without Origin: no; every browser sends it there. `cors` may be NULL. */
bool origin_may_use_cookie(const struct origin_request *request, const struct cors_settings *cors,
                           const struct websocket_settings *websocket, struct arena *arena);

#endif
