#include "auth/introspection_answer.h"

#include "base/clock.h"
#include "base/limits.h"

enum deny_reason introspection_answer_read(struct slice text, struct arena *arena, struct json **ret_payload)
{
    struct json *payload = NULL;
    if (text.len > INTROSPECTION_TEXT_MAX) {
        return DENY_INTROSPECTION_ANSWER;
    }
    struct error error = json_parse(text, JSON_DEPTH_MAX, arena, &payload, NULL);
    if (failed(error)) {
        return error.kind == ERROR_MEMORY ? DENY_INTERNAL : DENY_INTROSPECTION_ANSWER;
    }
    const struct json *active = payload->type == JSON_OBJECT ? json_get(payload, SLICE("active")) : NULL;
    if (active == NULL || active->type != JSON_BOOL) {
        return DENY_INTROSPECTION_ANSWER; /* "true" and 1 are not true */
    }
    if (!active->boolean) {
        return DENY_TOKEN_INACTIVE;
    }
    struct claims claims;
    claims_read_payload(payload, &claims);
    if (claims.wrong_type) {
        return DENY_INTROSPECTION_ANSWER;
    }
    *ret_payload = payload;
    return DENY_NONE;
}

/* token_type (RFC 6749 section 7.1): Bearer, by the name that some give to all access tokens, too, or DPoP (RFC 9449 section 6.2). One that
 * wants a proof is not good where the answer does not say by what key. */
static enum deny_reason check_type(const struct claims *claims)
{
    const struct json *type = json_get(claims->payload, SLICE("token_type"));
    if (claims->wrong_kind) {
        return DENY_TOKEN_KIND;
    }
    if (type == NULL || slice_equal_nocase(type->text, SLICE("bearer")) ||
        slice_equal_nocase(type->text, SLICE("access_token"))) {
        return DENY_NONE;
    }
    if (!slice_equal_nocase(type->text, SLICE("dpop"))) {
        return DENY_TOKEN_KIND;
    }
    return claims->binding == CLAIMS_BOUND_KEY ? DENY_NONE : DENY_TOKEN_BOUND;
}

static enum deny_reason check_times(const struct claims *claims, int64_t skew, int64_t now)
{
    if (claims->has_expires && now >= claims->expires + skew) {
        return DENY_TOKEN_EXPIRED;
    }
    bool early = (claims->has_not_before && claims->not_before > now + skew) ||
                 (claims->has_issued && claims->issued > now + skew);
    return early ? DENY_TOKEN_NOT_YET : DENY_NONE;
}

enum deny_reason introspection_check(const struct claims *claims,
                                     const struct introspection_settings *settings,
                                     const struct introspection_moment *moment)
{
    struct slice issuer = SLICE("");
    enum deny_reason reason = check_type(claims);
    if (reason != DENY_NONE) {
        return reason;
    }
    if (!slice_is_empty(settings->issuer) && (!json_get_string(claims->payload, SLICE("iss"), &issuer) ||
                                              !slice_equal(issuer, settings->issuer))) {
        return DENY_TOKEN_ISSUER;
    }
    if (!claims_have_all(claims, &settings->required_claims)) {
        return DENY_TOKEN_CLAIM;
    }
    if (!settings->server_checks_audience && !claims_have_audience(claims, &settings->audiences)) {
        return DENY_TOKEN_AUDIENCE;
    }
    reason = check_times(claims, settings->clock_skew / NS_PER_S, moment->now);
    return reason == DENY_NONE
               ? claims_check_binding(claims, settings->dpop, moment->client_thumbprint, moment->proof_key)
               : reason;
}
