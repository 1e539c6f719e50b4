#include "config/snapshot.h"

#include <stdlib.h>

/* ---- routes ---- */

/* Limits by what a client cannot help showing are decided before authentication, the others once the caller is known. */
static bool is_client_limit(const struct limit_settings *limit)
{
    return limit->kind == LIMIT_BY_ADDRESS || limit->kind == LIMIT_BY_HEADER || limit->kind == LIMIT_BY_ROUTE;
}

static bool split_limits(struct route *route, struct arena *arena)
{
    const struct conf_list *limits = &route->settings->policy.limits;
    struct limit_settings *items = limits->items;
    route->client_limits = arena_calloc(arena, limits->count + 1, sizeof(struct limit_settings *));
    route->caller_limits = arena_calloc(arena, limits->count + 1, sizeof(struct limit_settings *));
    if (route->client_limits == NULL || route->caller_limits == NULL) {
        return false;
    }
    for (size_t i = 0; i < limits->count; i++) {
        if (is_client_limit(&items[i])) {
            route->client_limits[route->client_limit_count++] = &items[i];
        } else {
            route->caller_limits[route->caller_limit_count++] = &items[i];
        }
    }
    return true;
}

static struct error compile_route(const struct settings *settings, struct route *route, struct arena *arena)
{
    const struct route_policy *policy = &route->settings->policy;
    route->upstream = (unsigned int)settings->upstream_count;
    for (size_t i = 0; i < settings->upstream_count; i++) {
        if (slice_equal(settings->upstreams[i].name, policy->upstream)) {
            route->upstream = (unsigned int)i;
        }
    }
    if (route->upstream == settings->upstream_count) {
        return FAIL(ERROR_VALUE, "a route's upstream is unknown");
    }
    if (policy->authorize != NULL) {
        route->scope_text = authorize_scope_text(policy->authorize, arena);
    }
    return split_limits(route, arena) ? OK : FAIL(ERROR_MEMORY, "snapshot");
}

static uint64_t listener_bits(const struct settings *settings, const struct route_policy *policy)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < policy->listeners.count; i++) {
        for (size_t k = 0; k < settings->listener_count && k < 64; k++) {
            if (slice_equal(settings->listeners[k].name, policy->listeners.items[i])) {
                bits |= UINT64_C(1) << k;
            }
        }
    }
    return bits;
}

/* Every host with every path of every route. */
static struct error build_table(struct snapshot *snapshot, struct arena *arena)
{
    const struct settings *settings = snapshot->settings;
    size_t count = 0;
    for (size_t i = 0; i < settings->route_count; i++) {
        count += settings->routes[i].match.host.count * settings->routes[i].match.path.count;
    }
    struct route_entry *entries = arena_calloc(arena, count + 1, sizeof *entries);
    if (entries == NULL) {
        return FAIL(ERROR_MEMORY, "snapshot");
    }
    size_t used = 0;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct match_settings *match = &settings->routes[i].match;
        uint64_t bits = listener_bits(settings, &settings->routes[i].policy);
        for (size_t k = 0; k < match->host.count * match->path.count; k++) {
            entries[used++] = (struct route_entry){
                .id = (unsigned int)i,
                .host = match->host.items[k / match->path.count],
                .path = match->path.items[k % match->path.count],
                .methods = &match->methods,
                .listeners = bits,
            };
        }
    }
    size_t index = 0;
    size_t other = 0;
    return route_table_new(entries, used, arena, &snapshot->table, &index, &other);
}

static bool collect_identity_headers(struct snapshot *snapshot, struct arena *arena)
{
    size_t count = 0;
    for (size_t i = 0; i < snapshot->route_count; i++) {
        const struct relay_settings *relay = snapshot->routes[i].settings->policy.relay;
        count += relay != NULL ? relay->headers.count : 0;
    }
    struct conf_strings *names = &snapshot->identity_headers;
    names->items = arena_calloc(arena, count + 1, sizeof *names->items);
    if (names->items == NULL) {
        return false;
    }
    for (size_t i = 0; i < snapshot->route_count; i++) {
        const struct relay_settings *relay = snapshot->routes[i].settings->policy.relay;
        for (size_t k = 0; relay != NULL && k < relay->headers.count; k++) {
            names->items[names->count++] = relay->headers.items[k].name;
        }
    }
    return true;
}

/* ---- the snapshot ---- */

static struct error compile(struct snapshot *snapshot)
{
    struct arena *arena = &snapshot->config->arena;
    const struct settings *settings = snapshot->settings;
    snapshot->routes = arena_calloc(arena, settings->route_count + 1, sizeof *snapshot->routes);
    if (snapshot->routes == NULL) {
        return FAIL(ERROR_MEMORY, "snapshot");
    }
    snapshot->route_count = settings->route_count;
    for (size_t i = 0; i < snapshot->route_count; i++) {
        snapshot->routes[i].settings = &settings->routes[i];
        snapshot->routes[i].index = (unsigned int)i;
        TRY(compile_route(settings, &snapshot->routes[i], arena));
    }
    TRY(build_table(snapshot, arena));
    return collect_identity_headers(snapshot, arena) ? OK : FAIL(ERROR_MEMORY, "snapshot");
}

struct error snapshot_new(struct config *config, struct snapshot **ret_snapshot)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL) {
        return FAIL(ERROR_MEMORY, "snapshot");
    }
    *snapshot = (struct snapshot){ .config = config, .settings = &config->settings, .references = 1 };
    struct error error = compile(snapshot);
    if (failed(error)) {
        free(snapshot);
        return error;
    }
    *ret_snapshot = snapshot;
    return OK;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    __atomic_add_fetch(&snapshot->references, 1, __ATOMIC_RELAXED);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (__atomic_sub_fetch(&snapshot->references, 1, __ATOMIC_ACQ_REL) == 0) {
        config_free(snapshot->config);
        free(snapshot);
    }
}
