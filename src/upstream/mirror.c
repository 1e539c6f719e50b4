#include "upstream/mirror.h"

static const struct conf_field mirror_fields[] = {
    { .name = "upstream",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct mirror_settings, upstream),
      .example = "orders-next",
      .help = "Name of the upstream that gets the copies." },
    { .name = "percent",
      .type = CONF_INTEGER,
      .offset = offsetof(struct mirror_settings, percent),
      .standard = "100",
      .minimum = 1,
      .maximum = 100,
      .help = "Of how many of the requests." },
    { .name = "body",
      .type = CONF_SIZE,
      .offset = offsetof(struct mirror_settings, body),
      .standard = "64KiB",
      .minimum = 0,
      .maximum = INT64_C(1) << 20,
      .help = "A request with a larger body is not copied." },
    { .name = "credentials",
      .type = CONF_BOOL,
      .offset = offsetof(struct mirror_settings, credentials),
      .standard = "false",
      .help = "Whether Authorization and cookies go along, as far as they go to the route's own upstream." },
    { 0 },
};

const struct conf_object mirror_object = {
    .name = "mirror",
    .size = sizeof(struct mirror_settings),
    .fields = mirror_fields,
    .scalar = "upstream",
    .help = "Copies of a route's requests, as they go to its upstream, for another one. Its answers are "
            "thrown away, and "
            "nothing waits for it.",
};
