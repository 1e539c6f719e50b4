#include "authorize/authorize.h"

#include "http/uri.h"

/* The text of a claim that has one; false for null, arrays and objects, which equal no text. */
static bool scalar_text(const struct json *claim, struct slice *ret_text)
{
    switch (claim->type) {
    case JSON_STRING:
    case JSON_NUMBER:
        *ret_text = claim->text;
        return true;
    case JSON_BOOL:
        *ret_text = claim->boolean ? SLICE("true") : SLICE("false");
        return true;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return false;
}

static bool claim_is(const struct json *claim, struct slice text)
{
    struct slice own;
    return scalar_text(claim, &own) && slice_equal(own, text);
}

static bool claim_is_one_of(const struct json *claim, const struct conf_strings *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (claim_is(claim, texts->items[i])) {
            return true;
        }
    }
    return false;
}

static bool claim_contains(const struct json *claim, struct slice text)
{
    for (size_t i = 0; claim->type == JSON_ARRAY && i < claim->count; i++) {
        if (claim_is(&claim->items[i], text)) {
            return true;
        }
    }
    return false;
}

static const struct route_variable *find_variable(const struct route_variables *variables, struct slice name)
{
    for (size_t i = 0; variables != NULL && i < variables->count; i++) {
        if (slice_equal(variables->items[i].name, name)) {
            return &variables->items[i];
        }
    }
    return NULL;
}

/* Apart from its caller, so that only paths with escapes pay for the room on the stack. */
__attribute__((noinline)) static bool claim_is_decoded(const struct json *claim, struct slice value)
{
    char decoded[HTTP_TARGET_MAX];
    return value.len <= sizeof decoded && claim_is(claim, slice_of(decoded, uri_decode(value, decoded)));
}

static enum deny_reason decide_path_variable(const struct json *claim, struct slice name,
                                             const struct route_variables *variables)
{
    const struct route_variable *variable = find_variable(variables, name);
    if (variable == NULL) {
        return DENY_AUTHORIZATION_ERROR;
    }
    /* An empty claim must not be the key to a path whose variable came out empty. */
    if (claim == NULL || variable->value.len == 0) {
        return DENY_CLAIM_RULE;
    }
    bool same = slice_find(variable->value, '%') < 0 ? claim_is(claim, variable->value)
                                                     : claim_is_decoded(claim, variable->value);
    return same ? DENY_NONE : DENY_CLAIM_RULE;
}

static enum deny_reason decide_rule(const struct claim_settings *rule, const struct principal *principal,
                                    const struct route_variables *variables)
{
    int comparisons = (rule->equals.ptr != NULL) + (rule->one_of.count > 0) + (rule->path_variable.len > 0) +
                      (rule->contains.ptr != NULL);
    if (comparisons != 1) {
        return DENY_AUTHORIZATION_ERROR;
    }
    const struct json *claim = principal_claim(principal, rule->claim);
    if (rule->path_variable.len > 0) {
        return decide_path_variable(claim, rule->path_variable, variables);
    }
    if (claim == NULL) {
        return DENY_CLAIM_RULE;
    }
    bool holds = rule->equals.ptr != NULL ? claim_is(claim, rule->equals)
                 : rule->one_of.count > 0 ? claim_is_one_of(claim, &rule->one_of)
                                          : claim_contains(claim, rule->contains);
    return holds ? DENY_NONE : DENY_CLAIM_RULE;
}

static enum deny_reason decide_scopes(const struct scope_settings *scopes, const struct principal *principal)
{
    if (scopes->all.count == 0 && scopes->any.count == 0) {
        return DENY_AUTHORIZATION_ERROR;
    }
    for (size_t i = 0; i < scopes->all.count; i++) {
        if (!principal_has_scope(principal, scopes->all.items[i])) {
            return DENY_SCOPE_MISSING;
        }
    }
    for (size_t i = 0; i < scopes->any.count; i++) {
        if (principal_has_scope(principal, scopes->any.items[i])) {
            return DENY_NONE;
        }
    }
    return scopes->any.count == 0 ? DENY_NONE : DENY_SCOPE_MISSING;
}

enum deny_reason authorize_decide(const struct authorize_settings *settings,
                                  const struct principal *principal, const struct route_variables *variables)
{
    if (settings == NULL || principal == NULL ||
        (!settings->any_caller && settings->scopes == NULL && settings->claims.count == 0)) {
        return DENY_AUTHORIZATION_ERROR;
    }
    if (settings->scopes != NULL) {
        enum deny_reason reason = decide_scopes(settings->scopes, principal);
        if (reason != DENY_NONE) {
            return reason;
        }
    }
    const struct claim_settings *rules = settings->claims.items;
    for (size_t i = 0; i < settings->claims.count; i++) {
        enum deny_reason reason = decide_rule(&rules[i], principal, variables);
        if (reason != DENY_NONE) {
            return reason;
        }
    }
    return DENY_NONE;
}

struct slice authorize_scope_text(const struct authorize_settings *settings, struct arena *arena)
{
    if (settings == NULL || settings->scopes == NULL) {
        return SLICE("");
    }
    const struct scope_settings *scopes = settings->scopes;
    const struct conf_strings *named = scopes->all.count > 0 ? &scopes->all : &scopes->any;
    size_t size = 1;
    for (size_t i = 0; i < named->count; i++) {
        size += named->items[i].len + 1;
    }
    char *out = arena_alloc(arena, size);
    if (out == NULL) {
        return SLICE_NONE;
    }
    size_t len = 0;
    for (size_t i = 0; i < named->count; i++) {
        if (i > 0) {
            out[len++] = ' ';
        }
        memcpy(out + len, named->items[i].ptr, named->items[i].len);
        len += named->items[i].len;
    }
    return slice_of(out, len);
}
