/* May the caller do this: scopes and claim rules. Pure; any thread. */
#ifndef SALLYPORT_AUTHORIZE_AUTHORIZE_H
#define SALLYPORT_AUTHORIZE_AUTHORIZE_H

#include "auth/principal.h"
#include "base/arena.h"
#include "base/conf_field.h"
#include "base/error.h"
#include "pipeline/deny_reasons.h"
#include "route/route.h"

/* `scopes`: a list means all of them; or { all: [...], any: [...] }. */
struct scope_settings {
    struct conf_strings all, any;
};

/* One rule of `claims`: exactly one of equals, one_of, path_variable, contains is given. A claim that is absent, null or of
 * another type matches nothing. Bytes are compared as they are, without case folding or normalisation. */
struct claim_settings {
    struct slice claim;         /* path, as principal_claim takes it */
    struct slice equals;        /* the claim is this text, or a number or boolean written so in the token */
    struct conf_strings one_of; /* the claim is one of these, compared like `equals` */
    struct slice path_variable; /* equals this {variable} of the path, percent-decoded */
    struct slice contains;      /* the claim is an array with this text, number or boolean */
};

/* `authorize`: `any_caller`, or { scopes, claims }; all that is given must hold. */
struct authorize_settings {
    bool any_caller; /* whoever has authenticated, or anybody where auth lets the anonymous through */
    struct scope_settings *scopes;
    struct conf_list claims; /* of struct claim_settings */
};

extern const struct conf_object authorize_object;

/* Problems that the table cannot say: nothing demanded and not any_caller, two comparisons in one rule, a path variable
 * that `pattern` does not have. NULL where all is well; else a static text, and the rule's index in *ret_rule (-1: the whole). */
const char *authorize_check_settings(const struct authorize_settings *settings, struct slice path_pattern,
                                     int *ret_rule);

/* DENY_NONE, SCOPE_MISSING, CLAIM_RULE, AUTHORIZATION_ERROR. `variables` are those of the matched route. Deny by default:
 * settings that are absent or demand nothing, and rules that authorize_check_settings would refuse, are an error: no. */
enum deny_reason authorize_decide(const struct authorize_settings *settings,
                                  const struct principal *principal, const struct route_variables *variables);

/* The scopes that a challenge names (RFC 6750 section 3.1): all of `all`, else all of `any`, separated by spaces. */
struct slice authorize_scope_text(const struct authorize_settings *settings, struct arena *arena);

#endif
