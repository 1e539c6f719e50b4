#include "route/cors.h"

#include "base/clock.h"
#include "net/authority.h"

#include <stdio.h>

bool cors_is_preflight(enum http_method method, const struct headers *request)
{
    return method == METHOD_OPTIONS && headers_find(request, HEADER_ORIGIN) != NULL &&
           headers_find(request, HEADER_ACCESS_CONTROL_REQUEST_METHOD) != NULL;
}

static bool is_among_nocase(const struct conf_strings *strings, struct slice text)
{
    for (size_t i = 0; i < strings->count; i++) {
        if (slice_equal_nocase(strings->items[i], text)) {
            return true;
        }
    }
    return false;
}

/* "*" holds without credentials only: with them every site could act as the user. */
static bool any_origin(const struct cors_settings *settings)
{
    return !settings->credentials && conf_strings_contain(&settings->origins, SLICE("*"));
}

/* The value of Access-Control-Allow-Origin, empty where the origin is not allowed. Byte-exact: origins are serialised by
 * browsers in one way (Fetch, "byte-serializing a request origin"). */
static struct slice allowed_origin(const struct cors_settings *settings, const struct headers *request)
{
    const struct header *origin = headers_find(request, HEADER_ORIGIN);
    if (origin == NULL || headers_count(request, HEADER_ORIGIN) != 1) {
        return SLICE_NONE;
    }
    if (any_origin(settings)) {
        return SLICE("*");
    }
    /* A listed "*" is never equal to an origin that a browser sends, but a client may send it. */
    bool listed = !slice_equal(origin->value, SLICE("*")) && !slice_equal(origin->value, SLICE("null")) &&
                  conf_strings_contain(&settings->origins, origin->value);
    return listed ? origin->value : SLICE_NONE;
}

static struct slice join(const struct conf_strings *strings, struct arena *arena)
{
    size_t size = 0;
    for (size_t i = 0; i < strings->count; i++) {
        size += strings->items[i].len + 2;
    }
    char *out = arena_alloc(arena, size + 1);
    if (out == NULL) {
        return SLICE_NONE;
    }
    size_t len = 0;
    for (size_t i = 0; i < strings->count; i++) {
        if (i > 0) {
            out[len++] = ',';
            out[len++] = ' ';
        }
        memcpy(out + len, strings->items[i].ptr, strings->items[i].len);
        len += strings->items[i].len;
    }
    return slice_of(out, len);
}

static bool add(struct headers *out, enum header_id id, struct slice name, struct slice value)
{
    return value.ptr != NULL && headers_add(out, id, name, value);
}

static bool method_allowed(const struct cors_settings *settings, const struct headers *request,
                           struct slice allow)
{
    const struct header *method = headers_find(request, HEADER_ACCESS_CONTROL_REQUEST_METHOD);
    if (method == NULL || headers_count(request, HEADER_ACCESS_CONTROL_REQUEST_METHOD) != 1) {
        return false;
    }
    if (settings->methods.count > 0) {
        return conf_strings_contain(&settings->methods, method->value);
    }
    struct slice rest = allow;
    struct slice element;
    while (http_list_next(&rest, &element)) {
        if (slice_equal(element, method->value)) {
            return true;
        }
    }
    return false;
}

/* Fetch, "CORS-safelisted request-header": browsers name these in a preflight where their value is unusual. */
static bool header_safelisted(struct slice name)
{
    static const struct slice names[] = { SLICE_INIT("accept"), SLICE_INIT("accept-language"),
                                          SLICE_INIT("content-language"), SLICE_INIT("content-type"),
                                          SLICE_INIT("range") };
    const struct conf_strings safe = { (struct slice *)names, sizeof names / sizeof names[0] };
    return is_among_nocase(&safe, name);
}

static bool headers_allowed(const struct cors_settings *settings, const struct headers *request)
{
    for (size_t i = 0; i < request->count; i++) {
        if (request->items[i].id != HEADER_ACCESS_CONTROL_REQUEST_HEADERS) {
            continue;
        }
        struct slice rest = request->items[i].value;
        struct slice name;
        while (http_list_next(&rest, &name)) {
            if (!header_safelisted(name) && !is_among_nocase(&settings->headers, name)) {
                return false;
            }
        }
    }
    return true;
}

static bool add_max_age(const struct cors_settings *settings, struct arena *arena, struct headers *out)
{
    struct slice text = arena_printf(arena, "%lld", (long long)(settings->max_age / NS_PER_S));
    return add(out, HEADER_ACCESS_CONTROL_MAX_AGE, SLICE("Access-Control-Max-Age"), text);
}

static bool add_credentials(const struct cors_settings *settings, struct headers *out)
{
    return !settings->credentials || add(out, HEADER_ACCESS_CONTROL_ALLOW_CREDENTIALS,
                                         SLICE("Access-Control-Allow-Credentials"), SLICE("true"));
}

bool cors_preflight(const struct cors_settings *settings, const struct headers *request, struct slice allow,
                    struct arena *arena, struct headers *out)
{
    if (!add(out, HEADER_VARY, SLICE("Vary"),
             SLICE("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"))) {
        return false;
    }
    struct slice origin = allowed_origin(settings, request);
    if (origin.len == 0 || !method_allowed(settings, request, allow) || !headers_allowed(settings, request)) {
        return false;
    }
    size_t before = out->count;
    struct slice methods = settings->methods.count > 0 ? join(&settings->methods, arena) : allow;
    bool ok = add(out, HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, SLICE("Access-Control-Allow-Origin"), origin) &&
              add_credentials(settings, out) &&
              add(out, HEADER_ACCESS_CONTROL_ALLOW_METHODS, SLICE("Access-Control-Allow-Methods"), methods) &&
              (settings->headers.count == 0 ||
               add(out, HEADER_ACCESS_CONTROL_ALLOW_HEADERS, SLICE("Access-Control-Allow-Headers"),
                   join(&settings->headers, arena))) &&
              add_max_age(settings, arena, out);
    if (!ok) {
        out->count = before;
    }
    return ok;
}

/* The gateway answers for CORS where it is configured: an upstream's own fields would widen it, and two values of
 * Access-Control-Allow-Origin make browsers refuse both. */
static void drop_foreign(struct headers *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        switch ((int)out->items[i].id) {
        case HEADER_ACCESS_CONTROL_ALLOW_ORIGIN:
        case HEADER_ACCESS_CONTROL_ALLOW_CREDENTIALS:
        case HEADER_ACCESS_CONTROL_ALLOW_METHODS:
        case HEADER_ACCESS_CONTROL_ALLOW_HEADERS:
        case HEADER_ACCESS_CONTROL_EXPOSE_HEADERS:
        case HEADER_ACCESS_CONTROL_MAX_AGE:
            break;
        default:
            out->items[kept++] = out->items[i];
        }
    }
    out->count = kept;
}

static bool varies_by_origin(const struct headers *out)
{
    for (size_t i = 0; i < out->count; i++) {
        if (out->items[i].id == HEADER_VARY && (http_list_contains(out->items[i].value, SLICE("origin")) ||
                                                http_list_contains(out->items[i].value, SLICE("*")))) {
            return true;
        }
    }
    return false;
}

bool cors_decorate(const struct cors_settings *settings, const struct headers *request, struct arena *arena,
                   struct headers *out)
{
    drop_foreign(out);
    /* Also without Origin: a cache must not hand that answer to a page that sends one. */
    if (!any_origin(settings) && !varies_by_origin(out) &&
        !add(out, HEADER_VARY, SLICE("Vary"), SLICE("Origin"))) {
        return false;
    }
    struct slice origin = allowed_origin(settings, request);
    if (origin.len == 0) {
        return true;
    }
    return add(out, HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, SLICE("Access-Control-Allow-Origin"), origin) &&
           add_credentials(settings, out) &&
           (settings->expose.count == 0 ||
            add(out, HEADER_ACCESS_CONTROL_EXPOSE_HEADERS, SLICE("Access-Control-Expose-Headers"),
                join(&settings->expose, arena)));
}

static const char *port_problem(struct slice scheme, struct slice port)
{
    uint16_t number;
    if (authority_parse_port(port, &number) != NULL || port.ptr[0] == '0') {
        return "the port of an origin is a number from 1 to 65535";
    }
    if ((slice_equal(scheme, SLICE("https")) && number == 443) ||
        (slice_equal(scheme, SLICE("http")) && number == 80)) {
        return "browsers leave the default port out of an origin";
    }
    return NULL;
}

const char *cors_origin_problem(struct slice origin)
{
    if (slice_equal(origin, SLICE("null"))) {
        return "the origin null is shared by every sandboxed page and local file";
    }
    ssize_t colon = slice_find(origin, ':');
    if (colon <= 0 || !slice_starts_with(slice_from(origin, (size_t)colon), SLICE("://"))) {
        return "an origin is written scheme://host or scheme://host:port";
    }
    struct slice host = slice_from(origin, (size_t)colon + 3);
    for (size_t i = 0; i < origin.len; i++) {
        unsigned char c = (unsigned char)origin.ptr[i];
        if (c <= ' ' || c >= 0x7f || (c >= 'A' && c <= 'Z')) {
            return "an origin is written in lower-case ASCII";
        }
    }
    if (slice_find(host, '*') >= 0) {
        return "an origin has no wildcard: list each, or allow \"*\" alone";
    }
    for (size_t i = 0; i < host.len; i++) {
        if (strchr("/?#@\\,;\"'", host.ptr[i]) != NULL) {
            return "an origin has no path, query or user: scheme://host or scheme://host:port";
        }
    }
    ssize_t bracket = slice_find_last(host, ']');
    ssize_t port = slice_find_last(host, ':');
    if (port > bracket) {
        const char *problem =
            port_problem(slice_part(origin, 0, (size_t)colon), slice_from(host, (size_t)port + 1));
        if (problem != NULL) {
            return problem;
        }
        host = slice_part(host, 0, (size_t)port);
    }
    return host.len > 0 ? NULL : "an origin has a host";
}

const char *cors_check_settings(const struct cors_settings *settings)
{
    if (settings->origins.count == 0) {
        return "cors without origins allows nobody";
    }
    for (size_t i = 0; i < settings->origins.count; i++) {
        struct slice origin = settings->origins.items[i];
        if (slice_equal(origin, SLICE("*"))) {
            if (settings->credentials) {
                return "the origin \"*\" cannot be combined with credentials";
            }
            continue;
        }
        const char *problem = cors_origin_problem(origin);
        if (problem != NULL) {
            return problem;
        }
    }
    for (size_t i = 0; i < settings->methods.count; i++) {
        const char *problem = route_method_problem(settings->methods.items[i]);
        if (problem != NULL) {
            return problem;
        }
    }
    const struct conf_strings *const lists[] = { &settings->headers, &settings->expose };
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < lists[i]->count; k++) {
            if (!http_token_valid(lists[i]->items[k]) || slice_equal(lists[i]->items[k], SLICE("*"))) {
                return "headers and expose of cors are lists of header names, without wildcard";
            }
        }
    }
    return NULL;
}
