#include "unit.h"

#include "base/encoding.h"

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* In memory of its own, so that a sanitizer sees a look beyond the end. */
static char *copy_of(const char *text, size_t length)
{
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    return copy;
}

/* A sequence is judged alike wherever it stands among ASCII, whatever is read at a time. */
static void utf8_is_judged_alike_at_every_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        { "\xc3\xa9", true },
        { "\xe2\x82\xac", true },
        { "\xf0\x9f\x98\x80", true },
        { "\xef\xbf\xbf", true },
        { "\xf4\x8f\xbf\xbf", true },
        { "\x7f", true },
        { "\x80", false },
        { "\xc3", false },
        { "\xc0\xaf", false },
        { "\xe0\x80\xaf", false },
        { "\xed\xa0\x80", false },
        { "\xf4\x90\x80\x80", false },
        { "\xf8\x88\x80\x80", false },
        { "\xe2\x82", false },
        { "\xc3\xa9\x80", false },
        { "\xff", false },
        { "\xf0\x8f\xbf\xbf", false },
        { "\xc1\xbf", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = strlen(cases[i].text);
        for (size_t before = 0; before < 20; before++) {
            for (size_t after = 0; after < 20; after++) {
                char text[64];
                memset(text, 'a', sizeof text);
                memcpy(text + before, cases[i].text, size);
                char *copy = copy_of(text, before + size + after);
                assert_int_equal(utf8_valid(slice_of(copy, before + size + after)), cases[i].valid);
                free(copy);
            }
        }
    }
    assert_true(utf8_valid(SLICE_NONE));
    assert_true(utf8_valid(SLICE("a\0b")));
}

/* Every length and content goes there and back, and the text has one spelling. */
static void base64_goes_there_and_back(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (size_t size = 0; size < 200; size++) {
        unsigned char bytes[200], back[BASE64_DECODED_MAX(300)];
        char text[300];
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (unsigned char)(next_random(&seed) >> 20);
        }
        size_t length = base64url_encode(bytes, size, text);
        char *copy = copy_of(text, length);
        assert_int_equal(base64url_decode(slice_of(copy, length), back), size);
        assert_memory_equal(back, bytes, size);
        free(copy);
        length = base64_encode(bytes, size, text);
        assert_int_equal(length % 4, 0);
        assert_int_equal(base64_decode(slice_of(text, length), back), size);
        assert_memory_equal(back, bytes, size);
    }
}

/* One foreign byte anywhere spoils it: padding, white space and the other alphabet too. */
static void base64_refuses_every_foreign_byte(void **state)
{
    (void)state;
    unsigned char out[BASE64_DECODED_MAX(16)];
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        bool common = ascii_is_alpha(c) || ascii_is_digit(c);
        for (size_t length = 2; length <= 16; length++) {
            for (size_t at = 0; at < length; at++) {
                char text[16];
                memset(text, 'A', sizeof text);
                text[at] = c;
                if (length % 4 == 1 || at + 1 == length) {
                    continue; /* another rule: length, or bits left over */
                }
                assert_int_equal(base64url_decode(slice_of(text, length), out) >= 0,
                                 common || c == '-' || c == '_');
                if (length % 4 == 0) {
                    assert_int_equal(base64_decode(slice_of(text, length), out) >= 0,
                                     common || c == '+' || c == '/');
                }
            }
        }
    }
}

static void base64_has_one_spelling(void **state)
{
    (void)state;
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char out[8];
    assert_int_equal(base64url_decode(SLICE("A"), out), -1);
    assert_int_equal(base64url_decode(SLICE("AAAAA"), out), -1);
    for (size_t i = 0; i < 64; i++) {
        char text[4] = { 'A', alphabet[i], 'A', alphabet[i] };
        assert_int_equal(base64url_decode(slice_of(text, 2), out), i % 16 == 0 ? 1 : -1);
        text[2] = alphabet[i];
        assert_int_equal(base64url_decode(slice_of(text, 3), out), i % 4 == 0 ? 2 : -1);
        assert_int_equal(base64url_decode(slice_of(text, 4), out), 3);
    }
    assert_int_equal(base64_decode(SLICE("AA=="), out), 1);
    assert_int_equal(base64_decode(SLICE("AA="), out), -1);
    assert_int_equal(base64_decode(SLICE("AA"), out), -1);
    assert_int_equal(base64_decode(SLICE("A==="), out), -1);
    assert_int_equal(base64_decode(SLICE("===="), out), -1);
    assert_int_equal(base64url_decode(SLICE("AA=="), out), -1);
}

static void hexadecimal_digits(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        int expected = byte >= '0' && byte <= '9'   ? byte - '0'
                       : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
                       : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                                    : -1;
        assert_int_equal(hex_digit((char)byte), expected);
    }
    char text[6];
    hex_encode("\x00\xaf\xff", 3, text);
    assert_memory_equal(text, "00afff", 6);
}

/* Four bytes are written at once: every byte at every place among them, and what is left behind them. */
static void hexadecimal_digits_of_every_byte(void **state)
{
    (void)state;
    for (unsigned int byte = 0; byte < 256; byte++) {
        for (size_t size = 1; size <= 11; size++) {
            unsigned char bytes[11];
            char text[2 * sizeof bytes + 1], wanted[2 * sizeof bytes + 1];
            for (size_t i = 0; i < size; i++) {
                bytes[i] = (unsigned char)(byte + 37 * i);
                snprintf(wanted + 2 * i, 3, "%02x", bytes[i]);
            }
            text[2 * size] = 'x';
            hex_encode(bytes, size, text);
            assert_memory_equal(text, wanted, 2 * size);
            assert_int_equal(text[2 * size], 'x');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_judged_alike_at_every_place),
        cmocka_unit_test(base64_goes_there_and_back),
        cmocka_unit_test(base64_refuses_every_foreign_byte),
        cmocka_unit_test(base64_has_one_spelling),
        cmocka_unit_test(hexadecimal_digits),
        cmocka_unit_test(hexadecimal_digits_of_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
