/* Filters of Spring Cloud Gateway: as filters of a route, or as what Sallyport calls otherwise (limits, retry, relay, body). */
#include "cli/import/spring.h"

#include "route/route.h"

/* ---- values ---- */

/* Are the variables of a value those of the route's path? */
static bool has_known_variables(const struct import_route *route, struct slice text)
{
    struct slice path = buffer_slice(&route->match[IMPORT_PATH]);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '{') {
            continue;
        }
        ssize_t end = slice_find(slice_from(text, i), '}');
        if (end < 0 || !slice_contains(path, slice_part(text, i, (size_t)end + 1))) {
            return false;
        }
    }
    return true;
}

static bool check_value(struct import *import, struct import_route *route, const struct spring_call *call,
                        struct slice text)
{
    if (has_known_variables(route, text)) {
        return true;
    }
    import_note(import, route, call->place, "%.*s with %.*s: a variable must be one of the route's path",
                SLICE_ARG(call->name), SLICE_ARG(text));
    return false;
}

static void miss(struct import *import, struct import_route *route, const struct spring_call *call,
                 const char *instead)
{
    import_note(import, route, call->place, "the filter %.*s: %s", SLICE_ARG(call->name), instead);
}

/* A key of the route that is written once; false where it is there already: it is noted. */
static bool is_new(struct import *import, struct import_route *route, const struct spring_call *call,
                   const char *key)
{
    bool found = slice_contains(buffer_slice(&route->rest), slice_from_string(key));
    if (found) {
        miss(import, route, call, "there is one already");
    }
    return !found;
}

/* "- NAME: { "a": "b" }" */
static void put_pair(struct import *import, struct import_route *route, const char *filter, struct slice name,
                     struct slice value)
{
    import_put(import, &route->filters, "      - %s: { ", filter);
    import_put_text(import, &route->filters, name);
    import_put(import, &route->filters, ": ");
    import_put_text(import, &route->filters, value);
    import_put(import, &route->filters, " }\n");
}

static void put_single(struct import *import, struct import_route *route, const char *filter,
                       struct slice value)
{
    import_put(import, &route->filters, "      - %s: ", filter);
    import_put_text(import, &route->filters, value);
    import_put(import, &route->filters, "\n");
}

/* ---- filters that have one of the same kind ---- */

struct twin {
    const char *name;   /* Spring's */
    const char *filter; /* ours */
    const char *first, *second;
};

static void take_pair(struct import *import, struct import_route *route, struct spring_call *call,
                      const struct twin *twin)
{
    struct slice name = spring_argument(call, 0, twin->first);
    struct slice value = spring_argument(call, 1, twin->second);
    if (!import_is_key(name) || value.ptr == NULL) {
        miss(import, route, call, "a name and a value are wanted");
    } else if (check_value(import, route, call, value)) {
        put_pair(import, route, twin->filter, name, value);
    }
}

static void take_one(struct import *import, struct import_route *route, struct spring_call *call,
                     const struct twin *twin)
{
    struct slice value = spring_argument(call, 0, twin->first);
    if (value.len == 0) {
        miss(import, route, call, "a value is wanted");
    } else if (check_value(import, route, call, value)) {
        put_single(import, route, twin->filter, value);
    }
}

static void take_strip(struct import *import, struct import_route *route, struct spring_call *call,
                       const struct twin *twin)
{
    struct slice parts = spring_argument(call, 0, twin->first);
    uint64_t number = 1;
    if (parts.ptr != NULL && !slice_to_u64(parts, &number)) {
        miss(import, route, call, "a number is wanted");
    } else if (number > 0) {
        import_put(import, &route->filters, "      - %s: %llu\n", twin->filter, (unsigned long long)number);
    }
}

/* "${name}" of "$\{name}". */
static void put_replacement(struct import *import, struct buffer *out, struct slice text)
{
    struct buffer plain;
    buffer_init(&plain, IMPORT_VALUE_MAX);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\' && i + 1 < text.len) {
            import_put(import, &plain, "%s", text.ptr[++i] == '$' ? "$" : "");
        }
        import->full |= !buffer_append_char(&plain, text.ptr[i]);
    }
    import_put_text(import, out, buffer_slice(&plain));
    buffer_done(&plain);
}

static void take_rewrite(struct import *import, struct import_route *route, struct spring_call *call,
                         const struct twin *twin)
{
    struct slice pattern = spring_argument(call, 0, twin->first),
                 replacement = spring_argument(call, 1, twin->second);
    if (pattern.len == 0) {
        miss(import, route, call, "an expression is wanted");
        return;
    }
    if (pattern.ptr[0] != '/' && pattern.ptr[0] != '^') {
        import_note(import, route, call->place,
                    "%.*s anywhere in the path: expressions are tried at its beginning alone",
                    SLICE_ARG(pattern));
    }
    import_put(import, &route->filters, "      - %s: { pattern: ", twin->filter);
    import_put_text(import, &route->filters, pattern);
    import_put(import, &route->filters, ", replacement: ");
    put_replacement(import, &route->filters, replacement.ptr != NULL ? replacement : SLICE(""));
    import_put(import, &route->filters, " }\n");
}

static void take_dedupe(struct import *import, struct import_route *route, struct spring_call *call,
                        const struct twin *twin)
{
    struct slice names = spring_argument(call, 0, twin->first),
                 strategy = spring_argument(call, 1, twin->second), name;
    struct slice how = slice_equal(strategy, SLICE("RETAIN_LAST"))     ? SLICE("last")
                       : slice_equal(strategy, SLICE("RETAIN_UNIQUE")) ? SLICE("unique")
                                                                       : SLICE("first");
    while (names.len > 0 && slice_next(&names, ' ', &name)) {
        if (slice_starts_with(spring_canonical(import, name), SLICE("accesscontrol"))) {
            miss(import, route, call, "Access-Control-* are \"cors\", which takes an upstream's own away");
        } else if (import_is_key(name)) {
            put_pair(import, route, twin->filter, name, how);
        } else if (name.len > 0) {
            miss(import, route, call, "this is no name of a field");
        }
    }
}

static void take_redirect(struct import *import, struct import_route *route, struct spring_call *call,
                          const struct twin *twin)
{
    struct slice status = spring_argument(call, 0, twin->first), url = spring_argument(call, 1, twin->second);
    struct slice keep = spring_argument(call, 2, "includerequestparams");
    unsigned int number = spring_status(status);
    ssize_t scheme = slice_contains(url, SLICE("://")) ? slice_find(url, ':') : -1;
    bool has_path = scheme < 0 || slice_find(slice_from(url, (size_t)scheme + 3), '/') >= 0;
    if (url.len == 0 || number < 300 || number > 399) {
        miss(import, route, call, "a status 3xx and a URL are wanted: write redirect_to");
        return;
    }
    struct slice location = has_path ? url : ARENA_CONCAT(&import->arena, url, SLICE("/"));
    import_put(import, &route->filters, "      - %s: { location: ", twin->filter);
    import_put_text(import, &route->filters, location);
    import_put(import, &route->filters, ", status: %u%s }\n", number,
               slice_equal(keep, SLICE("true")) ? ", keep_query: true" : "");
    route->upstream = NULL;
}

static void take_status(struct import *import, struct import_route *route, struct spring_call *call,
                        const struct twin *twin)
{
    unsigned int number = spring_status(spring_argument(call, 0, twin->first));
    if (number == 0) {
        miss(import, route, call, "a status is wanted, as in set_status: 404");
    } else {
        import_put(import, &route->filters, "      - %s: %u\n", twin->filter, number);
    }
}

static void take_flag(struct import *import, struct import_route *route, struct spring_call *call,
                      const struct twin *twin)
{
    (void)call;
    import_put(import, &route->filters, "      - %s: true\n", twin->filter);
}

/* ---- what is no filter here ---- */

static void take_relay(struct import *import, struct import_route *route, struct spring_call *call,
                       const struct twin *twin)
{
    (void)twin;
    if (call->count > 0) {
        miss(import, route, call,
             "a token of another client registration: \"relay\" passes on the caller's own token");
        return;
    }
    if (!is_new(import, route, call, "    relay:")) {
        return;
    }
    import_put(import, &route->rest, "    relay: { token: forward }\n");
}

static uint64_t number_of(struct slice text, uint64_t otherwise)
{
    uint64_t number = otherwise;
    return text.ptr == NULL || slice_to_u64(text, &number) ? number : 0;
}

static void take_limiter(struct import *import, struct import_route *route, struct spring_call *call,
                         const struct twin *twin)
{
    (void)twin;
    uint64_t rate = number_of(spring_argument(call, 99, "redisratelimiter.replenishrate"), 0);
    uint64_t burst = number_of(spring_argument(call, 99, "redisratelimiter.burstcapacity"), rate);
    uint64_t each = number_of(spring_argument(call, 99, "redisratelimiter.requestedtokens"), 1);
    struct slice resolver = spring_argument(call, 99, "keyresolver");
    if (!is_new(import, route, call, "    limits:")) {
        return;
    }
    if (rate == 0 || each == 0 || burst < each) {
        miss(import, route, call, "write limits, as in limits: [{ rate: 10/1s, burst: 20, by: caller }]");
        return;
    }
    import_put(import, &route->rest, "    limits: [{ rate: %llu/%llus, burst: %llu, by: caller }]\n",
               (unsigned long long)rate, (unsigned long long)each, (unsigned long long)(burst / each));
    if (resolver.len > 0) {
        import_note(import, route, call->place,
                    "what %.*s counts by: \"by: caller\" is written; others are address, claims.NAME, "
                    "header:NAME, route",
                    SLICE_ARG(resolver));
    }
}

static void take_breaker(struct import *import, struct import_route *route, struct spring_call *call,
                         const struct twin *twin)
{
    (void)twin;
    spring_argument(call, 0, "name");
    struct slice fallback = spring_argument(call, 1, "fallbackuri"), status;
    route->breaker = true;
    if (fallback.len > 0) {
        import_note(import, route, call->place,
                    "fallbackUri %.*s: write \"fallback\", with another upstream or a response; see "
                    "docs/resilience.md",
                    SLICE_ARG(fallback));
    }
    while (spring_next_argument(call, "statuscodes", &status)) {
        if (spring_status(status) < 500) {
            import_note(import, route, call->place,
                        "status %.*s as a failure: those of a breaker are 5xx but 501", SLICE_ARG(status));
        }
    }
}

static void put_retry_statuses(struct import *import, struct import_route *route, struct spring_call *call,
                               struct buffer *on)
{
    struct slice text;
    bool named = false;
    while (spring_next_argument(call, "statuses", &text)) {
        unsigned int status = spring_status(text);
        named = true;
        if (status == 500 || (status >= 502 && status <= 504)) {
            import_put(import, on, ", %u", status);
        } else {
            import_note(import, route, call->place, "Retry after %.*s: after 500, 502, 503 and 504 alone",
                        SLICE_ARG(text));
        }
    }
    while (spring_next_argument(call, "series", &text)) {
        if (!slice_equal(text, SLICE("SERVER_ERROR"))) {
            import_note(import, route, call->place,
                        "Retry after the series %.*s: after 500, 502, 503 and 504 alone", SLICE_ARG(text));
            named = true;
        }
    }
    if (!named) {
        import_put(import, on, ", 500, 502, 503, 504");
    }
}

static void take_retry(struct import *import, struct import_route *route, struct spring_call *call,
                       const struct twin *twin)
{
    (void)twin;
    uint64_t attempts = number_of(spring_argument(call, 0, "retries"), 3);
    struct buffer on, methods;
    buffer_init(&on, IMPORT_VALUE_MAX);
    buffer_init(&methods, IMPORT_VALUE_MAX);
    put_retry_statuses(import, route, call, &on);
    struct slice text;
    while (spring_next_argument(call, "methods", &text)) {
        import_put_item(import, &methods, text);
    }
    struct slice backoff = spring_duration(import, spring_argument(call, 99, "backoff.firstbackoff"), "ms");
    if (attempts == 0 || attempts > 10) {
        miss(import, route, call, "it is sent again 1 to 10 times");
    } else if (is_new(import, route, call, "    retry:")) {
        import_put(import, &route->rest,
                   "    retry: { on: [connect, reset%.*s], attempts: %llu, methods: [%.*s]",
                   SLICE_ARG(buffer_slice(&on)), (unsigned long long)attempts,
                   buffer_length(&methods) > 0 ? (int)buffer_length(&methods) : 3,
                   buffer_length(&methods) > 0 ? buffer_slice(&methods).ptr : "GET");
        if (backoff.ptr != NULL) {
            import_put(import, &route->rest, ", backoff: %.*s", SLICE_ARG(backoff));
        }
        import_put(import, &route->rest, " }\n");
    }
    buffer_done(&on);
    buffer_done(&methods);
}

static void take_size(struct import *import, struct import_route *route, struct spring_call *call,
                      const struct twin *twin)
{
    (void)twin;
    struct slice text = spring_argument(call, 0, "maxsize");
    static const struct {
        struct slice unit;
        const char *ours;
    } units[] = { { SLICE_INIT("KB"), "KiB" },
                  { SLICE_INIT("MB"), "MiB" },
                  { SLICE_INIT("GB"), "GiB" },
                  { SLICE_INIT("B"), "B" },
                  { SLICE_INIT(""), "B" } };
    text = text.ptr != NULL ? text : SLICE("5MB");
    if (!is_new(import, route, call, "    body:")) {
        return;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        uint64_t number = 0;
        if (slice_ends_with(text, units[i].unit) &&
            slice_to_u64(slice_part(text, 0, text.len - units[i].unit.len), &number)) {
            import_put(import, &route->rest, "    body: %llu%s\n", (unsigned long long)number, units[i].ours);
            return;
        }
    }
    miss(import, route, call, "a size is wanted, as in body: 5MiB");
}

/* Spring's own defaults, where they are wider than ours. */
static void take_secure(struct import *import, struct import_route *route, struct spring_call *call,
                        const struct twin *twin)
{
    (void)twin;
    if (!is_new(import, route, call, "    secure_headers:")) {
        return;
    }
    import_put(import, &route->rest,
               "    secure_headers:\n"
               "      strict_transport_security: max-age=631138519\n"
               "      content_security_policy: \"default-src 'self' https:; font-src 'self' https: data:; "
               "img-src 'self' https: data:; "
               "object-src 'none'; script-src https:; style-src 'self' https: 'unsafe-inline'\"\n");
}

static void take_location(struct import *import, struct import_route *route, struct spring_call *call,
                          const struct twin *twin)
{
    (void)twin;
    struct slice mode = spring_argument(call, 0, "stripversionmode"),
                 header = spring_argument(call, 1, "locationheadername");
    struct slice host = spring_argument(call, 2, "hostvalue");
    spring_argument(call, 3, "protocolsregex");
    bool is_location = header.len == 0 || slice_equal_nocase(header, SLICE("Location"));
    if (host.len > 0 || !is_location || slice_equal(mode, SLICE("ALWAYS_STRIP"))) {
        miss(import, route, call,
             "a Location at the upstream's address becomes a reference to the same path by itself; "
             "rewrite_location replaces its beginning");
        return;
    }
    import_put_comment(import, &route->rest, 4,
                       SLICE("RewriteLocationResponseHeader: hide_upstream does so by itself"));
}

/* ---- all of them ---- */

static const struct {
    struct twin twin;
    void (*take)(struct import *import, struct import_route *route, struct spring_call *call,
                 const struct twin *twin);
} filters[] = {
    { { "StripPrefix", "strip_prefix", "parts", NULL }, take_strip },
    { { "PrefixPath", "prefix_path", "prefix", NULL }, take_one },
    { { "SetPath", "set_path", "template", NULL }, take_one },
    { { "RewritePath", "rewrite_path", "regexp", "replacement" }, take_rewrite },
    { { "AddRequestHeader", "add_request_header", "name", "value" }, take_pair },
    { { "SetRequestHeader", "set_request_header", "name", "value" }, take_pair },
    { { "RemoveRequestHeader", "remove_request_header", "name", NULL }, take_one },
    { { "MapRequestHeader", "map_request_header", "fromheader", "toheader" }, take_pair },
    { { "AddRequestParameter", "add_request_parameter", "name", "value" }, take_pair },
    { { "RemoveRequestParameter", "remove_request_parameter", "name", NULL }, take_one },
    { { "AddResponseHeader", "add_response_header", "name", "value" }, take_pair },
    { { "SetResponseHeader", "set_response_header", "name", "value" }, take_pair },
    { { "RemoveResponseHeader", "remove_response_header", "name", NULL }, take_one },
    { { "DedupeResponseHeader", "dedupe_response_header", "name", "strategy" }, take_dedupe },
    { { "RewriteLocationResponseHeader", NULL, NULL, NULL }, take_location },
    { { "RedirectTo", "redirect_to", "status", "url" }, take_redirect },
    { { "SetStatus", "set_status", "status", NULL }, take_status },
    { { "PreserveHostHeader", "preserve_host_header", NULL, NULL }, take_flag },
    { { "SetRequestHostHeader", "set_host_header", "host", NULL }, take_one },
    { { "SecureHeaders", NULL, NULL, NULL }, take_secure },
    { { "TokenRelay", NULL, NULL, NULL }, take_relay },
    { { "RequestRateLimiter", NULL, NULL, NULL }, take_limiter },
    { { "CircuitBreaker", NULL, NULL, NULL }, take_breaker },
    { { "Retry", NULL, NULL, NULL }, take_retry },
    { { "RequestSize", NULL, NULL, NULL }, take_size },
};

/* Filters of Spring's own that have no counterpart, and guard nothing. */
static bool is_springs(struct slice name)
{
    static const char *const names[] = {
        "AddRequestHeadersIfNotPresent",
        "CacheRequestBody",
        "FallbackHeaders",
        "JsonToGrpc",
        "LocalResponseCache",
        "ModifyRequestBody",
        "ModifyResponseBody",
        "RemoveJsonAttributesResponseBody",
        "RequestHeaderSize",
        "RequestHeaderToRequestUri",
        "RewriteRequestParameter",
        "RewriteResponseHeader",
        "SaveSession",
        "UriTemplate",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal(name, slice_from_string(names[i]))) {
            return true;
        }
    }
    return false;
}

void spring_filter(struct import *import, struct import_route *route, struct spring_call *call)
{
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (slice_equal(call->name, slice_from_string(filters[i].twin.name))) {
            filters[i].take(import, route, call, &filters[i].twin);
            return;
        }
    }
    if (is_springs(call->name)) {
        miss(import, route, call, "there is none like it; see docs/filters.md");
        return;
    }
    import_lose(
        import, route, call->place,
        "the filter %.*s, which is not Spring's own: it may be what guards the route; say who may call it",
        SLICE_ARG(call->name));
}
