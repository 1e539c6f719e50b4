/* What the layers of a route may say, policies, groups and the route itself; and what teams may. */
#include "config/tables.h"

#include "base/clock.h"

#define SECONDS(n) ((n)*NS_PER_S)
#define HOURS(n)   ((n)*3600 * NS_PER_S)
#define KIB(n)     ((n)*INT64_C(1024))

#define OF(type, member) .offset = offsetof(struct type, member)

static const struct conf_choice audit_choices[] = {
    { "denials", AUDIT_DENIALS, "every denied request" },
    { "all", AUDIT_ALL, "every request" },
    { 0 },
};

/* Values are the bit numbers of enum uri_allow. */
static const struct conf_choice path_choices[] = {
    { "encoded_slash", 0, "%2F in a segment; it stays encoded everywhere" },
    { "parameters", 1, "\";\" in a segment" },
    { 0 },
};

#define IN_LAYER(member)  offsetof(struct layer_settings, policy.member)
#define IN_POLICY(member) offsetof(struct route_policy, member)

/* What every layer may say. */
#define POLICY_FIELDS(BASE)                                                                                 \
    { .name = "listeners",                                                                                  \
      .type = CONF_STRINGS,                                                                                 \
      .flags = CONF_NON_EMPTY | CONF_SUBSET,                                                                \
      .offset = BASE(listeners),                                                                            \
      .help = "Names of the listeners that serve it; default: the only ordinary one." },                    \
        { .name = "exposure",                                                                               \
          .type = CONF_ENUM,                                                                                \
          .flags = CONF_HIGHER,                                                                             \
          .offset = BASE(exposure),                                                                         \
          .standard = "external",                                                                           \
          .choices = exposure_choices,                                                                      \
          .help =                                                                                           \
              "`internal` forbids every external listener, and that another route leads there from one." }, \
        { .name = "exposes",                                                                                \
          .type = CONF_STRINGS,                                                                             \
          .flags = CONF_NON_EMPTY | CONF_SUBSET,                                                            \
          .offset = BASE(exposes),                                                                          \
          .help =                                                                                           \
              "Names of routes with `exposure: internal` whose place this one may reach from outside." },   \
        { .name = "upstream",                                                                               \
          .type = CONF_STRING,                                                                              \
          .flags = CONF_NON_EMPTY,                                                                          \
          .offset = BASE(upstream),                                                                         \
          .help = "Name of the upstream." },                                                                \
        { .name = "auth",                                                                                   \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(auth),                                                                             \
          .object = &auth_object,                                                                           \
          .help = "How callers prove who they are; `none` makes a public route." },                         \
        { .name = "authorize",                                                                              \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(authorize),                                                                        \
          .object = &authorize_object,                                                                      \
          .help = "What proven callers must have; `any_caller` lets each of them in." },                    \
        { .name = "limits",                                                                                 \
          .type = CONF_LIST,                                                                                \
          .flags = CONF_ADDS,                                                                               \
          .offset = BASE(limits),                                                                           \
          .object = &limit_object,                                                                          \
          .help = "Request limits; those of all layers count." },                                           \
        { .name = "cors",                                                                                   \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(cors),                                                                             \
          .object = &cors_object,                                                                           \
          .help = "What browsers may do." },                                                                \
        { .name = "websocket",                                                                              \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(websocket),                                                                        \
          .object = &websocket_object,                                                                      \
          .help = "Makes WebSocket connections; `{}` for pages of the same origin only." },                 \
        { .name = "relay",                                                                                  \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(relay),                                                                            \
          .object = &relay_object,                                                                          \
          .help = "What the upstream learns about the caller." },                                           \
        { .name = "filters",                                                                                \
          .type = CONF_LIST,                                                                                \
          .flags = CONF_ADDS,                                                                               \
          .offset = BASE(filters),                                                                          \
          .object = &filter_object,                                                                         \
          .help = "What is made of the request for the upstream, and of the answer, in order." },           \
        { .name = "hide_upstream",                                                                          \
          .type = CONF_BOOL,                                                                                \
          .flags = CONF_HIGHER,                                                                             \
          .offset = BASE(hide_upstream),                                                                    \
          .standard = "true",                                                                               \
          .help = "Takes Server, X-Powered-By and their like out of answers, and internal "                 \
                  "addresses of the upstream out of Location." },                                           \
        { .name = "secure_headers",                                                                         \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(secure_headers),                                                                   \
          .object = &secure_headers_object,                                                                 \
          .help = "Tells browsers what a page may not do; `true` for all of them." },                       \
        { .name = "compress",                                                                               \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(compress),                                                                         \
          .object = &compress_object,                                                                       \
          .help = "Compresses responses; `true` for what is usual. See docs/compression.md." },             \
        { .name = "split",                                                                                  \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(split),                                                                            \
          .object = &split_object,                                                                          \
          .help = "Several upstreams by weight, in place of `upstream`." },                                 \
        { .name = "fallback",                                                                               \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(fallback),                                                                         \
          .object = &fallback_object,                                                                       \
          .help = "Who answers, or what, where the upstream does not." },                                   \
        { .name = "mirror",                                                                                 \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(mirror),                                                                           \
          .object = &mirror_object,                                                                         \
          .help = "Another upstream that gets copies of the requests." },                                   \
        { .name = "fault",                                                                                  \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(fault),                                                                            \
          .object = &fault_object,                                                                          \
          .help = "Faults made on purpose, for tests: only in a program that is built with them." },        \
        { .name = "retry",                                                                                  \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(retry),                                                                            \
          .object = &retry_object,                                                                          \
          .help = "When a request is sent again." },                                                        \
        { .name = "hedge",                                                                                  \
          .type = CONF_OBJECT,                                                                              \
          .offset = BASE(hedge),                                                                            \
          .object = &hedge_object,                                                                          \
          .help = "When a second server is asked, too, since the first is slow." },                         \
        { .name = "timeout",                                                                                \
          .type = CONF_DURATION,                                                                            \
          .flags = CONF_LOWER,                                                                              \
          .offset = BASE(timeout),                                                                          \
          .standard = "15s",                                                                                \
          .minimum = NS_PER_MS,                                                                             \
          .maximum = HOURS(1),                                                                              \
          .help = "From the request's end to the response's head; with `retry` or `hedge`, from the first " \
                  "try to the last." },                                                                     \
        { .name = "idle_timeout",                                                                           \
          .type = CONF_DURATION,                                                                            \
          .flags = CONF_LOWER,                                                                              \
          .offset = BASE(idle_timeout),                                                                     \
          .standard = "60s",                                                                                \
          .minimum = NS_PER_MS,                                                                             \
          .maximum = HOURS(24),                                                                             \
          .help = "Between two pieces of a response's body." },                                             \
        { .name = "max_stream_age",                                                                         \
          .type = CONF_DURATION,                                                                            \
          .flags = CONF_LOWER,                                                                              \
          .offset = BASE(max_stream_age),                                                                   \
          .standard = "24h",                                                                                \
          .minimum = SECONDS(1),                                                                            \
          .maximum = HOURS(720),                                                                            \
          .help = "How long a WebSocket or an event stream may live; up to a tenth less, so that "          \
                  "those that began together do not end together." },                                       \
        { .name = "outlive_token",                                                                          \
          .type = CONF_BOOL,                                                                                \
          .flags = CONF_LOWER,                                                                              \
          .offset = BASE(outlive_token),                                                                    \
          .standard = "false",                                                                              \
          .help = "Whether those go on when the token, or the client certificate, that they were "          \
                  "opened with has expired." },                                                             \
        { .name = "body",                                                                                   \
          .type = CONF_SIZE,                                                                                \
          .flags = CONF_LOWER,                                                                              \
          .offset = BASE(body),                                                                             \
          .standard = "1MiB",                                                                               \
          .minimum = 0,                                                                                     \
          .maximum = KIB(1) << 30,                                                                          \
          .help = "The largest request body." },                                                            \
        { .name = "max_grpc_message",                                                                       \
          .type = CONF_SIZE,                                                                                \
          .flags = CONF_LOWER,                                                                              \
          .offset = BASE(max_grpc_message),                                                                 \
          .standard = "4MiB",                                                                               \
          .minimum = 1,                                                                                     \
          .maximum = KIB(4) << 20,                                                                          \
          .help = "The largest message that a gRPC call may send, as it is sent (compressed where "         \
                  "it is), without its prefix; `body` bounds all of them together." },                      \
        { .name = "audit",                                                                                  \
          .type = CONF_ENUM,                                                                                \
          .flags = CONF_HIGHER,                                                                             \
          .offset = BASE(audit),                                                                            \
          .standard = "denials",                                                                            \
          .choices = audit_choices,                                                                         \
          .help = "What the audit log records." },                                                          \
    {                                                                                                       \
        .name = "path_allows", .type = CONF_FLAGS, .flags = CONF_SUBSET, .offset = BASE(path_allows),       \
        .choices = path_choices, .help = "What is refused in a path by default and allowed here."           \
    }

#define USE_FIELD                                                                            \
    {                                                                                        \
        .name = "use", .type = CONF_STRINGS, .offset = offsetof(struct layer_settings, use), \
        .help = "Names of policies, the last one strongest; own keys stand above them."      \
    }
#define MATCH_FIELD(text)                                                                       \
    {                                                                                           \
        .name = "match", .type = CONF_OBJECT, .offset = offsetof(struct layer_settings, match), \
        .object = &match_object, .help = (text)                                                 \
    }
static const struct conf_field effective_fields[] = { POLICY_FIELDS(IN_POLICY), { 0 } };

const struct conf_object effective_object = {
    .name = "route",
    .size = sizeof(struct route_policy),
    .fields = effective_fields,
    .help = "A route's policy after merging.",
};

static const struct conf_field defaults_fields[] = { USE_FIELD, POLICY_FIELDS(IN_LAYER), { 0 } };

const struct conf_object defaults_object = {
    .name = "defaults",
    .size = sizeof(struct layer_settings),
    .fields = defaults_fields,
    .help = "What holds for every route unless something above says otherwise: policies, groups, routes.",
};

static const struct conf_field policy_fields[] = {
    { "locked", CONF_BOOL, .offset = offsetof(struct layer_settings, locked), .standard = "false",
      .help = "Whoever uses it may only tighten what it says." },
    POLICY_FIELDS(IN_LAYER),
    { 0 },
};

const struct conf_object policy_object = {
    .name = "policy",
    .size = sizeof(struct layer_settings),
    .fields = policy_fields,
    .help = "Settings with a name, for `use`. A limit of a policy is one count for all routes that use it.",
};

static const struct conf_field route_fields[] = {
    MATCH_FIELD("Which requests it serves; joined with its group's."),
    USE_FIELD,
    POLICY_FIELDS(IN_LAYER),
    { 0 },
};

const struct conf_object route_object = {
    .name = "route",
    .size = sizeof(struct layer_settings),
    .fields = route_fields,
    .help = "Requests that go to one upstream under one policy. It must end up with listeners, upstream, "
            "auth and, "
            "unless it is public, authorize: by itself, its group, a policy or the defaults.",
};

static const struct conf_field group_fields[] = {
    { "team", CONF_STRING, CONF_NON_EMPTY, .offset = offsetof(struct layer_settings, team),
      .help = "Name of the team whose rules hold for its routes." },
    MATCH_FIELD("Hosts and methods for routes that name none, and the prefix of their paths."),
    USE_FIELD,
    POLICY_FIELDS(IN_LAYER),
    { "routes", CONF_MAP, CONF_NON_EMPTY, .offset = offsetof(struct layer_settings, routes),
      .object = &route_object, .help = "Its routes; \"group.route\" in logs." },
    { 0 },
};

const struct conf_object group_object = {
    .name = "group",
    .size = sizeof(struct layer_settings),
    .fields = group_fields,
    .help = "Routes that share hosts, a path prefix and a policy.",
};

static const struct conf_field team_fields[] = {
    { "hosts", CONF_STRINGS, CONF_REQUIRED | CONF_NON_EMPTY | CONF_NAMES, OF(team_settings, hosts),
      .help = "Hosts that its routes may serve; \"*.example.com\" allows every name below." },
    { "paths", CONF_STRINGS, CONF_NON_EMPTY | CONF_NAMES, OF(team_settings, paths), .standard = "[/**]",
      .help = "Patterns that its routes' paths must lie in." },
    { "policies", CONF_STRINGS, OF(team_settings, policies), .help = "Policies that it may `use`." },
    { "public_routes", CONF_BOOL, OF(team_settings, public_routes), .standard = "false",
      .help = "Whether it may have routes with `auth: none`." },
    { 0 },
};

const struct conf_object team_object = {
    .name = "team",
    .size = sizeof(struct team_settings),
    .fields = team_fields,
    .help = "What the routes of a team may do, wherever they are written.",
};
