/* Cross-origin resource sharing (Fetch standard, "CORS protocol"). Pure; any thread. */
#ifndef SALLYPORT_ROUTE_CORS_H
#define SALLYPORT_ROUTE_CORS_H

#include "base/arena.h"
#include "http/message.h"
#include "route/route.h"

/* Is it a preflight: OPTIONS with Origin and Access-Control-Request-Method? */
bool cors_is_preflight(enum http_method method, const struct headers *request);

/* Answers a preflight. True: allowed, `out` holds the response fields. False: denied, `out` holds Vary only. `allow`: the
 * route's methods, as route_match says. Values live in `arena` or the settings. */
bool cors_preflight(const struct cors_settings *settings, const struct headers *request, struct slice allow,
                    struct arena *arena, struct headers *out);

/* Adds the CORS fields of a response to an actual request, denials too, and Vary: Origin. */
bool cors_decorate(const struct cors_settings *settings, const struct headers *request, struct arena *arena,
                   struct headers *out);

/* NULL, or why this is no origin as browsers send it. */
const char *cors_origin_problem(struct slice origin);

/* NULL, or what is wrong: "*" with credentials, an origin with a path. */
const char *cors_check_settings(const struct cors_settings *settings);

#endif
