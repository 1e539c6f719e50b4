#include "unit.h"

#include "json/scan.h"

#define LENGTH_MAX 70

/* In memory of its own, so that a sanitizer sees a look beyond either end. */
static char *copy_of(const char *text, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    return copy;
}

typedef const char *scan(const char *at, const char *end, bool *high);

static void check_one(scan *by, const char *text, size_t from, size_t length)
{
    bool high = false, expected_high = false;
    const char *expected = scan_plain_by_bytes(text + from, text + length, &expected_high);
    assert_ptr_equal(by(text + from, text + length, &high), expected);
    assert_int_equal(high, expected_high);
    /* What was seen before stays seen. */
    high = true;
    assert_ptr_equal(by(text + from, text + length, &high), expected);
    assert_true(high);
}

static void check_all(const char *text, size_t length)
{
    char *copy = copy_of(text, length);
    for (size_t from = 0; from <= length; from++) {
        check_one(scan_plain_by_words, copy, from, length);
        check_one(scan_plain, copy, from, length);
    }
    free(copy);
}

/* Every length, and every place of every kind of byte that matters, alone and with another behind it. */
static void every_form_stops_at_the_same_byte(void **state)
{
    (void)state;
    static const unsigned char bytes[] = { '"',  '\\', 0x00, 0x01, 0x1f, 0x20, 0x21,
                                           0x7f, 0x80, 0x9f, 0xa2, 0xdc, 0xff };
    char text[LENGTH_MAX];
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        memset(text, 'a', sizeof text);
        check_all(text, length);
        for (size_t at = 0; at < length; at++) {
            for (size_t i = 0; i < sizeof bytes && length % 9 == 0; i++) {
                memset(text, 'a', sizeof text);
                text[at] = (char)bytes[i];
                check_all(text, length);
                text[(at + i) % length] = '"';
                check_all(text, length);
            }
        }
    }
}

static void every_byte_is_told_apart_by_all(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text[33];
        memset(text, byte, sizeof text);
        check_all(text, sizeof text);
        bool high = false;
        const char *end = scan_plain(text, text + sizeof text, &high);
        bool stops = byte < 0x20 || byte == '"' || byte == '\\';
        assert_ptr_equal(end, stops ? text : text + sizeof text);
        assert_int_equal(high, !stops && byte >= 0x80);
    }
}

static void random_texts_agree(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252;
    for (int round = 0; round < 4000; round++) {
        char text[LENGTH_MAX];
        size_t length = 0;
        for (; length < sizeof text; length++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            text[length] = (seed & 15) != 0 ? (char)('a' + (seed >> 8) % 26) : (char)(seed >> 16);
        }
        check_all(text, length - seed % 8);
    }
}

static void space_is_what_the_grammar_says(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text[3] = { ' ', (char)byte, 'x' };
        bool space = byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
        assert_ptr_equal(scan_space(text, text + 3), text + (space ? 2 : 1));
        assert_ptr_equal(scan_space(text, text + 1), text + 1);
        assert_ptr_equal(scan_space(text, text), text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_stops_at_the_same_byte),
        cmocka_unit_test(every_byte_is_told_apart_by_all),
        cmocka_unit_test(random_texts_agree),
        cmocka_unit_test(space_is_what_the_grammar_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
