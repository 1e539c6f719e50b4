#include "unit.h"

#include "base/clock.h"
#include "http/date.h"

static void dates_are_imf_fixdates(void **state)
{
    (void)state;
    assert_slice(http_date(784111777 * NS_PER_S), "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110's example */
    assert_slice(http_date(951782400 * NS_PER_S), "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_slice(http_date(1767225599 * NS_PER_S), "Wed, 31 Dec 2025 23:59:59 GMT");
    assert_slice(http_date(1767225600 * NS_PER_S), "Thu, 01 Jan 2026 00:00:00 GMT");
}

/* The formatted text is kept: for the same second, and for no other. */
static void a_second_is_a_second(void **state)
{
    (void)state;
    assert_slice(http_date(784111777 * NS_PER_S), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_slice(http_date(784111777 * NS_PER_S + 999999999), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_slice(http_date(784111778 * NS_PER_S), "Sun, 06 Nov 1994 08:49:38 GMT");
    assert_slice(http_date(784111777 * NS_PER_S), "Sun, 06 Nov 1994 08:49:37 GMT");
}

static void the_first_second_of_all_is_one_too(void **state)
{
    (void)state;
    assert_slice(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_second_of_all_is_one_too), /* first: nothing is kept yet */
        cmocka_unit_test(dates_are_imf_fixdates),
        cmocka_unit_test(a_second_is_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
