/* Endpoints are written, or discovered: one of both, and such that they can be. */
#include "config/files.h"
#include "config/internal.h"
#include "http/client.h"

/* Of endpoints that do not say theirs. */
static void check_scheme(struct loader *loader, struct discovery_settings *discover,
                         const struct upstream_settings *upstream, const struct conf_node *node)
{
    if (discover->scheme == DISCOVERY_HTTPS) {
        return;
    }
    warn(loader, &discover->scheme, node,
         "requests go to these endpoints without TLS: anybody on the way can read them, and who answers for "
         "those who tell them can have them");
    if (upstream->tls != NULL) {
        tell(loader, &upstream->tls, node, "no endpoint is https: these settings would have no effect");
    }
    if (upstream->protocol != HTTP_PROTOCOL_1 && discover->scheme == DISCOVERY_HTTP) {
        tell(loader, &upstream->protocol, node,
             "no endpoint is https: it would have no effect; write `scheme: h2c` for HTTP/2 without TLS");
    }
}

static void check_dns(struct loader *loader, struct discovery_settings *discover,
                      const struct upstream_settings *upstream, const struct conf_node *node)
{
    if (discover->resolvers.count > DISCOVERY_RESOLVERS_MAX) {
        tell(loader, &discover->resolvers, node, "at most %d name servers", DISCOVERY_RESOLVERS_MAX);
        return;
    }
    for (size_t i = 0; i < discover->resolvers.count; i++) {
        const char *problem = discovery_parse_resolver(discover, i);
        if (problem != NULL) {
            tell(loader, &discover->resolvers.items[i], node, "%s", problem);
        }
    }
    check_scheme(loader, discover, upstream, node);
}

/* What only name servers are asked for. */
static void check_file(struct loader *loader, const struct conf_node *node)
{
    static const char *const others[] = { "scheme", "interval", "resolvers" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const struct conf_node *written = conf_node_get(node, slice_from_string(others[i]));
        if (written != NULL) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, written,
                             "`%s` is of DNS: a file has whole URLs, and is looked at twice a second",
                             others[i]);
        }
    }
}

/* ---- what is watched ---- */

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

/* In a pod: the cluster's API server, its CA, and the pod's own account. */
static struct error fill_kubernetes(struct loader *loader, struct discovery_settings *discover)
{
    struct slice host = SLICE_NONE, port = SLICE_NONE;
    if (discover->api.len > 0 ||
        !config_files_environment(loader->files, SLICE("KUBERNETES_SERVICE_HOST"), &host) ||
        !config_files_environment(loader->files, SLICE("KUBERNETES_SERVICE_PORT"), &port)) {
        return OK;
    }
    bool bare = slice_find(host, ':') >= 0 && !slice_starts_with(host, SLICE("["));
    discover->api = arena_printf(loader->arena, bare ? "https://[%.*s]:%.*s" : "https://%.*s:%.*s",
                                 SLICE_ARG(host), SLICE_ARG(port));
    if (discover->api.ptr == NULL) {
        return NO_MEMORY;
    }
    discover->token_file = discover->token_file.len > 0 ? discover->token_file : SLICE(ACCOUNT "/token");
    if (discover->tls == NULL) {
        discover->tls = arena_calloc(loader->arena, 1, sizeof *discover->tls);
        if (discover->tls == NULL) {
            return NO_MEMORY;
        }
    }
    discover->tls->ca = discover->tls->ca.len > 0 ? discover->tls->ca : SLICE(ACCOUNT "/ca.crt");
    return OK;
}

struct error fill_discovery(struct loader *loader)
{
    for (size_t i = 0; i < loader->settings->upstream_count; i++) {
        struct discovery_settings *discover = loader->settings->upstreams[i].discover;
        if (discover != NULL && slice_starts_with(discover->from, SLICE("k8s://"))) {
            TRY(fill_kubernetes(loader, discover));
        }
    }
    return OK;
}

static enum guard_source source_of(const struct discovery_settings *discover)
{
    if (discover == NULL) {
        return GUARD_CONFIGURATION;
    }
    return discover->kind == DISCOVERY_FILE ? GUARD_FILE : GUARD_REGISTRY;
}

struct error fill_guards(struct loader *loader)
{
    const struct settings *settings = loader->settings;
    size_t count = 0;
    struct address *own = arena_calloc(loader->arena, settings->listener_count + 1, sizeof *own);
    if (own == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < settings->listener_count; i++) {
        if (settings->listeners[i].path.len == 0) {
            own[count++] = settings->listeners[i].parsed_address;
        }
    }
    for (size_t i = 0; i < settings->upstream_count; i++) {
        struct upstream_settings *upstream = &settings->upstreams[i];
        upstream->guard =
            (struct guard){ .source = source_of(upstream->discover), .own = own, .own_count = count };
    }
    return OK;
}

static void check_watched(struct loader *loader, struct discovery_settings *discover,
                          const struct upstream_settings *upstream, const struct conf_node *node)
{
    const char *problem = NULL;
    check_scheme(loader, discover, upstream, node);
    if (discover->kind == DISCOVERY_KUBERNETES && discover->api.len == 0) {
        tell(loader, &discover->api, node,
             "api is missing: outside of a pod (KUBERNETES_SERVICE_HOST is not set) the API server is named, "
             "as in "
             "https://10.0.0.1:6443");
    } else if (discover->kind == DISCOVERY_KUBERNETES && (problem = discovery_parse_api(discover)) != NULL) {
        tell(loader, &discover->api, node, "%s, as in https://10.0.0.1:6443", problem);
    }
    if (discover->tags.count > DISCOVERY_TAGS_MAX) {
        tell(loader, &discover->tags, node, "at most %d tags", DISCOVERY_TAGS_MAX);
    }
}

/* What the kind of source has no use for. */
static void check_fields(struct loader *loader, const struct discovery_settings *discover,
                         const struct conf_node *node)
{
    static const struct {
        const char *name;
        unsigned int kinds; /* 1 << enum discovery_kind */
    } fields[] = {
        { "interval", 1U << DISCOVERY_DNS | 1U << DISCOVERY_SRV },
        { "resolvers", 1U << DISCOVERY_DNS | 1U << DISCOVERY_SRV },
        { "wait", 1U << DISCOVERY_CONSUL | 1U << DISCOVERY_KUBERNETES },
        { "token_file", 1U << DISCOVERY_CONSUL | 1U << DISCOVERY_KUBERNETES },
        { "tls", 1U << DISCOVERY_CONSUL | 1U << DISCOVERY_KUBERNETES },
        { "api", 1U << DISCOVERY_KUBERNETES },
        { "datacenter", 1U << DISCOVERY_CONSUL },
        { "tags", 1U << DISCOVERY_CONSUL },
        { "stale", 1U << DISCOVERY_CONSUL },
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const struct conf_node *written = conf_node_get(node, slice_from_string(fields[i].name));
        bool is_file_of_dns = discover->kind == DISCOVERY_FILE && i < 2; /* which check_file tells */
        if (written != NULL && (fields[i].kinds & 1U << discover->kind) == 0 && !is_file_of_dns) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, written,
                             "`%s` has no effect on what `from` names", fields[i].name);
        }
    }
}

/* Of its own scheme; NULL where it has none that is known. */
static const char *example_of(struct slice from)
{
    static const struct {
        struct slice scheme;
        const char *example;
    } all[] = {
        { SLICE_INIT("dns:"), "dns://orders.internal:9001" },
        { SLICE_INIT("dns+srv:"), "dns+srv://_https._tcp.orders.internal" },
        { SLICE_INIT("file:"), "file:///etc/sallyport/orders.json" },
        { SLICE_INIT("consul"), "consul+https://consul.internal:8501/orders" },
        { SLICE_INIT("k8s:"), "k8s://shop/orders:http" },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (slice_starts_with(from, all[i].scheme) && slice_contains(from, SLICE("://"))) {
            return all[i].example;
        }
    }
    return NULL;
}

const char *discovery_example(struct slice url)
{
    bool by_name = slice_starts_with(url, SLICE("lb://")) || slice_starts_with(url, SLICE("eureka://"));
    return by_name ? "dns://orders.internal:9001" : example_of(url);
}

/* ---- `endpoints: [dns+srv://…]` ---- */

/* What a list of one source is written by; NULL: it is none. */
static const struct conf_node *source_among(const struct conf_node *endpoints)
{
    bool is_list = endpoints != NULL && endpoints->type == CONF_NODE_SEQUENCE && endpoints->count == 1;
    const struct conf_node *only = is_list ? endpoints->items[0] : endpoints;
    return only != NULL && only->type == CONF_NODE_SCALAR && example_of(only->text) != NULL ? only : NULL;
}

/* The same upstream with `discover` in place of its endpoints; NULL without memory. */
static struct conf_node *with_source(const struct conf_node *upstream, const struct conf_node *source,
                                     struct arena *arena)
{
    bool is_map = upstream->type == CONF_NODE_MAPPING;
    struct conf_node *made = conf_node_copy_map(is_map ? upstream : NULL, 1, arena);
    struct conf_node *copy = arena_alloc(arena, sizeof *copy);
    if (made == NULL || copy == NULL) {
        return NULL;
    }
    *copy = *source; /* it is told where it was written */
    copy->key = SLICE("discover");
    copy->key_place = source->place;
    copy->parent = is_map ? upstream : source->parent;
    const struct conf_node *endpoints = conf_node_get(upstream, SLICE("endpoints"));
    for (size_t i = 0; i < made->count; i++) {
        made->items[i] = made->items[i] == endpoints ? copy : made->items[i];
    }
    if (!is_map) {
        struct conf_node **items = made->items;
        *made = *upstream;
        made->type = CONF_NODE_MAPPING;
        made->items = items;
        made->items[0] = copy;
        made->count = 1;
    }
    return made;
}

struct error expand_discovery(struct loader *loader)
{
    const struct conf_node *upstreams = conf_node_get(loader->places->root, SLICE("upstreams"));
    struct conf_node *copies = NULL;
    for (size_t i = 0; upstreams != NULL && upstreams->type == CONF_NODE_MAPPING && i < upstreams->count;
         i++) {
        const struct conf_node *upstream = upstreams->items[i];
        bool is_map = upstream->type == CONF_NODE_MAPPING;
        const struct conf_node *source =
            source_among(is_map ? conf_node_get(upstream, SLICE("endpoints")) : upstream);
        if (source == NULL || conf_node_get(upstream, SLICE("discover")) != NULL ||
            (!is_map && upstream->type != CONF_NODE_SEQUENCE)) {
            continue;
        }
        copies = copies != NULL ? copies : conf_node_copy_map(upstreams, 0, loader->arena);
        struct conf_node *made = copies != NULL ? with_source(upstream, source, loader->arena) : NULL;
        if (made == NULL) {
            return NO_MEMORY;
        }
        copies->items[i] = made;
    }
    if (copies == NULL) {
        return OK;
    }
    struct conf_node *root = conf_node_copy_map(loader->places->root, 0, loader->arena);
    if (root == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < root->count; i++) {
        root->items[i] = root->items[i] == upstreams ? copies : root->items[i];
    }
    loader->places->root = root;
    return OK;
}

/* ---- all of it ---- */

void check_discovery(struct loader *loader, struct upstream_settings *upstream)
{
    const struct conf_node *upstream_node = loader_object(loader, upstream);
    struct discovery_settings *discover = upstream->discover;
    bool written = conf_node_get(upstream_node, SLICE("endpoints")) != NULL || upstream->endpoints.count > 0;
    if (discover == NULL) {
        if (!written && conf_node_get(upstream_node, SLICE("discover")) == NULL) {
            diagnostics_node(
                loader->diagnostics, DIAGNOSTIC_ERROR, upstream_node,
                "endpoints is missing: its servers, as in `endpoints: [https://10.0.0.5:9001]`, or "
                "`discover: dns://orders.internal:9001`");
        }
        return;
    }
    const struct conf_node *node = conf_node_get(upstream_node, SLICE("discover"));
    node = node != NULL ? node : upstream_node;
    if (written) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                         "endpoints are written or discovered: leave out one of both");
    }
    const char *problem = discover->from.len > 0 ? discovery_parse(discover, loader->arena) : NULL;
    if (problem != NULL) {
        const char *example = example_of(discover->from);
        tell(loader, &discover->from, node, "%s, as in %s", problem,
             example != NULL ? example : "dns://orders.internal:9001");
    } else if (discover->kind == DISCOVERY_FILE) {
        check_file(loader, node);
    } else if (discovery_is_watched(discover)) {
        check_watched(loader, discover, upstream, node);
    } else {
        check_dns(loader, discover, upstream, node);
    }
    if (problem == NULL) {
        check_fields(loader, discover, node);
    }
}
