#include "route/origin.h"

#include "http/uri.h"

static bool is_of_scheme(const struct origin_request *request, struct slice origin, struct slice scheme,
                         uint16_t standard_port, struct arena *arena)
{
    struct slice authority =
        uri_authority_text(request->host, request->port == standard_port ? 0 : request->port, arena);
    return authority.ptr != NULL && slice_starts_with(origin, scheme) &&
           slice_equal(slice_from(origin, scheme.len), authority);
}

bool origin_is_own(const struct origin_request *request, struct slice origin, struct arena *arena)
{
    return is_of_scheme(request, origin, SLICE("https://"), 443, arena) ||
           (!request->is_tls && is_of_scheme(request, origin, SLICE("http://"), 80, arena));
}

static bool is_safe(enum http_method method)
{
    return method == METHOD_GET || method == METHOD_HEAD || method == METHOD_OPTIONS;
}

/* A client may send "*" or "null", which are no origin of anybody. */
static bool lists(const struct conf_strings *origins, struct slice origin)
{
    return !slice_equal(origin, SLICE("*")) && !slice_equal(origin, SLICE("null")) &&
           conf_strings_contain(origins, origin);
}

bool origin_may_use_cookie(const struct origin_request *request, const struct cors_settings *cors,
                           const struct websocket_settings *websocket, struct arena *arena)
{
    if (is_safe(request->method) && websocket == NULL) {
        return true;
    }
    if (headers_count(request->headers, HEADER_ORIGIN) != 1) {
        return false;
    }
    struct slice origin = headers_find(request->headers, HEADER_ORIGIN)->value;
    return origin_is_own(request, origin, arena) ||
           (cors != NULL && cors->credentials && lists(&cors->origins, origin)) ||
           (websocket != NULL && lists(&websocket->origins, origin));
}
