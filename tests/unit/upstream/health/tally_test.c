#include "unit.h"

#include "upstream/health/tally.h"

#define UNHEALTHY_AFTER 3
#define HEALTHY_AFTER   2

/* "+" passed, "-" failed; what it is after each: "h" or "u", in capitals where it has just changed. */
static void play(const char *checks, const char *expected)
{
    struct health_tally tally = { 0 };
    for (size_t i = 0; checks[i] != '\0'; i++) {
        bool changed = health_tally_count(&tally, checks[i] == '+', UNHEALTHY_AFTER, HEALTHY_AFTER);
        char state = tally.unhealthy ? (changed ? 'U' : 'u') : (changed ? 'H' : 'h');
        if (state != expected[i]) {
            fail_msg("\"%s\", check %zu: '%c', not '%c'", checks, i, state, expected[i]);
        }
    }
}

static void test_thresholds(void **state)
{
    (void)state;
    play("+---", "hhhU");
    play("+--+---", "hhhhhhU");
    play("+---+-+-++", "hhhUuuuuuH");
    play("+---++---++", "hhhUuHhhUuH");
    play("++++----", "hhhhhhUu");
}

static void test_first_decides(void **state)
{
    (void)state;
    play("-", "U");
    play("-++", "UuH");
    play("-+-++", "UuuuH");
    play("+-", "hh");
}

/* One that follows on what was unhealthy: its first success is enough. */
static void test_inherited(void **state)
{
    (void)state;
    struct health_tally tally = { .unhealthy = true };
    assert_true(health_tally_count(&tally, true, UNHEALTHY_AFTER, HEALTHY_AFTER));
    assert_false(tally.unhealthy);
    tally = (struct health_tally){ .unhealthy = true };
    assert_false(health_tally_count(&tally, false, UNHEALTHY_AFTER, HEALTHY_AFTER));
    assert_false(health_tally_count(&tally, true, UNHEALTHY_AFTER, HEALTHY_AFTER));
    assert_true(health_tally_count(&tally, true, UNHEALTHY_AFTER, HEALTHY_AFTER));
}

static void test_ones(void **state)
{
    (void)state;
    struct health_tally tally = { .decided = true };
    assert_true(health_tally_count(&tally, false, 1, 1));
    assert_true(health_tally_count(&tally, true, 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_first_decides),
        cmocka_unit_test(test_inherited),
        cmocka_unit_test(test_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
