#include "upstream/health/settings.h"

#include "base/clock.h"
#include "http/bytes.h"

static const struct conf_field health_fields[] = {
    { .name = "path",
      .type = CONF_STRING,
      .flags = CONF_TYPICAL | CONF_NON_EMPTY | CONF_NAMES,
      .offset = offsetof(struct health_settings, path),
      .example = "/healthz",
      .help = "HTTP: GET of this path, with a query or not" },
    { .name = "statuses",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct health_settings, statuses),
      .standard = "[200-299]",
      .help = "statuses, or ranges of them, that say that the server is well, of `path`" },
    { .name = "grpc",
      .type = CONF_STRING,
      .flags = CONF_EMPTY_SAYS,
      .offset = offsetof(struct health_settings, grpc),
      .help = "gRPC: grpc.health.v1.Health/Check of this service, as in orders.v1.Orders; \"\": of the whole "
              "server" },
    { .name = "connect",
      .type = CONF_BOOL,
      .offset = offsetof(struct health_settings, connect),
      .help = "that a connection can be made is enough, its TLS handshake included" },
    { .name = "interval",
      .type = CONF_DURATION,
      .offset = offsetof(struct health_settings, interval),
      .standard = "10s",
      .minimum = 10 * NS_PER_MS,
      .maximum = 86400 * NS_PER_S,
      .help = "from one check to the next; each is up to a tenth earlier or later, so that not all come at "
              "once" },
    { .name = "timeout",
      .type = CONF_DURATION,
      .offset = offsetof(struct health_settings, timeout),
      .standard = "2s",
      .minimum = NS_PER_MS,
      .maximum = 600 * NS_PER_S,
      .help = "for the whole check, connecting included; at most `interval`" },
    { .name = "unhealthy_after",
      .type = CONF_INTEGER,
      .offset = offsetof(struct health_settings, unhealthy_after),
      .standard = "3",
      .minimum = 1,
      .maximum = 1000,
      .help =
          "failed checks in a row after which no request goes there; the very first check decides alone" },
    { .name = "healthy_after",
      .type = CONF_INTEGER,
      .offset = offsetof(struct health_settings, healthy_after),
      .standard = "2",
      .minimum = 1,
      .maximum = 1000,
      .help = "good checks in a row after which requests go there again" },
    { 0 },
};

const struct conf_object health_object = {
    .name = "health check",
    .size = sizeof(struct health_settings),
    .fields = health_fields,
    .help = "How each server of a service is asked whether it is well; one of `path`, `grpc` and `connect`.",
};

const char *health_check_path(struct slice path)
{
    if (!slice_starts_with(path, SLICE("/"))) {
        return "a path begins with /, as in /healthz";
    }
    if (path.len > HEALTH_PATH_MAX) {
        return "a path of at most 1024 bytes is wanted here";
    }
    return http_all(path, HTTP_BYTE_VISIBLE) && slice_find(path, '#') < 0
               ? NULL
               : "a path has visible ASCII characters only, and no #; encode others, as in %20";
}

const char *health_check_service(struct slice name)
{
    return name.len == 0 || (name.len <= HEALTH_SERVICE_MAX && http_all(name, HTTP_BYTE_VISIBLE) &&
                             slice_find(name, '/') < 0)
               ? NULL
               : "the name of a gRPC service is wanted here, as in orders.v1.Orders, or \"\"";
}

bool health_parse_statuses(struct slice text, struct status_range *ret_range)
{
    uint64_t first, last;
    if (!slice_to_range(text, &first, &last) || first < 200 || last > 599) {
        return false;
    }
    *ret_range = (struct status_range){ (unsigned int)first, (unsigned int)last };
    return true;
}

bool health_status_is_well(const struct health_settings *settings, unsigned int status)
{
    for (size_t i = 0; i < settings->range_count; i++) {
        if (status >= settings->ranges[i].first && status <= settings->ranges[i].last) {
            return true;
        }
    }
    return false;
}
