#include "unit.h"

#include "base/clock.h"
#include "upstream/balance/latency.h"

#define HALF (INT64_C(1) << LATENCY_HALF_SHIFT)

static void half_is_forgotten_in_its_time(void **state)
{
    (void)state;
    const struct latency latency = { .mean = 1 << 20, .at = 5 };
    assert_int_equal(latency_at(&latency, 5), 1 << 20);
    assert_int_equal(latency_at(&latency, 5 + HALF), 1 << 19);
    assert_int_equal(latency_at(&latency, 5 + 3 * HALF), 1 << 17);
    assert_int_equal(latency_at(&latency, 5 + HALF / 2), (1 << 19) + (1 << 18));
    assert_int_equal(latency_at(&latency, 5 + 60 * HALF), 0);
    assert_int_equal(latency_at(&latency, 0), 1 << 20); /* a clock that was read before */
}

static void what_is_worse_is_believed_at_once(void **state)
{
    (void)state;
    struct latency latency = { 0 };
    latency_note(&latency, 10 * NS_PER_MS, NS_PER_S);
    assert_int_equal(latency.mean, 10 * NS_PER_MS);
    latency_note(&latency, 80 * NS_PER_MS, NS_PER_S + 1);
    assert_int_equal(latency.mean, 80 * NS_PER_MS);
}

/* However many answers there are in that time. */
static void what_is_better_is_believed_in_time(void **state)
{
    (void)state;
    static const int64_t apart[] = { 10000, NS_PER_MS, 100 * NS_PER_MS };
    for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++) {
        struct latency latency = { 0 };
        latency_note(&latency, 100 * NS_PER_MS, 0);
        for (int64_t now = 0; now <= HALF; now += apart[i]) {
            latency_note(&latency, 10 * NS_PER_MS, now);
        }
        assert_in_range(latency.mean, 50 * NS_PER_MS, 68 * NS_PER_MS); /* 55 ms, and 64 by many short lines */
        for (int64_t now = HALF; now <= 10 * HALF; now += apart[i] * 10) {
            latency_note(&latency, 10 * NS_PER_MS, now);
        }
        assert_in_range(latency.mean, 9 * NS_PER_MS, 12 * NS_PER_MS);
    }
}

static void none_is_without_bounds(void **state)
{
    (void)state;
    struct latency latency = { 0 };
    latency_note(&latency, INT64_MAX, 0);
    assert_int_equal(latency.mean, LATENCY_MAX);
    latency_note(&latency, INT64_MAX, 100);
    assert_int_equal(latency_at(&latency, HALF + 100), LATENCY_MAX / 2);
    latency = (struct latency){ 0 };
    latency_note(&latency, 0, 0);
    assert_int_equal(latency.mean, 1000); /* 0 would be unknown */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_is_forgotten_in_its_time),
        cmocka_unit_test(what_is_worse_is_believed_at_once),
        cmocka_unit_test(what_is_better_is_believed_in_time),
        cmocka_unit_test(none_is_without_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
