#include "limit/failures.h"

#define RATE(rule) .offset = offsetof(struct failure_budget_settings, rates[FAILURE_RULE_##rule])
#define COUNT_MAX  INT64_C(1000000)

static const struct conf_choice mode_choices[] = {
    { "enforce", FAILURE_BUDGET_ENFORCE, "networks have a budget" },
    { "off", FAILURE_BUDGET_OFF, "everything is verified, and every failure has a line in the audit log" },
    { 0 },
};

static const struct conf_field fields[] = {
    { "mode", CONF_ENUM, .offset = offsetof(struct failure_budget_settings, mode), .standard = "enforce",
      .choices = mode_choices, .help = "Whether failed authentications are counted at all." },
    { "failures", CONF_RATE, RATE(FAILURES), .standard = "60/1m", .minimum = 1, .maximum = COUNT_MAX,
      .help = "Failures that a client's network (an IPv4 address, an IPv6 /64) may have; so many at once, "
              "and as they "
              "are "
              "regained." },
    { "verifications", CONF_RATE, RATE(VERIFICATIONS), .standard = "200/1s", .minimum = 1,
      .maximum = COUNT_MAX,
      .help = "Tokens and API keys that are verified of a network beyond its budget; what was verified "
              "before costs "
              "none." },
    { "passwords", CONF_RATE, RATE(PASSWORDS), .standard = "1/1s", .minimum = 1, .maximum = COUNT_MAX,
      .help = "The same of passwords (`basic`), which take tens of milliseconds each." },
    { "account", CONF_RATE, RATE(ACCOUNT), .standard = "10/10m", .minimum = 1, .maximum = COUNT_MAX,
      .help = "Wrong passwords for one user from one network; beyond, that user's passwords are verified "
              "from there "
              "as they are regained." },
    { 0 },
};

const struct conf_object failure_budget_object = {
    .name = "failure budget",
    .size = sizeof(struct failure_budget_settings),
    .fields = fields,
    .scalar = "mode",
    .help = "How many failed authentications a client's network may have before what it sends is verified at "
            "a rate "
            "only: see docs/failure-budgets.md.",
};

static const char *make_rules(const struct conf_rate *rates, struct slice owner, struct limit_settings *rules)
{
    static const char *const names[FAILURE_RULE_COUNT] = { "failures", "verifications", "passwords",
                                                           "account" };
    const char *problem = NULL;
    for (size_t i = 0; i < FAILURE_RULE_COUNT && problem == NULL; i++) {
        rules[i] = (struct limit_settings){
            .name = slice_from_string(names[i]),
            .rate = rates[i],
            .by = SLICE("address"),
        };
        problem = limit_check_settings(&rules[i], owner, 0);
    }
    return problem;
}

const char *failure_budget_check(struct failure_budget_settings *settings)
{
    const char *problem = make_rules(settings->rates, SLICE("failure_budget"), settings->rules);
    return problem == NULL
               ? make_rules(settings->rates, SLICE("failure_budget of candidates"), settings->candidate_rules)
               : problem;
}
