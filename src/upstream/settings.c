#include "upstream/settings.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/limits.h"
#include "http/client.h"
#include "net/authority.h"
#include "net/name.h"

static const struct conf_choice balances[] = {
    { "round_robin", BALANCE_ROUND_ROBIN, "one after the other" },
    { "weighted", BALANCE_WEIGHTED, "each as often as its weight says" },
    { "least_requests", BALANCE_LEAST_REQUESTS, "the one with the fewest requests under way" },
    { "p2c", BALANCE_P2C,
      "the better one of two taken at random, by how long it takes to answer and how many requests it has" },
    { "hash", BALANCE_HASH, "what has the same key goes to the same one: see `hash_by`" },
    { 0 },
};

static const struct conf_field endpoint_fields[] = {
    { .name = "url",
      .type = CONF_STRING,
      .flags = CONF_REQUIRED | CONF_NON_EMPTY,
      .offset = offsetof(struct upstream_endpoint_settings, url),
      .example = "https://10.0.0.5:9001",
      .help = "https://host:port or http://host:port, without a path; h2c://host:port: HTTP/2 without TLS; "
              "unix:/path: HTTP/1.1 without TLS on that socket" },
    { .name = "weight",
      .type = CONF_INTEGER,
      .offset = offsetof(struct upstream_endpoint_settings, weight),
      .standard = "1",
      .minimum = 1,
      .maximum = ENDPOINT_WEIGHT_MAX,
      .help = "its share of the requests, beside those of the others, where `balance` is weighted" },
    { .name = "zone",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct upstream_endpoint_settings, zone),
      .help =
          "where it stands: requests stay in the gateway's own `zone` as long as there are enough healthy "
          "endpoints" },
    { 0 },
};

static const struct conf_object endpoint_object = {
    .name = "endpoint",
    .size = sizeof(struct upstream_endpoint_settings),
    .fields = endpoint_fields,
    .scalar = "url",
    .help = "A server of a service.",
};

static const struct conf_choice protocols[] = {
    { "http1", HTTP_PROTOCOL_1, "HTTP/1.1" },
    { "h2", HTTP_PROTOCOL_2, "HTTP/2; a server that does not agree to it is a failure" },
    { "auto", HTTP_PROTOCOL_AUTO, "HTTP/2 where the server agrees to it, else HTTP/1.1" },
    { 0 },
};

static const struct conf_field upstream_fields[] = {
    { .name = "endpoints",
      .type = CONF_LIST,
      .flags = CONF_TYPICAL | CONF_NON_EMPTY,
      .offset = offsetof(struct upstream_settings, endpoints),
      .object = &endpoint_object,
      .example = "[https://10.0.0.5:9001]",
      .help = "its servers, as in https://10.0.0.5:9001; at most 1024. They are written here, or found by "
              "`discover`, which a list of one source stands for" },
    { .name = "discover",
      .type = CONF_OBJECT,
      .offset = offsetof(struct upstream_settings, discover),
      .object = &discovery_object,
      .help = "where its servers are found while the gateway runs: see docs/discovery.md" },
    { .name = "tls",
      .type = CONF_OBJECT,
      .offset = offsetof(struct upstream_settings, tls),
      .object = &tls_service_object,
      .help = "CA, name or SPIFFE ID, and own certificate for https endpoints" },
    { .name = "protocol",
      .type = CONF_ENUM,
      .offset = offsetof(struct upstream_settings, protocol),
      .standard = "http1",
      .choices = protocols,
      .help = "what https endpoints are spoken to, agreed on by ALPN; http:// is always HTTP/1.1" },
    { .name = "balance",
      .type = CONF_ENUM,
      .offset = offsetof(struct upstream_settings, balance),
      .standard = "round_robin",
      .choices = balances,
      .help = "how an endpoint is chosen: see docs/balancing.md" },
    { .name = "hash_by",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct upstream_settings, hash_by),
      .help =
          "with `balance: hash`, what the key is: caller (by address where there is none), address (IPv6 by "
          "/64), header:NAME or cookie:NAME; requests without it take turns" },
    { .name = "max_load",
      .type = CONF_INTEGER,
      .offset = offsetof(struct upstream_settings, max_load),
      .standard = "0",
      .minimum = 0,
      .maximum = 10000,
      .help = "with `balance: hash`, how many requests under way one endpoint may have, in percent of their "
              "mean, before further ones go elsewhere, as in 150; 0: any" },
    { .name = "zone_spill",
      .type = CONF_INTEGER,
      .offset = offsetof(struct upstream_settings, zone_spill),
      .standard = "70",
      .minimum = 1,
      .maximum = 100,
      .help =
          "percentage of the endpoints of the gateway's zone: where fewer are healthy, requests go to those "
          "of all zones" },
    { .name = "panic_threshold",
      .type = CONF_INTEGER,
      .offset = offsetof(struct upstream_settings, panic_threshold),
      .standard = "0",
      .minimum = 0,
      .maximum = 100,
      .help = "percentage of the endpoints: where fewer are healthy, all are used; 0: where none is" },
    { .name = "host_header",
      .type = CONF_STRING,
      .flags = CONF_NON_EMPTY | CONF_NAMES,
      .offset = offsetof(struct upstream_settings, host_header),
      .example = "orders.internal",
      .help = "Host field that the upstream sees; default: the client's" },
    { .name = "connect_timeout",
      .type = CONF_DURATION,
      .offset = offsetof(struct upstream_settings, connect_timeout),
      .standard = "5s",
      .minimum = NS_PER_MS,
      .maximum = 600 * NS_PER_S,
      .help = "for a new connection, its TLS handshake included" },
    { .name = "idle_timeout",
      .type = CONF_DURATION,
      .offset = offsetof(struct upstream_settings, idle_timeout),
      .standard = "30s",
      .minimum = NS_PER_MS,
      .maximum = 86400 * NS_PER_S,
      .help = "how long an unused connection is kept; keep it under the server's own" },
    { .name = "max_connections",
      .type = CONF_INTEGER,
      .offset = offsetof(struct upstream_settings, max_connections),
      .standard = "1024",
      .minimum = 1,
      .maximum = 1000000,
      .help = "connections per worker and endpoint" },
    { .name = "max_streams",
      .type = CONF_INTEGER,
      .offset = offsetof(struct upstream_settings, max_streams),
      .standard = "100",
      .minimum = 1,
      .maximum = 10000,
      .help =
          "HTTP/2: requests at once on one connection, if the server allows as many; more open another one" },
    { .name = "stream_window",
      .type = CONF_SIZE,
      .offset = offsetof(struct upstream_settings, stream_window),
      .standard = "128KiB",
      .minimum = 16 * 1024,
      .maximum = 16 * 1024 * 1024,
      .help = "HTTP/2: how much of an answer is taken for a client that does not read it" },
    { .name = "max_connection_age",
      .type = CONF_DURATION,
      .offset = offsetof(struct upstream_settings, max_connection_age),
      .standard = "1h",
      .minimum = NS_PER_S,
      .maximum = 30 * 86400 * NS_PER_S,
      .help =
          "HTTP/2: a connection older than this takes no further request, and closes after its last answer" },
    { .name = "max_requests",
      .type = CONF_INTEGER,
      .offset = offsetof(struct upstream_settings, max_requests),
      .standard = "0",
      .minimum = 0,
      .maximum = 1000000,
      .help = "requests per worker that are under way at once, WebSockets and streams among them; more are "
              "denied (503 "
              "upstream_busy), so that one slow service takes no more than its part; 0: as many as its "
              "connections take" },
    { .name = "max_pending",
      .type = CONF_INTEGER,
      .offset = offsetof(struct upstream_settings, max_pending),
      .standard = "1024",
      .minimum = 0,
      .maximum = 1000000,
      .help = "requests per worker that wait while all connections are in use; 0: none does" },
    { .name = "pending_timeout",
      .type = CONF_DURATION,
      .offset = offsetof(struct upstream_settings, pending_timeout),
      .standard = "1s",
      .minimum = NS_PER_MS,
      .maximum = 600 * NS_PER_S,
      .help = "how long they wait at most; then 503" },
    { .name = "max_idle",
      .type = CONF_INTEGER,
      .offset = offsetof(struct upstream_settings, max_idle),
      .standard = "64",
      .minimum = 0,
      .maximum = 1000000,
      .help = "unused connections kept per worker and endpoint" },
    { .name = "retries",
      .type = CONF_INTEGER,
      .offset = offsetof(struct upstream_settings, retries),
      .standard = "1",
      .minimum = 0,
      .maximum = 10,
      .help = "further tries on another connection, only where a repeated request does no harm" },
    { .name = "retry_budget",
      .type = CONF_INTEGER,
      .offset = offsetof(struct upstream_settings, retry_budget),
      .standard = "20",
      .minimum = 0,
      .maximum = 100,
      .help = "How many of its requests routes may send again by `retry`, or twice by `hedge`, per cent; 0: "
              "none." },
    { .name = "breaker",
      .type = CONF_OBJECT,
      .offset = offsetof(struct upstream_settings, breaker),
      .object = &breaker_object,
      .help = "When requests are denied at once for a while, since too many fail; `{}` for the defaults. "
              "Default: never." },
    { .name = "slow_start",
      .type = CONF_DURATION,
      .offset = offsetof(struct upstream_settings, slow_start),
      .standard = "0s",
      .minimum = 0,
      .maximum = 3600 * NS_PER_S,
      .example = "30s",
      .help =
          "in which an endpoint that joins the others, or comes back to them, gets up to its share of the "
          "requests; 0: at once" },
    { .name = "outliers",
      .type = CONF_OBJECT,
      .offset = offsetof(struct upstream_settings, outliers),
      .object = &outlier_object,
      .help =
          "when an endpoint is left out for a while since it fails requests. Default: never; as in outliers: "
          "{}" },
    { .name = "health",
      .type = CONF_OBJECT,
      .offset = offsetof(struct upstream_settings, health),
      .object = &health_object,
      .help =
          "how each server is asked whether it is well; one that is not gets no request while another one "
          "is. Default: none is asked" },
    { 0 },
};

const struct conf_object upstream_object = {
    .name = "upstream",
    .size = sizeof(struct upstream_settings),
    .fields = upstream_fields,
    .sequence = "endpoints",
    .help = "A service behind the gateway and the servers that it runs on.",
};

int upstream_protocol_of(int protocol, const struct upstream_endpoint *endpoint)
{
    if (endpoint->h2c) {
        return HTTP_PROTOCOL_2;
    }
    return endpoint->tls ? protocol : HTTP_PROTOCOL_1;
}

bool upstream_endpoint_is_same(const struct upstream_endpoint *a, const struct upstream_endpoint *b)
{
    if (a->path.len > 0 || b->path.len > 0) {
        return slice_equal(a->path, b->path);
    }
    bool same_host = a->is_address && b->is_address ? address_is_same(&a->address, &b->address)
                                                    : slice_equal(a->name, b->name);
    return same_host && a->port == b->port;
}

size_t upstream_endpoint_first(const struct upstream_endpoint *endpoints, size_t index)
{
    size_t first = 0;
    while (first < index && !upstream_endpoint_is_same(&endpoints[first], &endpoints[index])) {
        first++;
    }
    return first;
}

/* `host` as split off; brackets go. */
static const char *parse_host(struct slice host, struct arena *arena, struct upstream_endpoint *endpoint)
{
    bool bracketed = slice_starts_with(host, SLICE("["));
    endpoint->is_address = address_parse(host, &endpoint->address);
    if (bracketed && !endpoint->is_address) {
        return "the brackets hold no IPv6 address";
    }
    if (!endpoint->is_address && !name_is_host(host)) {
        return "the host is neither a name nor an address";
    }
    endpoint->address.port = endpoint->port;
    endpoint->host = arena_copy(arena, bracketed ? slice_part(host, 1, host.len - 2) : host);
    if (endpoint->host.ptr == NULL) {
        return "out of memory";
    }
    char *text = (char *)endpoint->host.ptr; /* our own copy */
    for (size_t i = 0; i < endpoint->host.len; i++) {
        text[i] = ascii_lower(text[i]);
    }
    endpoint->name = endpoint->host;
    return NULL;
}

/* It has one address, which is none: no name is looked up. */
static const char *parse_path(struct slice path, struct upstream_endpoint *endpoint)
{
    if (!slice_starts_with(path, SLICE("/")) || slice_starts_with(path, SLICE("//"))) {
        return "the path of a socket is absolute";
    }
    if (path.len > UNIX_PATH_MAX || slice_find(path, '\0') >= 0) {
        return "the path of a socket has at most 107 bytes";
    }
    endpoint->path = path;
    endpoint->is_address = true;
    return NULL;
}

const char *upstream_parse_endpoint(struct slice url, struct arena *arena,
                                    struct upstream_endpoint *ret_endpoint)
{
    struct upstream_endpoint endpoint = { .url = url };
    struct slice authority;
    if (slice_starts_with(url, SLICE("unix:"))) {
        const char *problem = parse_path(slice_from(url, strlen("unix:")), &endpoint);
        if (problem == NULL) {
            *ret_endpoint = endpoint;
        }
        return problem;
    }
    if (slice_starts_with(url, SLICE("https://"))) {
        endpoint.tls = true;
        authority = slice_from(url, strlen("https://"));
    } else if (slice_starts_with(url, SLICE("http://"))) {
        authority = slice_from(url, strlen("http://"));
    } else if (slice_starts_with(url, SLICE("h2c://"))) {
        endpoint.h2c = true;
        authority = slice_from(url, strlen("h2c://"));
    } else {
        return "an endpoint begins with https://, http://, h2c:// or unix:/";
    }
    for (size_t i = 0; i < authority.len; i++) {
        char c = authority.ptr[i];
        if (c == '/' || c == '?' || c == '#') {
            return "an endpoint has no path: routes and rewrites say it";
        }
        if (c == '@') {
            return "an endpoint has no user name or password";
        }
    }
    endpoint.port = endpoint.tls ? 443 : 80;
    struct slice host = SLICE_NONE;
    const char *wrong = authority_split(authority, &host, &endpoint.port);
    if (wrong == NULL) {
        wrong = parse_host(host, arena, &endpoint);
    }
    if (wrong == NULL) {
        *ret_endpoint = endpoint;
    }
    return wrong;
}
