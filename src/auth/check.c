/* What must fit together in the settings beyond what the tables say. */
#include "auth/settings.h"

#define ALGORITHM_BIT(id) (UINT64_C(1) << JWT_##id)
#define HMAC_BITS         (ALGORITHM_BIT(HS256) | ALGORITHM_BIT(HS384) | ALGORITHM_BIT(HS512))

/* RFC 7518 section 3.2: a key of the size of the hash output, or larger. */
static const char *check_secret(const struct issuer_settings *settings)
{
    bool given = !slice_is_empty(settings->secret);
    if (given && (settings->algorithms & HMAC_BITS) == 0) {
        return "secret is given, and no HS algorithm is allowed";
    }
    if (!given && (settings->algorithms & HMAC_BITS) != 0) {
        return "an HS algorithm is allowed, and secret is missing";
    }
    if (!given) {
        return NULL;
    }
    if ((settings->algorithms & ALGORITHM_BIT(HS512)) != 0 && settings->secret.len < 64) {
        return "secret is shorter than the 64 bytes that HS512 needs";
    }
    if ((settings->algorithms & ALGORITHM_BIT(HS384)) != 0 && settings->secret.len < 48) {
        return "secret is shorter than the 48 bytes that HS384 needs";
    }
    return settings->secret.len < 32 ? "secret is shorter than the 32 bytes that HS256 needs" : NULL;
}

/* The host of an URL that names loopback, and not a name that only starts so ("127.0.0.1.example.com"). */
static bool is_loopback(struct slice rest)
{
    static const struct slice hosts[] = { SLICE_INIT("127.0.0.1"), SLICE_INIT("[::1]"),
                                          SLICE_INIT("localhost") };
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (slice_starts_with(rest, hosts[i])) {
            struct slice behind = slice_from(rest, hosts[i].len);
            return behind.len > 0 && (behind.ptr[0] == ':' || behind.ptr[0] == '/');
        }
    }
    return false;
}

static const char *check_url(struct slice url)
{
    for (size_t i = 0; i < url.len; i++) {
        if ((unsigned char)url.ptr[i] <= ' ' || url.ptr[i] == 0x7f) {
            return "jwks_url holds white space or a control character";
        }
    }
    static const struct slice tls = SLICE_INIT("https://"), plain = SLICE_INIT("http://");
    bool is_tls = slice_starts_with(url, tls);
    if (!is_tls && !slice_starts_with(url, plain)) {
        return "jwks_url is no https URL";
    }
    struct slice rest = slice_from(url, is_tls ? tls.len : plain.len);
    struct slice authority;
    struct slice left = rest;
    if (!slice_next(&left, '/', &authority) || slice_is_empty(authority)) {
        return "jwks_url names no host";
    }
    if (slice_find(authority, '@') >= 0) {
        return "jwks_url holds user information";
    }
    return is_tls || is_loopback(rest) ? NULL : "jwks_url is plain http to something other than loopback";
}

const char *issuer_check_settings(const struct issuer_settings *settings)
{
    if (slice_is_empty(settings->issuer)) {
        return "issuer is missing";
    }
    if (settings->audiences.count == 0) {
        return "audiences is missing: tokens for anybody would be accepted";
    }
    bool has_file = !slice_is_empty(settings->jwks_file) || !slice_is_empty(settings->jwks_text);
    bool has_url = !slice_is_empty(settings->jwks_url);
    if (has_file && has_url) {
        return "jwks_file and jwks_url exclude each other";
    }
    bool asymmetric = (settings->algorithms & ~HMAC_BITS) != 0;
    if (asymmetric && !has_file && !has_url) {
        return "no keys: jwks_file or jwks_url is missing";
    }
    if (settings->jwks_tls != NULL && !has_url) {
        return "jwks_tls is given, and jwks_url is missing";
    }
    const char *problem = check_secret(settings);
    return problem == NULL && has_url ? check_url(settings->jwks_url) : problem;
}

const char *auth_check_settings(const struct auth_settings *settings)
{
    if (settings->mode != AUTH_NONE && settings->jwt.count == 0) {
        return "no issuer: jwt is missing (a public route says `auth: none`)";
    }
    return NULL;
}
