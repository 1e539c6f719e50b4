#include "unit.h"

#include "base/limits.h"
#include "json/number.h"

static struct json number(const char *text)
{
    struct json out = { 0 };
    bool plain = false;
    size_t len = number_scan(slice_from_string(text), &plain);
    assert_int_equal(len, strlen(text));
    assert_true(number_convert(slice_from_string(text), plain, &out));
    assert_slice(out.text, text);
    return out;
}

static void scans_by_the_grammar(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        bool plain;
    } cases[] = {
        { "0", 1, true },    { "-0", 2, true },       { "12x", 2, true },       { "1.5]", 3, false },
        { "1e5", 3, false }, { "1E+5", 4, false },    { "-1.0e-10", 8, false }, { "01", 0, true },
        { "-", 0, true },    { "", 0, true },         { "+1", 0, true },        { ".5", 0, true },
        { "1.", 0, true },   { "1.e5", 0, true },     { "1e", 0, true },        { "1e+", 0, true },
        { "-01", 0, true },  { "Infinity", 0, true }, { "0x10", 1, true },      { "0e1", 3, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool plain = true;
        assert_int_equal(number_scan(slice_from_string(cases[i].text), &plain), cases[i].len);
        assert_int_equal(plain, cases[i].plain);
    }
}

static void keeps_integers_exact(void **state)
{
    (void)state;
    assert_true(number("9223372036854775807").is_integer);
    assert_true(number("9223372036854775807").integer == INT64_MAX);
    assert_true(number("-9223372036854775808").integer == INT64_MIN);
    assert_false(number("9223372036854775808").is_integer);
    assert_false(number("-9223372036854775809").is_integer);
    assert_true(number("9223372036854775808").number == 9223372036854775808.0);
    assert_false(number("1.0").is_integer);
    assert_false(number("1e2").is_integer);
}

static void rounds_as_the_c_library_does(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0.1",
        "1e23",
        "123456789012345678",
        "1.7976931348623157e308",
        "5e-324",
        "2.2250738585072014e-308",
        "0.30000000000000004",
        "9007199254740993",
        "1e-400",
        "-0.0",
        "0e999999999999999999999",
        "123.456e-7",
        "4.35",
        "1e22",
        "1e-22",
        "999999999999999e22",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(number(texts[i]).number == strtod(texts[i], NULL));
    }
}

static void refuses_what_no_double_holds(void **state)
{
    (void)state;
    struct json out = { .integer = 7 };
    assert_false(number_convert(SLICE("1e309"), false, &out));
    assert_false(number_convert(SLICE("-1e309"), false, &out));
    assert_false(number_convert(SLICE("1e999999999999999999999"), false, &out));
    char digits[JSON_NUMBER_MAX + 1];
    memset(digits, '1', sizeof digits);
    assert_false(number_convert(slice_of(digits, sizeof digits), true, &out));
    assert_int_equal(out.integer, 7);
    memset(digits, '0', sizeof digits);
    digits[1] = '.';
    assert_true(number_convert(slice_of(digits, JSON_NUMBER_MAX), false, &out));
}

static void compares_exact_values(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        { "1", "1.0", true },
        { "1", "1e0", true },
        { "100", "1e2", true },
        { "10.50e1", "105", true },
        { "0", "-0.0", true },
        { "0.0", "0e5", true },
        { "1e-400", "0", false },
        { "0.1", "0.10", true },
        { "0.1", "0.01e1", true },
        { "1", "1.000000000000000000005", false },
        { "9223372036854775808", "9223372036854775809", false },
        { "9007199254740993", "9007199254740992.0", false },
        { "9007199254740993", "9007199254740993.0", true },
        { "12.3", "1.23", false },
        { "1.23e1", "12.3", true },
        { "-1", "1", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json a = number(cases[i].a), b = number(cases[i].b);
        assert_int_equal(number_equal(&a, &b), cases[i].equal);
        assert_int_equal(number_equal(&b, &a), cases[i].equal);
        assert_int_equal(json_compare_numbers(&a, &b) == 0, cases[i].equal);
        assert_int_equal(json_compare_numbers(&a, &b), -json_compare_numbers(&b, &a));
    }
}

/* The short way reads nothing but what the long one reads, and the same out of it. */
static void check_short(const char *text)
{
    struct slice slice = slice_from_string(text);
    struct json shortly = { 0 }, fully = { 0 };
    bool plain = false;
    size_t length = number_scan(slice, &plain);
    size_t taken = number_short(slice, &shortly);
    if (taken == 0) {
        /* It gives up on nothing that it is for. */
        assert_true(length == 0 || !plain || length > 18);
        return;
    }
    assert_int_equal(taken, length);
    assert_true(plain && number_convert(slice_part(slice, 0, length), plain, &fully));
    assert_true(shortly.type == fully.type && shortly.is_integer == fully.is_integer);
    assert_int_equal(shortly.integer, fully.integer);
    assert_memory_equal(&shortly.number, &fully.number, sizeof shortly.number);
    assert_ptr_equal(shortly.text.ptr, fully.text.ptr);
    assert_int_equal(shortly.text.len, fully.text.len);
}

static void short_integers_are_the_same_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "00",
        "-",
        "",
        "1",
        "-1",
        "12,",
        "12.5",
        "12e3",
        "12E3",
        "01",
        "-01",
        "1a",
        "1]",
        "999999999999999999",
        "-999999999999999999",
        "9999999999999999999",
        "1000000000000000000",
        "-1000000000000000000",
        "9223372036854775807",
        "-9223372036854775808",
        "999999999999999999.5",
        "999999999999999999e1",
        "9007199254740993",
        "0.5",
        "0e1",
        "-0.0",
        "+1",
        "--1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check_short(texts[i]);
    }
    static const char alphabet[] = "00123456789-+.eE, ";
    uint64_t seed = 4711;
    for (int round = 0; round < 200000; round++) {
        char text[24];
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        size_t length = (seed >> 33) % (sizeof text - 1);
        for (size_t i = 0; i < length; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            /* Mostly digits, so that long ones come about. */
            text[i] = (seed >> 40) % 8 != 0 ? (char)('0' + (seed >> 50) % 10) : alphabet[(seed >> 33) % 18];
        }
        text[length] = '\0';
        check_short(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scans_by_the_grammar),         cmocka_unit_test(keeps_integers_exact),
        cmocka_unit_test(rounds_as_the_c_library_does), cmocka_unit_test(refuses_what_no_double_holds),
        cmocka_unit_test(compares_exact_values),        cmocka_unit_test(short_integers_are_the_same_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
