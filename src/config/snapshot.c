#include "config/snapshot.h"

#include "base/clock.h"
#include "config/internal.h"

#include <inttypes.h>
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

/* False: there is none of that name. */
static bool find_upstream(const struct settings *settings, struct slice name, unsigned int *ret_index)
{
    const struct upstream_settings *upstream =
        settings_find(settings->upstreams, settings->upstream_count, sizeof *upstream, name);
    *ret_index = upstream != NULL ? (unsigned int)(upstream - settings->upstreams) : 0;
    return upstream != NULL;
}

static struct error compile_split(struct snapshot *snapshot, struct route *route)
{
    const struct split_settings *split = route->settings->policy.split;
    const struct split_share *shares = split->weights.items;
    unsigned int upstreams[SPLIT_SHARES_MAX] = { 0 };
    for (size_t i = 0; i < split->weights.count; i++) {
        if (i == SPLIT_SHARES_MAX || !find_upstream(snapshot->settings, shares[i].name, &upstreams[i])) {
            return FAIL(ERROR_VALUE, "a split without its upstream");
        }
    }
    route->upstream = upstreams[0];
    return split_new(split, upstreams, &snapshot->config->arena, &route->split);
}

/* Where its requests go, and copies of them. */
static struct error compile_upstreams(struct snapshot *snapshot, struct route *route)
{
    const struct route_policy *policy = &route->settings->policy;
    if (policy->mirror != NULL &&
        !find_upstream(snapshot->settings, policy->mirror->upstream, &route->mirror_upstream)) {
        return FAIL(ERROR_VALUE, "a mirror without its upstream");
    }
    if (policy->fallback != NULL && policy->fallback->upstream.len > 0 &&
        !find_upstream(snapshot->settings, policy->fallback->upstream, &route->fallback_upstream)) {
        return FAIL(ERROR_VALUE, "a fallback without its upstream");
    }
    if (policy->split != NULL) {
        return compile_split(snapshot, route);
    }
    if (!find_upstream(snapshot->settings, policy->upstream, &route->upstream) && !route->settings->admin &&
        !filter_redirects(route->settings->filters)) {
        return FAIL(ERROR_VALUE, "a route without its upstream");
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
    TRY(compile_upstreams(snapshot, route));
    if (route->settings->policy.authorize != NULL) {
        const struct authorize_settings *authorize = route->settings->policy.authorize;
        route->authorizer = settings_find(settings->authorizers, settings->authorizer_count,
                                          sizeof *route->authorizer, authorize->external);
        if (route->authorizer == NULL && authorize->external.len > 0) {
            return FAIL(ERROR_VALUE, "a route without its authorizer");
        }
        route->scope_text = authorize_scope_text(authorize, arena);
        route->acr_text = authorize_acr_text(authorize, arena);
        route->max_age_text = authorize->max_age > 0
                                  ? arena_printf(arena, "%" PRId64, authorize->max_age / NS_PER_S)
                                  : SLICE_NONE;
    }
    return split_limits(arena, route);
}

static struct error compile(struct snapshot *snapshot)
{
    struct arena *arena = &snapshot->config->arena;
    const struct settings *settings = snapshot->settings;
    snapshot->route_count = settings->route_count;
    snapshot->routes = arena_calloc(arena, settings->route_count + 1, sizeof *snapshot->routes);
    snapshot->authorizer_slots =
        arena_calloc(arena, settings->authorizer_count + 1, sizeof *snapshot->authorizer_slots);
    if (snapshot->routes == NULL || snapshot->authorizer_slots == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        TRY(compile_route(snapshot, i));
    }
    TRY(snapshot_compile_resources(snapshot));
    TRY(identity_collect(settings, arena, &snapshot->credentials, &snapshot->identity_headers));
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

static void release_marks(const struct settings *settings)
{
    for (size_t i = 0; i < settings->upstream_count; i++) {
        const struct upstream_settings *upstream = &settings->upstreams[i];
        for (size_t k = 0; k < upstream->endpoints.count; k++) {
            health_mark_unref(upstream->parsed[k].mark);
            outlier_mark_unref(upstream->parsed[k].outlier);
        }
    }
}

void snapshot_unref(struct snapshot *snapshot)
{
    /* Acquire and release: whoever frees sees everything that the others did with it. */
    if (snapshot != NULL && __atomic_sub_fetch(&snapshot->references, 1, __ATOMIC_ACQ_REL) == 0) {
        release_marks(snapshot->settings);
        config_free(snapshot->config);
        free(snapshot);
    }
}
