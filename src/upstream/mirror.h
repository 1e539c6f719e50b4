/* `mirror` of a route: copies of its requests for another upstream, whose answers nobody sees. See pipeline/mirror.h. */
#ifndef SALLYPORT_UPSTREAM_MIRROR_H
#define SALLYPORT_UPSTREAM_MIRROR_H

#include "base/conf_field.h"

struct mirror_settings {
    struct slice upstream;
    int64_t percent;  /* of the requests; 100 */
    int64_t body;     /* bytes; what is larger is not copied; 64 KiB */
    bool credentials; /* Authorization and Cookie go along, as far as they go to the route's own upstream */
};

extern const struct conf_object mirror_object;

#endif
