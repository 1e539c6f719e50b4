/* `admin`: becomes a group of two routes, read by the same tables and checked by the same checks as any other. So who may use the
 * admin API is decided where it is decided of every route. What is particular to it is told here. */
#include "base/limits.h"
#include "config/internal.h"

#define GROUP SLICE("admin")

/* ---- the table ---- */

#define OF(type, member) .offset = offsetof(struct type, member)

static const struct conf_field admin_fields[] = {
    { "listeners", CONF_STRINGS, CONF_REQUIRED | CONF_NON_EMPTY, OF(admin_settings, listeners),
      .help = "Names of the listeners that serve it, and nothing else: `exposure: internal`, with tls unless "
              "they are loopback or a Unix socket." },
    { "hosts", CONF_STRINGS, CONF_REQUIRED | CONF_NON_EMPTY | CONF_NAMES, OF(admin_settings, hosts),
      .help = "The names that its clients call it by: a request with another Host is denied (DNS "
              "rebinding). No wildcards." },
    { "auth", CONF_OBJECT, CONF_REQUIRED, OF(admin_settings, auth), .object = &auth_object,
      .help = "How callers prove who they are; never `none`." },
    { "read", CONF_OBJECT, CONF_REQUIRED, OF(admin_settings, read), .object = &authorize_object,
      .help = "What who looks must have." },
    { "write", CONF_OBJECT, CONF_REQUIRED, OF(admin_settings, write), .object = &authorize_object,
      .help = "What who changes anything must have." },
    { "limits", CONF_LIST, OF(admin_settings, limits), .object = &limit_object,
      .help = "Request limits, beside those of `defaults`." },
    { "api_keys", CONF_STRINGS, CONF_NON_EMPTY, OF(admin_settings, api_keys),
      .help = "Names of the sets of API keys that it serves; default: all that are kept in a store or in a "
              "database." },
    { "blocks", CONF_BOOL, OF(admin_settings, blocks), .standard = "false",
      .help =
          "Whether it adds and removes blocks, too; then the gateway process may write in the directory of "
          "their store." },
    { 0 },
};

const struct conf_object admin_object = {
    .name = "admin",
    .size = sizeof(struct admin_settings),
    .fields = admin_fields,
    .help = "The admin API: keys are made and changed over HTTP, by callers that are authenticated and "
            "authorized as on every route. Its routes are `admin.read` and `admin.write`; `defaults` hold "
            "for them. See docs/admin-api.md.",
};

/* ---- the routes ---- */

/* A node that nobody wrote: it stands where `admin` stands. */
static struct conf_node *make(const struct loader *loader, const struct conf_node *admin, struct slice key,
                              enum conf_node_type type, size_t room)
{
    struct conf_node *node = arena_calloc(loader->arena, 1, sizeof *node);
    struct conf_node **items = arena_calloc(loader->arena, room + 1, sizeof(struct conf_node *));
    if (node == NULL || items == NULL) {
        return NULL;
    }
    *node = (struct conf_node){
        .type = type,
        .plain = true,
        .place = admin->place,
        .key = key,
        .key_place = admin->key_place,
        .parent = admin->parent,
        .owner = admin->owner,
        .items = items,
    };
    return node;
}

/* False: no memory. */
static bool put(struct conf_node *map, struct conf_node *entry)
{
    if (map == NULL || entry == NULL) {
        return false;
    }
    map->items[map->count++] = entry;
    return true;
}

static bool put_text(const struct loader *loader, const struct conf_node *admin, struct conf_node *map,
                     struct slice key, struct slice text)
{
    struct conf_node *node = make(loader, admin, key, CONF_NODE_SCALAR, 0);
    if (node != NULL) {
        node->text = text;
    }
    return put(map, node);
}

/* What was written in `admin` under one key goes on under another; where it was not written, that is told of `admin`. */
static bool put_written(const struct loader *loader, const struct conf_node *admin, struct conf_node *map,
                        struct slice from, struct slice to)
{
    const struct conf_node *written = conf_node_get(admin, from);
    struct conf_node *copy = written != NULL ? arena_alloc(loader->arena, sizeof *copy) : NULL;
    if (written == NULL) {
        return true;
    }
    if (copy != NULL) {
        *copy = *written; /* its key shows in no message: paths are those of what was written */
        copy->key = to;
    }
    return put(map, copy);
}

static bool put_route(const struct loader *loader, const struct conf_node *admin, struct conf_node *routes,
                      struct slice name, struct slice method)
{
    struct conf_node *route = make(loader, admin, name, CONF_NODE_MAPPING, 3);
    struct conf_node *match = make(loader, admin, SLICE("match"), CONF_NODE_MAPPING, 2);
    bool write = slice_equal(name, SLICE("write"));
    return match != NULL && route != NULL && put_text(loader, admin, match, SLICE("methods"), method) &&
           put_text(loader, admin, match, SLICE("path"), SLICE("/**")) && put(route, match) &&
           put_written(loader, admin, route, name, SLICE("authorize")) &&
           (!write || put_text(loader, admin, route, SLICE("audit"), SLICE("all"))) && put(routes, route);
}

static struct conf_node *make_group(const struct loader *loader, const struct conf_node *admin)
{
    struct conf_node *group = make(loader, admin, GROUP, CONF_NODE_MAPPING, 8);
    struct conf_node *match = make(loader, admin, SLICE("match"), CONF_NODE_MAPPING, 2);
    struct conf_node *routes = make(loader, admin, SLICE("routes"), CONF_NODE_MAPPING, 2);
    bool good = group != NULL && match != NULL && routes != NULL &&
                put_written(loader, admin, match, SLICE("hosts"), SLICE("host")) &&
                put_text(loader, admin, match, SLICE("path"), SLICE("/v1")) && put(group, match) &&
                put_written(loader, admin, group, SLICE("listeners"), SLICE("listeners")) &&
                put_written(loader, admin, group, SLICE("auth"), SLICE("auth")) &&
                put_written(loader, admin, group, SLICE("limits"), SLICE("limits")) &&
                put_route(loader, admin, routes, SLICE("read"), SLICE("GET")) &&
                put_route(loader, admin, routes, SLICE("write"), SLICE("POST")) && put(group, routes);
    return good ? group : NULL;
}

/* All that a route must say has been said: the rest would be told of routes that nobody wrote. */
static bool is_complete(const struct conf_node *admin)
{
    static const char *const needed[] = { "listeners", "hosts", "auth", "read", "write" };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (conf_node_get(admin, slice_from_string(needed[i])) == NULL) {
            return false;
        }
    }
    return true;
}

struct error expand_admin(struct loader *loader)
{
    const struct conf_node *admin = conf_node_get(loader->places->root, SLICE("admin"));
    struct conf_node *groups = conf_node_get(loader->places->root, SLICE("groups"));
    if (admin == NULL || admin->type != CONF_NODE_MAPPING || !is_complete(admin) ||
        (groups != NULL && groups->type != CONF_NODE_MAPPING)) {
        return OK; /* what is wrong is told by the reader */
    }
    const struct conf_node *twin = conf_node_get(groups, GROUP);
    if (twin != NULL) {
        diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, twin,
                         "with `admin` no group can be called so: its routes are admin.read and admin.write");
        return OK;
    }
    struct conf_node *group = make_group(loader, admin);
    struct conf_node *more = conf_node_copy_map(groups, 1, loader->arena);
    struct conf_node *root = conf_node_copy_map(loader->places->root, 1, loader->arena);
    if (group == NULL || more == NULL || root == NULL) {
        return NO_MEMORY;
    }
    if (groups == NULL) {
        more->key = SLICE("groups");
        more->place = admin->place;
        more->key_place = admin->key_place;
        root->items[root->count++] = more;
    }
    for (size_t i = 0; i < root->count; i++) {
        root->items[i] = root->items[i] == groups ? more : root->items[i];
    }
    more->items[more->count++] = group;
    loader->places->root = root;
    return OK;
}

/* ---- what is particular ---- */

static struct listener_settings *listener_of(const struct loader *loader, struct slice name)
{
    const struct settings *settings = loader->settings;
    return settings_find(settings->listeners, settings->listener_count, sizeof *settings->listeners, name);
}

static void check_listener(struct loader *loader, const struct slice *name, const struct conf_node *node)
{
    struct listener_settings *listener = listener_of(loader, *name);
    if (listener == NULL) {
        return; /* told of the route */
    }
    listener->admin = true;
    if (listener->exposure != EXPOSURE_INTERNAL) {
        tell(loader, name, node,
             "the admin API is for the inside: listener \"%.*s\" needs exposure: internal", SLICE_ARG(*name));
    }
    if (listener->status || listener->redirect_to_https) {
        tell(loader, name, node, "listener \"%.*s\" serves no admin API: it is for %s", SLICE_ARG(*name),
             listener->status ? "status pages" : "redirects");
    }
    if (listener->tls == NULL && listener->path.len == 0 && !address_is_loopback(&listener->parsed_address)) {
        tell(loader, name, node,
             "listener \"%.*s\" has no tls: without it the admin API is for loopback addresses and Unix "
             "sockets only",
             SLICE_ARG(*name));
    }
    if (listener->proxy_protocol != PROXY_PROTOCOL_NONE || listener->forwarded != FORWARDED_NONE) {
        tell(
            loader, name, node,
            "listener \"%.*s\" stands behind a proxy: the admin API is asked directly, so that its audit log "
            "tells who asked from where",
            SLICE_ARG(*name));
    }
}

static void check_hosts(struct loader *loader, const struct admin_settings *admin,
                        const struct conf_node *node)
{
    for (size_t i = 0; i < admin->hosts.count; i++) {
        if (slice_find(admin->hosts.items[i], '*') >= 0) {
            tell(loader, &admin->hosts.items[i], node,
                 "a name is wanted here, as in admin.internal: a wildcard would let any page that knows the "
                 "address in (DNS rebinding)");
        }
    }
}

static const struct api_keys_settings *set_of(struct loader *loader, const struct slice *name,
                                              const struct conf_node *node)
{
    const struct settings *settings = loader->settings;
    return loader_find(loader, loader_node(loader, name, node), "set of API keys", settings->api_keys,
                       settings->api_keys_count, sizeof *settings->api_keys, *name);
}

static struct error check_sets(struct loader *loader, struct admin_settings *admin,
                               const struct conf_node *node)
{
    const struct settings *settings = loader->settings;
    for (size_t i = 0; i < admin->api_keys.count; i++) {
        const struct slice *name = &admin->api_keys.items[i];
        const struct api_keys_settings *set = set_of(loader, name, node);
        if (set != NULL && !api_keys_have_store(set)) {
            tell(loader, name, node, "set \"%.*s\" has no store: its keys are changed in the file",
                 SLICE_ARG(*name));
        }
    }
    if (admin->api_keys.count > 0 || conf_node_get(node, SLICE("api_keys")) != NULL) {
        return OK;
    }
    admin->api_keys.items = arena_calloc(loader->arena, settings->api_keys_count + 1, sizeof(struct slice));
    if (admin->api_keys.items == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        if (api_keys_have_store(&settings->api_keys[i])) {
            admin->api_keys.items[admin->api_keys.count++] = settings->api_keys[i].name;
        }
    }
    if (admin->api_keys.count == 0 && !admin->blocks) {
        diagnostics_node(
            loader->diagnostics, DIAGNOSTIC_ERROR, node,
            "there is nothing to administer: no set of `api_keys` has a store, and `blocks` is false");
    }
    return OK;
}

static void check_block_store(struct loader *loader, const struct admin_settings *admin,
                              const struct conf_node *node)
{
    const struct blocks_settings *blocks = loader->settings->blocks;
    if (admin->blocks && (blocks == NULL || blocks->store.len == 0)) {
        tell(loader, &admin->blocks, node,
             "there is no store of blocks to change: name one as `store` of `blocks`");
    }
}

struct error check_admin(struct loader *loader)
{
    struct admin_settings *admin = loader->settings->admin;
    if (admin == NULL) {
        return OK;
    }
    const struct conf_node *node = loader_object(loader, admin);
    for (size_t i = 0; i < admin->listeners.count; i++) {
        check_listener(loader, &admin->listeners.items[i], node);
    }
    check_hosts(loader, admin, node);
    if (admin->auth != NULL && (admin->auth->mode == AUTH_NONE || admin->auth->mode == AUTH_OPTIONAL)) {
        tell(loader, &admin->auth, node,
             "the admin API is never public: name an issuer, a set of API keys or client certificates");
    }
    check_block_store(loader, admin, node);
    return check_sets(loader, admin, node);
}

/* Its routes go nowhere, and no page may ask them: what `defaults` say about that is for others. This is what holds for them. */
static struct route_policy own_policy(const struct route_policy *policy)
{
    return (struct route_policy){
        .listeners = policy->listeners,
        .exposure = policy->exposure,
        .exposes = policy->exposes,
        .auth = policy->auth,
        .authorize = policy->authorize,
        .limits = policy->limits,
        .hide_upstream = policy->hide_upstream,
        .secure_headers = policy->secure_headers,
        .timeout = policy->timeout,
        .idle_timeout = policy->idle_timeout,
        .max_stream_age = policy->max_stream_age,
        .outlive_token = policy->outlive_token,
        .body = policy->body,
        .max_grpc_message = policy->max_grpc_message,
        .audit = policy->audit,
        .path_allows = policy->path_allows,
    };
}

static void check_own(struct loader *loader, struct route_settings *route, const struct conf_node *node)
{
    route->policy = own_policy(&route->policy);
    const struct authorize_settings *authorize = route->policy.authorize;
    if (authorize != NULL && authorize->shadow.mode == SHADOW_OBSERVE) {
        tell(loader, &authorize->shadow.mode, node,
             "what the admin API demands is enforced from the first day: else whoever proves to be anybody "
             "could make keys");
    }
}

void check_admin_route(struct loader *loader, struct route_settings *route, const struct conf_node *node)
{
    if (route->admin) {
        check_own(loader, route, node);
        return;
    }
    for (size_t i = 0; i < route->policy.listeners.count; i++) {
        const struct slice *name = &route->policy.listeners.items[i];
        const struct listener_settings *listener = listener_of(loader, *name);
        if (listener != NULL && listener->admin) {
            tell(loader, name, node, "listener \"%.*s\" serves the admin API, and nothing beside it",
                 SLICE_ARG(*name));
        }
    }
}
