#include "authorize/authorize.h"

#include "authorize/deny.h"
#include "authorize/said.h"
#include "authorize/strength.h"

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

static bool claim_is_spelt(const struct json *claim, struct slice encoded)
{
    struct slice own;
    return scalar_text(claim, &own) && said_spells(encoded, own);
}

static bool claim_is_within(const struct json *claim, const struct claim_settings *rule)
{
    return claim->type == JSON_NUMBER &&
           (rule->least == NULL || json_compare_numbers(claim, rule->least) >= 0) &&
           (rule->most == NULL || json_compare_numbers(claim, rule->most) <= 0);
}

static bool claim_holds(const struct json *claim, const struct claim_settings *rule,
                        const struct authorize_request *request)
{
    struct slice value;
    if (rule->equals.ptr != NULL) {
        return claim_is(claim, rule->equals);
    }
    if (rule->one_of.count > 0) {
        return claim_is_one_of(claim, &rule->one_of);
    }
    if (rule->contains.ptr != NULL) {
        return claim_contains(claim, rule->contains);
    }
    if (rule->query.len > 0) {
        return said_by_query(request->query, rule->query, &value) && claim_is_spelt(claim, value);
    }
    if (rule->header.len > 0) {
        return said_by_header(request->headers, rule->header, &value) && claim_is(claim, value);
    }
    /* An empty claim must not be the key to a path whose variable came out empty. */
    if (rule->path_variable.len > 0) {
        value = find_variable(request->variables, rule->path_variable)->value;
        return value.len > 0 && claim_is_spelt(claim, value);
    }
    return claim_is_within(claim, rule);
}

/* What authorize_check_settings would refuse, or authorize_prepare has not seen. */
static bool is_unsound(const struct claim_settings *rule, const struct authorize_request *request)
{
    return claim_comparisons(rule) != 1 || (rule->at_least.ptr != NULL && rule->least == NULL) ||
           (rule->at_most.ptr != NULL && rule->most == NULL) ||
           (rule->path_variable.len > 0 && find_variable(request->variables, rule->path_variable) == NULL);
}

static enum deny_reason decide_rule(const struct claim_settings *rule, const struct principal *principal,
                                    const struct authorize_request *request)
{
    if (is_unsound(rule, request)) {
        return DENY_AUTHORIZATION_ERROR;
    }
    const struct json *claim = principal_claim(principal, rule->claim);
    return claim != NULL && claim_holds(claim, rule, request) ? DENY_NONE : DENY_CLAIM_RULE;
}

typedef bool has_text(const struct principal *principal, struct slice text);

/* `missing` where one of `all` or each of `any` is. */
static enum deny_reason decide_texts(const struct scope_settings *demanded, const struct principal *principal,
                                     has_text *has, enum deny_reason missing)
{
    if (demanded->all.count == 0 && demanded->any.count == 0) {
        return DENY_AUTHORIZATION_ERROR;
    }
    for (size_t i = 0; i < demanded->all.count; i++) {
        if (!has(principal, demanded->all.items[i])) {
            return missing;
        }
    }
    for (size_t i = 0; i < demanded->any.count; i++) {
        if (has(principal, demanded->any.items[i])) {
            return DENY_NONE;
        }
    }
    return demanded->any.count == 0 ? DENY_NONE : missing;
}

static enum deny_reason decide_claims(const struct conf_list *list, const struct principal *principal,
                                      const struct authorize_request *request)
{
    const struct claim_settings *rules = list->items;
    for (size_t i = 0; i < list->count; i++) {
        enum deny_reason reason = decide_rule(&rules[i], principal, request);
        if (reason != DENY_NONE) {
            return reason;
        }
    }
    return DENY_NONE;
}

enum deny_reason authorize_decide(const struct authorize_settings *settings,
                                  const struct principal *principal, const struct authorize_request *request)
{
    if (settings == NULL || principal == NULL ||
        (!settings->any_caller && settings->external.len == 0 && !authorize_demands(settings))) {
        return DENY_AUTHORIZATION_ERROR;
    }
    enum deny_reason reason = deny_fires(&settings->deny, principal, request) ? DENY_DENY_RULE : DENY_NONE;
    if (reason == DENY_NONE && settings->kinds != 0 && ((settings->kinds >> request->kind) & 1) == 0) {
        reason = DENY_CALLER_KIND;
    }
    if (reason == DENY_NONE && settings->scopes != NULL) {
        reason = decide_texts(settings->scopes, principal, principal_has_scope, DENY_SCOPE_MISSING);
    }
    if (reason == DENY_NONE && settings->roles != NULL) {
        reason = decide_texts(settings->roles, principal, principal_has_role, DENY_ROLE_MISSING);
    }
    if (reason == DENY_NONE) {
        reason = decide_claims(&settings->claims, principal, request);
    }
    return reason == DENY_NONE && !strength_is_enough(settings, principal, request->now)
               ? DENY_AUTHENTICATION_WEAK
               : reason;
}

static struct slice spaced(const struct conf_strings *named, struct arena *arena)
{
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

struct slice authorize_scope_text(const struct authorize_settings *settings, struct arena *arena)
{
    if (settings == NULL || settings->scopes == NULL) {
        return SLICE("");
    }
    const struct scope_settings *scopes = settings->scopes;
    return spaced(scopes->all.count > 0 ? &scopes->all : &scopes->any, arena);
}

struct slice authorize_acr_text(const struct authorize_settings *settings, struct arena *arena)
{
    return spaced(&settings->acr, arena);
}
