/* May the caller do this: scopes, roles and claim rules. Pure; any thread. */
#ifndef SALLYPORT_AUTHORIZE_AUTHORIZE_H
#define SALLYPORT_AUTHORIZE_AUTHORIZE_H

#include "auth/caller_kind.h"
#include "auth/principal.h"
#include "base/arena.h"
#include "base/conf_field.h"
#include "base/error.h"
#include "base/shadow.h"
#include "pipeline/deny_reasons.h"
#include "route/route.h"

/* `scopes` and `roles`: a list means all of them; or { all: [...], any: [...] }. */
struct scope_settings {
    struct conf_strings all, any;
};

/* One rule of `claims`: exactly one of equals, one_of, path_variable, contains, query, header, or a range is given. A claim
 * that is absent, null or of another type matches nothing. Bytes are compared as they are, without case folding or
 * normalisation. */
struct claim_settings {
    struct slice claim;         /* path, as principal_claim takes it */
    struct slice equals;        /* the claim is this text, or a number or boolean written so in the token */
    struct conf_strings one_of; /* the claim is one of these, compared like `equals` */
    struct slice path_variable; /* equals this {variable} of the path, percent-decoded */
    struct slice contains;      /* the claim is an array with this text, number or boolean */
    struct slice query;         /* equals the one query parameter of this name, percent-decoded */
    struct slice header;        /* equals the one header field of this name */
    struct slice at_least, at_most;  /* the claim is a number within; either or both; by exact values */
    const struct json *least, *most; /* the same, read by authorize_prepare; NULL where they are no numbers */
};

/* One rule of `deny`: a claim or a header, and exactly one of equals, one_of, contains. Of a claim, an array's elements count
 * like itself; of a header, every field and every element of a list, without case. */
struct deny_settings {
    struct slice claim;  /* path, as principal_claim takes it */
    struct slice header; /* "X_Role" of a request counts as "X-Role" */
    struct slice equals;
    struct conf_strings one_of;
    struct slice contains; /* stands anywhere in the text */
    bool sound;            /* authorize_prepare found nothing wrong with it; else it denies every request */
};

/* `authorize`: `any_caller`, or { scopes, roles, claims }; all that is given must hold, and no rule of `deny` may match. */
struct authorize_settings {
    bool any_caller; /* whoever has authenticated, or anybody where auth lets the anonymous through */
    struct scope_settings *scopes, *roles;
    struct slice
        external; /* the authorizer that must say yes, after all else holds; empty: none. Who asks is not this room */
    struct conf_list claims; /* of struct claim_settings */
    struct conf_list deny;   /* of struct deny_settings */
    uint64_t kinds;          /* 1 << enum caller_kind; 0: any */
    struct conf_strings acr; /* the caller's is one of these */
    struct conf_strings amr; /* the caller's holds all of these */
    int64_t max_age;         /* ns since the caller logged in; 0: whenever */
    struct shadow_settings shadow;
};

/* Does it say how or when the caller must have logged in? */
static inline bool authorize_asks_strength(const struct authorize_settings *settings)
{
    return settings->acr.count > 0 || settings->amr.count > 0 || settings->max_age > 0;
}

extern const struct conf_object authorize_object;

/* Reads what is written as text once, so that no request does. Before authorize_check_settings. */
struct error authorize_prepare(struct authorize_settings *settings, struct arena *arena) MUST_CHECK;

/* Problems that the table cannot say: nothing demanded and not any_caller, two comparisons in one rule, a path variable
 * that `pattern` does not have. NULL where all is well; else a static text, and the rule's index in *ret_rule (-1: the whole). */
const char *authorize_check_settings(const struct authorize_settings *settings, struct slice path_pattern,
                                     int *ret_rule);

/* How many of its comparisons a rule names; of a sound one: 1. */
static inline unsigned int claim_comparisons(const struct claim_settings *rule)
{
    return (unsigned int)(rule->equals.ptr != NULL) + (rule->one_of.count > 0) +
           (rule->path_variable.len > 0) + (rule->contains.ptr != NULL) + (rule->query.len > 0) +
           (rule->header.len > 0) + (rule->at_least.ptr != NULL || rule->at_most.ptr != NULL);
}

/* Does it demand anything of a caller that only an identity can have? */
static inline bool authorize_demands(const struct authorize_settings *settings)
{
    return settings->scopes != NULL || settings->roles != NULL || settings->claims.count > 0 ||
           settings->kinds != 0 || authorize_asks_strength(settings);
}

/* What is wrong with a rule of `deny`: static text, or NULL. */
const char *authorize_check_deny(const struct deny_settings *rule);

/* What of a request rules are about. */
struct authorize_request {
    const struct route_variables *variables; /* of the matched route */
    struct slice query;                      /* behind the '?'; ptr NULL: none */
    const struct headers *headers;           /* as received */
    enum caller_kind kind;                   /* of the caller; looked at where the settings have kinds */
    int64_t now;                             /* seconds since 1970 */
};

/* DENY_NONE, DENY_RULE (before all others), CALLER_KIND, SCOPE_MISSING, ROLE_MISSING, CLAIM_RULE, AUTHENTICATION_WEAK (last:
 * nobody is asked to log in again in vain), AUTHORIZATION_ERROR. Deny by default:
 * settings that are absent or demand nothing, and rules that authorize_check_settings would refuse, are an error: no. */
enum deny_reason authorize_decide(const struct authorize_settings *settings,
                                  const struct principal *principal, const struct authorize_request *request);

/* The scopes that a challenge names (RFC 6750 section 3.1): all of `all`, else all of `any`, separated by spaces. */
struct slice authorize_scope_text(const struct authorize_settings *settings, struct arena *arena);

/* The acr values that a challenge names (RFC 9470 section 3), separated by spaces. */
struct slice authorize_acr_text(const struct authorize_settings *settings, struct arena *arena);

#endif
