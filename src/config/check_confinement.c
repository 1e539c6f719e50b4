/* Ports that the gateway process may connect to: a list that leaves out what the configuration itself needs is a mistake. */
#include "config/internal.h"
#include "http/uri.h"

#define NAME_SERVER_PORT 53 /* over TCP too, where an answer is large */

static bool parse_range(struct slice text, struct port_range *ret_range)
{
    uint64_t first, last;
    if (!slice_to_range(text, &first, &last) || first < 1 || last > 65535) {
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

/* Of DNS. What SRV records and files tell is not known before: it can be connected to where the list has it. */
static void check_discovery_ports(struct loader *loader, const struct upstream_settings *upstream)
{
    const struct confinement_settings *confinement = loader->settings->confinement;
    const struct discovery_settings *discover = upstream->discover;
    if (discover->port != 0 && !is_among(confinement, discover->port)) {
        tell(loader, &discover->from, loader_object(loader, upstream),
             "port %u is not among confinement.connect_ports", discover->port);
    }
    struct slice asked = discover->kind == DISCOVERY_CONSUL ? discover->base : discover->api;
    unsigned int port = discovery_is_watched(discover) && asked.len > 0 ? port_of(asked) : 0;
    if (port != 0 && !is_among(confinement, port)) {
        tell(loader, &discover->from, loader_object(loader, upstream),
             "port %u of who is asked is not among confinement.connect_ports", port);
    }
    for (size_t i = 0; i < discover->server_count; i++) {
        if (!is_among(confinement, discover->servers[i].port)) {
            tell(loader, &discover->resolvers.items[i], loader_object(loader, upstream),
                 "port %u is not among confinement.connect_ports: long answers come by TCP",
                 discover->servers[i].port);
        }
    }
}

static void check_endpoints(struct loader *loader)
{
    const struct confinement_settings *confinement = loader->settings->confinement;
    for (size_t i = 0; i < loader->settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &loader->settings->upstreams[i];
        if (upstream->discover != NULL) {
            check_discovery_ports(loader, upstream);
        }
        for (size_t k = 0; k < upstream->endpoints.count; k++) {
            unsigned int port = upstream->parsed[k].port;
            /* 0: it is at a path, or malformed, which was told */
            if (port != 0 && !is_among(confinement, port)) {
                const struct upstream_endpoint_settings *written = upstream->endpoints.items;
                tell(loader, &written[k].url, loader_object(loader, upstream),
                     "port %u is not among confinement.connect_ports", port);
            }
        }
    }
}

static void check_key_sets(struct loader *loader)
{
    for (size_t i = 0; i < loader->settings->issuer_count; i++) {
        const struct issuer_settings *issuer = &loader->settings->issuers[i];
        const struct slice *url = issuer_discovers_keys(issuer) ? &issuer->issuer : &issuer->jwks_url;
        unsigned int port = slice_starts_with(*url, SLICE("http")) ? port_of(*url) : 0;
        if (port != 0 && !is_among(loader->settings->confinement, port)) {
            tell(loader, url, loader_object(loader, issuer), "port %u is not among confinement.connect_ports",
                 port);
        }
    }
}

static void check_authorizer_ports(struct loader *loader)
{
    for (size_t i = 0; i < loader->settings->authorizer_count; i++) {
        const struct authorizer_settings *authorizer = &loader->settings->authorizers[i];
        unsigned int port = authorizer->service.parsed != NULL ? authorizer->service.parsed->port : 0;
        if (port != 0 && !is_among(loader->settings->confinement, port)) {
            tell(loader, &authorizer->url, loader_object(loader, authorizer),
                 "port %u is not among confinement.connect_ports", port);
        }
    }
}

static void check_introspection(struct loader *loader)
{
    for (size_t i = 0; i < loader->settings->introspection_count; i++) {
        const struct introspection_settings *introspection = &loader->settings->introspection[i];
        bool is_url = slice_starts_with(introspection->endpoint, SLICE("http"));
        unsigned int port = is_url ? port_of(introspection->endpoint) : 0;
        if (port != 0 && !is_among(loader->settings->confinement, port)) {
            tell(loader, &introspection->endpoint, loader_object(loader, introspection),
                 "port %u is not among confinement.connect_ports", port);
        }
    }
}

static void check_databases(struct loader *loader)
{
    for (size_t i = 0; i < loader->settings->api_keys_count; i++) {
        const struct postgres_settings *postgres = loader->settings->api_keys[i].postgres;
        unsigned int port = postgres != NULL ? (unsigned int)postgres->port : 0;
        if (port != 0 && !postgres_is_socket(postgres) && !is_among(loader->settings->confinement, port)) {
            const void *field = postgres->url.len > 0 ? (const void *)&postgres->url : &postgres->port;
            tell(loader, field, loader_object(loader, postgres),
                 "port %u is not among confinement.connect_ports", port);
        }
    }
}

static bool any_database_at_path(const struct settings *settings)
{
    bool any = false;
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        any = any ||
              (settings->api_keys[i].postgres != NULL && postgres_is_socket(settings->api_keys[i].postgres));
    }
    return any;
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

static void add_directory(struct conf_strings *paths, struct slice store)
{
    struct slice directory = slice_part(store, 0, (size_t)(slice_find_last(store, '/') + 1));
    directory = directory.len > 0 ? directory : SLICE(".");
    if (store.len > 0 && !conf_strings_contain(paths, directory)) {
        paths->items[paths->count++] = directory;
    }
}

static struct error list_stores(struct loader *loader, struct conf_strings *paths)
{
    const struct settings *settings = loader->settings;
    paths->items = arena_calloc(loader->arena, settings->api_keys_count + 2 * settings->upstream_count + 2,
                                sizeof *paths->items);
    if (paths->items == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        add_directory(paths, settings->api_keys[i].store);
    }
    if (settings->blocks != NULL) {
        add_directory(paths, settings->blocks->store);
    }
    for (size_t i = 0; i < settings->upstream_count; i++) {
        if (settings->upstreams[i].discover != NULL) {
            add_directory(paths, settings->upstreams[i].discover->path);
            add_directory(paths, settings->upstreams[i].discover->token_file);
        }
    }
    return OK;
}

/* Those of the sets that the admin API changes: SQLite makes a journal beside a store, and takes it away. And that of key sets. */
static struct error list_written(struct loader *loader, struct conf_strings *paths)
{
    const struct settings *settings = loader->settings;
    const struct conf_strings *sets = settings->admin != NULL ? &settings->admin->api_keys : NULL;
    paths->items = arena_calloc(loader->arena, (sets != NULL ? sets->count : 0) + 3, sizeof *paths->items);
    if (paths->items == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; sets != NULL && i < sets->count; i++) {
        const struct api_keys_settings *set = settings_find(settings->api_keys, settings->api_keys_count,
                                                            sizeof *settings->api_keys, sets->items[i]);
        if (set != NULL) {
            add_directory(paths, set->store);
        }
    }
    if (settings->admin != NULL && settings->admin->blocks && settings->blocks != NULL) {
        add_directory(paths, settings->blocks->store);
    }
    if (settings->jwks_cache.len > 0 && !conf_strings_contain(paths, settings->jwks_cache)) {
        paths->items[paths->count++] = settings->jwks_cache;
    }
    return OK;
}

struct error check_confinement(struct loader *loader)
{
    struct confinement_settings *confinement = loader->settings->confinement;
    if (confinement == NULL) {
        return OK;
    }
    confinement->local_sockets = any_path(loader->settings) || any_database_at_path(loader->settings);
    TRY(list_stores(loader, &confinement->read_paths));
    TRY(list_written(loader, &confinement->write_paths));
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
    check_authorizer_ports(loader);
    check_databases(loader);
    check_introspection(loader);
    return OK;
}
