#include "auth/url.h"

/* The host of an URL that names loopback, and not a name that only starts so ("127.0.0.1.example.com"). */
static bool is_loopback(struct slice rest)
{
    static const struct slice hosts[] = { SLICE_INIT("127.0.0.1"), SLICE_INIT("[::1]"),
                                          SLICE_INIT("localhost") };
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (slice_starts_with(rest, hosts[i])) {
            struct slice behind = slice_from(rest, hosts[i].len);
            return behind.len == 0 || behind.ptr[0] == ':' || behind.ptr[0] == '/';
        }
    }
    return false;
}

enum url_problem url_check(struct slice url)
{
    for (size_t i = 0; i < url.len; i++) {
        if ((unsigned char)url.ptr[i] <= ' ' || url.ptr[i] == 0x7f) {
            return URL_CHARACTER;
        }
    }
    static const struct slice tls = SLICE_INIT("https://"), plain = SLICE_INIT("http://");
    bool is_tls = slice_starts_with(url, tls);
    if (!is_tls && !slice_starts_with(url, plain)) {
        return URL_SCHEME;
    }
    struct slice rest = slice_from(url, is_tls ? tls.len : plain.len);
    struct slice authority;
    struct slice left = rest;
    if (!slice_next(&left, '/', &authority) || slice_is_empty(authority)) {
        return URL_HOST;
    }
    if (slice_find(authority, '@') >= 0) {
        return URL_USER;
    }
    return is_tls || is_loopback(rest) ? URL_GOOD : URL_PLAIN;
}
