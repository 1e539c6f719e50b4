#include "config/snapshot.h"

#include "config/internal.h"

#include <stdlib.h>

static bool is_caller_limit(const struct limit_settings *limit)
{
    return limit->kind == LIMIT_BY_CALLER || limit->kind == LIMIT_BY_CLAIM;
}

/* By what can be counted before authentication, and what cannot. */
static struct error split_limits(struct arena *arena, struct route *route)
{
    const struct conf_list *list = &route->settings->policy.limits;
    struct limit_settings *limits = list->items;
    route->client_limits = arena_calloc(arena, list->count + 1, sizeof(struct limit_settings *));
    route->caller_limits = arena_calloc(arena, list->count + 1, sizeof(struct limit_settings *));
    if (route->client_limits == NULL || route->caller_limits == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (is_caller_limit(&limits[i])) {
            route->caller_limits[route->caller_limit_count++] = &limits[i];
        } else {
            route->client_limits[route->client_limit_count++] = &limits[i];
        }
    }
    return OK;
}

static struct error compile_route(struct snapshot *snapshot, size_t index)
{
    struct arena *arena = &snapshot->config->arena;
    const struct settings *settings = snapshot->settings;
    struct route *route = &snapshot->routes[index];
    route->settings = &settings->routes[index];
    route->index = (unsigned int)index;
    const struct upstream_settings *upstream = settings_find(
        settings->upstreams, settings->upstream_count, sizeof *upstream, route->settings->policy.upstream);
    if (upstream == NULL) {
        return FAIL(ERROR_VALUE, "a route without its upstream");
    }
    route->upstream = (unsigned int)(upstream - settings->upstreams);
    if (route->settings->policy.authorize != NULL) {
        route->scope_text = authorize_scope_text(route->settings->policy.authorize, arena);
    }
    return split_limits(arena, route);
}

static bool holds_name(const struct conf_strings *names, struct slice name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (slice_equal_nocase(names->items[i], name)) {
            return true;
        }
    }
    return false;
}

/* A header that one route sets from identity is stripped on every route: an upstream that is shared trusts it on all. */
static struct error collect_identity_headers(struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;
    size_t capacity = 0;
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct relay_settings *relay = settings->routes[i].policy.relay;
        capacity += relay != NULL ? relay->headers.count : 0;
    }
    struct conf_strings *names = &snapshot->identity_headers;
    names->items = arena_calloc(&snapshot->config->arena, capacity + 1, sizeof(struct slice));
    if (names->items == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct relay_settings *relay = settings->routes[i].policy.relay;
        for (size_t k = 0; relay != NULL && k < relay->headers.count; k++) {
            if (!holds_name(names, relay->headers.items[k].name)) {
                names->items[names->count++] = relay->headers.items[k].name;
            }
        }
    }
    return OK;
}

static struct error compile(struct snapshot *snapshot)
{
    struct arena *arena = &snapshot->config->arena;
    const struct settings *settings = snapshot->settings;
    snapshot->route_count = settings->route_count;
    snapshot->routes = arena_calloc(arena, settings->route_count + 1, sizeof *snapshot->routes);
    if (snapshot->routes == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        TRY(compile_route(snapshot, i));
    }
    TRY(collect_identity_headers(snapshot));
    struct route_entry *entries;
    size_t count, index = 0, other = 0;
    TRY(route_entries_new(settings, arena, &entries, &count));
    return route_table_new(entries, count, arena, &snapshot->table, &index, &other);
}

struct error snapshot_new(struct config *config, struct snapshot **ret_snapshot)
{
    static uint64_t generations; /* of this process; any thread */
    if (config->error_count > 0) {
        return FAIL(ERROR_VALUE, "the configuration has errors");
    }
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL) {
        return NO_MEMORY;
    }
    snapshot->config = config;
    snapshot->settings = &config->settings;
    snapshot->references = 1;
    struct error error = compile(snapshot);
    if (failed(error)) {
        free(snapshot);
        return error;
    }
    snapshot->generation = __atomic_add_fetch(&generations, 1, __ATOMIC_RELAXED);
    *ret_snapshot = snapshot;
    return OK;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    __atomic_fetch_add(&snapshot->references, 1, __ATOMIC_RELAXED);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    /* Acquire and release: whoever frees sees everything that the others did with it. */
    if (snapshot != NULL && __atomic_sub_fetch(&snapshot->references, 1, __ATOMIC_ACQ_REL) == 0) {
        config_free(snapshot->config);
        free(snapshot);
    }
}
