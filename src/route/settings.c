/* What `match` and `cors` may hold. */
#include "route/cors.h"
#include "route/route.h"

static const struct conf_field match_fields[] = {
    { .name = "host",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct match_settings, host),
      .help = "Host names: exact, \"*.example.com\" for one or more labels, or \"*\". The most specific "
              "decides." },
    { .name = "path",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct match_settings, path),
      .help = "Path patterns: text, {name} for one segment, /** for the rest. A trailing slash counts." },
    { .name = "methods",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct match_settings, methods),
      .help = "Methods; GET allows HEAD too. Absent: every method but CONNECT and TRACE." },
    { 0 },
};

const struct conf_object match_object = {
    .name = "match",
    .size = sizeof(struct match_settings),
    .fields = match_fields,
    .help = "Which requests a group or a route serves: by host, then path, then method. A group's path is "
            "the prefix of "
            "its routes'.",
};

static const struct conf_field cors_fields[] = {
    { .name = "origins",
      .type = CONF_STRINGS,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY | CONF_SUBSET,
      .offset = offsetof(struct cors_settings, origins),
      .help = "Origins that may read responses, exactly as browsers send them, or \"*\" (never with "
              "credentials)." },
    { .name = "methods",
      .type = CONF_STRINGS,
      .flags = CONF_SUBSET,
      .offset = offsetof(struct cors_settings, methods),
      .help = "Methods that a preflight allows. Absent: the route's own." },
    { .name = "headers",
      .type = CONF_STRINGS,
      .flags = CONF_SUBSET,
      .offset = offsetof(struct cors_settings, headers),
      .help = "Request headers allowed beyond the safelisted ones, Authorization for one." },
    { .name = "expose",
      .type = CONF_STRINGS,
      .flags = CONF_SUBSET,
      .offset = offsetof(struct cors_settings, expose),
      .help = "Response headers that scripts may read beyond the safelisted ones." },
    { .name = "credentials",
      .type = CONF_BOOL,
      .flags = CONF_LOWER,
      .offset = offsetof(struct cors_settings, credentials),
      .standard = "false",
      .help = "Whether browsers may send cookies and client certificates along." },
    { .name = "max_age",
      .type = CONF_DURATION,
      .flags = CONF_LOWER,
      .offset = offsetof(struct cors_settings, max_age),
      .standard = "10m",
      .minimum = 0,
      .maximum = INT64_C(86400000000000),
      .help = "How long a browser may remember a preflight's answer." },
    { 0 },
};

const struct conf_object cors_object = {
    .name = "cors",
    .size = sizeof(struct cors_settings),
    .fields = cors_fields,
    .sequence = "origins",
    .help = "Cross-origin resource sharing. Preflights are answered before authentication; denials carry the "
            "fields too.",
};
