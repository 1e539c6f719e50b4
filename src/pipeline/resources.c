#include "pipeline/resources.h"

#include "auth/resource.h"

bool resource_is_asked(struct exchange *exchange)
{
    const struct snapshot *snapshot = exchange->snapshot->snapshot;
    const struct canonical_request *request = &exchange->request;
    if (snapshot->resource_count == 0 || !slice_starts_with(request->path, SLICE(RESOURCE_WELL_KNOWN))) {
        return false;
    }
    for (size_t i = 0; i < snapshot->resource_count; i++) {
        const struct served_resource *resource = &snapshot->resources[i];
        if (((resource->listeners >> exchange->listener_settings->index) & 1) != 0 &&
            slice_equal(resource->host, request->host) && slice_equal(resource->path, request->path)) {
            exchange->resource = resource;
            return true;
        }
    }
    return false;
}

static bool add(struct exchange *exchange, enum header_id id, struct slice name, struct slice value)
{
    return headers_add(&exchange->response.headers, id, name, value);
}

/* It says nothing that is secret, and pages of any site may ask for it: as do clients that learn of a server by its URL. */
enum stage_verdict resource_answer(struct exchange *exchange)
{
    enum http_method method = exchange->request.method;
    if (method != METHOD_GET && method != METHOD_HEAD && method != METHOD_OPTIONS) {
        exchange->match.allow = SLICE("GET, HEAD, OPTIONS");
        return stage_deny(exchange, DENY_METHOD_NOT_ALLOWED, SLICE_NONE);
    }
    bool good =
        add(exchange, HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, SLICE("access-control-allow-origin"), SLICE("*"));
    if (method == METHOD_OPTIONS) {
        good = good &&
               add(exchange, HEADER_ACCESS_CONTROL_ALLOW_METHODS, SLICE("access-control-allow-methods"),
                   SLICE("GET")) &&
               add(exchange, HEADER_ACCESS_CONTROL_ALLOW_HEADERS, SLICE("access-control-allow-headers"),
                   SLICE("*")) &&
               add(exchange, HEADER_ALLOW, SLICE("allow"), SLICE("GET, HEAD, OPTIONS"));
    } else {
        good = good && add(exchange, HEADER_CONTENT_TYPE, SLICE("content-type"), SLICE("application/json")) &&
               add(exchange, HEADER_CACHE_CONTROL, SLICE("cache-control"), SLICE("max-age=300"));
    }
    if (!good) {
        return stage_deny(exchange, DENY_INTERNAL, SLICE("too many response fields"));
    }
    exchange_answer(exchange, method == METHOD_OPTIONS ? 204 : 200,
                    method == METHOD_OPTIONS ? SLICE("") : exchange->resource->text);
    return STAGE_RESPONDED;
}
