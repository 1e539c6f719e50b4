/* `fallback` of a route: who answers, or what, where its upstream does not. */
#ifndef SALLYPORT_UPSTREAM_FALLBACK_H
#define SALLYPORT_UPSTREAM_FALLBACK_H

#include "base/conf_field.h"

/* One of two: an upstream, or a response. */
struct fallback_settings {
    struct slice upstream;     /* empty: the response */
    int64_t status;            /* 0: the upstream */
    struct slice content_type; /* of the response; empty: none is said */
    struct slice body;
    uint64_t statuses; /* of answers that are as good as none: choices 500, 502, 503, 504 */
};

extern const struct conf_object fallback_object;

/* NULL, or what is wrong: a static text. */
const char *fallback_check(const struct fallback_settings *settings);

/* Is an answer of this status none? */
bool fallback_covers(const struct fallback_settings *settings, unsigned int status);

#endif
