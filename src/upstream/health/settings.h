/* What the configuration says about how the servers of a service are asked whether they are well. Plain data; lives in the
 * snapshot. */
#ifndef SALLYPORT_UPSTREAM_HEALTH_SETTINGS_H
#define SALLYPORT_UPSTREAM_HEALTH_SETTINGS_H

#include "base/conf_field.h"

#define HEALTH_PATH_MAX     1024 /* bytes */
#define HEALTH_SERVICE_MAX  255  /* bytes of a gRPC service's name */
#define HEALTH_STATUSES_MAX 16   /* statuses and ranges */

struct status_range {
    unsigned int first, last;
};

/* Exactly one of path, grpc and connect says what is asked. */
struct health_settings {
    struct slice path;            /* HTTP: GET; `ptr` NULL: none */
    struct conf_strings statuses; /* "204", "200-299": what is well */
    struct slice grpc; /* grpc.health.v1: the service's name, "" for the whole server; `ptr` NULL: none */
    bool connect;      /* a connection is enough */
    int64_t interval;  /* ns from one check's beginning to the next one's; 10 s */
    int64_t timeout;   /* ns, connecting included; 2 s */
    int64_t unhealthy_after; /* failures in a row; 3 */
    int64_t healthy_after;   /* successes in a row; 2 */
    /* filled in by config */
    struct status_range ranges[HEALTH_STATUSES_MAX];
    size_t range_count;
};

extern const struct conf_object health_object;

/* NULL, or what is wrong with it. Pure. */
const char *health_check_path(struct slice path);
const char *health_check_service(struct slice name);
/* "204" or "200-299"; false: neither. */
bool health_parse_statuses(struct slice text, struct status_range *ret_range);
bool health_status_is_well(const struct health_settings *settings, unsigned int status);

#endif
