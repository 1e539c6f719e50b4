#include "unit.h"

#include "base/decimal.h"

#include <inttypes.h>
#include <stdio.h>

static void puts_what_printf_does(void **state)
{
    (void)state;
    static const uint64_t values[] = { 0,         1,    9,    10,        99,
                                       100,       1024, 9999, 123456789, UINT64_C(999999999999999),
                                       UINT64_MAX };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char expected[DECIMAL_MAX + 1], text[DECIMAL_MAX];
        int len = snprintf(expected, sizeof expected, "%" PRIu64, values[i]);
        assert_int_equal(decimal_put(text, values[i]) - text, len);
        assert_memory_equal(text, expected, (size_t)len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_what_printf_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
