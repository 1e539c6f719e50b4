#include "unit.h"

#include "net/name.h"

#define LABEL_63 "a23456789012345678901234567890123456789012345678901234567890123"

static void names_have_labels(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a", "a.b", "A-1_b.example", "-a", "a-", "1", "10.1", LABEL_63,
    };
    static const char *const bad[] = {
        "", ".", "a.", ".a", "a..b", "a b", "a:1", "*.a", "a/b", "\xc3\xa4", LABEL_63 "4",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(name_has_labels(slice_from_string(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(name_has_labels(slice_from_string(bad[i])));
    }
    assert_false(name_has_labels(SLICE("a\0b")));
    assert_false(name_has_labels(SLICE_NONE));
}

static void hosts_are_no_numbers_to_anybody(void **state)
{
    (void)state;
    static const char *const good[] = { "a", "a.b", "_http._tcp.a", "3proxy", "1.a", "a.1b", "x0" };
    static const char *const bad[] = {
        "", "1", "127.1", "a.1", "0x7f000001", "a.0X7f", "-a", "a-", "a.-b", "a-.b", "a..b", "[::1]",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(name_is_host(slice_from_string(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(name_is_host(slice_from_string(bad[i])));
    }
}

static void hosts_are_no_longer_than_dns_lets_them_be(void **state)
{
    (void)state;
    static const char longest[] = LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63;
    assert_true(name_is_host(slice_of(longest, DNS_NAME_MAX)));
    assert_false(name_is_host(slice_of(longest, DNS_NAME_MAX + 1)));
    assert_true(name_has_labels(slice_of(longest, DNS_NAME_MAX)));
    assert_false(name_has_labels(slice_of(longest, DNS_NAME_MAX + 1)));
}

static void services_may_be_called_by_numbers(void **state)
{
    (void)state;
    static const char *const good[] = { "a", "a-", "1", "127.1", "a_b", "A.b" };
    static const char *const bad[] = { "", "-a", "a.-b", "a..b", "a/b", "a b", "a.", "a?b" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(name_is_service(slice_from_string(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(name_is_service(slice_from_string(bad[i])));
    }
}

static void localhost_is_this_machine_whatever_stands_before_it(void **state)
{
    (void)state;
    static const char *const good[] = { "localhost", "LocalHost", "a.localhost", "a.b.localhost" };
    static const char *const bad[] = { "",           "ocalhost",    "alocalhost",
                                       "localhost.", "localhost.a", "a-localhost" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(name_is_localhost(slice_from_string(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(name_is_localhost(slice_from_string(bad[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_labels),
        cmocka_unit_test(hosts_are_no_numbers_to_anybody),
        cmocka_unit_test(hosts_are_no_longer_than_dns_lets_them_be),
        cmocka_unit_test(services_may_be_called_by_numbers),
        cmocka_unit_test(localhost_is_this_machine_whatever_stands_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
