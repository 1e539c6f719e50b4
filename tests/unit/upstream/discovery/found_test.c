#include "unit.h"

#include "upstream/discovery/found.h"

static struct address at(const char *text)
{
    struct address address;
    assert_true(address_parse(slice_from_string(text), &address));
    return address;
}

static void addresses_that_no_server_has_are_odd(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "0.0.0.0",       "0.1.2.3",         "224.0.0.1",   "255.255.255.255",        "::",
        "ff02::1",       "169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
        "64:ff9b::",     "fe80::1",         "febf::1",     "fd00:ec2::254",          "fd20:ce::254",
        "168.63.129.16", "100.100.100.200", "192.0.0.192",
    };
    static const char *const good[] = {
        "10.0.0.1",      "127.0.0.1",       "223.255.255.255", "::1",
        "fd00::1",       "169.253.255.255", "169.255.0.0",     "fec0::1",
        "fd00:ec2::253", "64:ff9b::a00:1",  "168.63.129.17",   "100.100.100.100",
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct address address = at(odd[i]);
        assert_true(found_is_odd(&address));
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct address address = at(good[i]);
        assert_false(found_is_odd(&address));
    }
}

static void weights_are_scaled_to_what_an_endpoint_may_have(void **state)
{
    (void)state;
    struct found_endpoint items[] = {
        { .weight = 65535 }, { .weight = 32768 }, { .weight = 1 }, { .weight = 0 }
    };
    struct found_endpoints found = { items, 4 };
    found_scale_weights(&found);
    assert_int_equal(items[0].weight, 1000);
    assert_int_equal(items[1].weight, 500);
    assert_int_equal(items[2].weight, 1);
    assert_int_equal(items[3].weight, 1);
    struct found_endpoint small[] = { { .weight = 1000 }, { .weight = 7 } };
    found = (struct found_endpoints){ small, 2 };
    found_scale_weights(&found);
    assert_int_equal(small[1].weight, 7);
    assert_int_equal(found_weight(UINT32_MAX, UINT32_MAX), 1000);
    assert_int_equal(found_weight(0, 1), 1);
}

static void twins_are_one_and_the_order_says_nothing(void **state)
{
    (void)state;
    struct found_endpoint items[] = { { .url = SLICE_INIT("https://b:1"), .weight = 1 },
                                      { .url = SLICE_INIT("https://a:1"), .weight = 2 },
                                      { .url = SLICE_INIT("https://b:1"), .weight = 5 } };
    struct found_endpoints found = { items, 3 };
    found_settle(&found);
    assert_int_equal(found.count, 2);
    assert_slice(items[0].url, "https://a:1");
    assert_slice(items[1].url, "https://b:1");
    assert_int_equal(items[1].weight, 5);
    struct found_endpoint tiers[] = { { .url = SLICE_INIT("https://a:1"), .weight = 9, .tier = 2 },
                                      { .url = SLICE_INIT("https://a:1"), .weight = 1, .tier = 1 } };
    found = (struct found_endpoints){ tiers, 2 };
    found_settle(&found);
    assert_int_equal(found.count, 1);
    assert_int_equal(tiers[0].tier, 1);
    found = (struct found_endpoints){ NULL, 0 };
    found_settle(&found);
    assert_int_equal(found.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_no_server_has_are_odd),
        cmocka_unit_test(weights_are_scaled_to_what_an_endpoint_may_have),
        cmocka_unit_test(twins_are_one_and_the_order_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
