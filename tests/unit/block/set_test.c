#include "block/set.h"

#include "unit.h"

#define NOW 1000

static struct block_set *the_set;

static void add(const char *kind, const char *issuer, const char *value, int64_t expires, const char *name)
{
    const struct block_record record = {
        .kind = slice_from_string(kind),
        .issuer = slice_from_string(issuer),
        .value = slice_from_string(value),
        .reason = SLICE("why"),
        .by = SLICE("olga"),
        .expires = expires,
    };
    assert_ok(block_set_add(the_set, &record, slice_from_string(name), BLOCK_OF_STORE, NOW));
}

static int setup(void **state)
{
    (void)state;
    assert_ok(block_set_new(&the_set));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    block_set_unref(the_set);
    return 0;
}

static const struct block_entry *find(enum block_kind kind, const char *issuer, const char *value,
                                      int64_t now)
{
    struct block_mark mark = block_mark_of(kind, slice_from_string(issuer), slice_from_string(value));
    return block_set_find(the_set, &mark, now);
}

static const struct block_entry *find_address(const char *text)
{
    struct address address;
    assert_true(address_parse(slice_from_string(text), &address));
    return block_set_find_address(the_set, &address, NOW);
}

static void an_empty_set_meets_nobody(void **state)
{
    (void)state;
    assert_true(block_set_is_empty(NULL));
    assert_false(block_set_has(NULL, BLOCK_SUB));
    assert_ok(block_set_seal(the_set));
    assert_true(block_set_is_empty(the_set));
    assert_null(find(BLOCK_SUB, "i", "alice", NOW));
    assert_null(find_address("192.0.2.1"));
    size_t position = 0;
    assert_null(block_set_next(the_set, &position));
    assert_null(block_set_next(NULL, &position));
}

static void meets_what_is_in_it_and_nothing_else(void **state)
{
    (void)state;
    add("sub", "https://one", "alice", 0, "1");
    add("consumer", "", "alice", 0, "2");
    assert_ok(block_set_seal(the_set));
    const struct block_entry *entry = find(BLOCK_SUB, "https://one", "alice", NOW);
    assert_non_null(entry);
    assert_slice(entry->name, "1");
    assert_slice(entry->reason, "why");
    assert_slice(find(BLOCK_CONSUMER, "", "alice", NOW)->name, "2");
    assert_null(find(BLOCK_SUB, "https://two", "alice", NOW));
    assert_null(find(BLOCK_SUB, "https://one", "alic", NOW));
    assert_null(find(BLOCK_SUB, "https://one", "Alice", NOW));
    assert_null(find(BLOCK_JTI, "https://one", "alice", NOW));
    /* The border between issuer and value is part of the mark. */
    assert_null(find(BLOCK_SUB, "https://onea", "lice", NOW));
    assert_null(find(BLOCK_SUB, "", "https://onealice", NOW));
    assert_true(block_set_has(the_set, BLOCK_SUB));
    assert_false(block_set_has(the_set, BLOCK_TOKEN));
}

static void digests_are_met_by_their_bytes(void **state)
{
    (void)state;
    char hex[65];
    unsigned char bytes[32];
    for (size_t i = 0; i < 32; i++) {
        bytes[i] = (unsigned char)(i * 7);
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    }
    add("token", "", hex, 0, "1");
    assert_ok(block_set_seal(the_set));
    struct block_mark mark =
        block_mark_of(BLOCK_TOKEN, SLICE_NONE, slice_of((const char *)bytes, sizeof bytes));
    assert_non_null(block_set_find(the_set, &mark, NOW));
    mark = block_mark_of(BLOCK_CERTIFICATE, SLICE_NONE, slice_of((const char *)bytes, sizeof bytes));
    assert_null(block_set_find(the_set, &mark, NOW));
}

static void expires_by_itself(void **state)
{
    (void)state;
    add("consumer", "", "gone", NOW, "1");
    add("consumer", "", "soon", NOW + 10, "2");
    assert_ok(block_set_seal(the_set));
    assert_null(find(BLOCK_CONSUMER, "", "gone", NOW - 1)); /* left out */
    assert_non_null(find(BLOCK_CONSUMER, "", "soon", NOW + 9));
    assert_null(find(BLOCK_CONSUMER, "", "soon", NOW + 10));
}

static void of_two_the_longer_one_counts(void **state)
{
    (void)state;
    add("consumer", "", "a", NOW + 10, "1");
    add("consumer", "", "a", 0, "2");
    add("consumer", "", "a", NOW + 20, "3");
    add("consumer", "", "b", NOW + 20, "4");
    add("consumer", "", "b", NOW + 10, "5");
    assert_ok(block_set_seal(the_set));
    assert_slice(find(BLOCK_CONSUMER, "", "a", NOW)->name, "2");
    assert_slice(find(BLOCK_CONSUMER, "", "b", NOW)->name, "4");
    size_t position = 0, count = 0;
    while (block_set_next(the_set, &position) != NULL) {
        count++;
    }
    assert_int_equal(count, 2);
}

static void addresses_by_all_lengths_of_prefixes(void **state)
{
    (void)state;
    add("address", "", "192.0.2.7", 0, "host");
    add("address", "", "198.51.100.0/25", 0, "net");
    add("address", "", "10.0.0.0/8", NOW + 10, "wide");
    add("address", "", "2001:db8:2::/47", 0, "v6");
    assert_ok(block_set_seal(the_set));
    assert_slice(find_address("192.0.2.7")->name, "host");
    assert_slice(find_address("::ffff:192.0.2.7")->name, "host");
    assert_null(find_address("192.0.2.6"));
    assert_slice(find_address("198.51.100.127")->name, "net");
    assert_null(find_address("198.51.100.128"));
    assert_slice(find_address("10.255.1.2")->name, "wide");
    assert_null(find_address("11.0.0.0"));
    assert_slice(find_address("2001:db8:3:ffff::1")->name, "v6");
    assert_null(find_address("2001:db8:4::1"));
    /* Who has no address, as on a Unix socket, is at none. */
    struct address none = { .port = 0 };
    assert_null(block_set_find_address(the_set, &none, NOW));
}

static void what_is_exempt_is_not_met(void **state)
{
    (void)state;
    struct address_prefix exempt;
    add("address", "", "198.51.100.0/24", 0, "net");
    assert_true(address_prefix_parse(SLICE("198.51.100.64/26"), &exempt));
    assert_ok(block_set_exempt(the_set, &exempt));
    assert_ok(block_set_seal(the_set));
    assert_non_null(find_address("198.51.100.63"));
    assert_null(find_address("198.51.100.64"));
    assert_null(find_address("198.51.100.127"));
    assert_non_null(find_address("198.51.100.128"));
}

static void what_is_not_understood_is_no_block(void **state)
{
    (void)state;
    struct block_record record = { .kind = SLICE("planet"), .value = SLICE("x") };
    assert_fails(block_set_add(the_set, &record, SLICE("1"), BLOCK_OF_STORE, NOW), ERROR_VALUE);
    record.kind = SLICE("address");
    assert_fails(block_set_add(the_set, &record, SLICE("1"), BLOCK_OF_STORE, NOW), ERROR_VALUE);
}

static void many(void **state)
{
    (void)state;
    char value[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(value, sizeof value, "consumer-%d", i);
        add("consumer", "", value, 0, value);
    }
    assert_ok(block_set_seal(the_set));
    for (int i = 0; i < 20000; i++) {
        snprintf(value, sizeof value, "consumer-%d", i);
        assert_slice(find(BLOCK_CONSUMER, "", value, NOW)->name, value);
        snprintf(value, sizeof value, "other-%d", i);
        assert_null(find(BLOCK_CONSUMER, "", value, NOW));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_set_meets_nobody),
        TEST(meets_what_is_in_it_and_nothing_else),
        TEST(digests_are_met_by_their_bytes),
        TEST(expires_by_itself),
        TEST(of_two_the_longer_one_counts),
        TEST(addresses_by_all_lengths_of_prefixes),
        TEST(what_is_exempt_is_not_met),
        TEST(what_is_not_understood_is_no_block),
        TEST(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
