#include "limit/table.h"

#include "base/clock.h"

/* How often one charge may lose its entry to eviction before it is refused. */
#define LOST_MAX 16

/* One limit of the request on its way. */
struct attempt {
    const struct limit_key *key;
    struct rule rule;
    uint64_t hash;
    bool gathered; /* `hash` is its prefix's */
    struct place place;
    struct charge charge;
    struct state state;
};

void rule_init(struct rule *rule, const struct limit_settings *settings)
{
    rule->is_rate = settings->rate.count > 0;
    if (rule->is_rate) {
        rule->interval = (settings->rate.window + settings->rate.count - 1) / settings->rate.count;
        rule->count = (uint64_t)settings->burst;
        rule->full = rule->interval * settings->burst;
    } else {
        rule->count = (uint64_t)settings->limit.count;
        rule->window = settings->limit.window;
        rule->window_us = (uint64_t)(settings->limit.window + NS_PER_US - 1) / NS_PER_US;
    }
}

static void prepare(struct limiter *limiter, const struct limit_key *key, struct attempt *attempt)
{
    attempt->key = key;
    attempt->gathered = false;
    rule_init(&attempt->rule, key->settings);
    attempt->hash = table_hash(limiter, key->settings->identity, key->key, key->key_size);
    table_prefetch(limiter, attempt->hash);
}

static bool check(struct limiter *limiter, struct attempt *attempt, int64_t now)
{
    table_find(limiter, attempt->hash, &attempt->place);
    return attempt->rule.is_rate ? rate_check(&attempt->rule, &attempt->place, now, &attempt->state)
                                 : window_check(&attempt->rule, &attempt->place, now, &attempt->state);
}

/* The key's entry, or where it is a newcomer of a crowd that has displaced enough others, the prefix's: which displaces at
 * most one more. */
static bool take_place(struct limiter *limiter, struct attempt *attempt, int64_t now)
{
    const struct limit_key *key = attempt->key;
    _Atomic uint64_t *crowd = key->prefix != NULL && !attempt->gathered
                                  ? table_crowd(limiter, key->prefix, key->prefix_size)
                                  : NULL;
    enum table_result result = table_take(limiter, attempt->hash, crowd, now, &attempt->place);
    if (result == TABLE_CROWDED) {
        /* Under another identity: no key of the rule is its prefix. */
        attempt->hash = table_hash(limiter, ~key->settings->identity, key->prefix, key->prefix_size);
        attempt->gathered = true;
        atomic_fetch_add_explicit(&limiter->gathered, 1, memory_order_relaxed);
        result = table_take(limiter, attempt->hash, NULL, now, &attempt->place);
    }
    return result == TABLE_TAKEN;
}

static bool charge(struct limiter *limiter, struct attempt *attempt, int64_t now)
{
    for (unsigned int lost = 0; lost < LOST_MAX; lost++) {
        if (!take_place(limiter, attempt, now)) {
            break;
        }
        enum charge_result result =
            attempt->rule.is_rate
                ? rate_charge(&attempt->rule, &attempt->place, now, &attempt->state, &attempt->charge)
                : window_charge(&attempt->rule, &attempt->place, now, &attempt->state, &attempt->charge);
        if (result != LOST) {
            return result == CHARGED;
        }
    }
    /* So many others crossed us that nothing could be counted: what is not counted is not admitted. */
    attempt->state = (struct state){ .retry_after = NS_PER_MS, .reset = NS_PER_MS };
    return false;
}

static void refund(struct attempt *attempts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (attempts[i].rule.is_rate) {
            rate_refund(&attempts[i].rule, &attempts[i].place, &attempts[i].charge);
        } else {
            window_refund(&attempts[i].place, &attempts[i].charge);
        }
    }
}

static void tell_allowed(const struct attempt *attempts, size_t count, struct limit_answer *out)
{
    *out = (struct limit_answer){ .allowed = true, .remaining = UINT64_MAX };
    for (size_t i = 0; i < count; i++) {
        if (attempts[i].state.remaining < out->remaining) {
            out->tightest = (unsigned int)i;
            out->remaining = attempts[i].state.remaining;
            out->reset = attempts[i].state.reset;
        }
    }
}

static void tell_refused(const struct attempt *attempt, size_t index, struct limit_answer *out)
{
    *out = (struct limit_answer){
        .refused_by = (unsigned int)index,
        .retry_after = attempt->state.retry_after,
        .tightest = (unsigned int)index,
        .reset = attempt->state.reset,
    };
}

/* Nothing is charged here, so that a request that one limit refuses uses up no other. False where one refuses. */
static bool check_all(struct limiter *limiter, struct attempt *attempts, size_t count, int64_t now,
                      struct limit_answer *out)
{
    const struct attempt *longest = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!check(limiter, &attempts[i], now) &&
            (longest == NULL || attempts[i].state.retry_after > longest->state.retry_after)) {
            longest = &attempts[i];
        }
    }
    if (longest == NULL) {
        return true;
    }
    tell_refused(longest, (size_t)(longest - attempts), out);
    return false;
}

void limiter_decide(struct limiter *limiter, const struct limit_key *keys, size_t count, int64_t now,
                    struct limit_answer *out)
{
    struct attempt attempts[LIMIT_KEYS_MAX] __attribute__((uninitialized));
    if (count > LIMIT_KEYS_MAX) {
        *out = (struct limit_answer){ .retry_after = NS_PER_S, .reset = NS_PER_S };
        return;
    }
    for (size_t i = 0; i < count; i++) {
        prepare(limiter, &keys[i], &attempts[i]);
    }
    /* With one limit its charge is the check. */
    if (count > 1 && !check_all(limiter, attempts, count, now, out)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!charge(limiter, &attempts[i], now)) {
            refund(attempts, i);
            tell_refused(&attempts[i], i, out);
            return;
        }
    }
    tell_allowed(attempts, count, out);
}

/* Where its entry went to another key meanwhile, its allowance is full already. What was gathered stays with its crowd. */
void limiter_give_back(struct limiter *limiter, const struct limit_key *key)
{
    struct attempt attempt;
    prepare(limiter, key, &attempt);
    table_find(limiter, attempt.hash, &attempt.place);
    if (attempt.rule.is_rate && attempt.place.entry != NULL) {
        /* No word of a rate is so far ahead: it is never taken for the one that this charge left. */
        attempt.charge = (struct charge){ &attempt.place.entry->full_at, 0, UINT64_MAX };
        rate_refund(&attempt.rule, &attempt.place, &attempt.charge);
    }
}
