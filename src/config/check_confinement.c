/* Ports that the gateway process may connect to: a list that leaves out what the configuration itself needs is a mistake. */
#include "config/internal.h"
#include "http/uri.h"

#define NAME_SERVER_PORT 53 /* over TCP too, where an answer is large */

static bool parse_range(struct slice text, struct port_range *ret_range)
{
    ssize_t dash = slice_find(text, '-');
    struct slice first_text = dash < 0 ? text : slice_part(text, 0, (size_t)dash);
    struct slice last_text = dash < 0 ? text : slice_from(text, (size_t)dash + 1);
    uint64_t first;
    uint64_t last;
    if (!slice_to_u64(first_text, &first) || !slice_to_u64(last_text, &last) || first < 1 || last > 65535 ||
        first > last) {
        return false;
    }
    *ret_range = (struct port_range){ (uint16_t)first, (uint16_t)last };
    return true;
}

static bool is_among(const struct confinement_settings *confinement, unsigned int port)
{
    for (size_t i = 0; i < confinement->port_count; i++) {
        if (port >= confinement->ports[i].first && port <= confinement->ports[i].last) {
            return true;
        }
    }
    return false;
}

static void check_endpoints(struct loader *loader)
{
    const struct confinement_settings *confinement = loader->settings->confinement;
    for (size_t i = 0; i < loader->settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &loader->settings->upstreams[i];
        for (size_t k = 0; k < upstream->endpoints.count; k++) {
            unsigned int port = upstream->parsed[k].port;
            /* 0: it is at a path, or malformed, which was told */
            if (port != 0 && !is_among(confinement, port)) {
                tell(loader, &upstream->endpoints.items[k], loader_object(loader, upstream),
                     "port %u is not among confinement.connect_ports", port);
            }
        }
    }
}

/* The port of an https or http URL; 0 where it is malformed. */
static unsigned int port_of(struct slice url)
{
    bool tls = slice_starts_with(url, SLICE("https://"));
    struct slice rest = slice_from(url, strlen(tls ? "https://" : "http://"));
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?' && rest.ptr[end] != '#') {
        end++;
    }
    char lower[URI_AUTHORITY_MAX];
    struct uri_authority authority;
    if (end > sizeof lower || uri_parse_authority(slice_part(rest, 0, end), lower, &authority) != URI_OK) {
        return 0;
    }
    unsigned int standard = tls ? 443 : 80;
    return authority.port != 0 ? authority.port : standard;
}

static void check_key_sets(struct loader *loader)
{
    for (size_t i = 0; i < loader->settings->issuer_count; i++) {
        const struct issuer_settings *issuer = &loader->settings->issuers[i];
        unsigned int port =
            slice_starts_with(issuer->jwks_url, SLICE("http")) ? port_of(issuer->jwks_url) : 0;
        if (port != 0 && !is_among(loader->settings->confinement, port)) {
            tell(loader, &issuer->jwks_url, loader_object(loader, issuer),
                 "port %u is not among confinement.connect_ports", port);
        }
    }
}

static bool any_path(const struct settings *settings)
{
    for (size_t i = 0; i < settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &settings->upstreams[i];
        for (size_t k = 0; k < upstream->endpoints.count; k++) {
            if (upstream->parsed[k].path.len > 0) {
                return true;
            }
        }
    }
    return false;
}

struct error check_confinement(struct loader *loader)
{
    struct confinement_settings *confinement = loader->settings->confinement;
    if (confinement == NULL) {
        return OK;
    }
    confinement->local_sockets = any_path(loader->settings);
    if (confinement->connect_ports.count == 0) {
        return OK;
    }
    const struct conf_node *node = loader_object(loader, confinement);
    size_t count = confinement->connect_ports.count;
    if (count >= CONNECT_PORTS_MAX) {
        tell(loader, &confinement->connect_ports, node, "at most %d ports and ranges", CONNECT_PORTS_MAX - 1);
        return OK;
    }
    confinement->ports = arena_calloc(loader->arena, count + 1, sizeof *confinement->ports);
    if (confinement->ports == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const struct slice *text = &confinement->connect_ports.items[i];
        if (!parse_range(*text, &confinement->ports[i])) {
            tell(loader, text, node, "a port or range is wanted here, not \"%.*s\", as in 443 or 8000-8999",
                 SLICE_ARG(*text));
            return OK;
        }
    }
    confinement->ports[count] = (struct port_range){ NAME_SERVER_PORT, NAME_SERVER_PORT };
    confinement->port_count = count + 1;
    check_endpoints(loader);
    check_key_sets(loader);
    return OK;
}
