#include "route/pattern.h"

#include "http/uri.h"
#include "route/route.h"

bool path_next(struct slice *rest, struct slice *ret_segment)
{
    if (rest->len == 0 || rest->ptr[0] != '/') {
        return false;
    }
    const char *begin = rest->ptr + 1;
    const char *end = memchr(begin, '/', rest->len - 1);
    size_t len = end != NULL ? (size_t)(end - begin) : rest->len - 1;
    *ret_segment = slice_of(begin, len);
    *rest = slice_of(begin + len, rest->len - 1 - len);
    return true;
}

bool pattern_next(struct slice *rest, struct segment *ret_segment)
{
    struct slice text;
    if (!path_next(rest, &text)) {
        return false;
    }
    if (slice_equal(text, SLICE("**"))) {
        *ret_segment = (struct segment){ SEGMENT_REST, SLICE_NONE };
    } else if (text.len >= 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}') {
        *ret_segment = (struct segment){ SEGMENT_VARIABLE, slice_part(text, 1, text.len - 2) };
    } else {
        *ret_segment = (struct segment){ SEGMENT_TEXT, text };
    }
    return true;
}

const char *pattern_canonical_text(struct slice text, char *out, struct slice *ret_text)
{
    if (text.len + 1 > HTTP_TARGET_MAX) {
        return "a segment of the path is too long";
    }
    char raw[HTTP_TARGET_MAX];
    raw[0] = '/';
    if (text.len > 0) {
        memcpy(raw + 1, text.ptr, text.len);
    }
    /* What only some routes allow is no fault of a pattern: a request that holds it is refused where it is not allowed. */
    struct slice path;
    enum uri_result result = uri_canonical_path(slice_of(raw, text.len + 1),
                                                URI_ALLOW_ENCODED_SLASH | URI_ALLOW_PARAMETERS, out, &path);
    if (result != URI_OK) {
        return uri_result_text(result);
    }
    *ret_text = slice_from(path, 1);
    return NULL;
}

static bool variable_name_valid(struct slice name)
{
    if (name.len == 0 || name.len > 64 || !(ascii_is_alpha(name.ptr[0]) || name.ptr[0] == '_')) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

static const char *text_problem(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '?') {
            return "a path has no query: what must stand there is for match.query";
        }
        if (c == '{' || c == '}') {
            return "a {variable} must be a whole segment of the path";
        }
        /* A glob that is taken for text would silently match nothing. */
        if (c == '*') {
            return "* stands only as a whole last segment, /**; one segment of any text is {name}";
        }
    }
    char out[HTTP_TARGET_MAX];
    struct slice canonical;
    return pattern_canonical_text(text, out, &canonical);
}

static bool name_is_among(struct slice name, const struct slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(name, names[i])) {
            return true;
        }
    }
    return false;
}

static const char *variable_problem(struct slice name, struct slice *names, size_t *count)
{
    if (slice_find(name, ':') > 0) {
        return "a {variable} takes any segment: there are no expressions in paths; write {name}";
    }
    if (!variable_name_valid(name)) {
        return "the name of a {variable} is made of letters, digits, _ and -, and starts with a letter or _";
    }
    if (*count == ROUTE_VARIABLES_MAX) {
        return "too many {variables} in the path";
    }
    if (name_is_among(name, names, *count)) {
        return "the path has two {variables} of one name";
    }
    names[(*count)++] = name;
    return NULL;
}

const char *route_pattern_problem(struct slice pattern)
{
    if (pattern.len == 0 || pattern.ptr[0] != '/') {
        return "a path starts with /";
    }
    if (pattern.len > HTTP_TARGET_MAX) {
        return "the path is too long";
    }
    struct slice names[ROUTE_VARIABLES_MAX];
    size_t variables = 0;
    size_t segments = 0;
    struct slice rest = pattern;
    struct segment segment;
    while (pattern_next(&rest, &segment)) {
        const char *problem = NULL;
        if (++segments > ROUTE_SEGMENTS_MAX) {
            return "the path has too many segments";
        }
        if (segment.kind == SEGMENT_REST) {
            problem = rest.len > 0 ? "** must be the last segment of the path" : NULL;
        } else if (segment.kind == SEGMENT_VARIABLE) {
            problem = variable_problem(segment.text, names, &variables);
        } else if (segment.text.len == 0) {
            problem = rest.len > 0 ? "the path has an empty segment (//)" : NULL;
        } else {
            problem = text_problem(segment.text);
        }
        if (problem != NULL) {
            return problem;
        }
    }
    return NULL;
}

size_t route_pattern_variables(struct slice pattern, struct slice *names, size_t capacity)
{
    size_t count = 0;
    struct slice rest = pattern;
    struct segment segment;
    while (pattern_next(&rest, &segment)) {
        if (segment.kind == SEGMENT_VARIABLE) {
            if (count < capacity) {
                names[count] = segment.text;
            }
            count++;
        }
    }
    return count;
}

int route_pattern_variable(struct slice pattern, struct slice name)
{
    struct slice names[ROUTE_VARIABLES_MAX];
    size_t count = route_pattern_variables(pattern, names, ROUTE_VARIABLES_MAX);
    for (size_t i = 0; i < count && i < ROUTE_VARIABLES_MAX; i++) {
        if (slice_equal(names[i], name)) {
            return (int)i;
        }
    }
    return -1;
}

const char *route_host_problem(struct slice host)
{
    if (slice_equal(host, SLICE("*"))) {
        return NULL;
    }
    struct slice name = slice_starts_with(host, SLICE("*.")) ? slice_from(host, 2) : host;
    if (name.len == 0 || name.len > HTTP_HOST_MAX) {
        return "a host has 1 to 255 characters";
    }
    if (slice_find(name, '*') >= 0) {
        return "* stands only alone or as the first label of a host, \"*.example.com\"";
    }
    if (name.ptr[0] == '[') {
        return "an IPv6 address as a host is written without brackets";
    }
    /* The same rules as for the hosts that are compared with it, brackets of IPv6 put back. */
    char bracketed[HTTP_HOST_MAX + 2];
    char out[HTTP_HOST_MAX + 2];
    bool is_ipv6 = slice_find(name, ':') != slice_find_last(name, ':');
    size_t at = 0;
    if (is_ipv6) {
        bracketed[at++] = '[';
    }
    memcpy(bracketed + at, name.ptr, name.len);
    at += name.len;
    if (is_ipv6) {
        bracketed[at++] = ']';
    }
    struct uri_authority authority;
    if (uri_parse_authority(slice_of(bracketed, at), out, &authority) != URI_OK) {
        return "not a host name or IP address";
    }
    if (authority.port != 0) {
        return "a host in `match` has no port";
    }
    if (!slice_equal(authority.host, name)) {
        return "a host is written in lower case, without a trailing dot";
    }
    if (is_ipv6 && name.len != host.len) {
        return "an IP address has no wildcard";
    }
    return NULL;
}

const char *route_method_problem(struct slice method)
{
    if (!http_token_valid(method) || method.len > HTTP_METHOD_MAX) {
        return "not a method";
    }
    if (slice_equal(method, SLICE("*"))) {
        return "methods have no wildcard: leave the list out";
    }
    char upper[HTTP_METHOD_MAX];
    for (size_t i = 0; i < method.len; i++) {
        char c = method.ptr[i];
        upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    enum http_method id = http_method_of(slice_of(upper, method.len));
    if (id == METHOD_CONNECT || id == METHOD_TRACE) {
        return "CONNECT and TRACE are never passed on";
    }
    /* Methods are case-sensitive: "get" would match nothing that a browser sends. */
    if (id != METHOD_OTHER && memcmp(upper, method.ptr, method.len) != 0) {
        return "methods are written in upper case";
    }
    return NULL;
}
