#include "unit.h"

#include "upstream/discovery/slice_set.h"

static struct slice_set set;
static struct arena memory;
static const struct found_frame frame = { "http", SLICE_INIT("orders.shop.svc") };

static int set_up(void **state)
{
    (void)state;
    arena_init(&memory, (size_t)4 * 1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    slice_set_clear(&set);
    arena_done(&memory);
    return 0;
}

static struct slice_endpoint at(const char *address, const char *uid, bool ready, bool ending)
{
    struct slice_endpoint endpoint = { .uid = slice_from_string(uid), .ready = ready, .ending = ending };
    assert_true(address_parse(slice_from_string(address), &endpoint.address));
    endpoint.address.port = 80;
    return endpoint;
}

static void put(const char *name, struct slice_endpoint *items, size_t count)
{
    const struct endpoint_slice slice = { .name = slice_from_string(name), .items = items, .count = count };
    assert_ok(slice_set_put(&set, &slice));
}

static struct found_endpoints merge(void)
{
    struct found_endpoints found = { 0 };
    assert_ok(slice_set_merge(&set, &frame, &memory, &found));
    return found;
}

static void slices_come_change_and_go(void **state)
{
    (void)state;
    struct slice_endpoint one[] = { at("10.0.0.1", "u1", true, false), at("10.0.0.2", "u2", true, false) };
    struct slice_endpoint two[] = { at("10.0.0.3", "u3", true, false) };
    two[0].zone = SLICE("b");
    assert_int_equal(merge().count, 0);
    put("a", one, 2);
    put("b", two, 1);
    struct found_endpoints found = merge();
    assert_int_equal(found.count, 3);
    assert_slice(found.items[0].url, "http://10.0.0.1:80");
    assert_slice(found.items[0].host, "orders.shop.svc");
    assert_slice(found.items[2].zone, "b");
    put("a", one, 1);
    assert_int_equal(merge().count, 2);
    slice_set_drop(&set, SLICE("a"));
    slice_set_drop(&set, SLICE("never"));
    assert_int_equal(merge().count, 1);
    assert_int_equal(set.count, 1);
    assert_int_equal(set.endpoints, 1);
}

static void an_endpoint_that_moves_between_slices_is_one(void **state)
{
    (void)state;
    struct slice_endpoint one[] = { at("10.0.0.1", "u1", true, false) };
    put("a", one, 1);
    put("b", one, 1);
    assert_int_equal(merge().count, 1);
    slice_set_drop(&set, SLICE("a"));
    assert_int_equal(merge().count, 1);
}

static void those_that_end_serve_for_want_of_others(void **state)
{
    (void)state;
    struct slice_endpoint ending[] = { at("10.0.0.1", "u1", false, true),
                                       at("10.0.0.2", "u2", false, false) };
    struct slice_endpoint ready[] = { at("10.0.0.3", "u3", true, false) };
    put("a", ending, 2);
    struct found_endpoints found = merge();
    assert_int_equal(found.count, 1);
    assert_slice(found.items[0].url, "http://10.0.0.1:80");
    put("b", ready, 1);
    found = merge();
    assert_int_equal(found.count, 1);
    assert_slice(found.items[0].url, "http://10.0.0.3:80");
}

static void a_pod_of_both_families_is_one_endpoint(void **state)
{
    (void)state;
    struct slice_endpoint v6[] = { at("fd00::1", "u1", true, false), at("fd00::2", "u2", true, false),
                                   at("fd00::3", "", true, false) };
    struct slice_endpoint v4[] = { at("10.0.0.1", "u1", true, false), at("10.0.0.4", "", true, false) };
    put("six", v6, 3);
    assert_int_equal(merge().count, 3);
    put("four", v4, 2);
    struct found_endpoints found = merge();
    assert_int_equal(found.count, 4);
    assert_slice(found.items[0].url, "http://10.0.0.1:80");
    assert_slice(found.items[1].url, "http://10.0.0.4:80");
    assert_slice(found.items[2].url, "http://[fd00::2]:80");
    assert_slice(found.items[3].url, "http://[fd00::3]:80");
}

static void a_port_that_no_slice_has_is_an_error(void **state)
{
    (void)state;
    struct found_endpoints found;
    struct slice_endpoint one[] = { at("10.0.0.1", "u1", true, false) };
    struct endpoint_slice slice = { .name = SLICE("a"), .portless = 1 };
    assert_ok(slice_set_put(&set, &slice));
    struct error error = slice_set_merge(&set, &frame, &memory, &found);
    assert_fails(error, ERROR_VALUE);
    assert_non_null(strstr(error.what, "no EndpointSlice has such a TCP port"));
    slice.ambiguous = true;
    assert_ok(slice_set_put(&set, &slice));
    error = slice_set_merge(&set, &frame, &memory, &found);
    assert_non_null(strstr(error.what, "several TCP ports"));
    put("b", one, 1);
    assert_int_equal(merge().count, 1);
}

static void there_are_bounds(void **state)
{
    (void)state;
    static struct slice_endpoint many[SLICE_ENDPOINTS_MAX];
    struct found_endpoints found;
    for (size_t i = 0; i < SLICE_ENDPOINTS_MAX; i++) {
        many[i] = at("10.0.0.1", "", true, false);
        many[i].address.bytes[14] = (unsigned char)(i >> 8);
        many[i].address.bytes[15] = (unsigned char)i;
    }
    put("a", many, 1000);
    assert_int_equal(merge().count, 1000);
    for (size_t i = 0; i < SLICE_ENDPOINTS_MAX; i++) {
        many[i].address.port = 81;
    }
    put("b", many, 24);
    assert_int_equal(merge().count, 1024);
    put("b", many, 25);
    assert_fails(slice_set_merge(&set, &frame, &memory, &found), ERROR_VALUE);
    char name[8];
    struct endpoint_slice slice = { .items = many, .count = 1000 };
    for (size_t i = 0; i < 14; i++) {
        snprintf(name, sizeof name, "c%zu", i);
        slice.name = slice_from_string(name);
        assert_ok(slice_set_put(&set, &slice));
    }
    put("c0", many, 1000);
    slice.name = SLICE("b");
    assert_ok(slice_set_put(&set, &slice));
    slice.name = SLICE("d");
    assert_fails(slice_set_put(&set, &slice), ERROR_LIMIT);
    slice_set_clear(&set);
    slice.count = 0;
    for (size_t i = 0; i < SLICES_MAX; i++) {
        snprintf(name, sizeof name, "e%zu", i);
        slice.name = slice_from_string(name);
        assert_ok(slice_set_put(&set, &slice));
    }
    slice.name = SLICE("f");
    assert_fails(slice_set_put(&set, &slice), ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slices_come_change_and_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_endpoint_that_moves_between_slices_is_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_that_end_serve_for_want_of_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_pod_of_both_families_is_one_endpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_port_that_no_slice_has_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_are_bounds, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
