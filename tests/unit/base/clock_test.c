#include "base/clock.h"

#include "unit.h"

static void dates_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        { "1970-01-01T00:00:01Z", 1 },          { "2026-01-31", 1769817600 },
        { "2026-01-31T04:05:06Z", 1769832306 }, { "2024-02-29", 1709164800 },
        { "2000-02-29T23:59:59Z", 951868799 },  { "9999-12-31", 253402214400 },
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t seconds = -1;
        assert_true(clock_parse_date(slice_from_string(good[i].text), &seconds));
        assert_int_equal(seconds, good[i].seconds);
    }
}

/* Days that are in no calendar, the second whose number stands for never, and whatever else one might write. */
static void other_dates_are_not(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026",
        "2026-1-31",
        "2026-02-30",
        "2025-02-29",
        "2026-13-01",
        "2026-00-10",
        "2026-04-31",
        "2026-01-00",
        "1969-12-31",
        "1970-01-01",
        "1970-01-01T00:00:00Z",
        "2026-01-31 04:05:06Z",
        "2026-01-31T04:05:06",
        "2026-01-31T24:00:00Z",
        "2026-01-31T04:60:00Z",
        "2026-01-31T04:05:06+01:00",
        "2026-01-31T04:05:60Z",
        " 2026-01-31",
        "2026-01-31 ",
        "2026/01/31",
        "+026-01-31",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t seconds = -1;
        assert_false(clock_parse_date(slice_from_string(bad[i]), &seconds));
        assert_int_equal(seconds, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_read),
        cmocka_unit_test(other_dates_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
