#include "auth/dpop_target.h"

#include "http/uri.h"

#define PORT_OF_HTTPS 443
#define PORT_OF_HTTP  80

static bool take_scheme(struct slice *url, bool *ret_is_tls)
{
    static const struct slice tls = SLICE_INIT("https://"), plain = SLICE_INIT("http://");
    *ret_is_tls = slice_equal_nocase(slice_part(*url, 0, tls.len), tls);
    if (!*ret_is_tls && !slice_equal_nocase(slice_part(*url, 0, plain.len), plain)) {
        return false;
    }
    *url = slice_from(*url, *ret_is_tls ? tls.len : plain.len);
    return true;
}

static size_t length_before(struct slice text, const char *ends)
{
    size_t length = 0;
    while (length < text.len && strchr(ends, text.ptr[length]) == NULL) {
        length++;
    }
    return length;
}

static uint16_t port_of(bool is_tls, uint16_t port)
{
    return port != 0 ? port : is_tls ? PORT_OF_HTTPS : PORT_OF_HTTP;
}

/* Takes scheme and authority off. */
static bool take_origin(struct slice *url, struct arena *arena, struct dpop_origin *out)
{
    struct uri_authority authority;
    if (!take_scheme(url, &out->is_tls)) {
        return false;
    }
    struct slice text = slice_part(*url, 0, length_before(*url, "/?#"));
    char *memory = text.len > 0 && text.len <= URI_AUTHORITY_MAX ? arena_alloc(arena, text.len) : NULL;
    if (memory == NULL || uri_parse_authority(text, memory, &authority) != URI_OK) {
        return false;
    }
    out->host = authority.host;
    out->port = port_of(out->is_tls, authority.port);
    *url = slice_from(*url, text.len);
    return true;
}

static bool is_loopback(struct slice host)
{
    return slice_equal(host, SLICE("localhost")) || slice_equal(host, SLICE("::1")) ||
           slice_starts_with(host, SLICE("127."));
}

const char *dpop_origin_parse(struct slice text, struct arena *arena, struct dpop_origin *out)
{
    struct slice rest = text;
    if (!take_origin(&rest, arena, out)) {
        return "is no origin: write scheme and host, as in https://api.example.com";
    }
    if (rest.len > 0 && !slice_equal(rest, SLICE("/"))) {
        return "has something behind its host: an origin is scheme, host and port";
    }
    return out->is_tls || is_loopback(out->host) ? NULL : "is plain http to something other than loopback";
}

static bool is_same(const struct dpop_origin *one, const struct dpop_origin *other)
{
    return one->is_tls == other->is_tls && one->port == other->port && slice_equal(one->host, other->host);
}

static bool is_ours(const struct dpop_target *target, const struct dpop_origin *named)
{
    bool listed = false, asked = false, both = false;
    for (size_t i = 0; i < target->origin_count; i++) {
        const struct dpop_origin *origin = &target->origins[i];
        bool is_named = is_same(origin, named);
        bool is_asked =
            slice_equal(origin->host, target->host) && origin->port == port_of(origin->is_tls, target->port);
        listed = listed || is_named;
        asked = asked || is_asked;
        both = both || (is_named && is_asked);
    }
    return asked ? both : listed;
}

bool dpop_target_matches(const struct dpop_target *target, struct slice htu, struct arena *scratch)
{
    struct dpop_origin origin;
    struct slice rest = htu, path;
    if (!take_origin(&rest, scratch, &origin) || !is_ours(target, &origin)) {
        return false;
    }
    struct slice raw = slice_part(rest, 0, length_before(rest, "?#"));
    if (raw.len == 0) {
        raw = SLICE("/");
    }
    char *memory = arena_alloc(scratch, raw.len);
    return memory != NULL && uri_canonical_path(raw, target->path_allows, memory, &path) == URI_OK &&
           slice_equal(path, target->path);
}
