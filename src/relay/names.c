#include "relay/names.h"

static const uint16_t classes_by_id[HEADER_ID_COUNT] = {
    [HEADER_CONNECTION] = NAME_HOP,
    [HEADER_KEEP_ALIVE] = NAME_HOP,
    [HEADER_PROXY_CONNECTION] = NAME_HOP,
    [HEADER_PROXY_AUTHENTICATE] = NAME_HOP,
    [HEADER_TE] = NAME_HOP,
    [HEADER_TRAILER] = NAME_HOP,
    [HEADER_TRANSFER_ENCODING] = NAME_HOP,
    [HEADER_UPGRADE] = NAME_HOP,
    [HEADER_HTTP2_SETTINGS] = NAME_HOP,
    [HEADER_CONTENT_LENGTH] = NAME_HOP,
    [HEADER_HOST] = NAME_HOP,
    [HEADER_EXPECT] = NAME_HOP,
    [HEADER_PROXY] = NAME_OVERRIDE, /* becomes HTTP_PROXY in the environment of a CGI program */
    [HEADER_AUTHORIZATION] = NAME_CREDENTIAL,
    [HEADER_PROXY_AUTHORIZATION] = NAME_CREDENTIAL | NAME_HOP,
    [HEADER_DPOP] = NAME_CREDENTIAL,
    [HEADER_CLIENT_CERT] = NAME_FORWARDED,
    [HEADER_CLIENT_CERT_CHAIN] = NAME_FORWARDED,
    [HEADER_FORWARDED] = NAME_FORWARDED,
    [HEADER_X_FORWARDED_CLIENT_CERT] = NAME_FORWARDED,
    [HEADER_X_FORWARDED_FOR] = NAME_FORWARDED,
    [HEADER_X_FORWARDED_HOST] = NAME_FORWARDED,
    [HEADER_X_FORWARDED_PORT] = NAME_FORWARDED,
    [HEADER_X_FORWARDED_PREFIX] = NAME_FORWARDED,
    [HEADER_X_FORWARDED_PROTO] = NAME_FORWARDED,
    [HEADER_X_REAL_IP] = NAME_FORWARDED,
    [HEADER_X_HTTP_METHOD] = NAME_OVERRIDE,
    [HEADER_X_HTTP_METHOD_OVERRIDE] = NAME_OVERRIDE,
    [HEADER_X_METHOD_OVERRIDE] = NAME_OVERRIDE,
    [HEADER_X_ORIGINAL_URL] = NAME_OVERRIDE,
    [HEADER_X_REWRITE_URL] = NAME_OVERRIDE,
    [HEADER_X_REQUEST_ID] = NAME_OURS | NAME_RESPONSE,
    [HEADER_TRACEPARENT] = NAME_OURS,
    [HEADER_TRACESTATE] = NAME_FIXED | NAME_NO_TRAILER,
    [HEADER_VIA] = NAME_FIXED | NAME_NO_TRAILER,
    [HEADER_COOKIE] = NAME_FIXED | NAME_NO_TRAILER,
    [HEADER_SET_COOKIE] = NAME_FIXED | NAME_NO_TRAILER,
    [HEADER_CONTENT_ENCODING] = NAME_FIXED | NAME_NO_TRAILER,
    [HEADER_CONTENT_TYPE] = NAME_FIXED | NAME_NO_TRAILER,
    [HEADER_ACCEPT] = NAME_NO_TRAILER,
    [HEADER_ACCESS_CONTROL_ALLOW_CREDENTIALS] = NAME_NO_TRAILER,
    [HEADER_ACCESS_CONTROL_ALLOW_HEADERS] = NAME_NO_TRAILER,
    [HEADER_ACCESS_CONTROL_ALLOW_METHODS] = NAME_NO_TRAILER,
    [HEADER_ACCESS_CONTROL_ALLOW_ORIGIN] = NAME_NO_TRAILER,
    [HEADER_ACCESS_CONTROL_EXPOSE_HEADERS] = NAME_NO_TRAILER,
    [HEADER_ACCESS_CONTROL_MAX_AGE] = NAME_NO_TRAILER,
    [HEADER_ACCESS_CONTROL_REQUEST_HEADERS] = NAME_NO_TRAILER,
    [HEADER_ACCESS_CONTROL_REQUEST_METHOD] = NAME_NO_TRAILER,
    [HEADER_ALLOW] = NAME_NO_TRAILER,
    [HEADER_CACHE_CONTROL] = NAME_NO_TRAILER,
    [HEADER_DATE] = NAME_NO_TRAILER,
    [HEADER_LOCATION] = NAME_NO_TRAILER,
    [HEADER_MAX_FORWARDS] = NAME_NO_TRAILER,
    [HEADER_ORIGIN] = NAME_NO_TRAILER,
    [HEADER_RETRY_AFTER] = NAME_NO_TRAILER,
    [HEADER_SERVER] = NAME_NO_TRAILER | NAME_BANNER,
    [HEADER_USER_AGENT] = NAME_NO_TRAILER,
    [HEADER_VARY] = NAME_NO_TRAILER,
    [HEADER_WWW_AUTHENTICATE] = NAME_NO_TRAILER,
};

/* Names without a number. Those of the address family are what servers and content delivery networks are known to trust. */
static const struct {
    struct slice name;
    unsigned int classes;
} classes_by_name[] = {
    { SLICE_INIT("x-forwarded"), NAME_FORWARDED },
    { SLICE_INIT("forwarded-for"), NAME_FORWARDED },
    { SLICE_INIT("x-client-ip"), NAME_FORWARDED },
    { SLICE_INIT("x-client-cert"), NAME_FORWARDED },
    { SLICE_INIT("x-cluster-client-ip"), NAME_FORWARDED },
    { SLICE_INIT("x-original-forwarded-for"), NAME_FORWARDED },
    { SLICE_INIT("true-client-ip"), NAME_FORWARDED },
    { SLICE_INIT("cf-connecting-ip"), NAME_FORWARDED },
    { SLICE_INIT("x-original-host"), NAME_OVERRIDE },
    { SLICE_INIT("x-original-method"), NAME_OVERRIDE },
    { SLICE_INIT("x-original-uri"), NAME_OVERRIDE },
    { SLICE_INIT("x-http-host-override"), NAME_OVERRIDE },
    { SLICE_INIT("x-host"), NAME_OVERRIDE },
    { SLICE_INIT("alt-svc"), NAME_RESPONSE | NAME_NO_TRAILER },
    { SLICE_INIT("x-powered-by"), NAME_BANNER | NAME_NO_TRAILER },
    { SLICE_INIT("x-aspnet-version"), NAME_BANNER | NAME_NO_TRAILER },
    { SLICE_INIT("x-aspnetmvc-version"), NAME_BANNER | NAME_NO_TRAILER },
    { SLICE_INIT("x-generator"), NAME_BANNER | NAME_NO_TRAILER },
    { SLICE_INIT("proxy-authentication-info"), NAME_HOP },
    { SLICE_INIT("age"), NAME_NO_TRAILER },
    { SLICE_INIT("content-language"), NAME_NO_TRAILER },
    { SLICE_INIT("content-location"), NAME_NO_TRAILER },
    { SLICE_INIT("content-range"), NAME_FIXED | NAME_NO_TRAILER },
    { SLICE_INIT("content-security-policy"), NAME_NO_TRAILER },
    { SLICE_INIT("expires"), NAME_NO_TRAILER },
    { SLICE_INIT("if-match"), NAME_NO_TRAILER },
    { SLICE_INIT("if-modified-since"), NAME_NO_TRAILER },
    { SLICE_INIT("if-none-match"), NAME_NO_TRAILER },
    { SLICE_INIT("if-range"), NAME_NO_TRAILER },
    { SLICE_INIT("if-unmodified-since"), NAME_NO_TRAILER },
    { SLICE_INIT("pragma"), NAME_NO_TRAILER },
    { SLICE_INIT("range"), NAME_NO_TRAILER },
    { SLICE_INIT("referer"), NAME_NO_TRAILER },
    { SLICE_INIT("strict-transport-security"), NAME_NO_TRAILER },
    { SLICE_INIT("warning"), NAME_NO_TRAILER },
};

/* Whole families by how their names begin: X-Forwarded-User and what others are made up. */
static const struct slice forwarded_prefixes[] = {
    SLICE_INIT("x-forwarded-"),
    SLICE_INIT("x-ssl-client-"),
    SLICE_INIT("ssl-client-"),
};

/* What is left of a character when a header becomes a variable. */
static char fold(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) ? ascii_lower(c) : '-';
}

bool name_same(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (fold(a.ptr[i]) != fold(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

static bool name_begins(struct slice name, struct slice prefix)
{
    return name.len >= prefix.len && name_same(slice_of(name.ptr, prefix.len), prefix);
}

bool name_spelling_passes(const struct relay_settings *settings, struct slice name)
{
    return (settings != NULL && settings->underscores) || slice_find(name, '_') < 0;
}

bool relay_is_field(const struct relay_settings *settings, struct slice name, struct slice wanted)
{
    return slice_equal_nocase(name, wanted) ||
           (name_spelling_passes(settings, name) && name_same(name, wanted));
}

bool name_is_among(struct slice name, const struct conf_strings *names)
{
    for (size_t i = 0; names != NULL && i < names->count; i++) {
        if (name_same(name, names->items[i])) {
            return true;
        }
    }
    return false;
}

#define KNOWN_NAME_MAX 64

/* The known name that this one is to a server that folds signs. */
static enum header_id folded_id(struct slice name)
{
    char folded[KNOWN_NAME_MAX];
    if (name.len > sizeof folded) {
        return HEADER_OTHER;
    }
    bool differs = false;
    for (size_t i = 0; i < name.len; i++) {
        folded[i] = fold(name.ptr[i]);
        differs = differs || (folded[i] == '-' && name.ptr[i] != '-');
    }
    return differs ? header_id_of(slice_of(folded, name.len)) : HEADER_OTHER;
}

unsigned int name_classes(enum header_id id, struct slice name)
{
    if (id == HEADER_OTHER) {
        id = folded_id(name);
    }
    if (id != HEADER_OTHER) {
        return classes_by_id[id];
    }
    for (size_t i = 0; i < sizeof forwarded_prefixes / sizeof forwarded_prefixes[0]; i++) {
        if (name_begins(name, forwarded_prefixes[i])) {
            return NAME_FORWARDED;
        }
    }
    for (size_t i = 0; i < sizeof classes_by_name / sizeof classes_by_name[0]; i++) {
        if (name_same(name, classes_by_name[i].name)) {
            return classes_by_name[i].classes;
        }
    }
    return 0;
}

bool connection_names_of(const struct headers *headers, struct connection_names *ret_names)
{
    ret_names->count = 0;
    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id != HEADER_CONNECTION) {
            continue;
        }
        struct slice rest = headers->items[i].value;
        struct slice name;
        while (http_list_next(&rest, &name)) {
            if (ret_names->count == CONNECTION_NAMES_MAX) {
                return false;
            }
            ret_names->items[ret_names->count++] = name;
        }
    }
    return true;
}

bool connection_names_hold(const struct connection_names *names, struct slice name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (slice_equal_nocase(names->items[i], name)) {
            return true;
        }
    }
    return false;
}
