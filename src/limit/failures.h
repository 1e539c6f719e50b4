/* The budget of failed authentications: how many a client's network may have before what it sends is verified at a rate only.
 * Plain settings, made into rules of the limiter's table. */
#ifndef SALLYPORT_LIMIT_FAILURES_H
#define SALLYPORT_LIMIT_FAILURES_H

#include "limit/limit.h"

enum failure_budget_mode {
    FAILURE_BUDGET_ENFORCE,
    FAILURE_BUDGET_OFF,
};

enum failure_rule {
    FAILURE_RULE_FAILURES,      /* of a network: beyond, it is over its budget */
    FAILURE_RULE_VERIFICATIONS, /* of a network that is: tokens and keys that are verified all the same */
    FAILURE_RULE_PASSWORDS,     /* the same of passwords, which cost a thousand times as much */
    FAILURE_RULE_ACCOUNT,       /* failures of one account from one network */
    FAILURE_RULE_COUNT,
};

/* `failure_budget`. */
struct failure_budget_settings {
    int mode; /* enum failure_budget_mode */
    struct conf_rate rates[FAILURE_RULE_COUNT];
    /* filled in by failure_budget_check: the rates as rules, and the same once more, counted apart, for candidates of `auth` */
    struct limit_settings rules[FAILURE_RULE_COUNT], candidate_rules[FAILURE_RULE_COUNT];
};

extern const struct conf_object failure_budget_object;

/* NULL, or what is wrong: a static text. Fills in the rules. */
const char *failure_budget_check(struct failure_budget_settings *settings);

#endif
