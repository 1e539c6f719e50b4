#include "unit.h"

#include "upstream/balance/balance.h"

#define MAX 10

/* "h" healthy, "u" not, of the tiers 0 to 9. Returns who is usable, in the same letters, "." for others. */
static const char *select_of_tiers(const char *endpoints, const char *tiers, int64_t panic_threshold,
                                   int64_t zone_spill)
{
    static char out[MAX + 1];
    struct balance_target targets[MAX] = { 0 };
    size_t count = strlen(endpoints);
    for (size_t i = 0; i < count; i++) {
        targets[i].healthy = endpoints[i] == 'h' || endpoints[i] == 'H';
        targets[i].tier = (uint8_t)(tiers[i] - '0');
    }
    const struct usable_rules rules = { .panic_threshold = panic_threshold, .zone_spill = zone_spill };
    usable_select(targets, count, &rules);
    for (size_t i = 0; i < count; i++) {
        out[i] = targets[i].usable ? endpoints[i] : '.';
    }
    out[count] = '\0';
    return out;
}

/* In capitals: in the gateway's zone. */
static const char *select_of(const char *endpoints, int64_t panic_threshold, int64_t zone_spill)
{
    char tiers[MAX + 1] = { 0 };
    for (size_t i = 0; endpoints[i] != '\0'; i++) {
        tiers[i] = endpoints[i] < 'a' ? '0' : '1';
    }
    return select_of_tiers(endpoints, tiers, panic_threshold, zone_spill);
}

static void only_the_healthy_are_used(void **state)
{
    (void)state;
    assert_string_equal(select_of("hhh", 0, 70), "hhh");
    assert_string_equal(select_of("huu", 0, 70), "h..");
    assert_string_equal(select_of("uuu", 0, 70), "uuu");
}

static void below_the_threshold_all_are_used(void **state)
{
    (void)state;
    assert_string_equal(select_of("hhuu", 50, 70), "hh..");
    assert_string_equal(select_of("huuu", 50, 70), "huuu");
    assert_string_equal(select_of("hhhu", 100, 70), "hhhu");
    assert_string_equal(select_of("hhhh", 100, 70), "hhhh");
}

static void requests_stay_in_the_zone_while_it_can_take_them(void **state)
{
    (void)state;
    assert_string_equal(select_of("HHHHhhhh", 0, 70), "HHHH....");
    assert_string_equal(select_of("HHHUhhhu", 0, 70), "HHH.....");
    assert_string_equal(select_of("HHUUhhhu", 0, 70), "HH..hhh.");
    assert_string_equal(select_of("HHUUhhhu", 0, 50), "HH......");
    assert_string_equal(select_of("UUUUhhhu", 0, 1), "....hhh.");
}

static void a_zone_says_nothing_where_there_is_no_other(void **state)
{
    (void)state;
    assert_string_equal(select_of("HHU", 0, 100), "HH.");
    assert_string_equal(select_of("hhu", 0, 100), "hh.");
}

/* What is healthy is not believed any more, and nor is where. */
static void panic_knows_no_zone(void **state)
{
    (void)state;
    assert_string_equal(select_of("HHuuuu", 50, 70), "HHuuuu");
    assert_string_equal(select_of("UUuu", 0, 70), "UUuu");
}

static void tiers_are_used_one_after_the_other(void **state)
{
    (void)state;
    assert_string_equal(select_of_tiers("hhhhhh", "001122", 0, 70), "hh....");
    assert_string_equal(select_of_tiers("uuhhhh", "001122", 0, 70), "..hh..");
    assert_string_equal(select_of_tiers("huhhhh", "001122", 0, 70), "h.hh..");
    assert_string_equal(select_of_tiers("huhhhh", "001122", 0, 50), "h.....");
    assert_string_equal(select_of_tiers("uuuuhh", "001122", 0, 70), "....hh");
    assert_string_equal(select_of_tiers("uhuhhh", "001122", 0, 70), ".h.hhh");
    assert_string_equal(select_of_tiers("uuuuuh", "001122", 0, 70), ".....h");
    assert_string_equal(select_of_tiers("uuuuuu", "001122", 0, 70), "uuuuuu");
    assert_string_equal(select_of_tiers("huuuuu", "001122", 50, 70), "huuuuu");
}

/* Whose names have no address, or are somewhere else. */
static void an_empty_tier_is_passed_over(void **state)
{
    (void)state;
    assert_string_equal(select_of_tiers("hhhh", "1133", 0, 70), "hh..");
    assert_string_equal(select_of_tiers("uuhh", "1133", 0, 70), "..hh");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_healthy_are_used),
        cmocka_unit_test(below_the_threshold_all_are_used),
        cmocka_unit_test(requests_stay_in_the_zone_while_it_can_take_them),
        cmocka_unit_test(a_zone_says_nothing_where_there_is_no_other),
        cmocka_unit_test(panic_knows_no_zone),
        cmocka_unit_test(tiers_are_used_one_after_the_other),
        cmocka_unit_test(an_empty_tier_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
