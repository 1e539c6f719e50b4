#include "http/bytes.h"
#include "unit.h"

static const char alnum[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static bool is_one_of(int c, const char *more)
{
    return c != 0 && (strchr(alnum, c) != NULL || strchr(more, c) != NULL);
}

static void test_classes_are_those_of_the_grammars(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool visible = c > 0x20 && c < 0x7f;
        bool text = visible || c == ' ' || c == '\t' || c >= 0x80;
        assert_int_equal(http_byte_is((char)c, HTTP_BYTE_TOKEN), is_one_of(c, "!#$%&'*+-.^_`|~"));
        assert_int_equal(http_byte_is((char)c, HTTP_BYTE_VISIBLE), visible);
        assert_int_equal(http_byte_is((char)c, HTTP_BYTE_TEXT), text);
        assert_int_equal(http_byte_is((char)c, HTTP_BYTE_QUOTED), text && c != '"' && c != '\\');
        assert_int_equal(http_byte_is((char)c, HTTP_BYTE_UNRESERVED), is_one_of(c, "-._~"));
        assert_int_equal(http_byte_is((char)c, HTTP_BYTE_SEGMENT), is_one_of(c, "-._~!$&'()*+,=:@"));
        assert_int_equal(http_byte_is((char)c, HTTP_BYTE_QUERY), is_one_of(c, "-._~!$&'()*+,;=:@/?[]{}|^`"));
        assert_int_equal(http_byte_is((char)c, HTTP_BYTE_HOST), is_one_of(c, "-._"));
    }
}

typedef size_t find_control(const char *data, size_t at, size_t end);

/* Every byte at every place of two vectors and behind them, by each way of looking. */
static void check_find_control(find_control *find)
{
    char text[36];
    for (int c = 0; c < 256; c++) {
        bool control = (c < 0x20 && c != '\t') || c == 0x7f;
        for (size_t at = 0; at < sizeof text; at++) {
            memset(text, (c * 7 + (int)at) % 2 == 0 ? '\t' : 0xff, sizeof text);
            text[at] = (char)c;
            assert_int_equal(find(text, 0, sizeof text), control ? at : sizeof text);
            /* A second one behind it changes nothing, nor does one before the start. */
            text[sizeof text - 1] = '\n';
            assert_int_equal(find(text, 0, sizeof text), control ? at : sizeof text - 1);
            if (control && at + 1 < sizeof text) {
                assert_int_equal(find(text, at + 1, sizeof text), sizeof text - 1);
            }
        }
    }
}

static void test_find_control_finds_the_first(void **state)
{
    (void)state;
    check_find_control(http_find_control);
    check_find_control(http_find_control_by_words);
}

static void test_skip_stops_at_the_end(void **state)
{
    (void)state;
    assert_int_equal(http_skip("abc", 0, 3, HTTP_BYTE_TOKEN), 3);
    assert_int_equal(http_skip("ab:c", 1, 4, HTTP_BYTE_TOKEN), 2);
    assert_int_equal(http_skip("abc", 3, 3, HTTP_BYTE_TOKEN), 3);
    assert_int_equal(http_find_control("", 0, 0), 0);
}

static void test_all_wants_a_byte(void **state)
{
    (void)state;
    assert_true(http_all(SLICE("!~"), HTTP_BYTE_VISIBLE));
    assert_false(http_all(SLICE(""), HTTP_BYTE_VISIBLE));
    assert_false(http_all(SLICE("a b"), HTTP_BYTE_VISIBLE));
    assert_false(http_all(SLICE("a\x7f"), HTTP_BYTE_VISIBLE));
    assert_false(http_all(SLICE("\xc3\xa9"), HTTP_BYTE_VISIBLE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_are_those_of_the_grammars),
        cmocka_unit_test(test_find_control_finds_the_first),
        cmocka_unit_test(test_skip_stops_at_the_end),
        cmocka_unit_test(test_all_wants_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
