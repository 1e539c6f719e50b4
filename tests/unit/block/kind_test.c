#include "block/kind.h"

#include "unit.h"

static const char *read_as(enum block_kind kind, const char *issuer, const char *value,
                           struct block_target *out)
{
    return block_target_read(kind, slice_from_string(issuer), slice_from_string(value), out);
}

static void finds_kinds_by_name(void **state)
{
    (void)state;
    enum block_kind kind;
    for (int i = 0; i < BLOCK_KIND_COUNT; i++) {
        assert_true(block_kind_find(block_kind_infos[i].name, &kind));
        assert_int_equal(kind, i);
        assert_int_not_equal(block_kind_infos[i].reason, DENY_NONE);
    }
    assert_false(block_kind_find(SLICE("user"), &kind));
    assert_false(block_kind_find(SLICE(""), &kind));
}

static void digests_have_one_form(void **state)
{
    (void)state;
    struct block_target target;
    char colons[97], upper[80] = "sha256:";
    for (int i = 0; i < 32; i++) {
        snprintf(colons + 3 * i, 4, "aB:");
        snprintf(upper + 7 + 2 * i, 3, "AB");
    }
    colons[95] = '\0'; /* the last colon */
    const enum block_kind kinds[] = { BLOCK_TOKEN, BLOCK_CERTIFICATE };
    for (size_t i = 0; i < 2; i++) {
        assert_null(read_as(kinds[i], "", colons, &target));
        assert_int_equal(target.value.len, 64);
        assert_memory_equal(target.value.ptr, "abab", 4);
        assert_int_equal(target.digest[31], 0xab);
        assert_null(read_as(kinds[i], "", upper, &target));
        assert_memory_equal(target.value.ptr, "abab", 4);
        assert_non_null(read_as(kinds[i], "", upper + 9, &target));
        assert_non_null(read_as(kinds[i], "", "zz", &target));
        assert_non_null(read_as(kinds[i], "someone", upper, &target));
    }
    upper[10] = 'g';
    assert_non_null(read_as(BLOCK_TOKEN, "", upper, &target));
}

static void serial_numbers_have_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *written, *read;
    } cases[] = {
        { "0abc", "0abc" },        { "ABC", "0abc" },    { "0x0ABC", "0abc" },
        { "00:00:0a:bc", "0abc" }, { "0Xabcd", "abcd" }, { "1", "01" },
        { "000001", "01" },        { "00ff", "ff" },     { "7f:ff:00", "7fff00" },
    };
    struct block_target target;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(read_as(BLOCK_SERIAL, "CN=CA", cases[i].written, &target));
        assert_slice(target.value, cases[i].read);
        assert_slice(target.issuer, "CN=CA");
    }
    static const char *const wrong[] = { "", "0", "000", "0x", "xyz", ":01", "12 34", "-1" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_non_null(read_as(BLOCK_SERIAL, "CN=CA", wrong[i], &target));
    }
    assert_non_null(read_as(BLOCK_SERIAL, "", "01", &target));
    char longest[BLOCK_STORE_TEXT + 1];
    memset(longest, 'f', sizeof longest);
    for (size_t len = BLOCK_STORE_TEXT - 2; len <= BLOCK_STORE_TEXT; len++) {
        assert_null(block_target_read(BLOCK_SERIAL, SLICE("CN=CA"), slice_of(longest, len), &target));
        assert_int_equal(target.value.len, (len + 1) / 2 * 2);
    }
    assert_non_null(
        block_target_read(BLOCK_SERIAL, SLICE("CN=CA"), slice_of(longest, sizeof longest), &target));
}

static void addresses_have_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *written, *read;
    } cases[] = {
        { "192.0.2.1", "192.0.2.1" },         { "192.0.2.1/32", "192.0.2.1" },
        { "10.0.0.0/8", "10.0.0.0/8" },       { "::ffff:192.0.2.1", "192.0.2.1" },
        { "2001:DB8::1", "2001:db8::1" },     { "2001:db8::/48", "2001:db8::/48" },
        { "2001:db8::1/128", "2001:db8::1" },
    };
    struct block_target target;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(read_as(BLOCK_ADDRESS, "", cases[i].written, &target));
        assert_slice(target.value, cases[i].read);
    }
}

/* The operator would lock himself out, or everybody. */
static void some_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "127.0.0.1",   "127.1.2.3",  "127.0.0.0/8",   "::1",
                                         "0.0.0.0/0",   "::/0",       "::/64",         "::/96",
                                         "126.0.0.0/7", "64.0.0.0/4", "2000::/3",      "2000::/15",
                                         "0.0.0.0",     "::",         "::ffff:0:0/96", "10.0.0.1/8",
                                         "10.0.0",      "host",       "192.0.2.0/33" };
    struct block_target target;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_non_null(read_as(BLOCK_ADDRESS, "", wrong[i], &target));
    }
}

static void names_are_one_line(void **state)
{
    (void)state;
    struct block_target target;
    assert_null(read_as(BLOCK_SUB, "https://idp", "alice of the \xc3\xa9toile", &target));
    assert_non_null(read_as(BLOCK_SUB, "https://idp", "", &target));
    assert_non_null(read_as(BLOCK_SUB, "https://idp", "a\nb", &target));
    assert_non_null(read_as(BLOCK_SUB, "", "alice", &target));
    assert_non_null(read_as(BLOCK_CONSUMER, "https://idp", "acme", &target));
    char longest[BLOCK_STORE_TEXT + 1];
    memset(longest, 'x', sizeof longest);
    assert_true(block_text_valid(slice_of(longest, BLOCK_STORE_TEXT)));
    assert_false(block_text_valid(slice_of(longest, BLOCK_STORE_TEXT + 1)));
    assert_false(block_text_valid(SLICE("\x7f")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_kinds_by_name),          cmocka_unit_test(digests_have_one_form),
        cmocka_unit_test(serial_numbers_have_one_form), cmocka_unit_test(addresses_have_one_form),
        cmocka_unit_test(some_addresses_are_refused),   cmocka_unit_test(names_are_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
