/* What `match` and `cors` may hold. */
#include "route/cors.h"
#include "route/route.h"

static const struct conf_field condition_fields[] = {
    { .name = "values",
      .type = CONF_STRINGS,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct condition_settings, values),
      .help = "A text; \"v2*\" for whatever begins so; \"*\" for whatever it is. One of them must fit." },
    { 0 },
};

static const struct conf_object condition_object = {
    .name = "condition",
    .size = sizeof(struct condition_settings),
    .fields = condition_fields,
    .scalar = "values",
    .sequence = "values",
    .help = "What a header, parameter or cookie must be. One that is sent twice fits nothing.",
};

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
    { .name = "headers",
      .type = CONF_MAP,
      .offset = offsetof(struct match_settings, headers),
      .object = &condition_object,
      .help = "Conditions: headers by name, and what each must be." },
    { .name = "query",
      .type = CONF_MAP,
      .offset = offsetof(struct match_settings, query),
      .object = &condition_object,
      .help = "Conditions: parameters of the query by name, after their percent-escapes." },
    { .name = "cookies",
      .type = CONF_MAP,
      .offset = offsetof(struct match_settings, cookies),
      .object = &condition_object,
      .help = "Conditions: cookies by name." },
    { .name = "addresses",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct match_settings, addresses),
      .help = "A condition: prefixes, any of which the client's address is in." },
    { .name = "after",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct match_settings, after),
      .help = "A condition: from this date on, as 2027-01-31 (UTC) or 2027-01-31T12:00:00Z." },
    { .name = "before",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct match_settings, before),
      .help = "A condition: until this date, which is not part of it." },
    { .name = "priority",
      .type = CONF_INTEGER,
      .offset = offsetof(struct match_settings, priority),
      .standard = "0",
      .minimum = -1000,
      .maximum = 1000,
      .help =
          "Among routes of the same host, path and method, which the conditions tell apart: the higher is "
          "asked first, then the one with more conditions." },
    { 0 },
};

const struct conf_object match_object = {
    .name = "match",
    .size = sizeof(struct match_settings),
    .fields = match_fields,
    .help = "Which requests a group or a route serves: by host, then path, then method, then conditions. A "
            "group's path is the prefix of its routes'.",
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
