/* `hedge` of a route: a read whose first server is slow is sent to a second one as well, and whoever answers first serves (Dean and
 * Barroso, "The Tail at Scale"). The settings; what is done with them is in pipeline/hedge.h. */
#ifndef SALLYPORT_UPSTREAM_HEDGE_H
#define SALLYPORT_UPSTREAM_HEDGE_H

#include "base/conf_field.h"
#include "http/message.h"

struct hedge_settings {
    int64_t after;               /* ns from the request's sending to that of its copy */
    struct conf_strings methods; /* empty: GET and HEAD */
};

extern const struct conf_object hedge_object;

/* NULL, or what is wrong: a static text. `timeout` is the route's, `try_timeout` that of its `retry`, or 0. */
const char *hedge_check(const struct hedge_settings *settings, int64_t timeout, int64_t try_timeout);

bool hedge_allows(const struct hedge_settings *settings, enum http_method method, struct slice method_text);

#endif
