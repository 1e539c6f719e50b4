/* What `authorizers` may hold. */
#include "external/settings.h"

#include "base/clock.h"

static const struct conf_choice contracts[] = {
    { "forward_auth", AUTHORIZER_FORWARD_AUTH,
      "GET of the URL, the request in X-Forwarded-* (Traefik's ForwardAuth, nginx's auth_request): 2xx lets "
      "it pass" },
    { "ext_authz", AUTHORIZER_EXT_AUTHZ,
      "the request's own method, host and path, behind the URL's path (Envoy's ext_authz over HTTP): 200 "
      "lets it pass" },
    { 0 },
};

static const struct conf_field cache_fields[] = {
    { .name = "for",
      .type = CONF_DURATION,
      .flags = CONF_REQUIRED | CONF_LOWER,
      .offset = offsetof(struct decision_cache_settings, duration),
      .minimum = NS_PER_MS,
      .maximum = 3600 * NS_PER_S,
      .help = "How long a yes is reused." },
    { .name = "by",
      .type = CONF_STRINGS,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct decision_cache_settings, by),
      .help =
          "What must be the same for it: credential (needed; Authorization and Cookie, where they are sent, "
          "and identity_headers), method, host, path, query, address, header:NAME." },
    { .name = "entries",
      .type = CONF_INTEGER,
      .offset = offsetof(struct decision_cache_settings, entries),
      .standard = "4096",
      .minimum = 16,
      .maximum = 1048576,
      .help = "Decisions that each worker remembers." },
    { 0 },
};

static const struct conf_object cache_object = {
    .name = "decision cache",
    .size = sizeof(struct decision_cache_settings),
    .fields = cache_fields,
    .help = "When an authorizer's yes is reused. A no never is, nor a yes that sets a cookie.",
};

static const struct conf_field authorizer_fields[] = {
    { .name = "contract",
      .type = CONF_ENUM,
      .flags = CONF_REQUIRED,
      .offset = offsetof(struct authorizer_settings, contract),
      .choices = contracts,
      .help = "How it is asked." },
    { .name = "url",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct authorizer_settings, url),
      .help =
          "Where: http or https, host, port and path. With ext_authz the path is what the request's own is "
          "put behind." },
    { .name = "tls",
      .type = CONF_OBJECT,
      .offset = offsetof(struct authorizer_settings, tls),
      .object = &tls_service_object,
      .help = "CA, name or SPIFFE ID, and own certificate for an https URL." },
    { .name = "timeout",
      .type = CONF_DURATION,
      .flags = CONF_LOWER,
      .offset = offsetof(struct authorizer_settings, timeout),
      .standard = "1s",
      .minimum = NS_PER_MS,
      .maximum = 60 * NS_PER_S,
      .help = "For one question, from the request to the whole answer, connecting and waiting included; then "
              "503." },
    { .name = "request_headers",
      .type = CONF_STRINGS,
      .flags = CONF_NAMES,
      .offset = offsetof(struct authorizer_settings, request_headers),
      .help = "Headers of the client that it is sent, such as Authorization and Cookie; no others are." },
    { .name = "identity_headers",
      .type = CONF_PAIRS,
      .offset = offsetof(struct authorizer_settings, identity_headers),
      .help = "Headers that tell it whom the gateway has proven, as in relay.headers: subject, claims.NAME "
              "and so "
              "on." },
    { .name = "upstream_headers",
      .type = CONF_STRINGS,
      .flags = CONF_NAMES,
      .offset = offsetof(struct authorizer_settings, upstream_headers),
      .help =
          "Headers of its yes that go on to the upstream. The client's own of these names are stripped on "
          "every route." },
    { .name = "client_headers",
      .type = CONF_STRINGS,
      .flags = CONF_NAMES,
      .offset = offsetof(struct authorizer_settings, client_headers),
      .help =
          "Headers of its answers that go to the client, such as Location, Set-Cookie and WWW-Authenticate. "
          "Location is what lets a redirect through; it and WWW-Authenticate go with a no only." },
    { .name = "subject_header",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY | CONF_NAMES,
      .offset = offsetof(struct authorizer_settings, subject_header),
      .help = "The header of its yes that names the caller: for routes whose auth names it." },
    { .name = "roles_header",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY | CONF_NAMES,
      .offset = offsetof(struct authorizer_settings, roles_header),
      .help = "The header of its yes that lists the caller's roles, separated by commas." },
    { .name = "cache",
      .type = CONF_OBJECT,
      .offset = offsetof(struct authorizer_settings, cache),
      .object = &cache_object,
      .help = "When a yes is reused. Default: it is asked about each request." },
    { .name = "max_connections",
      .type = CONF_INTEGER,
      .offset = offsetof(struct authorizer_settings, max_connections),
      .standard = "64",
      .minimum = 1,
      .maximum = 100000,
      .help = "Questions at once, per worker, each on a connection of its own." },
    { .name = "max_pending",
      .type = CONF_INTEGER,
      .offset = offsetof(struct authorizer_settings, max_pending),
      .standard = "256",
      .minimum = 0,
      .maximum = 1000000,
      .help = "Questions per worker that wait beyond those; what comes on top is denied by 503." },
    { 0 },
};

const struct conf_object authorizer_object = {
    .name = "authorizer",
    .size = sizeof(struct authorizer_settings),
    .fields = authorizer_fields,
    .help = "A service that is asked whether a request may pass, for routes that name it in `auth` (it says "
            "who is "
            "calling) or in `authorize` (it says whether they may).",
};

const struct slice decision_part_names[DECISION_PARTS] = {
    [DECISION_CREDENTIAL] = SLICE_INIT("credential"),
    [DECISION_METHOD] = SLICE_INIT("method"),
    [DECISION_HOST] = SLICE_INIT("host"),
    [DECISION_PATH] = SLICE_INIT("path"),
    [DECISION_QUERY] = SLICE_INIT("query"),
    [DECISION_ADDRESS] = SLICE_INIT("address"),
};
