#include "authorize/authorize.h"

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

static bool has_variable(struct slice pattern, struct slice name)
{
    struct slice names[ROUTE_VARIABLES_MAX];
    size_t count = route_pattern_variables(pattern, names, ROUTE_VARIABLES_MAX);
    for (size_t i = 0; i < count && i < ROUTE_VARIABLES_MAX; i++) {
        if (slice_equal(names[i], name)) {
            return true;
        }
    }
    return false;
}

static const char *claim_problem(const struct claim_settings *rule, struct slice path_pattern)
{
    int comparisons = (rule->equals.ptr != NULL) + (rule->one_of.count > 0) + (rule->path_variable.len > 0) +
                      (rule->contains.ptr != NULL);
    if (rule->claim.len == 0) {
        return "a claim rule names its claim";
    }
    if (!principal_claim_path_valid(rule->claim)) {
        return "a claim is a name, names joined by dots, or [\"name with dots\"]";
    }
    if (comparisons == 0) {
        return "a claim rule says one of equals, one_of, path_variable, contains";
    }
    if (comparisons > 1) {
        return "a claim rule says only one of equals, one_of, path_variable, contains";
    }
    if (rule->path_variable.len > 0 && !has_variable(path_pattern, rule->path_variable)) {
        return "the route's path has no {variable} of this name";
    }
    return NULL;
}

const char *authorize_check_settings(const struct authorize_settings *settings, struct slice path_pattern,
                                     int *ret_rule)
{
    *ret_rule = -1;
    if (settings->any_caller && (settings->scopes != NULL || settings->claims.count > 0)) {
        return "any_caller demands nothing: it does not go together with scopes or claims";
    }
    if (!settings->any_caller && settings->scopes == NULL && settings->claims.count == 0) {
        return "`authorize` demands nothing; where that is meant, write `authorize: any_caller`";
    }
    if (settings->scopes != NULL) {
        const char *problem = scope_problem(settings->scopes);
        if (problem != NULL) {
            return problem;
        }
    }
    const struct claim_settings *rules = settings->claims.items;
    for (size_t i = 0; i < settings->claims.count; i++) {
        const char *problem = claim_problem(&rules[i], path_pattern);
        if (problem != NULL) {
            *ret_rule = (int)i;
            return problem;
        }
    }
    return NULL;
}
