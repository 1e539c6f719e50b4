#include "authorize/authorize.h"

#define CLAIM_COMPARISONS "equals, one_of, path_variable, contains, query, header, at_least and at_most"
#define HEADER_PROBLEM    "header is no header name; \"_\" is ambiguous in one: write \"-\""

/* RFC 6749 section 3.3: what a challenge can carry between quotes, and what a scope string can be split by. */
static bool scope_valid(struct slice scope)
{
    for (size_t i = 0; i < scope.len; i++) {
        unsigned char c = (unsigned char)scope.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\') {
            return false;
        }
    }
    return scope.len > 0;
}

static bool scopes_valid(const struct conf_strings *scopes)
{
    for (size_t i = 0; i < scopes->count; i++) {
        if (!scope_valid(scopes->items[i])) {
            return false;
        }
    }
    return true;
}

static const char *scope_problem(const struct scope_settings *scopes)
{
    if (scopes->all.count == 0 && scopes->any.count == 0) {
        return "`scopes` names no scope";
    }
    if (!scopes_valid(&scopes->all) || !scopes_valid(&scopes->any)) {
        return "a scope is printable ASCII without space, quote and backslash; for other values use `claims`";
    }
    return NULL;
}

static const char *role_problem(const struct scope_settings *roles)
{
    if (roles->all.count == 0 && roles->any.count == 0) {
        return "`roles` names no role";
    }
    return conf_strings_contain(&roles->all, SLICE("")) || conf_strings_contain(&roles->any, SLICE(""))
               ? "a role of `roles` is empty: write its name, or take it out"
               : NULL;
}

static struct error read_number(struct slice text, struct arena *arena, const struct json **ret_number)
{
    struct json *value = NULL;
    struct error error = text.ptr != NULL ? json_parse(text, 0, arena, &value, NULL) : OK;
    if (error.kind == ERROR_MEMORY) {
        return error;
    }
    *ret_number = value != NULL && !failed(error) && value->type == JSON_NUMBER ? value : NULL;
    return OK;
}

struct error authorize_prepare(struct authorize_settings *settings, struct arena *arena)
{
    shadow_check(&settings->shadow); /* what is wrong is told by authorize_check_settings */
    struct claim_settings *rules = settings->claims.items;
    for (size_t i = 0; i < settings->claims.count; i++) {
        TRY(read_number(rules[i].at_least, arena, &rules[i].least));
        TRY(read_number(rules[i].at_most, arena, &rules[i].most));
    }
    struct deny_settings *denied = settings->deny.items;
    for (size_t i = 0; i < settings->deny.count; i++) {
        denied[i].sound = authorize_check_deny(&denied[i]) == NULL;
    }
    return OK;
}

static const char *range_problem(const struct claim_settings *rule)
{
    if ((rule->at_least.ptr != NULL && rule->least == NULL) ||
        (rule->at_most.ptr != NULL && rule->most == NULL)) {
        return "at_least and at_most take a number as JSON writes it, as in 18 or 0.5";
    }
    if (rule->least != NULL && rule->most != NULL && json_compare_numbers(rule->least, rule->most) > 0) {
        return "at_least is above at_most: no number is between them";
    }
    return NULL;
}

/* A name that stands in the query as it is, whoever reads it: '+' is a space to some. */
static bool parameter_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f || memchr("+&;=#[]%", name.ptr[i], 8) != NULL) {
            return false;
        }
    }
    return true;
}

static bool header_valid(struct slice name)
{
    return http_token_valid(name) && slice_find(name, '_') < 0;
}

static const char *said_problem(const struct claim_settings *rule, struct slice path_pattern)
{
    if (rule->path_variable.len > 0 && route_pattern_variable(path_pattern, rule->path_variable) < 0) {
        return "the route's path has no {variable} of this name";
    }
    if (!parameter_valid(rule->query)) {
        return "query names a parameter as it is decoded: printable ASCII without space and +&;=#[]%";
    }
    if (rule->header.len > 0 && !header_valid(rule->header)) {
        return HEADER_PROBLEM;
    }
    return NULL;
}

static const char *claim_problem(const struct claim_settings *rule, struct slice path_pattern)
{
    unsigned int comparisons = claim_comparisons(rule);
    if (rule->claim.len == 0) {
        return "a claim rule names its claim";
    }
    if (!principal_claim_path_valid(rule->claim)) {
        return "a claim is a name, names joined by dots, or [\"name with dots\"]";
    }
    if (comparisons == 0) {
        return "a claim rule says one of " CLAIM_COMPARISONS;
    }
    if (comparisons > 1) {
        return "a claim rule says only one of " CLAIM_COMPARISONS;
    }
    const char *problem = range_problem(rule);
    return problem != NULL ? problem : said_problem(rule, path_pattern);
}

const char *authorize_check_deny(const struct deny_settings *rule)
{
    if ((rule->claim.len > 0) == (rule->header.len > 0)) {
        return "a deny rule names either its claim or its header";
    }
    if (rule->claim.len > 0 && !principal_claim_path_valid(rule->claim)) {
        return "a claim is a name, names joined by dots, or [\"name with dots\"]";
    }
    if (rule->header.len > 0 && !header_valid(rule->header)) {
        return HEADER_PROBLEM;
    }
    if ((rule->equals.len > 0) + (rule->one_of.count > 0) + (rule->contains.len > 0) != 1) {
        return "a deny rule says exactly one of equals, one_of, contains";
    }
    return conf_strings_contain(&rule->one_of, SLICE("")) ? "a text of one_of is empty: take it out" : NULL;
}

const char *authorize_check_settings(const struct authorize_settings *settings, struct slice path_pattern,
                                     int *ret_rule)
{
    *ret_rule = -1;
    if (settings->any_caller && authorize_demands(settings)) {
        return "any_caller demands nothing: it does not go together with scopes, roles, claims, kinds, acr, "
               "amr or max_age";
    }
    if (!settings->any_caller && settings->external.len == 0 && !authorize_demands(settings)) {
        return settings->deny.count > 0
                   ? "`deny` lets nobody in: beside it, say scopes, roles or claims, or any_caller: true"
                   : "`authorize` demands nothing; where that is meant, write `authorize: any_caller`";
    }
    struct shadow_settings shadow = settings->shadow;
    const char *untimely = shadow_check(&shadow);
    if (untimely != NULL) {
        return untimely;
    }
    if (shadow.mode == SHADOW_OBSERVE && settings->any_caller && settings->deny.count == 0) {
        return "any_caller denies nobody: there is nothing to observe";
    }
    if (!scopes_valid(&settings->acr)) {
        return "a value of acr is printable ASCII without space, quote and backslash";
    }
    const char *problem = settings->scopes != NULL ? scope_problem(settings->scopes) : NULL;
    if (problem == NULL && settings->roles != NULL) {
        problem = role_problem(settings->roles);
    }
    if (problem != NULL) {
        return problem;
    }
    const struct claim_settings *rules = settings->claims.items;
    for (size_t i = 0; i < settings->claims.count; i++) {
        problem = claim_problem(&rules[i], path_pattern);
        if (problem != NULL) {
            *ret_rule = (int)i;
            return problem;
        }
    }
    return NULL;
}
