#include "limits.h"

static const int64_t start = 1000 * NS_PER_S;

static void test_burst_and_spacing(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings rule = rate_of(10, NS_PER_S, 3);
    for (int i = 0; i < 3; i++) {
        struct limit_answer answer = decide(&table, &rule, "a", start);
        assert_true(answer.allowed);
        assert_int_equal(answer.remaining, 2 - i);
        assert_int_equal(answer.reset, (i + 1) * 100 * NS_PER_MS);
    }
    struct limit_answer answer = decide(&table, &rule, "a", start);
    assert_false(answer.allowed);
    assert_int_equal(answer.retry_after, 100 * NS_PER_MS);
    assert_int_equal(answer.remaining, 0);
    assert_false(admits(&table, &rule, "a", start + 100 * NS_PER_MS - 1));
    assert_true(admits(&table, &rule, "a", start + 100 * NS_PER_MS));
    assert_false(admits(&table, &rule, "a", start + 100 * NS_PER_MS));
    /* One each 100 ms for ever, and the burst again after a rest. */
    for (int i = 2; i < 50; i++) {
        assert_int_equal(drain(&table, &rule, "a", start + i * 100 * NS_PER_MS), 1);
    }
    assert_int_equal(drain(&table, &rule, "a", start + 1000 * NS_PER_S), 3);
    table_done(&table);
}

static void test_the_burst_is_the_count_by_default(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings rule = rate_of(10, NS_PER_S, 0);
    assert_int_equal(rule.burst, 10);
    assert_int_equal(drain(&table, &rule, "a", 0), 10);
    struct limit_settings one = rate_of(1, 60 * NS_PER_S, 1);
    assert_int_equal(drain(&table, &one, "a", 0), 1);
    assert_false(admits(&table, &one, "a", 60 * NS_PER_S - 1));
    assert_int_equal(drain(&table, &one, "a", 60 * NS_PER_S), 1);
    table_done(&table);
}

/* In any time L at most burst + L / interval. */
static void test_against_the_definition(void **state)
{
    (void)state;
    enum {
        STEPS = 5000
    };
    static const struct {
        int64_t count, window, burst;
    } rules[] = { { 3, NS_PER_S, 1 }, { 3, NS_PER_S, 5 }, { 7, NS_PER_S, 7 }, { 1000, 60 * NS_PER_S, 20 } };
    for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++) {
        struct table table;
        table_init(&table, 16);
        struct limit_settings rule = rate_of(rules[r].count, rules[r].window, rules[r].burst);
        int64_t interval = (rules[r].window + rules[r].count - 1) / rules[r].count;
        static int64_t times[STEPS];
        size_t admitted = 0;
        uint64_t seed = 4711 + r;
        int64_t now = start;
        for (int i = 0; i < STEPS; i++) {
            now += (int64_t)(next_random(&seed) % (uint64_t)(interval * 2));
            if (admits(&table, &rule, "a", now)) {
                times[admitted++] = now;
            }
        }
        assert_true(admitted > 100);
        for (size_t a = 0; a < admitted; a++) {
            for (size_t b = a; b < admitted && b < a + 200; b++) {
                assert_true((int64_t)(b - a + 1) <= rules[r].burst + (times[b] - times[a]) / interval);
            }
        }
        table_done(&table);
    }
}

static void test_an_older_clock(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings rule = rate_of(10, NS_PER_S, 5);
    assert_int_equal(drain(&table, &rule, "a", start), 5);
    struct limit_answer answer = decide(&table, &rule, "a", start - 10 * NS_PER_S);
    assert_false(answer.allowed);
    assert_int_equal(drain(&table, &rule, "a", start + 500 * NS_PER_MS), 5);
    table_done(&table);
}

/* A word that this rule cannot have written costs its full allowance once, not for ever. */
static void test_strange_words(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings settings = rate_of(10, NS_PER_S, 5);
    struct place place;
    take(&table, &settings, "a", start, &place);
    atomic_store(&place.entry->full_at, (uint64_t)start + 1000 * NS_PER_S);
    struct limit_answer answer = decide(&table, &settings, "a", start);
    assert_false(answer.allowed);
    assert_int_equal(answer.retry_after, 100 * NS_PER_MS);
    atomic_store(&place.entry->full_at, UINT64_MAX);
    assert_false(admits(&table, &settings, "a", start));
    table_done(&table);
}

static void test_refund(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings settings = rate_of(10, NS_PER_S, 5);
    struct rule rule = { 0 };
    rule_init(&rule, &settings);
    struct place place;
    struct charge first, second;
    struct state out;
    take(&table, &settings, "a", start, &place);
    assert_int_equal(rate_charge(&rule, &place, start, &out, &first), CHARGED);
    rate_refund(&rule, &place, &first);
    assert_int_equal(atomic_load(&place.entry->full_at), 0);
    assert_int_equal(rate_charge(&rule, &place, start, &out, &first), CHARGED);
    assert_int_equal(rate_charge(&rule, &place, start, &out, &second), CHARGED);
    rate_refund(&rule, &place, &first);
    assert_int_equal(drain(&table, &settings, "a", start), 4);
    /* Not to the next owner of the cell. */
    uint64_t word = atomic_load(&place.entry->full_at);
    atomic_store(&place.entry->word, 0x100);
    rate_refund(&rule, &place, &second);
    assert_int_equal(atomic_load(&place.entry->full_at), word);
    assert_int_equal(rate_charge(&rule, &place, start + 100 * NS_PER_S, &out, &second), LOST);
    assert_int_equal(atomic_load(&place.entry->full_at), word);
    table_done(&table);
}

struct rush {
    struct table *table;
    struct limit_settings *rule;
    _Atomic uint64_t admitted;
};

static void rush_run(void *argument, unsigned int index)
{
    (void)index;
    struct rush *rush = argument;
    for (int i = 0; i < 2000; i++) {
        if (admits(rush->table, rush->rule, "a", start)) {
            atomic_fetch_add(&rush->admitted, 1);
        }
    }
}

static void test_threads_at_one_instant(void **state)
{
    (void)state;
    static const int64_t bursts[] = { 1, 10, 1000, 8000 };
    for (size_t i = 0; i < sizeof bursts / sizeof bursts[0]; i++) {
        struct table table;
        table_init(&table, 16);
        struct limit_settings rule = rate_of(10, NS_PER_S, bursts[i]);
        struct rush rush = { .table = &table, .rule = &rule };
        run_threads(rush_run, &rush);
        assert_int_equal(atomic_load(&rush.admitted), bursts[i]);
        table_done(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_and_spacing),
        cmocka_unit_test(test_the_burst_is_the_count_by_default),
        cmocka_unit_test(test_against_the_definition),
        cmocka_unit_test(test_an_older_clock),
        cmocka_unit_test(test_strange_words),
        cmocka_unit_test(test_refund),
        cmocka_unit_test(test_threads_at_one_instant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
