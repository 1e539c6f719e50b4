#include "unit.h"

#include "base/clock.h"
#include "config/units.h"

static void durations_are_read_with_their_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        { "0", 0 },
        { "0s", 0 },
        { "5us", 5000 },
        { "250ms", 250 * NS_PER_MS },
        { "30s", 30 * NS_PER_S },
        { "5m", 300 * NS_PER_S },
        { "24h", 24 * 3600 * NS_PER_S },
        { "7d", 7 * 24 * 3600 * NS_PER_S },
        { "1h30m", 5400 * NS_PER_S },
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t ns = -1;
        assert_true(units_parse_duration(slice_from_string(good[i].text), &ns));
        assert_int_equal(ns, good[i].ns);
    }
    static const char *const bad[] = {
        "",     "30",   "s",  "-1s", "1.5s", "30 s",       "1S",
        "1m1h", "1s1s", "1w", "+1s", "1s ",  "300000000d", "99999999999999999999s"
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ns = 77;
        assert_false(units_parse_duration(slice_from_string(bad[i]), &ns));
        assert_int_equal(ns, 77);
    }
}

static void sizes_are_read_with_their_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {
        { "0", 0 }, { "512B", 512 }, { "64KiB", 65536 }, { "1MiB", 1048576 }, { "2GiB", INT64_C(2) << 30 }
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t bytes = -1;
        assert_true(units_parse_size(slice_from_string(good[i].text), &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    static const char *const bad[] = { "",    "1",        "1MB", "1mib",         "1 MiB",
                                       "MiB", "1MiB1KiB", "-1B", "9999999999GiB" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t bytes = 77;
        assert_false(units_parse_size(slice_from_string(bad[i]), &bytes));
        assert_int_equal(bytes, 77);
    }
}

static void rates_and_integers(void **state)
{
    (void)state;
    struct conf_rate rate;
    assert_true(units_parse_rate(SLICE("1000/1m"), &rate));
    assert_int_equal(rate.count, 1000);
    assert_int_equal(rate.window, 60 * NS_PER_S);
    assert_true(units_parse_rate(SLICE("10/s"), &rate));
    assert_int_equal(rate.window, NS_PER_S);
    static const char *const bad[] = { "",      "10",   "10/",   "/1s",     "0/1s",
                                       "10/0s", "10/1", "-1/1s", "1/1s/1s", "10 /1s" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(units_parse_rate(slice_from_string(bad[i]), &rate));
    }
    int64_t value;
    assert_true(units_parse_integer(SLICE("-12"), &value));
    assert_int_equal(value, -12);
    assert_true(units_parse_integer(SLICE("9223372036854775807"), &value));
    assert_false(units_parse_integer(SLICE("9223372036854775808"), &value));
    assert_false(units_parse_integer(SLICE("0x10"), &value));
    assert_false(units_parse_integer(SLICE("-"), &value));
    assert_false(units_parse_integer(SLICE("1 "), &value));
}

static void what_is_printed_is_read_again(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 256);
    units_print_duration(0, &out);
    buffer_append_char(&out, ' ');
    units_print_duration(90 * 60 * NS_PER_S, &out);
    buffer_append_char(&out, ' ');
    units_print_duration(250 * NS_PER_MS, &out);
    buffer_append_char(&out, ' ');
    units_print_size(0, &out);
    buffer_append_char(&out, ' ');
    units_print_size(1536, &out);
    buffer_append_char(&out, ' ');
    units_print_size(1 << 20, &out);
    buffer_append_char(&out, ' ');
    units_print_rate((struct conf_rate){ 1000, 60 * NS_PER_S }, &out);
    assert_slice(buffer_slice(&out), "0s 1h30m 250ms 0B 1536B 1MiB 1000/1m");
    buffer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_with_their_unit),
        cmocka_unit_test(sizes_are_read_with_their_unit),
        cmocka_unit_test(rates_and_integers),
        cmocka_unit_test(what_is_printed_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
