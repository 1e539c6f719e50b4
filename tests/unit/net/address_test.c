#include "unit.h"

#include "net/address.h"

static struct address parsed(const char *text)
{
    struct address address;
    if (!address_parse(slice_from_string(text), &address)) {
        fail_msg("%s is refused", text);
    }
    return address;
}

static void test_parses_and_formats(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "127.0.0.1", "127.0.0.1" },
        { "0.0.0.0", "0.0.0.0" },
        { "::1", "::1" },
        { "[::1]", "::1" },
        { "2001:DB8::A", "2001:db8::a" },
        { "::ffff:10.1.2.3", "10.1.2.3" },
        { "::", "::" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address address = parsed(cases[i][0]);
        char text[ADDRESS_TEXT_MAX];
        size_t size = address_format(&address, text);
        assert_slice(slice_of(text, size), cases[i][1]);
        assert_int_equal(address.port, 0);
    }
}

static void test_refuses_what_is_no_address(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "256.1.1.1",
        "1.2.3.4 ",
        " 1.2.3.4",
        "0x7f.1",
        "[1.2.3.4]",
        "[::1",
        "::1]",
        "fe80::1%1",
        ":::",
        "1.2.3.4/8",
        "[]",
        "example",
        "::1::",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address address = { .port = 77 };
        if (address_parse(slice_from_string(cases[i]), &address)) {
            fail_msg("%s is taken for an address", cases[i]);
        }
        assert_int_equal(address.port, 77);
    }
    struct address address;
    assert_false(address_parse(SLICE("1.2.3.4\0"), &address));
}

static void test_one_value_for_v4(void **state)
{
    (void)state;
    struct address dotted = parsed("10.1.2.3");
    struct address mapped = parsed("::ffff:a01:203");
    assert_memory_equal(dotted.bytes, mapped.bytes, 16);
    assert_true(address_is_v4(&mapped));
    struct address v6 = parsed("::a01:203");
    assert_false(address_is_v4(&v6));
}

static void test_socket_addresses(void **state)
{
    (void)state;
    static const char *const cases[] = { "10.1.2.3", "2001:db8::7" };
    for (size_t i = 0; i < 2; i++) {
        struct address address = parsed(cases[i]), back;
        address.port = 8443;
        struct sockaddr_storage storage;
        socklen_t size = address_to_sockaddr(&address, &storage);
        assert_int_equal(size, i == 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        assert_int_equal(storage.ss_family, i == 0 ? AF_INET : AF_INET6);
        assert_true(address_from_sockaddr((struct sockaddr *)&storage, &back));
        assert_memory_equal(&address, &back, sizeof back);
    }
    struct sockaddr other = { .sa_family = AF_UNIX };
    struct address address;
    assert_false(address_from_sockaddr(&other, &address));
}

static void test_prefixes(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *address;
        bool inside;
    } cases[] = {
        { "10.0.0.0/8", "10.255.0.1", true },
        { "10.0.0.0/8", "11.0.0.0", false },
        { "10.0.0.0/8", "::ffff:10.9.9.9", true },
        { "0.0.0.0/0", "1.2.3.4", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "::/0", "1.2.3.4", true },
        { "2001:db8::/33", "2001:db8:7fff::1", true },
        { "2001:db8::/33", "2001:db8:8000::1", false },
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false },
        { "192.0.2.128/25", "192.0.2.200", true },
        { "192.0.2.128/25", "192.0.2.127", false },
        { "::1/128", "::1", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address_prefix prefix;
        struct address address = parsed(cases[i].address);
        assert_true(address_prefix_parse(slice_from_string(cases[i].prefix), &prefix));
        if (address_in_prefix(&address, &prefix) != cases[i].inside) {
            fail_msg("%s in %s", cases[i].address, cases[i].prefix);
        }
    }
}

static void test_refuses_bad_prefixes(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "10.0.0.1/8", "10.0.0.0/33",    "10.0.0.0/", "10.0.0.0/-1",  "10.0.0.0/08",
        "/8",         "2001:db8::1/64", "::/129",    "10.0.0.0/8/8", "10.0.0.0/ 8",
        "",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address_prefix prefix;
        if (address_prefix_parse(slice_from_string(cases[i]), &prefix)) {
            fail_msg("%s is taken for a prefix", cases[i]);
        }
    }
}

static void test_networks(void **state)
{
    (void)state;
    struct address a = parsed("2001:db8:1:2:3:4:5:6"), b = parsed("2001:db8:1:2:ffff::");
    struct address c = parsed("2001:db8:1:3::"), v4 = parsed("10.1.2.3");
    a.port = 9;
    struct address network_a = address_network(&a), network_b = address_network(&b);
    assert_memory_equal(&network_a, &network_b, sizeof network_a);
    struct address network_c = address_network(&c), network_v4 = address_network(&v4);
    assert_memory_not_equal(&network_a, &network_c, sizeof network_a);
    assert_memory_equal(&network_v4, &v4, sizeof v4);
}

static void who_has_no_address(void **state)
{
    (void)state;
    char text[ADDRESS_TEXT_MAX];
    struct address none = { .port = 0 }, some = parsed("::1");
    struct address_prefix prefix = address_prefix_none();
    assert_true(address_is_none(&none));
    assert_false(address_is_none(&some));
    assert_true(address_in_prefix(&none, &prefix));
    assert_false(address_in_prefix(&some, &prefix));
    struct address_prefix all;
    assert_true(address_prefix_parse(SLICE("::/0"), &all));
    assert_true(address_in_prefix(&some, &all));
    assert_false(address_in_prefix(&none, &all));
    assert_slice(slice_of(text, address_format_peer(&none, text)), "unknown");
    assert_slice(slice_of(text, address_format_peer(&some, text)), "::1");
    struct address any = parsed("0.0.0.0");
    assert_true(address_is_unspecified(&any) && address_is_unspecified(&none));
    assert_false(address_is_unspecified(&some) || address_is_none(&any));
}

static void test_what_is_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_loopback;
    } cases[] = {
        { "127.0.0.1", true },  { "127.255.0.9", true }, { "::1", true },      { "::ffff:127.0.0.1", true },
        { "126.0.0.1", false }, { "128.0.0.1", false },  { "0.0.0.0", false }, { "::", false },
        { "::2", false },       { "7f00::1", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address address = parsed(cases[i].text);
        assert_int_equal(address_is_loopback(&address), cases[i].is_loopback);
    }
}

static void test_what_is_public(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_public;
    } cases[] = {
        { "9.255.255.255", true },
        { "10.0.0.0", false },
        { "10.255.255.255", false },
        { "11.0.0.0", true },
        { "0.0.0.0", false },
        { "100.63.255.255", true },
        { "100.64.0.1", false },
        { "100.127.255.255", false },
        { "100.128.0.0", true },
        { "127.0.0.1", false },
        { "127.255.255.254", false },
        { "128.0.0.1", true },
        { "169.254.169.254", false },
        { "172.15.0.1", true },
        { "172.16.0.1", false },
        { "172.31.255.255", false },
        { "172.32.0.1", true },
        { "192.0.0.8", false },
        { "192.0.2.1", false },
        { "192.88.99.1", false },
        { "192.167.0.1", true },
        { "192.168.0.1", false },
        { "198.17.0.1", true },
        { "198.19.0.1", false },
        { "198.51.100.1", false },
        { "203.0.113.1", false },
        { "223.255.255.255", true },
        { "224.0.0.1", false },
        { "255.255.255.255", false },
        { "::ffff:10.0.0.1", false },
        { "::ffff:9.9.9.9", true },
        { "::", false },
        { "::1", false },
        { "::10.0.0.1", false },
        { "fe80::1", false },
        { "fec0::1", false },
        { "fc00::1", false },
        { "fd00:ec2::254", false },
        { "ff02::1", false },
        { "100::1", false },
        { "64:ff9b::9.9.9.9", true },
        { "64:ff9b::a9fe:a9fe", false },
        { "64:ff9b:1::9.9.9.9", false },
        { "2001::1", false },
        { "2001:1ff::1", false },
        { "2001:200::1", true },
        { "2001:db8::1", false },
        { "2002:a00:1::1", false },
        { "2606:4700::1", true },
        { "3fff::1", false },
        { "4000::1", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address address = parsed(cases[i].text);
        if (address_is_public(&address) != cases[i].is_public) {
            fail_msg("%s", cases[i].text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_no_address),
        cmocka_unit_test(test_parses_and_formats),
        cmocka_unit_test(test_refuses_what_is_no_address),
        cmocka_unit_test(test_one_value_for_v4),
        cmocka_unit_test(test_socket_addresses),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_refuses_bad_prefixes),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_what_is_loopback),
        cmocka_unit_test(test_what_is_public),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
