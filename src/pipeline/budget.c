#include "pipeline/budget.h"

#include "pipeline/limits.h"

/* The rules of the snapshot; NULL: there is no budget. What is wrong for a candidate costs the client nothing of its own. */
static const struct limit_settings *rules_of(const struct exchange *exchange)
{
    const struct failure_budget_settings *budget = exchange->snapshot->snapshot->settings->failure_budget;
    if (budget == NULL || budget->mode == FAILURE_BUDGET_OFF) {
        return NULL;
    }
    return exchange->judges != NULL ? budget->candidate_rules : budget->rules;
}

/* Of requests alone. */
static void count(const struct exchange *exchange, enum metric metric)
{
    metrics_add(exchange->worker->metrics, metric, exchange->judges == NULL ? 1 : 0);
}

static struct limit_key network_key(const struct limit_settings *rule, const struct address *network)
{
    struct limit_key key = { .settings = rule };
    limits_network_key(network, &key);
    return key;
}

static struct limit_key account_key(const struct limit_settings *rules, struct slice account,
                                    const struct address *network)
{
    return (struct limit_key){
        .settings = &rules[FAILURE_RULE_ACCOUNT],
        .key = account.ptr,
        .key_size = account.len,
        .prefix = network->bytes,
        .prefix_size = sizeof network->bytes,
    };
}

enum taken {
    TAKEN,
    NETWORK_REFUSED,
    ACCOUNT_REFUSED,
};

/* One of the network's by `rule` (NULL: that was paid before), and one of the account's, where there is one: both or neither. */
static enum taken take(struct exchange *exchange, const struct limit_settings *rule, struct slice account)
{
    const struct limit_settings *rules = rules_of(exchange);
    struct address network = address_network(&exchange->client);
    struct limit_key keys[2];
    size_t count = 0;
    if (account.len > 0) {
        keys[count++] = account_key(rules, account, &network);
    }
    if (rule != NULL) {
        keys[count++] = network_key(rule, &network);
    }
    struct limit_answer answer;
    limiter_decide(exchange->worker->limiter, keys, count, exchange->worker->loop.now, &answer);
    if (answer.allowed) {
        return TAKEN;
    }
    exchange->retry_after = answer.retry_after;
    return account.len > 0 && answer.refused_by == 0 ? ACCOUNT_REFUSED : NETWORK_REFUSED;
}

static enum deny_reason verify(struct exchange *exchange, enum failure_rule over, struct slice account)
{
    const struct limit_settings *rules = rules_of(exchange);
    bool paid = exchange->budget != BUDGET_UNTOUCHED;
    if (rules == NULL || (paid && account.len == 0)) {
        return DENY_NONE;
    }
    enum budget_state state = paid ? exchange->budget : BUDGET_CHARGED;
    enum taken taken = take(exchange, paid ? NULL : &rules[FAILURE_RULE_FAILURES], account);
    if (taken == NETWORK_REFUSED) {
        state = BUDGET_OVER;
        taken = take(exchange, &rules[over], account);
        count(exchange, taken == TAKEN ? METRIC_OVER_BUDGET_VERIFIED : METRIC_OVER_BUDGET_REFUSED);
    }
    if (taken == ACCOUNT_REFUSED) {
        return DENY_ACCOUNT_LOCKED;
    }
    exchange->budget = state;
    if (taken == NETWORK_REFUSED) {
        return DENY_VERIFICATION_RATE;
    }
    exchange->budget_account = account;
    exchange->retry_after = 0;
    return DENY_NONE;
}

enum deny_reason budget_verify(struct exchange *exchange)
{
    return verify(exchange, FAILURE_RULE_VERIFICATIONS, SLICE_NONE);
}

/* The set's length tells where it ends. */
enum deny_reason budget_verify_password(struct exchange *exchange, struct slice set, struct slice user)
{
    struct address network = address_network(&exchange->client);
    struct slice account =
        arena_printf(&exchange->arena, "%zu %.*s%.*s", set.len, SLICE_ARG(set), SLICE_ARG(user));
    if (account.ptr != NULL) {
        account = ARENA_CONCAT(&exchange->arena, slice_of((const char *)network.bytes, sizeof network.bytes),
                               account);
    }
    return account.ptr != NULL ? verify(exchange, FAILURE_RULE_PASSWORDS, account) : DENY_INTERNAL;
}

static enum deny_reason pass(void *context)
{
    return budget_verify(context);
}

struct verification_gate budget_gate(struct exchange *exchange)
{
    return (struct verification_gate){ pass, exchange };
}

/* ---- what came of it ---- */

/* A wrong credential, not a missing one, nor one that nobody could verify. */
static bool is_failure(enum deny_reason reason)
{
    return (deny_infos[reason].status == 401 && reason != DENY_CREDENTIAL_MISSING) ||
           reason == DENY_ACCOUNT_LOCKED || reason == DENY_VERIFICATION_RATE;
}

static void give_back(struct exchange *exchange, const struct limit_settings *rules)
{
    struct address network = address_network(&exchange->client);
    struct limiter *limiter = exchange->worker->limiter;
    if (exchange->budget == BUDGET_CHARGED) {
        struct limit_key key = network_key(&rules[FAILURE_RULE_FAILURES], &network);
        limiter_give_back(limiter, &key);
    }
    if (exchange->budget_account.len > 0) {
        struct limit_key key = account_key(rules, exchange->budget_account, &network);
        limiter_give_back(limiter, &key);
    }
}

void budget_settle(struct exchange *exchange, enum deny_reason reason)
{
    const struct limit_settings *rules = rules_of(exchange);
    bool failure = is_failure(reason);
    if (failure) {
        count(exchange, METRIC_AUTHENTICATION_FAILURES);
    }
    if (rules == NULL) {
        return;
    }
    if (!failure) {
        give_back(exchange, rules);
        exchange->budget = BUDGET_UNTOUCHED;
    } else if (exchange->budget == BUDGET_UNTOUCHED) {
        /* One that cost nothing to find out counts all the same: what is logged of it, too, has an end. */
        int64_t retry_after = exchange->retry_after;
        bool taken = take(exchange, &rules[FAILURE_RULE_FAILURES], SLICE_NONE) == TAKEN;
        exchange->budget = taken ? BUDGET_CHARGED : BUDGET_OVER;
        exchange->retry_after = retry_after; /* of the denial itself */
    }
    exchange->budget_account = SLICE_NONE;
    exchange->summarised = failure && exchange->budget == BUDGET_OVER;
}
