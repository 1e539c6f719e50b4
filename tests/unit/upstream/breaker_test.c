#include "upstream/breaker.h"

#include "base/clock.h"
#include "unit.h"

static const struct breaker_settings settings = {
    .failures = 50, .minimum = 10, .window = 10 * NS_PER_S, .open = 5 * NS_PER_S, .probes = 2
};

static void note(struct breaker *breaker, int64_t now, int well, int failed)
{
    for (int i = 0; i < well; i++) {
        assert_int_equal(breaker_note(breaker, now, false, true), BREAKER_STAYS);
    }
    for (int i = 0; i < failed; i++) {
        assert_int_equal(breaker_note(breaker, now, 0, false), BREAKER_STAYS);
    }
}

static bool passes(struct breaker *breaker, int64_t now)
{
    uint32_t probe;
    bool passed = breaker_admit(breaker, now, &probe);
    assert_false(probe != 0 && !passed);
    return passed;
}

static void test_without_one(void **state)
{
    (void)state;
    struct breaker breaker;
    int64_t wait;
    breaker_init(&breaker, NULL);
    note(&breaker, 0, 0, 1000);
    assert_true(passes(&breaker, 0));
    assert_true(breaker_would_admit(&breaker, 0, &wait));
}

static void test_opens_where_enough_of_enough_failed(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker, &settings);
    note(&breaker, 0, 0, 9);
    assert_true(passes(&breaker, 0));
    assert_int_equal(breaker_note(&breaker, 0, 0, false), BREAKER_OPENS);
    assert_false(passes(&breaker, 0));

    breaker_init(&breaker, &settings);
    note(&breaker, 0, 20, 19); /* 19 of 39: less than half */
    assert_true(passes(&breaker, 0));
    assert_int_equal(breaker_note(&breaker, 0, 0, false), BREAKER_OPENS);
    uint32_t all, failed;
    breaker_count(&breaker, &all, &failed);
    assert_int_equal(all, 40);
    assert_int_equal(failed, 20);
}

/* What is older than the window counts no more; in parts, so that it looks back on nine tenths of it at least. */
static void test_the_window_slides(void **state)
{
    (void)state;
    struct breaker breaker;
    uint32_t all, failed;
    breaker_init(&breaker, &settings);
    note(&breaker, 0, 0, 5);
    note(&breaker, 5 * NS_PER_S, 0, 4);
    note(&breaker, 9 * NS_PER_S, 1, 0); /* 9 of 10 failed: but only a failure opens */
    breaker_count(&breaker, &all, &failed);
    assert_int_equal(failed, 9);
    note(&breaker, 10 * NS_PER_S, 0, 1); /* the first five are gone: 5 of 6 */
    breaker_count(&breaker, &all, &failed);
    assert_int_equal(all, 6);
    assert_int_equal(failed, 5);
    note(&breaker, 100 * NS_PER_S, 0, 1); /* and now all */
    breaker_count(&breaker, &all, &failed);
    assert_int_equal(all, 1);
}

static int64_t open_at(struct breaker *breaker, int64_t now)
{
    breaker_init(breaker, &settings);
    breaker->part_began = now;
    note(breaker, now, 0, 9);
    assert_int_equal(breaker_note(breaker, now, 0, false), BREAKER_OPENS);
    return now + settings.open;
}

static void test_probes(void **state)
{
    (void)state;
    struct breaker breaker;
    uint32_t probe;
    int64_t wait, over = open_at(&breaker, NS_PER_S);
    assert_false(breaker_would_admit(&breaker, over - NS_PER_S, &wait));
    assert_int_equal(wait, NS_PER_S);
    assert_false(breaker_admit(&breaker, over - 1, &probe));
    /* Two pass, and no third. */
    assert_true(breaker_would_admit(&breaker, over, &wait));
    assert_true(breaker_admit(&breaker, over, &probe));
    assert_int_not_equal(probe, 0);
    assert_true(breaker_admit(&breaker, over, &probe));
    assert_int_not_equal(probe, 0);
    assert_false(passes(&breaker, over));
    assert_false(breaker_would_admit(&breaker, over, &wait));
    assert_true(wait > 0);
    /* One that told nothing leaves its place to another. */
    breaker_forget(&breaker, probe);
    assert_true(breaker_admit(&breaker, over, &probe));
    /* What was sent before it opened says nothing any more. */
    assert_int_equal(breaker_note(&breaker, over, 0, false), BREAKER_STAYS);
    assert_int_equal(breaker_note(&breaker, over, probe, true), BREAKER_STAYS);
    assert_false(passes(&breaker, over)); /* one well, one out: enough */
    assert_int_equal(breaker_note(&breaker, over, probe, true), BREAKER_CLOSES);
    /* From the beginning: what it opened for is forgotten. */
    assert_true(passes(&breaker, over));
    note(&breaker, over, 0, 9);
    assert_true(passes(&breaker, over));
}

static void test_a_failed_probe_opens_again(void **state)
{
    (void)state;
    struct breaker breaker;
    uint32_t probe;
    int64_t over = open_at(&breaker, 0);
    assert_true(breaker_admit(&breaker, over, &probe));
    assert_true(breaker_admit(&breaker, over, &probe));
    assert_int_equal(breaker_note(&breaker, over, probe, false), BREAKER_STAYS);
    assert_false(passes(&breaker, over));
    /* The other one comes late, and does not count. */
    assert_int_equal(breaker_note(&breaker, over + 1, probe, true), BREAKER_STAYS);
    assert_false(passes(&breaker, over + settings.open - 1));
    assert_true(passes(&breaker, over + settings.open));
}

/* A call that streams tells nothing for hours: it must not keep everybody out. */
static void test_probes_that_tell_nothing(void **state)
{
    (void)state;
    struct breaker breaker;
    uint32_t silent, probe;
    int64_t wait, over = open_at(&breaker, 0);
    assert_true(breaker_admit(&breaker, over, &silent));
    assert_true(passes(&breaker, over));
    assert_false(breaker_would_admit(&breaker, over + settings.open - 1, &wait));
    assert_int_equal(wait, 1);
    over += settings.open;
    assert_true(breaker_would_admit(&breaker, over, &wait));
    assert_true(breaker_admit(&breaker, over, &probe));
    assert_true(passes(&breaker, over));
    assert_false(passes(&breaker, over));
    /* What they tell at last is of another round: neither well nor ill, and it frees no place. */
    breaker_forget(&breaker, silent);
    assert_int_equal(breaker_note(&breaker, over, silent, true), BREAKER_STAYS);
    assert_int_equal(breaker_note(&breaker, over, silent, false), BREAKER_STAYS);
    assert_false(passes(&breaker, over));
    assert_int_equal(breaker_note(&breaker, over, probe, true), BREAKER_STAYS);
    assert_int_equal(breaker_note(&breaker, over, probe, true), BREAKER_CLOSES);
}

/* One that fails opens the circuit; the others of its round end in a later one. */
static void test_late_probes_take_no_places(void **state)
{
    (void)state;
    struct breaker breaker;
    uint32_t late, failing, probe;
    int64_t over = open_at(&breaker, 0);
    assert_true(breaker_admit(&breaker, over, &late));
    assert_true(breaker_admit(&breaker, over, &failing));
    assert_int_equal(breaker_note(&breaker, over, failing, false), BREAKER_STAYS);
    over += settings.open;
    assert_true(breaker_admit(&breaker, over, &probe));
    breaker_forget(&breaker, late);
    assert_int_equal(breaker_note(&breaker, over, late, true), BREAKER_STAYS);
    assert_int_equal(breaker.probes_out, 1);
    assert_int_equal(breaker.probes_well, 0);
    breaker_forget(&breaker, probe);
    assert_int_equal(breaker.probes_out, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_one),
        cmocka_unit_test(test_opens_where_enough_of_enough_failed),
        cmocka_unit_test(test_the_window_slides),
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_a_failed_probe_opens_again),
        cmocka_unit_test(test_probes_that_tell_nothing),
        cmocka_unit_test(test_late_probes_take_no_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
