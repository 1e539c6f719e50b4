#include "upstream/discovery/settings.h"

#include "base/arena.h"
#include "base/clock.h"
#include "net/authority.h"
#include "net/name.h"

#include <string.h>

#define NAME_SERVER_PORT 53

static const struct conf_choice schemes[] = {
    { "https", DISCOVERY_HTTPS, "TLS" },
    { "http", DISCOVERY_HTTP, "HTTP/1.1 without TLS" },
    { "h2c", DISCOVERY_H2C, "HTTP/2 without TLS" },
    { 0 },
};

static const struct conf_field discovery_fields[] = {
    { .name = "from",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct discovery_settings, from),
      .example = "dns://orders.internal:9001",
      .help =
          "file:///path: a JSON list of endpoints, as `endpoints` has them; dns://name:port: each address "
          "of the name; dns+srv://_service._tcp.name: each SRV record of it; "
          "consul+https://host:port/service: "
          "its passing instances; k8s://namespace/service:port: its EndpointSlices" },
    { .name = "scheme",
      .type = CONF_ENUM,
      .offset = offsetof(struct discovery_settings, scheme),
      .standard = "https",
      .choices = schemes,
      .help = "of endpoints that DNS, Consul or Kubernetes tells" },
    { .name = "interval",
      .type = CONF_DURATION,
      .offset = offsetof(struct discovery_settings, interval),
      .standard = "30s",
      .minimum = 100 * NS_PER_MS,
      .maximum = 3600 * NS_PER_S,
      .help = "name servers are asked again when the smallest TTL of their answer is over, and after this at "
              "the latest" },
    { .name = "resolvers",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct discovery_settings, resolvers),
      .help = "name servers, as in 10.0.0.2 or 10.0.0.2:5353; at most 8. Default: the system's" },
    { .name = "wait",
      .type = CONF_DURATION,
      .offset = offsetof(struct discovery_settings, wait),
      .standard = "1m",
      .minimum = NS_PER_S,
      .maximum = 600 * NS_PER_S,
      .help = "how long one question to Consul or Kubernetes stays open: a server that hangs is noticed "
              "somewhat later" },
    { .name = "token_file",
      .type = CONF_FILE,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct discovery_settings, token_file),
      .help = "a token for Consul or Kubernetes, read by the gateway before each question; default: none for "
              "Consul, "
              "the pod's service account for Kubernetes" },
    { .name = "tls",
      .type = CONF_OBJECT,
      .offset = offsetof(struct discovery_settings, tls),
      .object = &tls_client_object,
      .help = "TLS to Consul or to the API server of Kubernetes; default: the system's CAs, in a pod the "
              "cluster's" },
    { .name = "api",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct discovery_settings, api),
      .help = "the API server of Kubernetes, as in https://10.0.0.1:6443; default, in a pod: the cluster's" },
    { .name = "datacenter",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct discovery_settings, datacenter),
      .help = "of Consul; default: that of the agent that is asked" },
    { .name = "tags",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct discovery_settings, tags),
      .help = "Consul's instances must have all of these; at most 8" },
    { .name = "stale",
      .type = CONF_BOOL,
      .offset = offsetof(struct discovery_settings, stale),
      .standard = "false",
      .help = "any server of Consul may answer, without its leader: cheaper, and maybe behind" },
    { 0 },
};

const struct conf_object discovery_object = {
    .name = "discover",
    .size = sizeof(struct discovery_settings),
    .fields = discovery_fields,
    .scalar = "from",
    .help = "Where the endpoints of an upstream are found: see docs/discovery.md.",
};

const char *discovery_scheme_name(int scheme)
{
    return schemes[scheme].name;
}

static const char *take_name(struct discovery_settings *settings, struct slice text, struct arena *arena)
{
    struct address address;
    if (address_parse(text, &address)) {
        return "an address needs no discovery: write it into `endpoints`";
    }
    if (!name_is_host(text)) {
        return "a DNS name is wanted here";
    }
    settings->name = arena_copy(arena, text);
    if (settings->name.ptr == NULL) {
        return "out of memory";
    }
    char *name = (char *)settings->name.ptr; /* our own copy */
    for (size_t i = 0; i < settings->name.len; i++) {
        name[i] = ascii_lower(name[i]);
    }
    settings->identity = settings->name;
    while (slice_starts_with(settings->identity, SLICE("_"))) {
        ssize_t dot = slice_find(settings->identity, '.');
        if (dot < 0) {
            return "there is no name behind the labels of service and protocol";
        }
        settings->identity = slice_from(settings->identity, (size_t)dot + 1);
    }
    return NULL;
}

static const char *parse_dns(struct discovery_settings *settings, struct slice rest, struct arena *arena)
{
    ssize_t colon = slice_find(rest, ':');
    if (colon < 0) {
        return "the port of the endpoints is missing";
    }
    const char *problem = authority_parse_port(slice_from(rest, (size_t)colon + 1), &settings->port);
    return problem != NULL ? problem : take_name(settings, slice_part(rest, 0, (size_t)colon), arena);
}

static const char *parse_file(struct discovery_settings *settings, struct slice rest)
{
    if (!slice_starts_with(rest, SLICE("/")) || slice_find(rest, '\0') >= 0 || rest.len > 4000) {
        return "the path of a file is absolute";
    }
    settings->path = rest;
    return NULL;
}

bool discovery_is_watched(const struct discovery_settings *settings)
{
    return settings->kind == DISCOVERY_CONSUL || settings->kind == DISCOVERY_KUBERNETES;
}

/* Of Kubernetes, each of whose names is one label. */
static bool is_label(struct slice text)
{
    return name_is_service(text) && slice_find(text, '.') < 0;
}

/* Who is asked about a service: host, host:port or [address]:port. */
struct registry {
    bool has_port;
    bool is_loopback;
};

/* False where there is no such server. */
static bool parse_registry(struct slice text, struct registry *ret_registry)
{
    struct address address;
    struct slice host;
    uint16_t port = 0;
    if (authority_split(text, &host, &port) != NULL) {
        return false;
    }
    bool is_address = address_parse(host, &address) && (host.ptr[0] == '[') == !address_is_v4(&address);
    *ret_registry = (struct registry){
        .has_port = port != 0,
        .is_loopback =
            is_address ? address_is_loopback(&address) : slice_equal_nocase(host, SLICE("localhost")),
    };
    return is_address || name_is_host(host);
}

static const char *parse_consul(struct discovery_settings *settings, struct slice rest, bool tls,
                                struct arena *arena)
{
    struct registry registry;
    ssize_t slash = slice_find(rest, '/');
    struct slice authority = slash < 0 ? rest : slice_part(rest, 0, (size_t)slash);
    settings->service = slash < 0 ? SLICE_NONE : slice_from(rest, (size_t)slash + 1);
    if (!parse_registry(authority, &registry)) {
        return "the host and port of Consul are wanted behind `://`";
    }
    if (!name_is_service(settings->service)) {
        return "the name of a service is wanted behind the host: letters, digits, \"-\", \"_\" and \".\"";
    }
    if (!tls && !registry.is_loopback) {
        return "without TLS, Consul is asked on loopback only";
    }
    settings->base = arena_printf(arena, "%s://%.*s%s", tls ? "https" : "http", SLICE_ARG(authority),
                                  registry.has_port ? "" : (tls ? ":8501" : ":8500"));
    settings->identity = arena_printf(arena, "%.*s.service.consul", SLICE_ARG(settings->service));
    return settings->base.ptr != NULL && settings->identity.ptr != NULL ? NULL : "out of memory";
}

static const char *parse_kubernetes(struct discovery_settings *settings, struct slice rest,
                                    struct arena *arena)
{
    uint64_t number;
    ssize_t slash = slice_find(rest, '/');
    ssize_t colon = slice_find(rest, ':');
    settings->space = slash < 0 ? SLICE_NONE : slice_part(rest, 0, (size_t)slash);
    settings->port_name = colon < 0 ? SLICE_NONE : slice_from(rest, (size_t)colon + 1);
    settings->service =
        slash < 0 ? SLICE_NONE
                  : slice_from(colon < 0 ? rest : slice_part(rest, 0, (size_t)colon), (size_t)slash + 1);
    if (!is_label(settings->space) || !is_label(settings->service)) {
        return "a namespace and a service are wanted";
    }
    if (slice_to_u64(settings->port_name, &number)) {
        return "ports are named here: EndpointSlices do not know the number of a Service's";
    }
    if (colon >= 0 && !is_label(settings->port_name)) {
        return "behind the service stands the name of its port";
    }
    settings->identity =
        arena_printf(arena, "%.*s.%.*s.svc", SLICE_ARG(settings->service), SLICE_ARG(settings->space));
    return settings->identity.ptr != NULL ? NULL : "out of memory";
}

const char *discovery_parse_api(const struct discovery_settings *settings)
{
    struct registry registry;
    bool tls = slice_starts_with(settings->api, SLICE("https://"));
    bool plain = slice_starts_with(settings->api, SLICE("http://"));
    struct slice authority = slice_from(settings->api, strlen(tls ? "https://" : "http://"));
    if ((!tls && !plain) || !parse_registry(authority, &registry)) {
        return "the API server is wanted here, without a path";
    }
    return plain && !registry.is_loopback ? "without TLS, the API server is asked on loopback only" : NULL;
}

const char *discovery_parse(struct discovery_settings *settings, struct arena *arena)
{
    struct slice from = settings->from;
    if (slice_starts_with(from, SLICE("file://"))) {
        settings->kind = DISCOVERY_FILE;
        return parse_file(settings, slice_from(from, strlen("file://")));
    }
    if (slice_starts_with(from, SLICE("dns://"))) {
        settings->kind = DISCOVERY_DNS;
        return parse_dns(settings, slice_from(from, strlen("dns://")), arena);
    }
    if (slice_starts_with(from, SLICE("dns+srv://"))) {
        settings->kind = DISCOVERY_SRV;
        return take_name(settings, slice_from(from, strlen("dns+srv://")), arena);
    }
    bool tls = slice_starts_with(from, SLICE("consul+https://"));
    if (tls || slice_starts_with(from, SLICE("consul+http://"))) {
        settings->kind = DISCOVERY_CONSUL;
        return parse_consul(settings, slice_from(from, strlen(tls ? "consul+https://" : "consul+http://")),
                            tls, arena);
    }
    if (slice_starts_with(from, SLICE("k8s://"))) {
        settings->kind = DISCOVERY_KUBERNETES;
        return parse_kubernetes(settings, slice_from(from, strlen("k8s://")), arena);
    }
    return "it begins with file:///, dns://, dns+srv://, consul+https:// or k8s://";
}

/* "address", "address:port" or "[address]:port". */
const char *discovery_parse_resolver(struct discovery_settings *settings, size_t index)
{
    struct slice text = settings->resolvers.items[index];
    struct address *server = &settings->servers[index];
    uint16_t port = NAME_SERVER_PORT;
    struct slice host = text;
    ssize_t bracket = slice_find(text, ']');
    ssize_t colon = slice_find_last(text, ':');
    bool has_port = bracket >= 0 ? colon > bracket : colon >= 0 && slice_find(text, ':') == colon;
    if (has_port) {
        const char *problem = authority_parse_port(slice_from(text, (size_t)colon + 1), &port);
        if (problem != NULL) {
            return problem;
        }
        host = slice_part(text, 0, (size_t)colon);
    }
    if (!address_parse(host, server)) {
        return "the address of a name server is wanted here, as in 10.0.0.2 or 10.0.0.2:5353";
    }
    server->port = port;
    settings->server_count = index + 1;
    return NULL;
}
