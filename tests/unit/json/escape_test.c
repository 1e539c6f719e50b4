#include "unit.h"

#include "json/escape.h"

static void assert_decodes(struct slice raw, struct slice expected)
{
    char out[64];
    size_t length = 0;
    assert_null(escape_decode(raw, out, &length));
    assert_int_equal(length, expected.len);
    assert_memory_equal(out, expected.ptr, expected.len);
}

static void assert_bad_at(struct slice raw, size_t offset)
{
    char out[64];
    size_t length = 77;
    assert_ptr_equal(escape_decode(raw, out, &length), raw.ptr + offset);
    assert_int_equal(length, 77);
}

static void decodes_every_escape(void **state)
{
    (void)state;
    assert_decodes(SLICE("\\\"\\\\\\/\\b\\f\\n\\r\\t"), SLICE("\"\\/\b\f\n\r\t"));
    assert_decodes(SLICE("a\\u0041b\\u00e9\\u20AC"), SLICE("aAb\xc3\xa9\xe2\x82\xac"));
    assert_decodes(SLICE("\\u0000"), SLICE("\0"));
    assert_decodes(SLICE("\\uD834\\uDD1E"), SLICE("\xf0\x9d\x84\x9e"));
    assert_decodes(SLICE("\\udbff\\udfff"), SLICE("\xf4\x8f\xbf\xbf"));
}

static void refuses_what_json_does_not_have(void **state)
{
    (void)state;
    assert_bad_at(SLICE("ab\\x41"), 2);
    assert_bad_at(SLICE("\\'"), 0);
    assert_bad_at(SLICE("\\"), 0);
    assert_bad_at(SLICE("\\U0041"), 0);
    assert_bad_at(SLICE("\\u004"), 0);
    assert_bad_at(SLICE("\\u00g1"), 0);
    assert_bad_at(SLICE("\\u+041"), 0);
}

/* A lone surrogate becomes U+FFFD in one reader, bytes of its own in the next: two users with one name. */
static void refuses_lone_surrogates(void **state)
{
    (void)state;
    char out[64];
    size_t length;
    static const char *const lone[] = {
        "\\ud800",        "\\udc00",        "\\ud800x",       "\\ud800\\n",
        "\\ud800\\ud800", "\\udc00\\ud800", "\\ud800\\u0041", "\\ud800\\udc0"
    };
    for (size_t i = 0; i < sizeof lone / sizeof *lone; i++) {
        assert_non_null(escape_decode(slice_from_string(lone[i]), out, &length));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_every_escape),
        cmocka_unit_test(refuses_what_json_does_not_have),
        cmocka_unit_test(refuses_lone_surrogates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
