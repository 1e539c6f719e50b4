/* Predicates of Spring Cloud Gateway as matches of a route. One that has no counterpart is lost: its route asks to be looked at. */
#include "cli/import/spring.h"

#include "base/decimal.h"
#include "config/reader.h"
#include "route/conditions.h"
#include "route/route.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

/* A list that all of its predicates must agree with has one of them alone. */
static bool is_first(struct import *import, struct import_route *route, struct spring_call *call,
                     enum import_match which)
{
    if (buffer_length(&route->match[which]) == 0) {
        return true;
    }
    import_lose(import, route, call->place, "a second %.*s: write the one that both mean",
                SLICE_ARG(call->name));
    call->told = true;
    return false;
}

/* ---- paths and hosts ---- */

/* "/a/{id}" of "/a/{id}", "/a/{any1}" of "/a/" and a star, "/a/" and two stars of "/a/{*rest}". False: a segment has no counterpart. */
static bool put_segment(struct import *import, struct slice segment, size_t number, bool is_last,
                        struct buffer *out)
{
    bool is_rest = slice_equal(segment, SLICE("**")) || slice_starts_with(segment, SLICE("{*"));
    if (is_rest) {
        import_put(import, out, "/**");
        return is_last;
    }
    if (slice_equal(segment, SLICE("*"))) {
        import_put(import, out, "/{any%zu}", number);
        return true;
    }
    bool is_variable = segment.len > 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}';
    struct slice inner = is_variable ? slice_part(segment, 1, segment.len - 2) : segment;
    for (size_t i = 0; i < inner.len; i++) {
        if (strchr("*?{}:", inner.ptr[i]) != NULL && (is_variable || inner.ptr[i] != ':')) {
            return false;
        }
    }
    import_put(import, out, "/%.*s", SLICE_ARG(segment));
    return true;
}

static void take_path(struct import *import, struct import_route *route, const struct spring_call *call,
                      struct slice path)
{
    struct buffer out;
    buffer_init(&out, CONFIG_FILE_MAX);
    struct slice rest = path.len > 0 && path.ptr[0] == '/' ? slice_from(path, 1) : path;
    struct slice segment;
    size_t number = 1;
    bool good = path.len > 0;
    while (good && slice_next(&rest, '/', &segment)) {
        good = put_segment(import, segment, number++, rest.ptr == NULL, &out);
    }
    const char *problem = good ? route_pattern_problem(buffer_slice(&out))
                               : "a part of a segment, or an expression, is no pattern";
    if (problem != NULL) {
        import_lose(import, route, call->place,
                    "the path %.*s (%s): write {name} for a segment and /** for the rest", SLICE_ARG(path),
                    problem);
    } else {
        import_put_item(import, &route->match[IMPORT_PATH], buffer_slice(&out));
    }
    buffer_done(&out);
}

static void take_paths(struct import *import, struct import_route *route, struct spring_call *call)
{
    for (size_t i = 0; i < call->count; i++) {
        call->arguments[i].used |= slice_equal(call->arguments[i].name, SLICE("matchtrailingslash"));
    }
    if (!is_first(import, route, call, IMPORT_PATH)) {
        return;
    }
    struct slice path;
    while (spring_next_argument(call, "patterns", &path) || spring_next_argument(call, "pattern", &path)) {
        if (!slice_equal(path, SLICE("true")) && !slice_equal(path, SLICE("false"))) {
            take_path(import, route, call, path);
        }
    }
    if (buffer_length(&route->match[IMPORT_PATH]) == 0 && !route->wider) {
        import_lose(import, route, call->place, "Path without a path: say which");
    }
}

static void take_host(struct import *import, struct import_route *route, const struct spring_call *call,
                      struct slice host)
{
    struct slice name = host;
    ssize_t colon = slice_find_last(name, ':');
    if (colon > 0) {
        import_lose(import, route, call->place, "the port of host %.*s: every port is served",
                    SLICE_ARG(host));
        name = slice_part(name, 0, (size_t)colon);
    }
    bool is_deep = slice_starts_with(name, SLICE("**."));
    ssize_t close = slice_find(name, '}');
    if (slice_equal(name, SLICE("**")) || slice_equal(name, SLICE("*"))) {
        name = SLICE("*");
    } else if (is_deep) {
        name = slice_from(name, 1);
    } else if (slice_starts_with(name, SLICE("{")) && close > 0) {
        import_note(import, route, call->place,
                    "the variable of host %.*s: it is a wildcard, which stands for one label or more",
                    SLICE_ARG(host));
        name = ARENA_CONCAT(&import->arena, SLICE("*"), slice_from(name, (size_t)close + 1));
    } else if (slice_starts_with(name, SLICE("*."))) {
        import_note(import, route, call->place,
                    "host %.*s of one label alone: a wildcard stands for one label or more", SLICE_ARG(host));
    }
    const char *problem = route_host_problem(name);
    if (problem == NULL && is_deep) { /* no label or more */
        import_put_item(import, &route->match[IMPORT_HOST], slice_from(name, 2));
    }
    if (problem != NULL) {
        import_lose(import, route, call->place, "host %.*s: %s", SLICE_ARG(host), problem);
    } else {
        import_put_item(import, &route->match[IMPORT_HOST], name);
    }
}

static void take_hosts(struct import *import, struct import_route *route, struct spring_call *call)
{
    if (!is_first(import, route, call, IMPORT_HOST)) {
        return;
    }
    struct slice host;
    while (spring_next_argument(call, "patterns", &host)) {
        take_host(import, route, call, host);
    }
}

static void take_methods(struct import *import, struct import_route *route, struct spring_call *call)
{
    if (!is_first(import, route, call, IMPORT_METHODS)) {
        return;
    }
    struct slice method;
    while (spring_next_argument(call, "methods", &method) || spring_next_argument(call, "method", &method)) {
        char *upper = arena_alloc(&import->arena, method.len + 1); /* Spring Boot takes them in any case */
        import->full |= upper == NULL;
        for (size_t i = 0; upper != NULL && i < method.len; i++) {
            char c = method.ptr[i];
            upper[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        }
        method = upper != NULL ? slice_of(upper, method.len) : method;
        const char *problem = route_method_problem(method);
        if (problem != NULL) {
            import_lose(import, route, call->place, "Method: %s", problem);
            continue;
        }
        import_put_item(import, &route->match[IMPORT_METHODS], method);
    }
}

/* ---- conditions ---- */

/* What stands in one pair of parentheses around all of it, as in "^(v1|v2)$"; else the whole. */
static struct slice without_group(struct slice expression)
{
    struct slice rest = expression;
    rest = slice_starts_with(rest, SLICE("^")) ? slice_from(rest, 1) : rest;
    rest = slice_ends_with(rest, SLICE("$")) ? slice_part(rest, 0, rest.len - 1) : rest;
    bool is_group = rest.len >= 2 && slice_starts_with(rest, SLICE("(")) &&
                    slice_ends_with(rest, SLICE(")")) && !slice_ends_with(rest, SLICE("\\)"));
    struct slice inner = is_group ? slice_part(rest, 1, rest.len - 2) : SLICE("(");
    inner = slice_starts_with(inner, SLICE("?:")) ? slice_from(inner, 2) : inner;
    bool is_plain = slice_find(inner, '(') < 0 && slice_find(inner, ')') < 0;
    return is_plain ? inner : expression;
}

/* The texts that an expression stands for, where these are a list: "a|b.*" is a, and what begins with b. */
static bool put_values(struct import *import, struct slice expression, struct buffer *out)
{
    struct slice piece;
    expression = without_group(expression);
    while (slice_next(&expression, '|', &piece)) {
        char text[256];
        size_t length = 0;
        piece = slice_starts_with(piece, SLICE("^")) ? slice_from(piece, 1) : piece;
        piece = slice_ends_with(piece, SLICE("$")) ? slice_part(piece, 0, piece.len - 1) : piece;
        bool is_open = slice_ends_with(piece, SLICE(".*")) && !slice_ends_with(piece, SLICE("\\.*"));
        piece = is_open ? slice_part(piece, 0, piece.len - 2) : piece;
        for (size_t i = 0; i < piece.len; i++) {
            bool is_escape = piece.ptr[i] == '\\' && i + 1 < piece.len &&
                             strchr(".-/+?()[]{}$^", piece.ptr[i + 1]) != NULL;
            i += is_escape;
            if (length + 1 >= sizeof text || (!is_escape && strchr(".+*?()[]{}$^\\", piece.ptr[i]) != NULL)) {
                return false;
            }
            text[length++] = piece.ptr[i];
        }
        if (length == 0 && !is_open) {
            return false;
        }
        text[length] = '*';
        import_put_item(import, out, slice_of(text, length + is_open));
    }
    return true;
}

/* What `match` would say of a condition by this name; NULL: it takes it. */
static const char *name_problem(enum import_match which, struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!import_is_name_byte(name.ptr[i])) {
            return "a condition's name has letters, digits, \"-\", \"_\" and \".\" alone";
        }
    }
    struct slice any = SLICE("*");
    struct condition_settings condition = { .name = name, .values = { &any, 1 } };
    const struct match_settings match = { .headers = { &condition, which == IMPORT_HEADERS ? 1 : 0 } };
    const void *where;
    return name.len > CONFIG_NAME_MAX ? "the name is too long" : route_conditions_problem(&match, &where);
}

static void take_value(struct import *import, struct import_route *route, const struct spring_call *call,
                       enum import_match which, struct slice name, struct slice expression)
{
    struct buffer key, values;
    buffer_init(&key, CONFIG_FILE_MAX);
    buffer_init(&values, CONFIG_FILE_MAX);
    import_put_text(import, &key, name);
    import_put(import, &key, ": [");
    struct buffer *entries = &route->match[which];
    const char *problem = name_problem(which, name);
    if (problem != NULL) {
        import_lose(import, route, call->place, "%.*s %.*s: %s", SLICE_ARG(call->name), SLICE_ARG(name),
                    problem);
    } else if (!import_is_key(name) || slice_contains(buffer_slice(entries), buffer_slice(&key))) {
        import_lose(import, route, call->place, "%.*s: one name is wanted, with one list of values",
                    SLICE_ARG(call->name));
    } else if (!put_values(import, expression, &values)) { /* it may be a secret: it is not told */
        import_lose(
            import, route, call->place,
            "the expression of %.*s %.*s: name the values, as in [v1, v2], or what they begin with, as in "
            "\"v1*\"",
            SLICE_ARG(call->name), SLICE_ARG(name));
    } else {
        import_put(import, entries, "%s%.*s%.*s]", buffer_length(entries) > 0 ? ", " : "",
                   SLICE_ARG(buffer_slice(&key)), SLICE_ARG(buffer_slice(&values)));
        route->conditions++;
    }
    buffer_done(&key);
    buffer_done(&values);
}

static void take_named(struct import *import, struct import_route *route, struct spring_call *call,
                       enum import_match which, const char *name_key)
{
    struct slice name = spring_argument(call, 0, name_key);
    struct slice value = spring_argument(call, 1, "regexp");
    take_value(import, route, call, which, name, value.ptr != NULL ? value : SLICE(".*"));
}

static void take_header(struct import *import, struct import_route *route, struct spring_call *call)
{
    take_named(import, route, call, IMPORT_HEADERS, "header");
}

static void take_cookie(struct import *import, struct import_route *route, struct spring_call *call)
{
    take_named(import, route, call, IMPORT_COOKIES, "name");
}

static void take_query(struct import *import, struct import_route *route, struct spring_call *call)
{
    take_named(import, route, call, IMPORT_QUERY, "param");
}

/* ---- addresses ---- */

/* "10.0.0.0/8" of "10.1.2.3/8". */
static bool put_address(struct import *import, struct slice text, struct buffer *out)
{
    ssize_t slash = slice_find(text, '/');
    struct slice host = slash >= 0 ? slice_part(text, 0, (size_t)slash) : text;
    char name[INET6_ADDRSTRLEN];
    if (host.len >= sizeof name) {
        return false;
    }
    memcpy(name, host.ptr, host.len);
    name[host.len] = '\0';
    unsigned char bytes[16];
    int family = slice_find(host, ':') >= 0 ? AF_INET6 : AF_INET;
    uint64_t most = family == AF_INET6 ? 128 : 32, bits = most;
    if (inet_pton(family, name, bytes) != 1 ||
        (slash >= 0 && (!slice_to_u64(slice_from(text, (size_t)slash + 1), &bits) || bits > most))) {
        return false;
    }
    for (uint64_t bit = bits; bit < most; bit++) {
        bytes[bit / 8] &= (unsigned char)~(0x80U >> (bit % 8));
    }
    char prefix[INET6_ADDRSTRLEN + 4];
    inet_ntop(family, bytes, name, sizeof name);
    snprintf(prefix, sizeof prefix, "%s/%u", name, (unsigned int)bits);
    import_put_item(import, out, slice_from_string(prefix));
    return true;
}

static void take_addresses(struct import *import, struct import_route *route, struct spring_call *call)
{
    if (!is_first(import, route, call, IMPORT_ADDRESSES)) {
        return;
    }
    struct slice address;
    while (spring_next_argument(call, "sources", &address)) {
        if (!put_address(import, address, &route->match[IMPORT_ADDRESSES])) {
            import_lose(import, route, call->place, "%.*s is no address and no prefix: write 10.0.0.0/8",
                        SLICE_ARG(address));
        }
    }
    route->conditions++;
}

static void take_forwarded_addresses(struct import *import, struct import_route *route,
                                     struct spring_call *call)
{
    import_note(import, route, call->place,
                "whose X-Forwarded-For is believed: name the proxies in the listener's \"trusted_proxies\"");
    take_addresses(import, route, call);
}

/* ---- times ---- */

/* The offset of "Z", "+01:00", "-07:00[America/Denver]", in seconds. */
static bool read_offset(const char *text, long *ret_seconds)
{
    unsigned int hours = 0, minutes = 0;
    if (text[0] == 'Z') {
        *ret_seconds = 0;
        return true;
    }
    if ((text[0] != '+' && text[0] != '-') ||
        sscanf(text + 1, "%2u:%2u", &hours, &minutes) != 2) { // NOLINT(cert-err34-c)
        return false;
    }
    *ret_seconds = (long)(hours * 3600 + minutes * 60) * (text[0] == '-' ? -1 : 1);
    return true;
}

/* "2017-01-21T00:42:47Z" of "2017-01-20T17:42:47.789-07:00[America/Denver]"; seconds alone count. */
static struct slice read_date(struct import *import, struct slice text)
{
    const char *string = arena_string(&import->arena, text);
    struct tm tm = { 0 };
    int end = 0;
    if (string == NULL || text.len > 128 ||
        sscanf(string, "%4d-%2d-%2dT%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &end) != 5) { // NOLINT(cert-err34-c)
        return SLICE_NONE;
    }
    const char *at = string + end;
    if (at[0] == ':' && ascii_is_digit(at[1]) && ascii_is_digit(at[2])) {
        tm.tm_sec = (at[1] - '0') * 10 + (at[2] - '0');
        at += 3;
    }
    at += at[0] == '.' ? 1 + strspn(at + 1, "0123456789") : 0;
    long offset = 0;
    if (!read_offset(at, &offset)) {
        return SLICE_NONE;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t moment = timegm(&tm) - offset;
    char out[32];
    if (gmtime_r(&moment, &tm) == NULL || strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &tm) != 20) {
        return SLICE_NONE;
    }
    return arena_copy(&import->arena, slice_from_string(out));
}

static void take_time(struct import *import, struct import_route *route, struct spring_call *call,
                      struct slice text, struct slice *out)
{
    struct slice date = read_date(import, text);
    if (date.ptr == NULL || out->len > 0) {
        import_lose(import, route, call->place,
                    "the time %.*s: write 2027-01-31T12:00:00Z in \"after\" or \"before\"", SLICE_ARG(text));
        return;
    }
    *out = date;
    route->conditions++;
}

static void take_after(struct import *import, struct import_route *route, struct spring_call *call)
{
    take_time(import, route, call, spring_argument(call, 0, "datetime"), &route->after);
}

static void take_before(struct import *import, struct import_route *route, struct spring_call *call)
{
    take_time(import, route, call, spring_argument(call, 0, "datetime"), &route->before);
}

static void take_between(struct import *import, struct import_route *route, struct spring_call *call)
{
    take_time(import, route, call, spring_argument(call, 0, "datetime1"), &route->after);
    take_time(import, route, call, spring_argument(call, 1, "datetime2"), &route->before);
    size_t length = route->after.len; /* both are written alike */
    if (length > 0 && route->before.len == length &&
        memcmp(route->after.ptr, route->before.ptr, length) >= 0) {
        import_lose(import, route, call->place,
                    "Between, whose second time is not after the first: no time is both");
        route->after = route->before = SLICE("");
        route->conditions -= 2;
    }
}

static void take_weight(struct import *import, struct import_route *route, struct spring_call *call)
{
    struct slice group = spring_argument(call, 0, "weight.group"),
                 weight = spring_argument(call, 1, "weight.weight"), short_group, short_weight;
    group = spring_next_named(call, "group", &short_group) ? short_group : group;
    weight = spring_next_named(call, "weight", &short_weight) ? short_weight : weight;
    if (group.len == 0 || !slice_to_u64(weight, &route->weight) || route->weight > 10000) {
        import_lose(import, route, call->place, "Weight %.*s: a group and a number up to 10000 are wanted",
                    SLICE_ARG(weight));
        return;
    }
    route->weight_group = group;
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    void (*take)(struct import *import, struct import_route *route, struct spring_call *call);
} predicates[] = {
    { "Path", take_paths },           { "Host", take_hosts },
    { "Method", take_methods },       { "Header", take_header },
    { "Query", take_query },          { "Cookie", take_cookie },
    { "RemoteAddr", take_addresses }, { "XForwardedRemoteAddr", take_forwarded_addresses },
    { "After", take_after },          { "Before", take_before },
    { "Between", take_between },      { "Weight", take_weight },
};

void spring_predicate(struct import *import, struct import_route *route, struct spring_call *call)
{
    if (call->count == 0) {
        import_lose(import, route, call->place, "the predicate %.*s without arguments: say what it is to be",
                    SLICE_ARG(call->name));
        return;
    }
    for (size_t i = 0; i < sizeof predicates / sizeof predicates[0]; i++) {
        if (slice_equal(call->name, slice_from_string(predicates[i].name))) {
            predicates[i].take(import, route, call);
            return;
        }
    }
    import_lose(import, route, call->place, "the predicate %.*s: there is none like it; see docs/routing.md",
                SLICE_ARG(call->name));
    call->told = true;
}
