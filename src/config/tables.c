#include "config/tables.h"

#include "base/clock.h"
#include "base/limits.h"

#define SECONDS(n) ((n)*NS_PER_S)
#define HOURS(n)   ((n)*3600 * NS_PER_S)
#define KIB(n)     ((n)*INT64_C(1024))

#define OF(type, member) .offset = offsetof(struct type, member)

static const struct conf_choice exposure_choices[] = {
    { "external", EXPOSURE_EXTERNAL, "reachable from outside" },
    { "internal", EXPOSURE_INTERNAL, "reachable from inside only" },
    { 0 },
};

static const struct conf_choice plaintext_choices[] = {
    { "deny", PLAINTEXT_DENY, "without TLS it only redirects" },
    { "allow", PLAINTEXT_ALLOW, "serves requests, and takes credentials, without TLS" },
    { 0 },
};

static const struct conf_choice forwarded_choices[] = {
    { "none", FORWARDED_NONE, "the peer is the client" },
    { "x_forwarded", FORWARDED_X_FORWARDED, "X-Forwarded-For from trusted proxies" },
    { "forwarded", FORWARDED_RFC7239, "Forwarded (RFC 7239) from trusted proxies" },
    { 0 },
};

static const struct conf_choice proxy_protocol_choices[] = {
    { "none", PROXY_PROTOCOL_NONE, "connections begin with TLS or HTTP" },
    { "required", PROXY_PROTOCOL_REQUIRED,
      "trusted proxies only, and each connection begins with the header" },
    { 0 },
};

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

/* Values are the bit numbers of enum http_protocols. */
static const struct conf_choice protocol_choices[] = {
    { "http/1.1", 0, "HTTP/1.1, and HTTP/1.0" },
    { "h2", 1, "HTTP/2" },
    { 0 },
};

static const struct conf_field timeouts_fields[] = {
    { "proxy_header", CONF_DURATION, OF(timeout_settings, proxy_header), .standard = "5s",
      .minimum = NS_PER_MS, .maximum = SECONDS(60),
      .help = "From the connection's start to the end of its PROXY protocol header." },
    { "handshake", CONF_DURATION, OF(timeout_settings, handshake), .standard = "10s", .minimum = NS_PER_MS,
      .maximum = HOURS(1),
      .help = "From the connection's start, or its PROXY protocol header, to the end of the TLS handshake." },
    { "head", CONF_DURATION, OF(timeout_settings, head), .standard = "10s", .minimum = NS_PER_MS,
      .maximum = HOURS(1), .help = "For a request's head, from its first byte." },
    { "body", CONF_DURATION, OF(timeout_settings, body), .standard = "30s", .minimum = NS_PER_MS,
      .maximum = HOURS(1), .help = "Between two pieces of a request's body." },
    { "idle", CONF_DURATION, OF(timeout_settings, idle), .standard = "60s", .minimum = NS_PER_MS,
      .maximum = HOURS(24), .help = "Between two requests of a kept connection." },
    { "write", CONF_DURATION, OF(timeout_settings, write), .standard = "30s", .minimum = NS_PER_MS,
      .maximum = HOURS(1), .help = "For the client to take any byte of a response that waits." },
    { "drain", CONF_DURATION, OF(timeout_settings, drain), .standard = "2s", .minimum = NS_PER_MS,
      .maximum = SECONDS(60), .help = "For the rest of a body that is not read, after an early answer." },
    { "min_rate", CONF_SIZE, OF(timeout_settings, min_rate), .standard = "500B", .minimum = 0,
      .maximum = KIB(1024), .help = "Bytes a second that bodies must flow with on average; 0: any." },
    { 0 },
};

const struct conf_object timeouts_object = {
    .name = "timeouts",
    .size = sizeof(struct timeout_settings),
    .fields = timeouts_fields,
    .help = "How long a listener waits for its clients.",
};

static const struct conf_field listener_fields[] = {
    { "address", CONF_STRING, CONF_NON_EMPTY, OF(listener_settings, address), .standard = "0.0.0.0",
      .help = "The IP address to listen on; \"::\" is every address." },
    { "port", CONF_INTEGER, OF(listener_settings, port), .minimum = 0, .maximum = 65535,
      .help = "The port; 0 is any free one, shown in the log. Required, unless there is a path." },
    { "path", CONF_STRING, CONF_NON_EMPTY, OF(listener_settings, path),
      .help = "The absolute path of a Unix socket to listen on, instead of address and port." },
    { "mode", CONF_STRING, CONF_NON_EMPTY, OF(listener_settings, mode), .standard = "0660",
      .help = "The mode of the socket's file, octal: who may write to it may connect." },
    { "owner", CONF_STRING, CONF_NON_EMPTY, OF(listener_settings, owner),
      .help = "The user that the socket's file belongs to; default: the one that the supervisor runs as." },
    { "group", CONF_STRING, CONF_NON_EMPTY, OF(listener_settings, group),
      .help = "The group that the socket's file belongs to; default: the supervisor's." },
    { "exposure", CONF_ENUM, OF(listener_settings, exposure), .standard = "external",
      .choices = exposure_choices,
      .help = "Who can reach it. Routes with `exposure: internal` never stand on an external listener." },
    { "tls", CONF_OBJECT, OF(listener_settings, tls), .object = &tls_server_object,
      .help = "Certificates and client policies." },
    { "plaintext", CONF_ENUM, OF(listener_settings, plaintext), .standard = "deny",
      .choices = plaintext_choices, .help = "Whether requests are served without TLS." },
    { "redirect_to_https", CONF_BOOL, OF(listener_settings, redirect_to_https), .standard = "false",
      .help = "Answers GET and HEAD without credentials by 308 to https, everything else by 403." },
    { "https_port", CONF_INTEGER, OF(listener_settings, https_port), .standard = "443", .minimum = 1,
      .maximum = 65535, .help = "The port that redirects name." },
    { "status", CONF_BOOL, OF(listener_settings, status), .standard = "false",
      .help = "Serves /metrics, /healthz and /readyz and nothing else; internal listeners only." },
    { "protocols", CONF_FLAGS, CONF_NON_EMPTY, OF(listener_settings, protocols), .standard = "[h2, http/1.1]",
      .choices = protocol_choices,
      .help = "What clients may choose by ALPN where there is TLS; HTTP/2 goes first." },
    { "h2c", CONF_BOOL, OF(listener_settings, h2c), .standard = "false",
      .help = "Takes HTTP/2 without TLS too, from clients that begin with it (prior knowledge); internal "
              "listeners with `plaintext: allow` only." },
    { "trusted_proxies", CONF_STRINGS, OF(listener_settings, trusted_proxies),
      .help = "Addresses and prefixes of proxies that are believed about their clients' addresses; `unix`: "
              "who connects "
              "by the listener's path." },
    { "forwarded", CONF_ENUM, OF(listener_settings, forwarded), .standard = "none",
      .choices = forwarded_choices, .help = "Where the client's address is learned; needs trusted_proxies." },
    { "proxy_protocol", CONF_ENUM, OF(listener_settings, proxy_protocol), .standard = "none",
      .choices = proxy_protocol_choices,
      .help = "The PROXY protocol (version 1 or 2) before TLS and HTTP; needs trusted_proxies, and has no "
              "`forwarded` beside it." },
    { "limits", CONF_LIST, OF(listener_settings, limits), .object = &limit_object,
      .help = "For every request of the listener, before routing; by address or route." },
    { "timeouts", CONF_OBJECT, OF(listener_settings, timeouts), .standard = "{}", .object = &timeouts_object,
      .help = "How long it waits for clients." },
    { "max_head", CONF_SIZE, OF(listener_settings, max_head), .standard = "16KiB", .minimum = KIB(1),
      .maximum = HTTP_HEAD_MAX, .help = "The largest head of a request, start line included." },
    { "max_connection_requests", CONF_INTEGER, OF(listener_settings, max_connection_requests),
      .standard = "0", .minimum = 0, .maximum = 1000000000,
      .help = "Requests on one connection before its client is asked to make another; 0: any number." },
    { "max_connection_age", CONF_DURATION, OF(listener_settings, max_connection_age), .standard = "0s",
      .minimum = 0, .maximum = HOURS(24 * 365),
      .help = "How old a connection may be when a request comes before its client is asked to make another; "
              "0: any age." },
    { "max_connections", CONF_INTEGER, OF(listener_settings, max_connections), .standard = "10000",
      .minimum = 1, .maximum = 1000000, .help = "Open connections, per worker." },
    { "max_connections_per_address", CONF_INTEGER, OF(listener_settings, max_connections_per_address),
      .standard = "10000", .minimum = 0, .maximum = 1000000,
      .help =
          "Open connections of one client address (IPv6: /64), over all workers; trusted_proxies may have "
          "any number. 0: any." },
    { "handshakes", CONF_RATE, OF(listener_settings, handshakes), .standard = "500/1s", .minimum = 1,
      .maximum = 1000000,
      .help = "TLS handshakes that each worker begins; further connections wait to be accepted." },
    { "handshakes_per_address", CONF_RATE, OF(listener_settings, handshakes_per_address),
      .standard = "250/1s", .minimum = 1, .maximum = 1000000,
      .help = "TLS handshakes of one client address (IPv6: /64), over all workers; further connections are "
              "closed at once. Not counted for trusted_proxies." },
    { 0 },
};

const struct conf_object listener_object = {
    .name = "listener",
    .size = sizeof(struct listener_settings),
    .fields = listener_fields,
    .help = "An address and port, or a path, that clients connect to. Without `tls` it must redirect, serve "
            "the status "
            "pages, or "
            "say `plaintext: allow`.",
};

static const struct conf_field shutdown_fields[] = {
    { "drain_delay", CONF_DURATION, OF(shutdown_settings, drain_delay), .standard = "0s", .minimum = 0,
      .maximum = HOURS(1),
      .help = "Between failing readiness and the end of accepting, for balancers to notice." },
    { "deadline", CONF_DURATION, OF(shutdown_settings, deadline), .standard = "30s", .minimum = 0,
      .maximum = HOURS(24), .help = "For requests under way; then they are cut." },
    { 0 },
};

const struct conf_object shutdown_object = {
    .name = "shutdown",
    .size = sizeof(struct shutdown_settings),
    .fields = shutdown_fields,
    .help = "How the gateway ends.",
};

static const struct conf_choice confinement_choices[] = {
    { "enforce", CONFINEMENT_ENFORCE,
      "a forbidden call ends the process; where the kernel lacks it, a warning" },
    { "report", CONFINEMENT_REPORT,
      "the kernel's log tells of forbidden calls, which are made; files are free" },
    { "off", CONFINEMENT_OFF, "none" },
    { 0 },
};

static const struct conf_field confinement_fields[] = {
    { "mode", CONF_ENUM, OF(confinement_settings, mode), .standard = "enforce",
      .choices = confinement_choices, .help = "What becomes of a system call that the gateway never needs." },
    { "connect_ports", CONF_STRINGS, OF(confinement_settings, connect_ports),
      .help = "Ports and ranges that TCP connections may go to, as in [443, 8000-8999]; none: any. "
              "Those of all endpoints and key sets must be among them." },
    { 0 },
};

const struct conf_object confinement_object = {
    .name = "confinement",
    .size = sizeof(struct confinement_settings),
    .fields = confinement_fields,
    .scalar = "mode",
    .help = "What the gateway process may ask of the kernel (seccomp and Landlock).",
};

static const struct conf_field overload_fields[] = {
    { "queue_deadline", CONF_DURATION, OF(overload_settings, queue_deadline), .standard = "250ms",
      .minimum = 0, .maximum = SECONDS(60),
      .help = "How long a request may wait for a worker, its answer's wait included; what waits longer while "
              "there is too much to do is denied by 503. 0: any time." },
    { "retry_after", CONF_DURATION, OF(overload_settings, retry_after), .standard = "1s",
      .minimum = 100 * NS_PER_MS, .maximum = SECONDS(60),
      .help = "What Retry-After says then, at least; a client that comes earlier is not listened to." },
    { 0 },
};

const struct conf_object overload_object = {
    .name = "overload",
    .size = sizeof(struct overload_settings),
    .fields = overload_fields,
    .help = "What the gateway does when there is more to do than it can.",
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
    { "hosts", CONF_STRINGS, CONF_REQUIRED | CONF_NON_EMPTY, OF(team_settings, hosts),
      .help = "Hosts that its routes may serve; \"*.example.com\" allows every name below." },
    { "paths", CONF_STRINGS, CONF_NON_EMPTY, OF(team_settings, paths), .standard = "[/**]",
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

static const struct conf_field config_fields[] = {
    { "instance", CONF_STRING, CONF_FIXED | CONF_NON_EMPTY, OF(input_settings, settings.instance),
      .help = "Name of this gateway in logs; default: the host's name." },
    { "zone", CONF_STRING, CONF_NON_EMPTY, OF(input_settings, settings.zone),
      .help = "Where this gateway stands: requests stay in it where endpoints have zones, too." },
    { "include", CONF_STRINGS, OF(input_settings, include),
      .help =
          "Patterns of further files, relative to this one. What is a map by name may be split over files." },
    { "team", CONF_STRING, CONF_NON_EMPTY, OF(input_settings, team),
      .help = "Of an included file: the team that its groups and routes belong to." },
    { "workers", CONF_INTEGER, CONF_FIXED, OF(input_settings, settings.workers), .standard = "0",
      .minimum = 0, .maximum = 256, .help = "Worker threads; 0 is one per CPU." },
    { "user", CONF_STRING, CONF_FIXED | CONF_NON_EMPTY, OF(input_settings, settings.user),
      .standard = "nobody", .help = "Whom the gateway process runs as, where started as root." },
    { "group", CONF_STRING, CONF_FIXED | CONF_NON_EMPTY, OF(input_settings, settings.group),
      .help = "Its group; default: the user's." },
    { "limit_keys", CONF_INTEGER, CONF_FIXED, OF(input_settings, settings.limit_keys), .standard = "65536",
      .minimum = 1024, .maximum = 16777216, .help = "Entries of the table that request limits count in." },
    { "dpop_proofs", CONF_INTEGER, CONF_FIXED, OF(input_settings, settings.dpop_proofs),
      .standard = "1048576", .minimum = 1024, .maximum = 67108864,
      .help = "Used proofs of DPoP that are remembered at a time, eight bytes each: see docs/dpop.md." },
    { "token_cache", CONF_INTEGER, CONF_FIXED, OF(input_settings, settings.token_cache), .standard = "4096",
      .minimum = 16, .maximum = 1048576, .help = "Verified tokens that each worker remembers." },
    { "api_key_cache", CONF_INTEGER, CONF_FIXED, OF(input_settings, settings.api_key_cache),
      .standard = "4096", .minimum = 16, .maximum = 1048576,
      .help = "Checked API keys that each worker remembers." },
    { "basic_cache", CONF_INTEGER, CONF_FIXED, OF(input_settings, settings.basic_cache), .standard = "1024",
      .minimum = 16, .maximum = 1048576,
      .help = "Passwords that were right that each worker remembers, by digests." },
    { "buffer_memory", CONF_SIZE, OF(input_settings, settings.buffer_memory), .standard = "256MiB",
      .minimum = 1048576, .maximum = INT64_C(1099511627776),
      .help =
          "What the buffers of each worker, and its encoders that compress, are to take at the most. From "
          "half of it on, a body waits at its source as soon as its reader is slow, and no further response "
          "is compressed." },
    { "logs", CONF_OBJECT, OF(input_settings, settings.logs), .standard = "{}", .object = &logs_object,
      .help = "Where the access log and the audit log go." },
    { "shutdown", CONF_OBJECT, OF(input_settings, settings.shutdown), .standard = "{}",
      .object = &shutdown_object, .help = "How the gateway ends." },
    { "confinement", CONF_OBJECT, OF(input_settings, settings.confinement), .standard = "{}",
      .object = &confinement_object, .help = "What the gateway process may ask of the kernel." },
    { "overload", CONF_OBJECT, OF(input_settings, settings.overload), .standard = "{}",
      .object = &overload_object, .help = "What it does when there is too much to do." },
    { "blocks", CONF_OBJECT, OF(input_settings, settings.blocks), .object = &blocks_object,
      .help = "Who and what is refused at once: see docs/blocks.md." },
    { "admin", CONF_OBJECT, OF(input_settings, settings.admin), .object = &admin_object,
      .help = "The admin API; without it there is none." },
    { "error_pages", CONF_LIST, OF(input_settings, settings.error_pages), .object = &error_page_object,
      .help = "What clients that ask for another type than problem+json get as a denial's body." },
    { "failure_budget", CONF_OBJECT, OF(input_settings, settings.failure_budget), .standard = "{}",
      .object = &failure_budget_object,
      .help = "What becomes of clients that fail to authenticate again and again." },
    { "listeners", CONF_MAP, CONF_REQUIRED | CONF_NON_EMPTY, OF(input_settings, listeners),
      .object = &listener_object, .help = "Where clients connect to; at most 64." },
    { "dpop", CONF_OBJECT, OF(input_settings, settings.dpop), .object = &dpop_object,
      .help = "What proofs of DPoP are judged by: see docs/dpop.md." },
    { "issuers", CONF_MAP, OF(input_settings, issuers), .object = &issuer_object,
      .help = "Whose tokens are accepted." },
    { "jwks_cache", CONF_FILE, CONF_NON_EMPTY, OF(input_settings, settings.jwks_cache),
      .help =
          "Directory, of the gateway's user alone, in which the last key set of each issuer is kept, so that "
          "a start "
          "while it cannot be fetched has one; default: none is. Whoever can write there makes tokens: see "
          "docs/authentication.md." },
    { "introspection", CONF_MAP, OF(input_settings, introspection), .object = &introspection_object,
      .help = "Endpoints that are asked about tokens: see docs/introspection.md." },
    { "api_keys", CONF_MAP, OF(input_settings, api_keys), .object = &api_keys_object,
      .help = "Sets of API keys: see docs/api-keys.md." },
    { "basic", CONF_MAP, OF(input_settings, basic), .object = &basic_object,
      .help = "Users with passwords: see docs/basic.md." },
    { "client_certificates", CONF_MAP, OF(input_settings, client_certificates),
      .object = &client_certificate_object, .help = "Whose client certificates are accepted." },
    { "authorizers", CONF_MAP, OF(input_settings, authorizers), .object = &authorizer_object,
      .help = "Services that are asked whether a request may pass: see docs/external-authorizer.md." },
    { "resources", CONF_MAP, OF(input_settings, resources), .object = &resource_object,
      .help = "Protected resources, for clients that are to find out who issues tokens (RFC 9728)." },
    { "upstreams", CONF_MAP, OF(input_settings, upstreams), .object = &upstream_object,
      .help = "The services behind." },
    { "defaults", CONF_OBJECT, OF(input_settings, defaults), .object = &defaults_object,
      .help = "What holds for every route." },
    { "policies", CONF_MAP, OF(input_settings, policies), .object = &policy_object,
      .help = "Settings with a name, for `use`." },
    { "teams", CONF_MAP, OF(input_settings, teams), .object = &team_object,
      .help = "What the routes of teams may do." },
    { "groups", CONF_MAP, OF(input_settings, groups), .object = &group_object,
      .help = "Routes that share hosts, a path prefix and a policy." },
    { "routes", CONF_MAP, OF(input_settings, routes), .object = &route_object,
      .help = "Routes of their own." },
    { 0 },
};

const struct conf_object config_object = {
    .name = "configuration",
    .size = sizeof(struct input_settings),
    .fields = config_fields,
    .help = "A configuration file.",
};
