#include "unit.h"

#include "upstream/health/mark.h"

static uint64_t key_of(const char *text)
{
    struct address address;
    assert_true(address_parse(slice_from_string(text), &address));
    return health_key_of(&address);
}

static void test_endpoint(void **state)
{
    (void)state;
    assert_false(health_mark_is_unhealthy(NULL));
    assert_false(health_mark_is_down(NULL, 1));
    struct health_mark *mark = health_mark_new();
    assert_non_null(mark);
    assert_false(health_mark_is_unhealthy(mark));
    health_mark_set(mark, true);
    assert_true(health_mark_is_unhealthy(mark));
    health_mark_set(mark, false);
    assert_false(health_mark_is_unhealthy(mark));
    assert_ptr_equal(health_mark_ref(mark), mark);
    health_mark_unref(mark);
    health_mark_unref(mark);
    health_mark_unref(NULL);
}

static void test_addresses(void **state)
{
    (void)state;
    struct health_mark *mark = health_mark_new();
    uint64_t one = key_of("10.0.0.1"), two = key_of("2001:db8::1");
    assert_true(one != 0 && one != two && one == key_of("10.0.0.1"));
    assert_false(health_mark_is_down(mark, one));
    health_mark_set_address(mark, one, true);
    health_mark_set_address(mark, one, true); /* twice is once */
    assert_true(health_mark_is_down(mark, one));
    assert_false(health_mark_is_down(mark, two));
    assert_false(health_mark_is_down(mark, 0)); /* no address */
    /* All are down: none is avoided. */
    health_mark_set(mark, true);
    assert_false(health_mark_is_down(mark, one));
    health_mark_set(mark, false);
    health_mark_set_address(mark, two, false);
    health_mark_set_address(mark, one, false);
    assert_false(health_mark_is_down(mark, one));
    assert_int_equal(mark->down_count, 0);
    health_mark_unref(mark);
}

/* What finds no place is not known as down: it gets requests, and nothing is written elsewhere. */
static void test_full(void **state)
{
    (void)state;
    struct health_mark *mark = health_mark_new();
    for (uint64_t key = 1; key <= HEALTH_ADDRESSES_MAX + 1; key++) {
        health_mark_set_address(mark, key, true);
        assert_int_equal(health_mark_is_down(mark, key), key <= HEALTH_ADDRESSES_MAX);
    }
    health_mark_set_address(mark, 7, false);
    health_mark_set_address(mark, 1000, true);
    assert_false(health_mark_is_down(mark, 7));
    assert_true(health_mark_is_down(mark, 1000));
    assert_int_equal(mark->down_count, HEALTH_ADDRESSES_MAX);
    health_mark_unref(mark);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoint),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
