#include "upstream/outlier/settings.h"

#include "base/clock.h"

static const struct conf_field outlier_fields[] = {
    { .name = "failures",
      .type = CONF_INTEGER,
      .flags = CONF_TYPICAL,
      .offset = offsetof(struct outlier_settings, failures),
      .standard = "5",
      .minimum = 0,
      .maximum = 1000,
      .example = "5",
      .help = "failed requests in a row, over all workers, that eject an endpoint: 5xx but 501, no "
              "connection, no "
              "answer in time; 0: these do not" },
    { .name = "success_gap",
      .type = CONF_INTEGER,
      .offset = offsetof(struct outlier_settings, success_gap),
      .standard = "0",
      .minimum = 0,
      .maximum = 100,
      .help =
          "percentage points that the share of good answers of an endpoint lies below that of the others, in "
          "an interval, from which on it is ejected, as in 20; 0: this does not" },
    { .name = "min_requests",
      .type = CONF_INTEGER,
      .offset = offsetof(struct outlier_settings, min_requests),
      .standard = "100",
      .minimum = 1,
      .maximum = 1000000,
      .help = "of one endpoint in an interval: with fewer its share says nothing" },
    { .name = "interval",
      .type = CONF_DURATION,
      .offset = offsetof(struct outlier_settings, interval),
      .standard = "10s",
      .minimum = 100 * NS_PER_MS,
      .maximum = 3600 * NS_PER_S,
      .help = "how often shares are compared, and one time that an endpoint was ejected is forgiven" },
    { .name = "ejection",
      .type = CONF_DURATION,
      .offset = offsetof(struct outlier_settings, ejection),
      .standard = "30s",
      .minimum = 10 * NS_PER_MS,
      .maximum = 86400 * NS_PER_S,
      .help = "for how long it gets no request; the second time in a row twice as long, and so on" },
    { .name = "max_ejection",
      .type = CONF_DURATION,
      .offset = offsetof(struct outlier_settings, max_ejection),
      .standard = "5m",
      .minimum = 10 * NS_PER_MS,
      .maximum = 86400 * NS_PER_S,
      .help = "but no longer than this; at least `ejection`" },
    { .name = "max_ejected",
      .type = CONF_INTEGER,
      .offset = offsetof(struct outlier_settings, max_ejected),
      .standard = "50",
      .minimum = 1,
      .maximum = 100,
      .help = "percentage of the endpoints that may be ejected at once; of several at least one" },
    { 0 },
};

const struct conf_object outlier_object = {
    .name = "outliers",
    .size = sizeof(struct outlier_settings),
    .fields = outlier_fields,
    .help = "When an endpoint is left out for a while since it fails requests: see docs/balancing.md.",
};
