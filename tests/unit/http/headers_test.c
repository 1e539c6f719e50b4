#include "http/headers.h"
#include "unit.h"

static void test_every_known_name_maps(void **state)
{
    (void)state;
    for (int id = HEADER_OTHER + 1; id < HEADER_ID_COUNT; id++) {
        struct slice name = header_name((enum header_id)id);
        assert_true(name.len > 0 && name.len < 64);
        if (header_id_of(name) != (enum header_id)id) {
            const unsigned char *bytes = (const unsigned char *)name.ptr;
            fail_msg("\"%.*s\" wants slot %u of the table in headers.c", SLICE_ARG(name),
                     (17U * (unsigned int)name.len + 3U * (bytes[0] | 0x20U) +
                      29U * (bytes[name.len * 3 / 4] | 0x20U) + 11U * (bytes[name.len - 1] | 0x20U)) &
                         0xffU);
        }
    }
    assert_int_equal(header_name(HEADER_OTHER).len, 0);
    assert_int_equal(header_name(HEADER_ID_COUNT).len, 0);
}

static void test_case_does_not_matter(void **state)
{
    (void)state;
    for (int id = HEADER_OTHER + 1; id < HEADER_ID_COUNT; id++) {
        char other[64];
        struct slice name = header_name((enum header_id)id);
        for (size_t i = 0; i < name.len; i++) {
            bool upper = ascii_is_alpha(name.ptr[i]) && i % 3 != 1;
            other[i] = upper ? (char)(name.ptr[i] - 0x20) : name.ptr[i];
        }
        assert_int_equal(header_id_of(slice_of(other, name.len)), id);
    }
}

/* A byte that differs from the right one, in any bit, is another name: "Content\rLength" is not "Content-Length". */
static void test_near_misses_are_other(void **state)
{
    (void)state;
    for (int id = HEADER_OTHER + 1; id < HEADER_ID_COUNT; id++) {
        char other[65];
        struct slice name = header_name((enum header_id)id);
        for (size_t i = 0; i < name.len; i++) {
            for (int bit = 0; bit < 8; bit++) {
                memcpy(other, name.ptr, name.len);
                other[i] = (char)(other[i] ^ (1 << bit));
                struct slice text = slice_of(other, name.len);
                enum header_id got = header_id_of(text);
                assert_true(got == HEADER_OTHER || slice_equal_nocase(header_name(got), text));
            }
        }
        memcpy(other, name.ptr, name.len);
        other[name.len] = 'x';
        enum header_id longer = header_id_of(slice_of(other, name.len + 1));
        assert_true(longer == HEADER_OTHER);
        assert_true(header_id_of(slice_of(other, name.len - 1)) != (enum header_id)id);
    }
    assert_int_equal(header_id_of(SLICE_NONE), HEADER_OTHER);
    assert_int_equal(header_id_of(SLICE("x")), HEADER_OTHER);
    assert_int_equal(header_id_of(SLICE("X_Real_IP")), HEADER_OTHER);
}

static void test_list_of_headers(void **state)
{
    (void)state;
    struct header items[3];
    struct headers headers = { items, 0, 3 };
    assert_null(headers_find(&headers, HEADER_COOKIE));
    assert_true(headers_add(&headers, HEADER_COOKIE, SLICE("Cookie"), SLICE("a=1")));
    assert_true(headers_add(&headers, HEADER_OTHER, SLICE("X-Tenant"), SLICE("t")));
    assert_true(headers_add(&headers, HEADER_COOKIE, SLICE("cookie"), SLICE("b=2")));
    assert_false(headers_add(&headers, HEADER_COOKIE, SLICE("cookie"), SLICE("c=3")));
    assert_slice(headers_find(&headers, HEADER_COOKIE)->value, "a=1");
    assert_slice(headers_find_name(&headers, SLICE("COOKIE"))->value, "a=1");
    assert_slice(headers_find_name(&headers, SLICE("x-tenant"))->value, "t");
    assert_null(headers_find_name(&headers, SLICE("x-tenant2")));
    assert_null(headers_find_name(&headers, SLICE("host")));
    assert_int_equal(headers_count(&headers, HEADER_COOKIE), 2);
    assert_int_equal(headers_count(&headers, HEADER_HOST), 0);
}

static void test_tokens(void **state)
{
    (void)state;
    assert_true(http_token_valid(SLICE("X-Token_1.~")));
    assert_false(http_token_valid(SLICE("")));
    assert_false(http_token_valid(SLICE("a b")));
    assert_false(http_token_valid(SLICE("a:")));
    assert_false(http_token_valid(SLICE("a\r")));
    assert_false(http_token_valid(SLICE("\xc3\xa4")));
}

static void test_field_values(void **state)
{
    (void)state;
    assert_true(http_field_value_valid(SLICE("")));
    assert_true(http_field_value_valid(SLICE("a \t b")));
    assert_true(http_field_value_valid(SLICE("D\xfcsseldorf, a longer value of many words")));
    assert_false(http_field_value_valid(SLICE(" a")));
    assert_false(http_field_value_valid(SLICE("a\t")));
    assert_false(http_field_value_valid(SLICE("a\r\nX-Evil: 1")));
    assert_false(http_field_value_valid(SLICE("a\nb")));
    assert_false(http_field_value_valid(SLICE("a value that is long\0")));
    assert_false(http_field_value_valid(SLICE("a\x7f")));
    assert_false(http_field_value_valid(SLICE("a\x0b")));
}

static void test_lists(void **state)
{
    (void)state;
    struct slice rest = SLICE(" , a,\tb ,, \"c,\\\"d\", e");
    struct slice element;
    const char *expected[] = { "a", "b", "\"c,\\\"d\"", "e" };
    for (size_t i = 0; i < 4; i++) {
        assert_true(http_list_next(&rest, &element));
        assert_slice(element, expected[i]);
    }
    assert_false(http_list_next(&rest, &element));
    assert_true(http_list_contains(SLICE("Keep-Alive, Upgrade"), SLICE("upgrade")));
    assert_false(http_list_contains(SLICE("Keep-Alive, Upgrades"), SLICE("upgrade")));
    assert_false(http_list_contains(SLICE(""), SLICE("upgrade")));
    /* A quote that never closes takes the rest with it. */
    rest = SLICE("\"a, close");
    assert_true(http_list_next(&rest, &element));
    assert_slice(element, "\"a, close");
    rest = SLICE("\"a\\");
    assert_true(http_list_next(&rest, &element));
    assert_slice(element, "\"a\\");
    assert_false(http_list_next(&rest, &element));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_known_name_maps),
        cmocka_unit_test(test_case_does_not_matter),
        cmocka_unit_test(test_near_misses_are_other),
        cmocka_unit_test(test_list_of_headers),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_field_values),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
