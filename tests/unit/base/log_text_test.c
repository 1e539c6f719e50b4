#include "unit.h"

#include "base/encoding.h"
#include "base/log_text.h"

static void escapes(const char *text, size_t size, const char *expected)
{
    /* At every place relative to the bytes that are looked at together. */
    for (size_t before = 0; before < 33; before++) {
        char input[128], wanted[256], out[256];
        memset(input, 'a', before);
        memcpy(input + before, text, size);
        snprintf(wanted, sizeof wanted, "%.*s%s", (int)before, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", expected);
        char *end = log_text_escape(out, slice_of(input, before + size), sizeof out);
        assert_int_equal(end - out, strlen(wanted));
        assert_memory_equal(out, wanted, strlen(wanted));
    }
}

#define ESCAPES(text, expected) escapes(text, sizeof(text) - 1, expected)

static void text_is_escaped(void **state)
{
    (void)state;
    ESCAPES("", "");
    ESCAPES("plain text, more than eight bytes", "plain text, more than eight bytes");
    ESCAPES("say \"hi\"\\", "say \\\"hi\\\"\\\\");
    ESCAPES("a\nb\r\t\0c\x1f", "a\\u000ab\\u000d\\u0009\\u0000c\\u001f");
    ESCAPES("\x1b[31mred\x7f", "\\u001b[31mred\\u007f");
    ESCAPES("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    ESCAPES("\xc2\x9b"
            "31m",
            "\\u009b"
            "31m"); /* CSI as one character */
    ESCAPES("</script>", "</script>");
}

/* A reader of lines takes U+2028 for their end, and a terminal shows what stands between U+202E and U+202C backwards. */
static void what_acts_is_escaped(void **state)
{
    (void)state;
    ESCAPES("a\xe2\x80\xa8{\xe2\x80\xa9", "a\\u2028{\\u2029");
    ESCAPES("\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae",
            "\\u202a\\u202b\\u202c\\u202d\\u202e");
    ESCAPES("\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9", "\\u2066\\u2067\\u2068\\u2069");
    ESCAPES("\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "\\u200e\\u200f\\u061c");
    ESCAPES("\xc2\x80\xc2\x85\xc2\x9f", "\\u0080\\u0085\\u009f");
    /* Their neighbours, joiners of scripts and emoji among them. */
    ESCAPES("\xc2\xa0\xe2\x80\x8d\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa",
            "\xc2\xa0\xe2\x80\x8d\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa");
    ESCAPES("\xd8\x9b\xd7\xa9\xd9\x84\xf0\x9f\x98\x80", "\xd8\x9b\xd7\xa9\xd9\x84\xf0\x9f\x98\x80");
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
    (void)state;
    ESCAPES("\xff", "\\ufffd");
    ESCAPES("a\x80z", "a\\ufffdz");
    ESCAPES("\xc0\xaf", "\\ufffd\\ufffd"); /* overlong / */
    ESCAPES("\xe0\x80\xaf", "\\ufffd\\ufffd\\ufffd");
    ESCAPES("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"); /* a surrogate */
    ESCAPES("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd");
    ESCAPES("\xe2\x82", "\\ufffd\\ufffd"); /* cut off */
    ESCAPES("\xc3", "\\ufffd");
    ESCAPES("\xc3\"", "\\ufffd\\\"");
}

/* Against the strict checker of base, for every pair and many triples of bytes. */
static void what_comes_out_is_utf8(void **state)
{
    (void)state;
    for (unsigned int code = 0; code < 0x1000000; code += code < 0x10000 ? 1 : 251) {
        char input[3] = { (char)(code >> 8), (char)code, (char)(code >> 16) };
        char out[64];
        char *end = log_text_escape(out, slice_of(input, 3), sizeof out);
        struct slice text = slice_of(out, (size_t)(end - out));
        assert_true(utf8_valid(text));
        for (size_t i = 0; i < text.len; i++) {
            assert_true((unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f);
        }
        if (utf8_valid(slice_of(input, 3))) {
            assert_false(slice_contains(text, SLICE("\\ufffd")));
        }
    }
}

static void long_text_is_cut_at_a_character(void **state)
{
    (void)state;
    char input[200], out[64];
    for (size_t size = 0; size < sizeof input; size++) {
        for (size_t i = 0; i < size; i++) {
            input[i] = "\"\xc3\xa9x\x01"[i % 5];
        }
        for (size_t maximum = 16; maximum <= 40; maximum++) {
            memset(out, '#', sizeof out);
            char *end = log_text_escape(out, slice_of(input, size), maximum);
            assert_true((size_t)(end - out) <= maximum);
            assert_int_equal(*end, '#');
            assert_true(utf8_valid(slice_of(out, (size_t)(end - out))));
            if (size > 3 * maximum) {
                assert_true(slice_ends_with(slice_of(out, (size_t)(end - out)), SLICE("\xe2\x80\xa6")));
            }
        }
    }
}

/* Each length, with one quote anywhere or nowhere, into exactly as much room as it takes. */
static void each_length_is_escaped_within_its_room(void **state)
{
    (void)state;
    for (size_t len = 0; len <= 40; len++) {
        for (size_t quote = 0; quote <= len; quote++) {
            char text[41], expected[48], *room = malloc(len + 8);
            size_t size = 0;
            for (size_t i = 0; i < len; i++) {
                text[i] = i == quote ? '"' : (char)('a' + i % 26);
                if (i == quote) {
                    expected[size++] = '\\';
                }
                expected[size++] = text[i];
            }
            size_t maximum = size + 3; /* what a mark of a cut would take stays free */
            assert_non_null(room);
            memset(room, '#', len + 8);
            char *end = log_text_escape(room, slice_of(text, len), maximum);
            assert_int_equal(end - room, size);
            assert_memory_equal(room, expected, size);
            for (size_t i = size; i < len + 8; i++) {
                assert_int_equal(room[i], '#');
            }
            free(room);
        }
    }
}

static void assert_masked(const char *text, const char *expected)
{
    char *copy = strdup(text);
    log_text_mask(copy, strlen(copy));
    assert_string_equal(copy, expected);
    free(copy);
}

static void what_acts_is_masked_where_it_stands(void **state)
{
    (void)state;
    assert_masked("", "");
    assert_masked("say \"\xe2\x82\xac\" \\\n", "say \"\xe2\x82\xac\" \\\n");
    assert_masked("a\x1b[31mb\x7f\r\n", "a?[31mb??\n");
    assert_masked("a\xc2\x9b"
                  "31m",
                  "a??31m");
    assert_masked("\xe2\x80\xae"
                  "x\xff\xe2\x80",
                  "???x???");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(what_acts_is_escaped),
        cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
        cmocka_unit_test(what_comes_out_is_utf8),
        cmocka_unit_test(long_text_is_cut_at_a_character),
        cmocka_unit_test(each_length_is_escaped_within_its_room),
        cmocka_unit_test(what_acts_is_masked_where_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
