#include "http/headers.h"

#include "http/bytes.h"

static const struct slice names[HEADER_ID_COUNT] = { [HEADER_OTHER] = SLICE_INIT(""),
#define HTTP_HEADER_TEXT(id, name) [HEADER_##id] = SLICE_INIT(name),
                                                     HTTP_HEADER_NAMES(HTTP_HEADER_TEXT)
#undef HTTP_HEADER_TEXT
};

/* A perfect hash: no two known names share a slot. The unit test says which slot a new name wants; where that is taken,
 * other factors are needed. */
static inline unsigned int slot_of(const unsigned char *name, size_t len)
{
    return (17U * (unsigned int)len + 3U * (name[0] | 0x20U) + 29U * (name[len * 3 / 4] | 0x20U) +
            11U * (name[len - 1] | 0x20U)) &
           0xffU;
}

static const unsigned char slots[256] = {
    [1] = HEADER_CONTENT_TYPE,
    [2] = HEADER_X_REWRITE_URL,
    [3] = HEADER_WWW_AUTHENTICATE,
    [5] = HEADER_CONTENT_LENGTH,
    [15] = HEADER_X_FORWARDED_CLIENT_CERT,
    [19] = HEADER_X_ORIGINAL_URL,
    [22] = HEADER_SERVER,
    [25] = HEADER_LOCATION,
    [26] = HEADER_ACCESS_CONTROL_EXPOSE_HEADERS,
    [27] = HEADER_RETRY_AFTER,
    [36] = HEADER_X_FORWARDED_PORT,
    [39] = HEADER_KEEP_ALIVE,
    [40] = HEADER_ALLOW,
    [42] = HEADER_TRAILER,
    [43] = HEADER_ACCESS_CONTROL_REQUEST_HEADERS,
    [53] = HEADER_ACCEPT,
    [56] = HEADER_DATE,
    [59] = HEADER_CLIENT_CERT_CHAIN,
    [60] = HEADER_X_FORWARDED_HOST,
    [62] = HEADER_PROXY_CONNECTION,
    [70] = HEADER_TE,
    [73] = HEADER_ACCESS_CONTROL_ALLOW_METHODS,
    [74] = HEADER_PROXY_AUTHORIZATION,
    [81] = HEADER_CLIENT_CERT,
    [82] = HEADER_ORIGIN,
    [90] = HEADER_TRACESTATE,
    [102] = HEADER_X_FORWARDED_FOR,
    [107] = HEADER_FORWARDED,
    [112] = HEADER_PROXY,
    [114] = HEADER_CONNECTION,
    [118] = HEADER_USER_AGENT,
    [121] = HEADER_SET_COOKIE,
    [125] = HEADER_TRANSFER_ENCODING,
    [128] = HEADER_ACCESS_CONTROL_REQUEST_METHOD,
    [129] = HEADER_UPGRADE,
    [132] = HEADER_TRACEPARENT,
    [136] = HEADER_ACCESS_CONTROL_ALLOW_CREDENTIALS,
    [142] = HEADER_VARY,
    [153] = HEADER_X_REQUEST_ID,
    [156] = HEADER_HOST,
    [166] = HEADER_X_HTTP_METHOD_OVERRIDE,
    [172] = HEADER_X_FORWARDED_PREFIX,
    [181] = HEADER_X_HTTP_METHOD,
    [184] = HEADER_ACCESS_CONTROL_ALLOW_HEADERS,
    [189] = HEADER_VIA,
    [190] = HEADER_PROXY_AUTHENTICATE,
    [193] = HEADER_ACCESS_CONTROL_ALLOW_ORIGIN,
    [200] = HEADER_EXPECT,
    [202] = HEADER_X_METHOD_OVERRIDE,
    [203] = HEADER_COOKIE,
    [206] = HEADER_CACHE_CONTROL,
    [222] = HEADER_AUTHORIZATION,
    [234] = HEADER_X_REAL_IP,
    [237] = HEADER_ACCESS_CONTROL_MAX_AGE,
    [238] = HEADER_MAX_FORWARDS,
    [240] = HEADER_DPOP,
    [250] = HEADER_CONTENT_ENCODING,
    [252] = HEADER_HTTP2_SETTINGS,
    [254] = HEADER_X_FORWARDED_PROTO,
};

enum header_id header_id_of(struct slice name)
{
    if (name.len == 0) {
        return HEADER_OTHER;
    }
    enum header_id id = slots[slot_of((const unsigned char *)name.ptr, name.len)];
    return http_equals(name, names[id]) ? id : HEADER_OTHER;
}

struct slice header_name(enum header_id id)
{
    return (unsigned int)id < HEADER_ID_COUNT ? names[id] : SLICE("");
}

const struct header *headers_find(const struct headers *headers, enum header_id id)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id == id) {
            return &headers->items[i];
        }
    }
    return NULL;
}

const struct header *headers_find_name(const struct headers *headers, struct slice name)
{
    enum header_id id = header_id_of(name);
    if (id != HEADER_OTHER) {
        return headers_find(headers, id);
    }
    for (size_t i = 0; i < headers->count; i++) {
        if (slice_equal_nocase(headers->items[i].name, name)) {
            return &headers->items[i];
        }
    }
    return NULL;
}

size_t headers_count(const struct headers *headers, enum header_id id)
{
    size_t count = 0;
    for (size_t i = 0; i < headers->count; i++) {
        count += headers->items[i].id == id;
    }
    return count;
}

bool headers_add(struct headers *headers, enum header_id id, struct slice name, struct slice value)
{
    if (headers->count >= headers->capacity) {
        return false;
    }
    headers->items[headers->count++] = (struct header){ name, value, id };
    return true;
}

bool http_token_valid(struct slice text)
{
    return http_all(text, HTTP_BYTE_TOKEN);
}

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool http_field_value_valid(struct slice text)
{
    if (text.len == 0) {
        return true;
    }
    return !is_blank(text.ptr[0]) && !is_blank(text.ptr[text.len - 1]) &&
           http_find_control(text.ptr, 0, text.len) == text.len;
}

bool http_list_contains(struct slice list, struct slice token)
{
    struct slice element;
    while (http_list_next(&list, &element)) {
        if (slice_equal_nocase(element, token)) {
            return true;
        }
    }
    return false;
}

/* The end of the element that starts at 0: a comma outside quotes, or the end. */
static size_t element_end(struct slice text)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '"') {
            quoted = !quoted;
        } else if (c == '\\' && quoted) {
            i++;
        } else if (c == ',' && !quoted) {
            return i;
        }
    }
    return text.len;
}

bool http_list_next(struct slice *rest, struct slice *ret_element)
{
    while (rest->len > 0) {
        size_t end = element_end(*rest);
        struct slice element = slice_trim(slice_part(*rest, 0, end));
        *rest = slice_from(*rest, end + 1);
        if (element.len > 0) {
            *ret_element = element;
            return true;
        }
    }
    return false;
}

/* Does a name become `plain` with all but letters and digits left out? */
static bool spells(struct slice name, struct slice plain)
{
    size_t matched = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = ascii_lower(name.ptr[i]);
        if (!ascii_is_digit(c) && !ascii_is_alpha(c)) {
            continue;
        }
        if (matched == plain.len || c != plain.ptr[matched]) {
            return false;
        }
        matched++;
    }
    return matched == plain.len;
}

bool http_spells_framing(struct slice name)
{
    return name.len >= sizeof "contentlength" - 1 &&
           (spells(name, SLICE("contentlength")) || spells(name, SLICE("transferencoding")));
}

/* Fields of RFC 9110 section 6.5.1 that have no number: conditions, request modifiers, and what describes the content or
 * steers caches. Names in "if-" are refused as a family. */
static bool forbidden_by_name(struct slice name)
{
    static const struct slice forbidden[] = {
        SLICE_INIT("accept-charset"),
        SLICE_INIT("accept-encoding"),
        SLICE_INIT("accept-language"),
        SLICE_INIT("age"),
        SLICE_INIT("authentication-info"),
        SLICE_INIT("content-disposition"),
        SLICE_INIT("content-language"),
        SLICE_INIT("content-location"),
        SLICE_INIT("content-range"),
        SLICE_INIT("content-security-policy"),
        SLICE_INIT("expires"),
        SLICE_INIT("pragma"),
        SLICE_INIT("proxy-authentication-info"),
        SLICE_INIT("range"),
        SLICE_INIT("referer"),
        SLICE_INIT("strict-transport-security"),
        SLICE_INIT("warning"),
    };
    if (slice_equal_nocase(slice_part(name, 0, 3), SLICE("if-"))) {
        return true;
    }
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        if (slice_equal_nocase(name, forbidden[i])) {
            return true;
        }
    }
    return false;
}

bool header_is_of_frame(enum header_id id)
{
    switch (id) {
    case HEADER_CONNECTION:
    case HEADER_CONTENT_LENGTH:
    case HEADER_HTTP2_SETTINGS:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_CONNECTION:
    case HEADER_TE:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_UPGRADE:
        return true;
    default:
        return false;
    }
}

bool http_may_be_trailer(enum header_id id, struct slice name)
{
    return id == HEADER_OTHER && !forbidden_by_name(name);
}
