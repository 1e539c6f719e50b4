#include "unit.h"

#include "base/clock.h"
#include "upstream/outlier/ejection.h"

static const struct outlier_settings usual = {
    .failures = 5,
    .success_gap = 20,
    .min_requests = 100,
    .interval = 10 * NS_PER_S,
    .ejection = 30 * NS_PER_S,
    .max_ejection = 100 * NS_PER_S,
    .max_ejected = 50,
};

static void each_time_in_a_row_it_takes_longer(void **state)
{
    (void)state;
    static const int64_t seconds[] = { 30, 60, 90, 100, 100 };
    struct ejection endpoint = { 0 };
    int64_t now = 1000 * NS_PER_S;
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        ejection_begin(&endpoint, &usual, now);
        assert_true(endpoint.ejected);
        assert_int_equal(endpoint.times, i + 1);
        now += seconds[i] * NS_PER_S;
        assert_false(ejection_end(&endpoint, now - 1));
        assert_true(endpoint.ejected);
        assert_true(ejection_end(&endpoint, now));
        assert_false(endpoint.ejected);
        assert_false(ejection_end(&endpoint, now)); /* once */
    }
}

static void each_good_interval_forgives_one_time(void **state)
{
    (void)state;
    struct ejection endpoint = { 0 };
    ejection_begin(&endpoint, &usual, 0);
    ejection_next_interval(&endpoint); /* while it is ejected none is good */
    assert_int_equal(endpoint.times, 1);
    assert_true(ejection_end(&endpoint, 30 * NS_PER_S));
    ejection_begin(&endpoint, &usual, 30 * NS_PER_S);
    assert_true(ejection_end(&endpoint, 90 * NS_PER_S));
    assert_int_equal(endpoint.times, 2);
    ejection_next_interval(&endpoint);
    assert_int_equal(endpoint.times, 1);
    ejection_next_interval(&endpoint);
    ejection_next_interval(&endpoint);
    assert_int_equal(endpoint.times, 0);
}

static size_t ejected_of(size_t count, int64_t percent)
{
    struct ejection endpoints[20] = { 0 };
    struct outlier_settings settings = usual;
    settings.max_ejected = percent;
    size_t ejected = 0;
    while (ejected < count && ejection_may(endpoints, count, &settings)) {
        ejection_begin(&endpoints[ejected++], &settings, 0);
    }
    return ejected;
}

static void so_many_and_no_more_are_ejected_at_once(void **state)
{
    (void)state;
    assert_int_equal(ejected_of(1, 100), 0); /* one alone never is */
    assert_int_equal(ejected_of(2, 10), 1);
    assert_int_equal(ejected_of(3, 34), 1);
    assert_int_equal(ejected_of(3, 67), 2);
    assert_int_equal(ejected_of(10, 50), 5);
    assert_int_equal(ejected_of(20, 1), 1);
    assert_int_equal(ejected_of(20, 100), 20);
}

static bool lags(const uint64_t counts[][2], size_t count, const struct outlier_settings *settings)
{
    struct ejection endpoints[8] = { 0 };
    unsigned int share = 0, others = 0;
    for (size_t i = 0; i < count; i++) {
        endpoints[i].well = counts[i][0];
        endpoints[i].failed = counts[i][1];
    }
    bool does = ejection_lags(endpoints, count, 0, settings, &share, &others);
    assert_true(!does || others >= share + (unsigned int)settings->success_gap);
    return does;
}

static void who_lags_behind_the_others_is_told(void **state)
{
    (void)state;
    static const uint64_t bad[][2] = { { 70, 30 }, { 100, 0 }, { 99, 1 } };
    static const uint64_t good[][2] = { { 85, 15 }, { 100, 0 }, { 99, 1 } };
    static const uint64_t two[][2] = { { 500, 500 }, { 990, 10 } };
    assert_true(lags(bad, 3, &usual));
    assert_false(lags(good, 3, &usual));
    assert_true(lags(two, 2, &usual));
}

/* What all suffer from is no fault of one. */
static void where_all_fail_none_lags(void **state)
{
    (void)state;
    static const uint64_t all[][2] = { { 0, 500 }, { 0, 700 }, { 10, 600 } };
    assert_false(lags(all, 3, &usual));
}

static void too_few_requests_say_nothing(void **state)
{
    (void)state;
    static const uint64_t few[][2] = { { 0, 99 }, { 1000, 0 } };
    static const uint64_t few_others[][2] = { { 0, 1000 }, { 99, 0 }, { 50, 0 } };
    static const uint64_t none[][2] = { { 0, 0 }, { 0, 0 } };
    static const uint64_t alone[][2] = { { 0, 1000 } };
    assert_false(lags(few, 2, &usual));
    assert_false(lags(few_others, 3, &usual));
    assert_false(lags(none, 2, &usual));
    assert_false(lags(alone, 1, &usual));
    struct outlier_settings off = usual;
    static const uint64_t bad[][2] = { { 0, 1000 }, { 1000, 0 } };
    off.success_gap = 0;
    assert_true(lags(bad, 2, &usual));
    assert_false(lags(bad, 2, &off));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_time_in_a_row_it_takes_longer),
        cmocka_unit_test(each_good_interval_forgives_one_time),
        cmocka_unit_test(so_many_and_no_more_are_ejected_at_once),
        cmocka_unit_test(who_lags_behind_the_others_is_told),
        cmocka_unit_test(where_all_fail_none_lags),
        cmocka_unit_test(too_few_requests_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
