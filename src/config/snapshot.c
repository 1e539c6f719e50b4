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
    if (!find_upstream(snapshot->settings, policy->upstream, &route->upstream) && !route->settings->admin) {
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

static bool holds_name(const struct conf_strings *names, struct slice name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (slice_equal_nocase(names->items[i], name)) {
            return true;
        }
    }
    return false;
}

static void add_name(struct conf_strings *names, struct slice name)
{
    if (!holds_name(names, name)) {
        names->items[names->count++] = name;
    }
}

static void add_place(struct relay_credentials *credentials, const struct auth_place_settings *from)
{
    if (from == NULL) {
        return;
    }
    if (from->header.len > 0 && header_id_of(from->header) != HEADER_AUTHORIZATION) {
        add_name(&credentials->headers, from->header);
    }
    if (from->cookie.len > 0 && !conf_strings_contain(&credentials->cookies, from->cookie)) {
        credentials->cookies.items[credentials->cookies.count++] = from->cookie;
    }
    if (from->query.len > 0) {
        add_name(&credentials->queries, from->query);
    }
}

static void add_places(struct relay_credentials *credentials, const struct auth_settings *auth)
{
    if (auth != NULL) {
        add_place(credentials, auth->token_from);
        add_place(credentials, auth->key_from);
    }
}

/* A credential that is sent where none is asked for is one all the same: a browser sends its cookies to every path of a host. */
static struct error collect_credentials(struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;
    struct relay_credentials *credentials = &snapshot->credentials;
    struct conf_strings *const lists[] = { &credentials->headers, &credentials->cookies,
                                           &credentials->queries };
    size_t capacity = settings->api_keys_count + settings->issuer_count + 4 * settings->route_count + 1;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        lists[i]->items = arena_calloc(&snapshot->config->arena, capacity, sizeof(struct slice));
        if (lists[i]->items == NULL) {
            return NO_MEMORY;
        }
    }
    for (size_t i = 0; i < settings->api_keys_count; i++) {
        add_name(&credentials->headers, settings->api_keys[i].header);
    }
    for (size_t i = 0; i < settings->issuer_count; i++) {
        add_place(credentials, settings->issuers[i].token_from);
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct auth_settings *auth = settings->routes[i].policy.auth;
        const struct auth_settings *candidate = auth != NULL ? auth->candidate : NULL;
        add_places(credentials, auth);
        add_places(credentials, candidate);
    }
    return OK;
}

/* A header that one route sets from identity, or an authorizer, is stripped on every route: an upstream that is shared trusts it
 * on all. And so is one that holds credentials. */
static struct error collect_identity_headers(struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;
    const struct conf_strings *held = &snapshot->credentials.headers;
    size_t capacity = held->count;
    for (size_t i = 0; i < settings->authorizer_count; i++) {
        capacity += settings->authorizers[i].upstream_headers.count;
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct relay_settings *relay = settings->routes[i].policy.relay;
        capacity += relay != NULL ? relay->headers.count : 0;
    }
    struct conf_strings *names = &snapshot->identity_headers;
    names->items = arena_calloc(&snapshot->config->arena, capacity + 1, sizeof(struct slice));
    if (names->items == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < held->count; i++) {
        add_name(names, held->items[i]);
    }
    for (size_t i = 0; i < settings->authorizer_count; i++) {
        const struct conf_strings *granted = &settings->authorizers[i].upstream_headers;
        for (size_t k = 0; k < granted->count; k++) {
            add_name(names, granted->items[k]);
        }
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        const struct relay_settings *relay = settings->routes[i].policy.relay;
        for (size_t k = 0; relay != NULL && k < relay->headers.count; k++) {
            add_name(names, relay->headers.items[k].name);
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
    snapshot->authorizer_slots =
        arena_calloc(arena, settings->authorizer_count + 1, sizeof *snapshot->authorizer_slots);
    if (snapshot->routes == NULL || snapshot->authorizer_slots == NULL) {
        return NO_MEMORY;
    }
    for (size_t i = 0; i < settings->route_count; i++) {
        TRY(compile_route(snapshot, i));
    }
    TRY(snapshot_compile_resources(snapshot));
    TRY(collect_credentials(snapshot));
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
