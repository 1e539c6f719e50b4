/* Protected resources: cross-checks, and what is served of them. */
#include "auth/plan.h"
#include "config/internal.h"
#include "config/snapshot.h"

static bool names(const struct route_settings *route, struct slice resource)
{
    const struct auth_settings *auth = route->policy.auth;
    return auth != NULL && auth->mode != AUTH_NONE && slice_equal(auth->resource, resource);
}

static void check_issuers(struct loader *loader, const struct resource_settings *resource,
                          const struct conf_node *node)
{
    const struct settings *settings = loader->settings;
    for (size_t i = 0; i < resource->issuers.count; i++) {
        const struct slice *name = &resource->issuers.items[i];
        loader_find(loader, loader_node(loader, name, node), "issuer", settings->issuers,
                    settings->issuer_count, sizeof *settings->issuers, *name);
    }
}

/* A client compares the identifier with the URL that it called (RFC 9728 section 3.3): at another host it refuses. */
static bool serves_host(const struct route_settings *route, struct slice host)
{
    bool found = false;
    for (size_t i = 0; i < route->match.host.count; i++) {
        found = found || host_covers(route->match.host.items[i], host);
    }
    return found;
}

static void check_routes_of(struct loader *loader, const struct resource_settings *resource,
                            const struct conf_node *node)
{
    const struct settings *settings = loader->settings;
    bool named = false;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct route_settings *route = &settings->routes[i];
        if (!names(route, resource->name)) {
            continue;
        }
        named = true;
        if (!serves_host(route, resource_host(resource))) {
            tell(loader, &resource->resource, node,
                 "route \"%.*s\" names this resource and does not serve its host: clients would refuse the "
                 "document",
                 SLICE_ARG(route->name));
        }
    }
    if (!named) {
        diagnostics_node(
            loader->diagnostics, DIAGNOSTIC_WARNING, node,
            "no route's auth names it: its document is not served, and no challenge says where it is");
    }
}

struct error check_resources(struct loader *loader)
{
    const struct settings *settings = loader->settings;
    for (size_t i = 0; i < settings->resource_count; i++) {
        const struct resource_settings *resource = &settings->resources[i];
        const struct conf_node *node = loader_object(loader, resource);
        const char *problem = resource->resource.len > 0 ? resource_check(resource) : NULL;
        if (problem != NULL) {
            diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node, "%s", problem);
        } else if (resource->resource.len > 0) {
            check_routes_of(loader, resource, node);
        }
        check_issuers(loader, resource, node);
        for (size_t k = 0; k < i; k++) {
            if (slice_equal(settings->resources[k].resource, resource->resource) &&
                resource->resource.len > 0) {
                diagnostics_node(loader->diagnostics, DIAGNOSTIC_ERROR, node,
                                 "has the identifier of \"%.*s\"", SLICE_ARG(settings->resources[k].name));
            }
        }
    }
    return OK;
}

void check_resource_name(struct loader *loader, const struct auth_settings *auth,
                         const struct conf_node *node)
{
    const struct settings *settings = loader->settings;
    if (auth->resource.len == 0) {
        return;
    }
    loader_find(loader, loader_node(loader, &auth->resource, node), "resource", settings->resources,
                settings->resource_count, sizeof *settings->resources, auth->resource);
    if (!auth_plan_uses(auth->plan, AUTH_JWT)) {
        tell(loader, &auth->resource, node, "resource is about tokens, and no way of the route is jwt");
    }
}

/* ---- what is served ---- */

static uint64_t listeners_of(const struct settings *settings, const struct route_settings *route)
{
    uint64_t listeners = 0;
    for (size_t i = 0; i < settings->listener_count; i++) {
        if (conf_strings_contain(&route->policy.listeners, settings->listeners[i].name)) {
            listeners |= UINT64_C(1) << settings->listeners[i].index;
        }
    }
    return listeners;
}

static void note_ways(const struct auth_plan *plan, struct resource_facts *facts)
{
    for (size_t i = 0; plan != NULL && i < plan->use_count; i++) {
        const struct auth_use *use = &plan->uses[i];
        for (size_t k = 0; use->method == AUTH_JWT && k < use->places.count; k++) {
            facts->by_header = facts->by_header || use->places.items[k].kind == AUTH_PLACE_BEARER;
            facts->by_query = facts->by_query || use->places.items[k].kind == AUTH_PLACE_QUERY;
        }
    }
}

static struct error compile_resource(struct snapshot *snapshot, const struct resource_settings *resource,
                                     struct served_resource *out)
{
    const struct settings *settings = snapshot->settings;
    struct arena *arena = &snapshot->config->arena;
    struct resource_facts facts = { 0 };
    struct slice *servers = arena_calloc(arena, resource->issuers.count + 1, sizeof *servers);
    struct slice url = resource_url(resource, arena);
    out->host = resource_host(resource);
    out->path = resource_path(resource, arena);
    if (servers == NULL || url.ptr == NULL || out->path.ptr == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < resource->issuers.count; i++) {
        const struct issuer_settings *issuer = settings_find(settings->issuers, settings->issuer_count,
                                                             sizeof *issuer, resource->issuers.items[i]);
        servers[facts.server_count++] = issuer != NULL ? issuer->issuer : SLICE("");
    }
    facts.servers = servers;
    for (size_t i = 0; i < settings->route_count; i++) {
        if (names(&settings->routes[i], resource->name)) {
            snapshot->routes[i].resource_metadata = url;
            out->listeners |= listeners_of(settings, &settings->routes[i]);
            note_ways(settings->routes[i].policy.auth->plan, &facts);
        }
    }
    return resource_document(resource, &facts, arena, &out->text);
}

struct error snapshot_compile_resources(struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;
    snapshot->resources =
        arena_calloc(&snapshot->config->arena, settings->resource_count + 1, sizeof *snapshot->resources);
    if (snapshot->resources == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < settings->resource_count; i++) {
        TRY(compile_resource(snapshot, &settings->resources[i],
                             &snapshot->resources[snapshot->resource_count++]));
    }
    return OK;
}
