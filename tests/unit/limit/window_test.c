#include "limits.h"

static const int64_t start = 1000 * NS_PER_S;

static void test_one_per_minute(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings rule = window_of(1, 60 * NS_PER_S);
    for (int64_t minute = 0; minute < 5; minute++) {
        int64_t now = start + minute * 60 * NS_PER_S;
        struct limit_answer answer = decide(&table, &rule, "a", now);
        assert_true(answer.allowed);
        assert_int_equal(answer.remaining, 0);
        assert_int_equal(answer.reset, 60 * NS_PER_S);
        answer = decide(&table, &rule, "a", now);
        assert_false(answer.allowed);
        assert_int_equal(answer.retry_after, 60 * NS_PER_S);
        answer = decide(&table, &rule, "a", now + 60 * NS_PER_S - 1);
        assert_false(answer.allowed);
        assert_true(answer.retry_after > 0 && answer.retry_after <= NS_PER_US);
    }
    assert_true(admits(&table, &rule, "b", start));
    table_done(&table);
}

/* Between two requests, a limit that is waited for exactly as told is never refused again. */
static void test_retry_after_is_enough(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    static const int64_t counts[] = { 1, 2, 3, 15, 16, 31, 32, 33, 62, 100, 1000 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct limit_settings rule = window_of(counts[i], 10 * NS_PER_S);
        int64_t now = start + 7777;
        for (int64_t k = 0; k < counts[i]; k++) {
            assert_true(admits(&table, &rule, "a", now));
            now += 1234567;
        }
        struct limit_answer answer = decide(&table, &rule, "a", now);
        assert_false(answer.allowed);
        assert_int_equal(answer.remaining, 0);
        assert_false(admits(&table, &rule, "a", now + answer.retry_after - 2 * NS_PER_US));
        assert_true(admits(&table, &rule, "a", now + answer.retry_after));
        assert_int_equal(drain(&table, &rule, "a", now + answer.reset), counts[i] - 1);
    }
    table_done(&table);
}

static void test_the_whole_at_once(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 64);
    static const int64_t counts[] = { 1, 2, 16, 30, 31, 32, 61, 62, 63, 100, 1000, 12345 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct limit_settings rule = window_of(counts[i], NS_PER_S);
        for (int64_t k = 0; k < counts[i]; k++) {
            struct limit_answer answer = decide(&table, &rule, "a", start);
            assert_true(answer.allowed);
            assert_int_equal(answer.remaining, counts[i] - k - 1);
        }
        assert_false(admits(&table, &rule, "a", start));
        assert_int_equal(drain(&table, &rule, "a", start + NS_PER_S), counts[i]);
    }
    table_done(&table);
}

/* The definition, by brute force: admissions of the last window, listed. */
struct model {
    int64_t *times;
    size_t count;
};

static uint64_t in_window(const struct model *model, int64_t now, int64_t window)
{
    uint64_t found = 0;
    for (size_t i = model->count; i > 0 && now - model->times[i - 1] < window; i--) {
        found++;
    }
    return found;
}

static void check_against_model(int64_t count, int64_t window, int64_t step_max, int64_t grain, uint64_t seed)
{
    enum {
        STEPS = 6000
    };
    struct table table;
    table_init(&table, 16);
    struct limit_settings rule = window_of(count, window);
    struct model model = { malloc(STEPS * sizeof(int64_t)), 0 };
    assert_non_null(model.times);
    uint64_t share = ((uint64_t)count + SLOTS - 1) / SLOTS;
    /* What may be refused early: a slot's share but one, never more than the stated part. */
    assert_true((share - 1) * LIMIT_SUBWINDOWS <= (uint64_t)count);
    int64_t now = start;
    for (int i = 0; i < STEPS; i++) {
        /* Bursts, pauses, and now and then nothing for longer than the window. */
        uint64_t dice = next_random(&seed);
        if (dice % 4 != 0) {
            now += (int64_t)(next_random(&seed) % (uint64_t)step_max) / grain * grain;
        }
        if (dice % 997 == 0) {
            now += window / grain * grain + (int64_t)(dice % 3) * grain;
        }
        uint64_t before = in_window(&model, now, window);
        struct limit_answer answer = decide(&table, &rule, "a", now);
        if (answer.allowed) {
            assert_true(before < (uint64_t)count);
            assert_true(answer.remaining <= (uint64_t)count - before - 1);
            model.times[model.count++] = now;
        } else if (grain % NS_PER_US == 0) {
            assert_true(before + share - 1 >= (uint64_t)count);
        }
    }
    assert_true(model.count > (size_t)count);
    free(model.times);
    table_done(&table);
}

static void test_against_the_definition(void **state)
{
    (void)state;
    static const int64_t counts[] = { 1,  2,  3,  5,  8,  15,  16,  17,  30,  31, 32,
                                      33, 47, 62, 63, 64, 100, 200, 310, 500, 999 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int64_t window = 10 * NS_PER_S;
        check_against_model(counts[i], window, 2 * window / counts[i], NS_PER_US, 1 + i);
        check_against_model(counts[i], window, window / counts[i], NS_PER_US, 100 + i);
        /* Times between microseconds may cost a little, but never let in more. */
        check_against_model(counts[i], window, window / counts[i], 1, 200 + i);
        check_against_model(counts[i], 10 * NS_PER_MS + 1, 20 * NS_PER_MS / counts[i], 1, 300 + i);
    }
}

/* A caller who keeps to fifteen sixteenths of the limit, evenly, is never refused. */
static void test_steady_use_is_never_refused(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 64);
    static const int64_t counts[] = { 16, 32, 33, 64, 100, 1000 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct limit_settings rule = window_of(counts[i], 60 * NS_PER_S);
        int64_t gap = 60 * NS_PER_S * LIMIT_SUBWINDOWS / (LIMIT_SUBWINDOWS - 1) / counts[i] + 1;
        for (int64_t k = 0; k < 5 * counts[i]; k++) {
            assert_true(admits(&table, &rule, "a", start + k * gap));
        }
    }
    table_done(&table);
}

/* Whole microseconds count modulo 2^44: 203 days of uptime are no special day. */
static void test_times_wrap(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings rule = window_of(40, 10 * NS_PER_S);
    int64_t wrap = (INT64_C(1) << (64 - SLOT_COUNT_BITS)) * NS_PER_US;
    int64_t now = wrap - 5 * NS_PER_S;
    assert_int_equal(drain(&table, &rule, "a", now), 40);
    assert_false(admits(&table, &rule, "a", wrap - 1));
    assert_false(admits(&table, &rule, "a", wrap));
    assert_false(admits(&table, &rule, "a", wrap + 5 * NS_PER_S - 1));
    assert_int_equal(drain(&table, &rule, "a", wrap + 5 * NS_PER_S), 40);
    assert_true(admits(&table, &rule, "zero", 0));
    table_done(&table);
}

/* A thread that read its clock before another decided: nothing is forgotten, nothing admitted twice. */
static void test_an_older_clock(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings small = window_of(3, 10 * NS_PER_S);
    assert_int_equal(drain(&table, &small, "a", start + 5 * NS_PER_S), 3);
    assert_false(admits(&table, &small, "a", start));
    assert_false(admits(&table, &small, "a", start + 14 * NS_PER_S));
    assert_int_equal(drain(&table, &small, "a", start + 15 * NS_PER_S), 3);
    struct limit_settings large = window_of(100, 10 * NS_PER_S);
    assert_true(admits(&table, &large, "b", start + 5 * NS_PER_S));
    /* The slot's time does not go back: all 100 are live until 15 s. */
    assert_int_equal(drain(&table, &large, "b", start), 99);
    assert_false(admits(&table, &large, "b", start + 9 * NS_PER_S));
    assert_int_equal(drain(&table, &large, "b", start + 15 * NS_PER_S), 100);
    table_done(&table);
}

static void test_refund(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    static const int64_t counts[] = { 1, 3, 40, 100 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct limit_settings settings = window_of(counts[i], 10 * NS_PER_S);
        struct rule rule = { 0 };
        rule_init(&rule, &settings);
        struct place place;
        struct charge first, second;
        struct state out;
        take(&table, &settings, "a", start, &place);
        assert_int_equal(window_charge(&rule, &place, start, &out, &first), CHARGED);
        window_refund(&place, &first);
        assert_int_equal(atomic_load(first.word), 0);
        assert_int_equal(window_charge(&rule, &place, start, &out, &first), CHARGED);
        if (counts[i] >= 40) {
            /* Another has added to the same slot meanwhile. */
            assert_int_equal(window_charge(&rule, &place, start + NS_PER_S, &out, &second), CHARGED);
            assert_ptr_equal(first.word, second.word);
            window_refund(&place, &first);
            assert_int_equal(atomic_load(second.word) & SLOT_COUNT_MAX, 1);
            window_refund(&place, &second);
        } else {
            window_refund(&place, &first);
        }
        assert_int_equal(drain(&table, &settings, "a", start + NS_PER_S), counts[i]);
        /* Nothing is given back twice, and nothing to the next owner of the cell. */
        atomic_store(&place.entry->word, 0);
        uint64_t word = atomic_load(first.word);
        window_refund(&place, &first);
        assert_int_equal(atomic_load(first.word), word);
    }
    table_done(&table);
}

static void test_a_cell_that_is_lost_is_not_charged(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings settings = window_of(2, 10 * NS_PER_S);
    struct rule rule = { 0 };
    rule_init(&rule, &settings);
    struct place place;
    struct charge charge;
    struct state out;
    take(&table, &settings, "a", start, &place);
    atomic_store(&place.entry->word, 0x100);
    assert_int_equal(window_charge(&rule, &place, start, &out, &charge), LOST);
    assert_int_equal(atomic_load(&place.cell->slots[0]), 0);
    table_done(&table);
}

/* Words that no rule can have written end by themselves. */
static void test_strange_words(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limit_settings settings = window_of(3, 10 * NS_PER_S);
    struct place place;
    take(&table, &settings, "a", start, &place);
    for (size_t i = 0; i < SLOTS; i++) {
        atomic_store(&place.cell->slots[i], UINT64_MAX - i);
    }
    atomic_store(&place.entry->full_at, UINT64_MAX);
    assert_int_equal(drain(&table, &settings, "a", start), 3);
    assert_int_equal(drain(&table, &settings, "a", start + 10 * NS_PER_S), 3);
    assert_true(atomic_load(&place.entry->full_at) <= (uint64_t)(start + 20 * NS_PER_S));
    table_done(&table);
}

/* Threads at one instant: exactly N, whoever asks. */
struct rush {
    struct table *table;
    struct limit_settings *rule;
    _Atomic int64_t now;
    _Atomic uint64_t admitted;
};

static void rush_run(void *argument, unsigned int index)
{
    (void)index;
    struct rush *rush = argument;
    for (int i = 0; i < 1500; i++) {
        if (admits(rush->table, rush->rule, "a", atomic_load(&rush->now))) {
            atomic_fetch_add(&rush->admitted, 1);
        }
    }
}

static void test_threads_at_one_instant(void **state)
{
    (void)state;
    static const int64_t counts[] = { 1, 2, 7, 31, 32, 100, 1000, 5000 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct table table;
        table_init(&table, 16);
        struct limit_settings rule = window_of(counts[i], NS_PER_S);
        struct rush rush = { .table = &table, .rule = &rule };
        for (int round = 0; round < 3; round++) {
            atomic_store(&rush.now, start + round * NS_PER_S);
            atomic_store(&rush.admitted, 0);
            run_threads(rush_run, &rush);
            assert_int_equal(atomic_load(&rush.admitted), counts[i]);
        }
        table_done(&table);
    }
}

/* Threads under a clock that moves. A decision falls between the two readings around it; whatever lies wholly within one
 * window is at most N. */
struct admission {
    int64_t before, after;
};

struct drift {
    struct table *table;
    struct limit_settings *rule;
    _Atomic int64_t now;
    struct admission *list;
    _Atomic size_t count;
};

#define DRIFT_STEPS 4000

static void drift_run(void *argument, unsigned int index)
{
    struct drift *drift = argument;
    uint64_t seed = 77 + index;
    for (int i = 0; i < DRIFT_STEPS; i++) {
        int64_t before = atomic_load(&drift->now);
        if (admits(drift->table, drift->rule, "a", before)) {
            int64_t after = atomic_load(&drift->now);
            drift->list[atomic_fetch_add(&drift->count, 1)] = (struct admission){ before, after };
        }
        if (next_random(&seed) % 4 == 0) {
            atomic_fetch_add(&drift->now, (int64_t)(next_random(&seed) % (NS_PER_MS * 4)));
        }
    }
}

static void test_threads_under_a_moving_clock(void **state)
{
    (void)state;
    static const int64_t counts[] = { 1, 5, 31, 40, 100 };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct table table;
        table_init(&table, 16);
        struct limit_settings rule = window_of(counts[i], 500 * NS_PER_MS);
        struct drift drift = { .table = &table, .rule = &rule };
        atomic_store(&drift.now, start);
        drift.list = calloc(THREADS * DRIFT_STEPS, sizeof *drift.list);
        assert_non_null(drift.list);
        run_threads(drift_run, &drift);
        size_t count = atomic_load(&drift.count);
        assert_true(count > (size_t)counts[i]);
        for (size_t a = 0; a < count; a++) {
            int64_t from = drift.list[a].before, within = 0;
            for (size_t b = 0; b < count; b++) {
                within += drift.list[b].before >= from && drift.list[b].after < from + rule.limit.window;
            }
            assert_true(within <= counts[i]);
        }
        free(drift.list);
        table_done(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_per_minute),
        cmocka_unit_test(test_retry_after_is_enough),
        cmocka_unit_test(test_the_whole_at_once),
        cmocka_unit_test(test_against_the_definition),
        cmocka_unit_test(test_steady_use_is_never_refused),
        cmocka_unit_test(test_times_wrap),
        cmocka_unit_test(test_an_older_clock),
        cmocka_unit_test(test_refund),
        cmocka_unit_test(test_a_cell_that_is_lost_is_not_charged),
        cmocka_unit_test(test_strange_words),
        cmocka_unit_test(test_threads_at_one_instant),
        cmocka_unit_test(test_threads_under_a_moving_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
