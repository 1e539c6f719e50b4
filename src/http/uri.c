#include "http/uri.h"

#include "base/encoding.h"
#include "base/limits.h"
#include "http/bytes.h"

static const char *const texts[] = {
    [URI_OK] = "no failure",
    [URI_BAD_SYNTAX] = "a byte that may not stand in a request target",
    [URI_BAD_FORM] = "a form of request target that the method does not take",
    [URI_FRAGMENT] = "a fragment in the request target",
    [URI_DOT_SEGMENT] = "a dot segment in the path",
    [URI_ENCODED_SLASH] = "an encoded slash or a backslash in the path",
    [URI_EMPTY_SEGMENT] = "an empty segment in the path",
    [URI_PARAMETER] = "a parameter in the path",
    [URI_DOUBLE_ENCODING] = "a double encoding in the path",
    [URI_CONTROL] = "a control character in the path",
    [URI_BAD_UTF8] = "a path that is not UTF-8",
    [URI_TOO_LONG] = "a request target that is too long",
    [URI_BAD_HOST] = "a malformed host",
};

const char *uri_result_text(enum uri_result result)
{
    size_t at = (size_t)result;
    return at < sizeof texts / sizeof texts[0] ? texts[at] : "unknown failure";
}

/* The byte behind a '%' at `at`, or -1. */
static int escape_at(struct slice text, size_t at)
{
    if (text.len - at < 3) {
        return -1;
    }
    int high = hex_digit(text.ptr[at + 1]), low = hex_digit(text.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool uri_query_valid(struct slice query)
{
    size_t at = 0;
    for (;;) {
        at = http_skip(query.ptr, at, query.len, HTTP_BYTE_QUERY);
        if (at == query.len) {
            return true;
        }
        if (query.ptr[at] != '%' || escape_at(query, at) < 0) {
            return false;
        }
        at += 3;
    }
}

/* Cuts path and query apart; `rest` starts with the path. */
static enum uri_result split_path(struct slice rest, struct uri_target *target)
{
    const char *mark = memchr(rest.ptr, '?', rest.len);
    if (mark == NULL) {
        target->path = rest;
        return URI_OK;
    }
    size_t at = (size_t)(mark - rest.ptr);
    target->path = slice_of(rest.ptr, at);
    target->query = slice_of(mark + 1, rest.len - at - 1);
    return uri_query_valid(target->query) ? URI_OK : URI_BAD_SYNTAX;
}

static enum uri_result parse_absolute(struct slice text, struct uri_target *target)
{
    ssize_t colon = slice_find(text, ':');
    if (colon < 0 || !slice_starts_with(slice_from(text, (size_t)colon), SLICE("://"))) {
        return URI_BAD_FORM;
    }
    target->scheme = slice_part(text, 0, (size_t)colon);
    if (!slice_equal_nocase(target->scheme, SLICE("http")) &&
        !slice_equal_nocase(target->scheme, SLICE("https"))) {
        return URI_BAD_FORM;
    }
    struct slice rest = slice_from(text, (size_t)colon + 3);
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?') {
        end++;
    }
    target->authority = slice_part(rest, 0, end);
    char lowered[URI_AUTHORITY_MAX];
    struct uri_authority authority;
    enum uri_result result = uri_parse_authority(target->authority, lowered, &authority);
    if (result != URI_OK) {
        return result;
    }
    result = split_path(slice_from(rest, end), target);
    if (target->path.len == 0) {
        target->path = SLICE("/");
    }
    return result;
}

static enum uri_result parse_authority_form(struct slice text, struct uri_target *target)
{
    char lowered[URI_AUTHORITY_MAX];
    struct uri_authority authority;
    enum uri_result result = uri_parse_authority(text, lowered, &authority);
    if (result != URI_OK) {
        /* Any other form of target has a byte that no authority has. */
        return slice_find(text, '/') >= 0 || slice_equal(text, SLICE("*")) ? URI_BAD_FORM : result;
    }
    target->authority = text;
    return authority.port != 0 ? URI_OK : URI_BAD_HOST;
}

enum uri_result uri_parse_target(struct slice text, enum http_method method, struct uri_target *ret_target)
{
    if (text.len > HTTP_TARGET_MAX) {
        return URI_TOO_LONG;
    }
    if (text.len == 0) {
        return URI_BAD_FORM;
    }
    /* Some cut a target at '#', some route by what is behind it: it never may come (RFC 9112 section 3.2). */
    if (slice_find(text, '#') >= 0) {
        return URI_FRAGMENT;
    }
    struct uri_target target = { .form = URI_ORIGIN };
    enum uri_result result = URI_OK;
    if (method == METHOD_CONNECT) {
        target.form = URI_AUTHORITY;
        result = parse_authority_form(text, &target);
    } else if (text.ptr[0] == '/') {
        result = split_path(text, &target);
    } else if (slice_equal(text, SLICE("*"))) {
        target.form = URI_ASTERISK;
        target.path = text;
        result = method == METHOD_OPTIONS ? URI_OK : URI_BAD_FORM;
    } else {
        target.form = URI_ABSOLUTE;
        result = parse_absolute(text, &target);
    }
    if (result == URI_OK) {
        *ret_target = target;
    }
    return result;
}

/* A path on its way into its canonical form. */
struct path {
    char *out;
    size_t length;
    size_t segment; /* where the current segment starts in `out`, behind its slash */
    unsigned int allow;
};

static bool is_dots(struct slice text)
{
    return slice_equal(text, SLICE(".")) || slice_equal(text, SLICE(".."));
}

/* What some reader takes for a separator inside a segment: a slash or a parameter, encoded or not. */
static size_t separator_at(struct slice segment, size_t at)
{
    if (segment.ptr[at] == ';') {
        return 1;
    }
    struct slice escape = slice_part(segment, at, 3);
    return slice_equal(escape, SLICE("%2F")) || slice_equal(escape, SLICE("%3B")) ? 3 : 0;
}

/* No reader may come to a dot segment, however late it decodes, and whether it strips parameters before or after: every
 * part between separators of any spelling is looked at. */
static bool has_dot_part(struct slice segment)
{
    if (slice_find(segment, '.') < 0) {
        return false;
    }
    size_t begin = 0, at = 0;
    while (at < segment.len) {
        size_t separator = separator_at(segment, at);
        if (separator == 0) {
            at++;
            continue;
        }
        if (is_dots(slice_part(segment, begin, at - begin))) {
            return true;
        }
        at += separator;
        begin = at;
    }
    return is_dots(slice_from(segment, begin));
}

static enum uri_result end_segment(const struct path *path, bool last)
{
    struct slice segment = { path->out + path->segment, path->length - path->segment };
    /* "/;x/" becomes "//" with whoever strips parameters. */
    if ((segment.len == 0 && !last) || (segment.len > 0 && segment.ptr[0] == ';')) {
        return URI_EMPTY_SEGMENT;
    }
    return has_dot_part(segment) ? URI_DOT_SEGMENT : URI_OK;
}

/* Appends a character as it is. "%25" and two digits, however they were spelled, would be an escape to whoever decodes
 * twice. */
static enum uri_result put_plain(struct path *path, char c)
{
    path->out[path->length++] = c;
    if (path->length < 5 || hex_digit(c) < 0) {
        return URI_OK;
    }
    const char *tail = path->out + path->length - 5;
    bool twice = memcmp(tail, "%25", 3) == 0 && hex_digit(tail[3]) >= 0;
    return twice ? URI_DOUBLE_ENCODING : URI_OK;
}

static enum uri_result put_escape(struct path *path, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";
    if (byte < 0x20 || byte == 0x7f) {
        return URI_CONTROL;
    }
    if (byte == '\\' || (byte == '/' && (path->allow & URI_ALLOW_ENCODED_SLASH) == 0)) {
        return URI_ENCODED_SLASH;
    }
    /* Servers take an escaped ':' or '@' for the plain one, so both must meet the same rule here. Not so ';', which plain
     * begins a parameter and escaped is data. */
    if (http_byte_is((char)byte, HTTP_BYTE_SEGMENT)) {
        return put_plain(path, (char)byte);
    }
    path->out[path->length++] = '%';
    path->out[path->length++] = digits[byte >> 4];
    path->out[path->length++] = digits[byte & 15];
    return URI_OK;
}

static enum uri_result put_slash(struct path *path)
{
    enum uri_result result = path->length > 0 ? end_segment(path, false) : URI_OK;
    path->out[path->length++] = '/';
    path->segment = path->length;
    return result;
}

/* A byte that is neither an escape nor plain. */
static enum uri_result put_other(struct path *path, char c)
{
    switch (c) {
    case '/':
        return put_slash(path);
    case ';':
        path->out[path->length++] = c;
        return (path->allow & URI_ALLOW_PARAMETERS) != 0 ? URI_OK : URI_PARAMETER;
    case '\\':
        return URI_ENCODED_SLASH;
    case '#':
        return URI_FRAGMENT;
    default:
        return URI_BAD_SYNTAX;
    }
}

/* A run of plain bytes. Only its first two can complete a double encoding. */
static enum uri_result put_run(struct path *path, struct slice run)
{
    enum uri_result result = URI_OK;
    for (size_t i = 0; i < 2 && i < run.len && result == URI_OK; i++) {
        result = put_plain(path, run.ptr[i]);
    }
    if (run.len > 2 && result == URI_OK) {
        memcpy(path->out + path->length, run.ptr + 2, run.len - 2);
        path->length += run.len - 2;
    }
    return result;
}

/* C1 control characters, U+0080 to U+009F. */
static bool has_c1_control(struct slice text)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if ((unsigned char)text.ptr[i] == 0xc2 && (unsigned char)text.ptr[i + 1] < 0xa0) {
            return true;
        }
    }
    return false;
}

/* `out` is lent for the decoded text. */
static enum uri_result check_text(struct slice raw, char *out)
{
    if (slice_find(raw, '%') < 0) {
        return URI_OK;
    }
    struct slice decoded = { out, uri_decode(raw, out) };
    if (!utf8_valid(decoded)) {
        return URI_BAD_UTF8;
    }
    return has_c1_control(decoded) ? URI_CONTROL : URI_OK;
}

/* Segments of plain bytes: without an escape nothing is to be decoded or in the wrong case, and nothing is encoded twice. A
 * segment that begins with a dot or is empty is left to those who look closer. */
bool uri_path_is_canonical(struct slice raw)
{
    if (raw.len > HTTP_TARGET_MAX || raw.len == 0 || raw.ptr[0] != '/') {
        return false;
    }
    size_t at = 1;
    while (at < raw.len && raw.ptr[at] != '.' && raw.ptr[at] != '/') {
        at = http_skip(raw.ptr, at, raw.len, HTTP_BYTE_SEGMENT);
        if (at == raw.len || raw.ptr[at] != '/') {
            break;
        }
        at++;
    }
    return at == raw.len;
}

enum uri_result uri_canonical_path(struct slice raw, unsigned int allow, char *out, struct slice *ret_path)
{
    if (uri_path_is_canonical(raw)) {
        memcpy(out, raw.ptr, raw.len);
        *ret_path = (struct slice){ out, raw.len };
        return URI_OK;
    }
    if (raw.len > HTTP_TARGET_MAX) {
        return URI_TOO_LONG;
    }
    if (raw.len == 0 || raw.ptr[0] != '/') {
        return URI_BAD_FORM;
    }
    enum uri_result result = check_text(raw, out);
    struct path path = { .out = out, .allow = allow };
    size_t at = 0;
    while (at < raw.len && result == URI_OK) {
        size_t end = http_skip(raw.ptr, at, raw.len, HTTP_BYTE_SEGMENT);
        if (end > at) {
            result = put_run(&path, slice_part(raw, at, end - at));
            at = end;
        } else if (raw.ptr[at] != '%') {
            result = put_other(&path, raw.ptr[at]);
            at++;
        } else {
            int byte = escape_at(raw, at);
            result = byte < 0 ? URI_BAD_SYNTAX : put_escape(&path, (unsigned char)byte);
            at += 3;
        }
    }
    if (result == URI_OK) {
        result = end_segment(&path, true);
    }
    if (result == URI_OK) {
        *ret_path = (struct slice){ out, path.length };
    }
    return result;
}

unsigned int uri_path_needs(struct slice raw)
{
    unsigned int needs = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == ';') {
            needs |= URI_ALLOW_PARAMETERS;
        } else if (raw.ptr[i] == '%' && escape_at(raw, i) == '/') {
            needs |= URI_ALLOW_ENCODED_SLASH;
        }
    }
    return needs;
}

size_t uri_decode(struct slice text, char *out)
{
    size_t length = 0;
    for (size_t at = 0; at < text.len; at++) {
        int byte = text.ptr[at] == '%' ? escape_at(text, at) : -1;
        if (byte >= 0) {
            at += 2;
        }
        out[length++] = byte >= 0 ? (char)byte : text.ptr[at];
    }
    return length;
}
