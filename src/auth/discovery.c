#include "auth/discovery.h"

#include "base/limits.h"
#include "json/json.h"

struct slice discovery_url(struct arena *arena, struct slice issuer)
{
    if (slice_ends_with(issuer, SLICE("/"))) {
        issuer = slice_part(issuer, 0, issuer.len - 1);
    }
    return arena_printf(arena, "%.*s/.well-known/openid-configuration", SLICE_ARG(issuer));
}

const char *discovery_read(struct slice text, struct slice issuer, struct arena *arena,
                           struct slice *ret_jwks_uri)
{
    struct json *metadata = NULL;
    struct slice named, jwks_uri;
    struct error error = json_parse(text, JSON_DEPTH_MAX, arena, &metadata, NULL);
    if (failed(error)) {
        return error.kind == ERROR_MEMORY ? "the issuer's metadata is too complex"
                                          : "the issuer's metadata is not JSON";
    }
    if (metadata->type != JSON_OBJECT || !json_get_string(metadata, SLICE("issuer"), &named)) {
        return "the issuer's metadata names no issuer";
    }
    if (!slice_equal(named, issuer)) {
        return "the issuer's metadata is of another issuer: `issuer` is not exactly the configured one";
    }
    if (!json_get_string(metadata, SLICE("jwks_uri"), &jwks_uri)) {
        return "the issuer's metadata names no jwks_uri";
    }
    *ret_jwks_uri = jwks_uri;
    return NULL;
}
