/* The root, and what the gateway as a whole may say. */
#include "config/tables.h"

#include "base/clock.h"

#define SECONDS(n) ((n)*NS_PER_S)
#define HOURS(n)   ((n)*3600 * NS_PER_S)

#define OF(type, member) .offset = offsetof(struct type, member)

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
