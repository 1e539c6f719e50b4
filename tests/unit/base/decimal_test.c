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

/* Each way that a number can be cut into pairs, at each length. */
static void puts_every_number_of_every_length(void **state)
{
    (void)state;
    uint64_t power = 1;
    for (int digits = 1; digits <= DECIMAL_MAX; digits++, power *= 10) {
        for (uint64_t i = 0; i < 2000; i++) {
            uint64_t value = power - 1000 + i;
            char expected[DECIMAL_MAX + 1], text[DECIMAL_MAX];
            int len = snprintf(expected, sizeof expected, "%" PRIu64, value);
            assert_int_equal(decimal_put(text, value) - text, len);
            assert_memory_equal(text, expected, (size_t)len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_what_printf_does),
        cmocka_unit_test(puts_every_number_of_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
