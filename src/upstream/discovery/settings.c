#include "upstream/discovery/settings.h"

#include "base/arena.h"
#include "base/clock.h"

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
      .help =
          "file:///path: a JSON list of endpoints, as `endpoints` has them; dns://name:port: each address "
          "of the name; dns+srv://_service._tcp.name: each SRV record of it" },
    { .name = "scheme",
      .type = CONF_ENUM,
      .offset = offsetof(struct discovery_settings, scheme),
      .standard = "https",
      .choices = schemes,
      .help = "of endpoints that DNS tells" },
    { .name = "interval",
      .type = CONF_DURATION,
      .offset = offsetof(struct discovery_settings, interval),
      .standard = "10s",
      .minimum = 100 * NS_PER_MS,
      .maximum = 3600 * NS_PER_S,
      .help = "from one question to the name servers to the next" },
    { .name = "resolvers",
      .type = CONF_STRINGS,
      .flags = CONF_NON_EMPTY,
      .offset = offsetof(struct discovery_settings, resolvers),
      .help = "name servers, as in 10.0.0.2 or 10.0.0.2:5353; at most 8. Default: the system's" },
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

static const char *parse_port(struct slice text, uint16_t *ret_port)
{
    uint64_t port;
    if (!slice_to_u64(text, &port) || port == 0 || port > 65535) {
        return "the port is not a number from 1 to 65535";
    }
    *ret_port = (uint16_t)port;
    return NULL;
}

bool discovery_is_name(struct slice name)
{
    struct slice rest = name, label;
    if (name.len == 0 || name.len > 253) {
        return false;
    }
    while (slice_next(&rest, '.', &label)) {
        if (label.len == 0 || label.len > 63 || label.ptr[0] == '-') {
            return false;
        }
        for (size_t i = 0; i < label.len; i++) {
            char c = label.ptr[i];
            if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_') {
                return false;
            }
        }
    }
    return true;
}

static const char *take_name(struct discovery_settings *settings, struct slice text, struct arena *arena)
{
    struct address address;
    if (!discovery_is_name(text)) {
        return "a DNS name is wanted here";
    }
    if (address_parse(text, &address)) {
        return "an address needs no discovery: write it into `endpoints`";
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
    const char *problem = parse_port(slice_from(rest, (size_t)colon + 1), &settings->port);
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
    return "it begins with file:///, dns:// or dns+srv://";
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
        const char *problem = parse_port(slice_from(text, (size_t)colon + 1), &port);
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
