#include "upstream/discovery/endpoint_set.h"

#include "base/limits.h"
#include "base/log.h"
#include "http/client.h"

#include <stdlib.h>

#define SET_ARENA ((size_t)4 * 1024 * 1024)
#define NO_MEMORY FAIL(ERROR_MEMORY, "no memory for endpoints")

/* What the configuration would refuse of a written one. */
static const char *problem_of(const struct upstream_settings *upstream,
                              const struct upstream_endpoint *endpoint)
{
    if (endpoint->path.len > 0) {
        return "a discovered endpoint is no socket at a path";
    }
    if (upstream->protocol == HTTP_PROTOCOL_2 && !endpoint->tls && !endpoint->h2c) {
        return "`protocol: h2` is agreed on by TLS, and this endpoint has none";
    }
    if (upstream->tls != NULL && tls_knows_by_spiffe(upstream->tls) && !endpoint->tls) {
        return "without TLS a server proves no SPIFFE ID";
    }
    if (upstream->health != NULL && upstream->health->grpc.ptr != NULL &&
        upstream_protocol_of(upstream->protocol, endpoint) == HTTP_PROTOCOL_1) {
        return "it is checked by gRPC, which is spoken over HTTP/2";
    }
    return NULL;
}

static struct error add(struct upstream_settings *made, size_t index, const struct found_endpoint *found,
                        struct slice zone, struct arena *arena)
{
    struct upstream_endpoint_settings *written =
        &((struct upstream_endpoint_settings *)made->endpoints.items)[index];
    struct upstream_endpoint *endpoint = &made->parsed[index];
    *written =
        (struct upstream_endpoint_settings){ .url = arena_copy(arena, found->url), .weight = found->weight };
    if (written->url.ptr == NULL) {
        return NO_MEMORY;
    }
    const char *problem = upstream_parse_endpoint(written->url, arena, endpoint);
    problem = problem == NULL ? problem_of(made, endpoint) : problem;
    if (problem != NULL) {
        return FAIL(ERROR_VALUE, problem);
    }
    endpoint->weight = found->weight;
    bool local = found->zone.len > 0 && slice_equal(found->zone, zone);
    endpoint->tier = found->tiered ? found->tier : !local;
    if (found->host.len > 0) {
        endpoint->host = arena_copy(arena, found->host);
        return endpoint->host.ptr != NULL ? OK : NO_MEMORY;
    }
    return OK;
}

/* A name is judged by what it turns out to stand for, when it is connected to. */
static const char *forbids(const struct upstream_settings *upstream, const struct upstream_endpoint *endpoint)
{
    return endpoint->is_address ? guard_forbids(&upstream->guard, endpoint, &endpoint->address) : NULL;
}

/* Of instances that register themselves one may be a liar, and takes no other with it. Who writes a file writes all of it. */
static struct error add_all(struct upstream_settings *made, const struct found_endpoints *found,
                            struct slice zone, struct arena *arena, size_t *ret_at)
{
    size_t kept = 0;
    const char *problem = NULL;
    for (size_t i = 0; i < found->count; i++) {
        *ret_at = i;
        TRY(add(made, kept, &found->items[i], zone, arena));
        const char *why = forbids(made, &made->parsed[kept]);
        if (made->guard.source == GUARD_FILE && upstream_endpoint_first(made->parsed, kept) != kept) {
            why = "the same server stands there twice: a larger share is said by `weight`";
        }
        if (why != NULL && made->guard.source == GUARD_FILE) {
            return FAIL(ERROR_VALUE, why);
        }
        problem = why != NULL ? why : problem;
        kept += why == NULL;
    }
    if (problem != NULL && kept == 0) {
        return FAIL(ERROR_VALUE, problem);
    }
    if (problem != NULL) {
        log_event(LOG_WARNING, "endpoints_passed_over", LOG_TEXT("upstream", made->name),
                  LOG_NUMBER("endpoints", found->count - kept), LOG_STRING("reason", problem));
    }
    made->endpoints.count = kept;
    return OK;
}

static struct error set_maglev(struct upstream_settings *made, struct arena *arena)
{
    size_t count = made->endpoints.count;
    made->maglev = NULL;
    if (made->balance != BALANCE_HASH || count == 0) {
        return OK;
    }
    struct slice *names = arena_calloc(arena, count, sizeof *names);
    for (size_t i = 0; names != NULL && i < count; i++) {
        names[i] = made->parsed[i].url;
    }
    made->maglev = names != NULL ? maglev_new(arena, names, count) : NULL;
    return made->maglev != NULL ? OK : NO_MEMORY;
}

struct error upstream_set_endpoints(struct upstream_settings *upstream, const struct found_endpoints *found,
                                    struct slice zone, struct arena *arena, size_t *ret_at)
{
    struct upstream_settings made = *upstream;
    size_t count = found->count, local = 0;
    if (count > ENDPOINTS_MAX) {
        return FAIL(ERROR_VALUE, "more endpoints than a service may have, 1024");
    }
    made.endpoints = (struct conf_list){
        .items = arena_calloc(arena, count + 1, sizeof(struct upstream_endpoint_settings)),
        .count = count,
    };
    made.parsed = arena_calloc(arena, count + 1, sizeof *made.parsed);
    if (made.endpoints.items == NULL || made.parsed == NULL) {
        return NO_MEMORY;
    }
    TRY(add_all(&made, found, zone, arena, ret_at));
    for (size_t i = 0; i < made.endpoints.count; i++) {
        local += made.parsed[i].tier == 0;
    }
    made.has_local = local > 0 && local < made.endpoints.count;
    TRY(set_maglev(&made, arena));
    *upstream = made;
    return OK;
}

struct error endpoint_set_new(const struct upstream_settings *upstream, const struct found_endpoints *found,
                              struct slice zone, struct endpoint_set **ret_set)
{
    size_t at;
    struct endpoint_set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return NO_MEMORY;
    }
    arena_init(&set->arena, SET_ARENA);
    atomic_init(&set->references, 1);
    set->settings = *upstream;
    set->settings.endpoints.count = 0; /* the marks of those are not ours */
    struct error error = upstream_set_endpoints(&set->settings, found, zone, &set->arena, &at);
    if (failed(error)) {
        endpoint_set_unref(set);
        return error;
    }
    *ret_set = set;
    return OK;
}

struct endpoint_set *endpoint_set_ref(struct endpoint_set *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void endpoint_set_unref(struct endpoint_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < set->settings.endpoints.count; i++) {
        health_mark_unref(set->settings.parsed[i].mark);
        outlier_mark_unref(set->settings.parsed[i].outlier);
    }
    arena_done(&set->arena);
    free(set);
}
