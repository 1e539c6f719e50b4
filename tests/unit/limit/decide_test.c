#include "limits.h"

static const int64_t start = 1000 * NS_PER_S;

static struct limit_answer decide_two(const struct table *table, const struct limit_settings *a,
                                      const struct limit_settings *b, int64_t now)
{
    struct limit_key keys[] = { { a, "first", 5 }, { b, "second", 6 } };
    struct limit_answer answer;
    limiter_decide(table->limiter, keys, 2, now, &answer);
    return answer;
}

static void test_no_limits(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_answer answer;
    limiter_decide(table.limiter, NULL, 0, start, &answer);
    assert_true(answer.allowed);
    table_done(&table);
}

/* What is not counted is not admitted. */
static void test_too_many_limits(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 64);
    struct limit_settings rule = window_of(100, NS_PER_S);
    struct limit_key keys[LIMIT_KEYS_MAX + 1];
    for (size_t i = 0; i <= LIMIT_KEYS_MAX; i++) {
        keys[i] = (struct limit_key){ &rule, "abcdefghijklmnopqrst", i + 1 };
    }
    struct limit_answer answer;
    limiter_decide(table.limiter, keys, LIMIT_KEYS_MAX, start, &answer);
    assert_true(answer.allowed);
    limiter_decide(table.limiter, keys, LIMIT_KEYS_MAX + 1, start, &answer);
    assert_false(answer.allowed);
    assert_true(answer.retry_after > 0);
    table_done(&table);
}

/* A request that one limit refuses uses up no other. */
static void test_all_or_none(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings rules[][2] = {
        { window_of(5, 60 * NS_PER_S), window_of(2, 60 * NS_PER_S) },
        { window_of(2, 30 * NS_PER_S), window_of(5, 30 * NS_PER_S) },
        { rate_of(5, 60 * NS_PER_S, 5), window_of(2, 20 * NS_PER_S) },
        { window_of(2, 10 * NS_PER_S), rate_of(5, 50 * NS_PER_S, 5) },
    };
    for (size_t i = 0; i < 4; i++) {
        const struct limit_settings *a = &rules[i][0], *b = &rules[i][1];
        bool first_is_larger = i % 2 == 0;
        for (int k = 0; k < 2; k++) {
            struct limit_answer answer = decide_two(&table, a, b, start);
            assert_true(answer.allowed);
            assert_int_equal(answer.tightest, first_is_larger ? 1 : 0);
            assert_int_equal(answer.remaining, 1 - k);
        }
        for (int k = 0; k < 10; k++) {
            struct limit_answer answer = decide_two(&table, a, b, start);
            assert_false(answer.allowed);
            assert_int_equal(answer.refused_by, first_is_larger ? 1 : 0);
            assert_int_equal(answer.tightest, answer.refused_by);
            assert_int_equal(answer.remaining, 0);
        }
        assert_int_equal(drain(&table, first_is_larger ? a : b, first_is_larger ? "first" : "second", start),
                         3);
        assert_int_equal(drain(&table, first_is_larger ? b : a, first_is_larger ? "second" : "first", start),
                         0);
    }
    table_done(&table);
}

static void test_the_longest_wait_is_told(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings seconds = window_of(1, NS_PER_S), minutes = window_of(1, 60 * NS_PER_S);
    assert_true(decide_two(&table, &seconds, &minutes, start).allowed);
    struct limit_answer answer = decide_two(&table, &seconds, &minutes, start);
    assert_false(answer.allowed);
    assert_int_equal(answer.refused_by, 1);
    assert_int_equal(answer.retry_after, 60 * NS_PER_S);
    answer = decide_two(&table, &seconds, &minutes, start + 2 * NS_PER_S);
    assert_int_equal(answer.refused_by, 1);
    assert_int_equal(answer.retry_after, 58 * NS_PER_S);
    table_done(&table);
}

/* One limit listed twice counts twice; the second finding nothing left gives the first back. */
static void test_the_same_limit_twice(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    static const int64_t counts[] = { 3, 101 };
    for (size_t i = 0; i < 2; i++) {
        struct limit_settings rule = window_of(counts[i], 60 * NS_PER_S);
        struct limit_key keys[] = { { &rule, "k", 1 }, { &rule, "k", 1 } };
        struct limit_answer answer;
        for (int64_t k = 0; k < counts[i] / 2; k++) {
            limiter_decide(table.limiter, keys, 2, start, &answer);
            assert_true(answer.allowed);
        }
        limiter_decide(table.limiter, keys, 2, start, &answer);
        assert_false(answer.allowed);
        assert_int_equal(drain(&table, &rule, "k", start), 1);
    }
    struct limit_settings rate = rate_of(1, NS_PER_S, 3);
    struct limit_key keys[] = { { &rate, "k", 1 }, { &rate, "k", 1 } };
    struct limit_answer answer;
    limiter_decide(table.limiter, keys, 2, start, &answer);
    assert_true(answer.allowed);
    limiter_decide(table.limiter, keys, 2, start, &answer);
    assert_false(answer.allowed);
    assert_int_equal(drain(&table, &rate, "k", start), 1);
    table_done(&table);
}

static void test_rules_and_keys_are_apart(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 64);
    struct limit_settings one = window_of(2, 60 * NS_PER_S), other = window_of(3, 60 * NS_PER_S);
    assert_int_equal(drain(&table, &one, "a", start), 2);
    assert_int_equal(drain(&table, &one, "b", start), 2);
    /* Changed numbers: a new rule. */
    assert_int_equal(drain(&table, &other, "a", start), 3);
    assert_int_equal(drain(&table, &one, "", start), 2);
    table_done(&table);
}

/* Threads under two limits: the tight one is met exactly, and the loose one is charged for what was admitted, no more. */
struct rush {
    struct table *table;
    struct limit_settings *loose, *tight;
    _Atomic uint64_t admitted;
};

static void rush_run(void *argument, unsigned int index)
{
    struct rush *rush = argument;
    for (int i = 0; i < 500; i++) {
        bool turned = (index + (unsigned int)i) % 2 == 0;
        struct limit_key keys[] = { { rush->loose, "loose", 5 }, { rush->tight, "tight", 5 } };
        struct limit_key swapped[] = { keys[1], keys[0] };
        struct limit_answer answer;
        limiter_decide(rush->table->limiter, turned ? swapped : keys, 2, start, &answer);
        if (answer.allowed) {
            atomic_fetch_add(&rush->admitted, 1);
        }
    }
}

static void test_threads_under_two_limits(void **state)
{
    (void)state;
    struct limit_settings loose[] = { window_of(3000, 60 * NS_PER_S), rate_of(1, 60 * NS_PER_S, 3000) };
    struct limit_settings tight[] = { window_of(7, 60 * NS_PER_S), window_of(500, 60 * NS_PER_S),
                                      rate_of(1, 60 * NS_PER_S, 100) };
    for (size_t i = 0; i < 6; i++) {
        struct table table;
        table_init(&table, 16);
        struct rush rush = { .table = &table, .loose = &loose[i % 2], .tight = &tight[i / 2] };
        run_threads(rush_run, &rush);
        uint64_t admitted = atomic_load(&rush.admitted);
        uint64_t left = drain(&table, rush.tight, "tight", start);
        uint64_t most = (uint64_t)(rush.tight->limit.count + rush.tight->burst);
        assert_true(admitted <= most);
        assert_int_equal(admitted + left, most);
        assert_int_equal(drain(&table, rush.loose, "loose", start), 3000 - admitted);
        table_done(&table);
    }
}

/* What is given back can be taken again, and never more than was there. */
static void test_given_back(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings rule = rate_of(3, 3600 * NS_PER_S, 3);
    struct limit_key key = { &rule, "key", 3 }, other = { &rule, "other", 5 };
    struct limit_answer answer;
    limiter_give_back(table.limiter, &key); /* nobody has taken anything */
    for (int round = 0; round < 20; round++) {
        limiter_decide(table.limiter, &key, 1, start + round, &answer);
        assert_true(answer.allowed);
        limiter_give_back(table.limiter, &key);
    }
    limiter_give_back(table.limiter, &key);
    limiter_give_back(table.limiter, &other);
    for (int i = 0; i < 3; i++) {
        limiter_decide(table.limiter, &key, 1, start + 20, &answer);
        assert_true(answer.allowed);
    }
    limiter_decide(table.limiter, &key, 1, start + 20, &answer);
    assert_false(answer.allowed);
    limiter_give_back(table.limiter, &key);
    limiter_decide(table.limiter, &key, 1, start + 20, &answer);
    assert_true(answer.allowed);
    table_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_back),
        cmocka_unit_test(test_no_limits),
        cmocka_unit_test(test_too_many_limits),
        cmocka_unit_test(test_all_or_none),
        cmocka_unit_test(test_the_longest_wait_is_told),
        cmocka_unit_test(test_the_same_limit_twice),
        cmocka_unit_test(test_rules_and_keys_are_apart),
        cmocka_unit_test(test_threads_under_two_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
