/* What the table of authorizers cannot say. */
#include "external/settings.h"

#include "base/clock.h"
#include "http/client.h"
#include "http/uri.h"
#include "relay/names.h"

#define HEADER_PREFIX "header:"

bool external_names_hold(const struct conf_strings *names, struct slice name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (slice_equal_nocase(names->items[i], name)) {
            return true;
        }
    }
    return false;
}

/* ---- the URL ---- */

/* "https://host:port" and what stands behind it. */
static struct slice split_url(struct slice url, struct slice *ret_path)
{
    size_t at = slice_starts_with(url, SLICE("https://")) ? strlen("https://") : strlen("http://");
    while (at < url.len && url.ptr[at] != '/' && url.ptr[at] != '?' && url.ptr[at] != '#') {
        at++;
    }
    *ret_path = slice_from(url, at);
    return slice_part(url, 0, at);
}

static bool is_path(struct slice path)
{
    char canonical[1024];
    struct slice same;
    return path.len <= sizeof canonical &&
           uri_canonical_path(path, URI_ALLOW_ENCODED_SLASH | URI_ALLOW_PARAMETERS, canonical, &same) ==
               URI_OK;
}

static const char *path_problem(struct slice path, int contract)
{
    struct uri_target target;
    if (path.len == 0) {
        return NULL;
    }
    if (path.len > HTTP_TARGET_MAX || uri_parse_target(path, METHOD_GET, &target) != URI_OK ||
        target.form != URI_ORIGIN || !is_path(target.path)) {
        return "what stands behind the host is no path, as in /verify";
    }
    if (contract == AUTHORIZER_EXT_AUTHZ && target.query.ptr != NULL) {
        return "with ext_authz the request's own path and query stand behind the URL: it has no query";
    }
    if (contract == AUTHORIZER_EXT_AUTHZ && slice_ends_with(path, SLICE("/"))) {
        return "with ext_authz the request's own path stands behind the URL, and begins with a slash: leave "
               "the "
               "last one out";
    }
    return NULL;
}

const char *authorizer_url_problem(struct slice url, int contract)
{
    char memory[1024];
    struct slice path;
    if (!slice_starts_with(url, SLICE("https://")) && !slice_starts_with(url, SLICE("http://"))) {
        return "a URL is wanted here, as in https://sso.internal:9091/verify";
    }
    struct slice origin = split_url(url, &path);
    struct arena arena;
    struct upstream_endpoint endpoint;
    if (origin.len > sizeof memory) {
        return "the host is neither a name nor an address";
    }
    arena_init(&arena, ARENA_BLOCK);
    const char *problem = upstream_parse_endpoint(origin, &arena, &endpoint);
    arena_done(&arena);
    return problem != NULL ? problem : path_problem(path, contract);
}

/* ---- headers ---- */

static const char *name_problem(struct slice name)
{
    if (!http_token_valid(name)) {
        return "not a header name";
    }
    return slice_find(name, '_') >= 0 ? "header names with \"_\" are ambiguous: write \"-\"" : NULL;
}

static unsigned int classes_of(struct slice name)
{
    return name_classes(header_id_of(name), name);
}

static bool is_one_of(struct slice name, const struct slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_nocase(name, names[i])) {
            return true;
        }
    }
    return false;
}

const char *authorizer_request_header_problem(struct slice name)
{
    const char *problem = name_problem(name);
    if (problem == NULL &&
        (classes_of(name) & (NAME_HOP | NAME_FORWARDED | NAME_OVERRIDE | NAME_OURS)) != 0) {
        problem =
            "this header is the protocol's or the gateway's own: what it would say is told anyway, and never "
            "by the client";
    }
    return problem;
}

const char *authorizer_identity_header_problem(struct slice name)
{
    const char *problem = name_problem(name);
    if (problem == NULL && (classes_of(name) & (NAME_DROPPED_FROM_REQUEST | NAME_FIXED)) != 0) {
        problem = "this header is the protocol's or the gateway's own and cannot be set";
    }
    return problem;
}

/* Identity in the family of X-Forwarded-*: what authorizers are known to answer with. No address, protocol or host is among
 * them. */
static bool is_forwarded_identity(struct slice name)
{
    static const struct slice names[] = {
        SLICE_INIT("X-Forwarded-User"),         SLICE_INIT("X-Forwarded-Email"),
        SLICE_INIT("X-Forwarded-Groups"),       SLICE_INIT("X-Forwarded-Preferred-Username"),
        SLICE_INIT("X-Forwarded-Access-Token"),
    };
    return is_one_of(name, names, sizeof names / sizeof names[0]);
}

const char *authorizer_upstream_header_problem(struct slice name)
{
    const char *problem = name_problem(name);
    bool may = is_forwarded_identity(name) || slice_equal_nocase(name, SLICE("Authorization"));
    if (problem == NULL && !may && (classes_of(name) & (NAME_DROPPED_FROM_REQUEST | NAME_FIXED)) != 0) {
        problem = "this header is the protocol's or the gateway's own: no authorizer may set it";
    }
    return problem;
}

const char *authorizer_client_header_problem(struct slice name)
{
    static const struct slice own[] = { SLICE_INIT("Cache-Control"), SLICE_INIT("Date"),
                                        SLICE_INIT("Allow") };
    const char *problem = name_problem(name);
    unsigned int classes = classes_of(name);
    bool is_cookie = slice_equal_nocase(name, SLICE("Set-Cookie"));
    if (problem == NULL &&
        ((classes & (NAME_HOP | NAME_FORWARDED | NAME_OVERRIDE | NAME_OURS | NAME_RESPONSE)) != 0 ||
         ((classes & NAME_FIXED) != 0 && !is_cookie) || is_one_of(name, own, sizeof own / sizeof own[0]))) {
        problem = "this header is the protocol's or the gateway's own: no authorizer may set it";
    }
    if (problem == NULL && name.len > 15 &&
        slice_equal_nocase(slice_part(name, 0, 15), SLICE("Access-Control-"))) {
        problem = "this is for the route's `cors` to say";
    }
    return problem;
}

const char *authorizer_told_header_problem(struct slice name)
{
    const char *problem = name_problem(name);
    return problem == NULL && (classes_of(name) & NAME_HOP) != 0 ? "this header is the protocol's own"
                                                                 : problem;
}

/* ---- the cache ---- */

static int part_of(struct slice text)
{
    for (int i = 0; i < DECISION_PARTS; i++) {
        if (slice_equal(text, decision_part_names[i])) {
            return i;
        }
    }
    return -1;
}

const char *authorizer_cache_problem(const struct authorizer_settings *settings, struct slice part)
{
    if (part_of(part) >= 0) {
        return NULL;
    }
    if (!slice_starts_with(part, SLICE(HEADER_PREFIX))) {
        return "what decisions are remembered by is credential, method, host, path, query, address or "
               "header:NAME";
    }
    return external_names_hold(&settings->request_headers, slice_from(part, strlen(HEADER_PREFIX)))
               ? NULL
               : "this header is not among request_headers: the authorizer does not see it";
}

static struct error prepare_cache(struct decision_cache_settings *cache, struct arena *arena)
{
    cache->headers.items = arena_calloc(arena, cache->by.count + 1, sizeof(struct slice));
    if (cache->headers.items == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the configuration");
    }
    for (size_t i = 0; i < cache->by.count; i++) {
        int part = part_of(cache->by.items[i]);
        if (part >= 0) {
            cache->parts |= 1U << part;
        } else if (slice_starts_with(cache->by.items[i], SLICE(HEADER_PREFIX))) {
            cache->headers.items[cache->headers.count++] =
                slice_from(cache->by.items[i], strlen(HEADER_PREFIX));
        }
    }
    return OK;
}

/* ---- what it is asked by ---- */

/* The pool of its connections is that of any service; what has no setting of its own is what services have by default. */
static void fill_service(struct authorizer_settings *settings)
{
    struct upstream_settings *service = &settings->service;
    service->name = settings->name;
    service->tls = settings->tls;
    service->protocol = HTTP_PROTOCOL_1;
    service->balance = BALANCE_ROUND_ROBIN;
    service->connect_timeout = settings->timeout;
    service->idle_timeout = 30 * NS_PER_S;
    service->max_connections = settings->max_connections;
    service->max_streams = 1;
    service->stream_window = 64 * INT64_C(1024);
    service->max_connection_age = 3600 * NS_PER_S;
    service->max_pending = settings->max_pending;
    service->pending_timeout = settings->timeout;
    service->max_idle = settings->max_connections;
    service->retries = 1;
}

struct error authorizer_prepare(struct authorizer_settings *settings, struct arena *arena)
{
    fill_service(settings);
    settings->issuer = ARENA_CONCAT(arena, SLICE("authorizer:"), settings->name);
    struct upstream_endpoint *endpoint = arena_calloc(arena, 1, sizeof *endpoint);
    struct upstream_endpoint_settings *written = arena_calloc(arena, 1, sizeof *written);
    if (settings->issuer.ptr == NULL || endpoint == NULL || written == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the configuration");
    }
    if (authorizer_url_problem(settings->url, settings->contract) == NULL) {
        written->url = split_url(settings->url, &settings->target);
        written->weight = 1;
        const char *problem = upstream_parse_endpoint(written->url, arena, endpoint);
        if (problem != NULL) {
            return FAIL(ERROR_MEMORY, "no memory for the configuration");
        }
        settings->authority =
            slice_from(written->url, endpoint->tls ? strlen("https://") : strlen("http://"));
        settings->service.endpoints = (struct conf_list){ written, 1 };
        settings->service.parsed = endpoint;
    }
    return settings->cache != NULL ? prepare_cache(settings->cache, arena) : OK;
}
