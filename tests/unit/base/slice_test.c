#include "unit.h"

static void a_list_becomes_a_set(void **state)
{
    (void)state;
    struct slice list[] = { SLICE("write"), SLICE("read"),  SLICE(""),
                            SLICE("write"), SLICE("reads"), SLICE("read") };
    assert_int_equal(slices_sort(list, 6), 4);
    assert_slice(list[0], "");
    assert_slice(list[1], "read");
    assert_slice(list[2], "reads");
    assert_slice(list[3], "write");
    assert_int_equal(slices_sort(list, 0), 0);
    assert_int_equal(slices_sort(NULL, 0), 0);
    assert_int_equal(slices_sort(list, 1), 1);
}

static void a_set_holds_what_is_the_same_byte_for_byte(void **state)
{
    (void)state;
    struct slice set[] = { SLICE("a"), SLICE("b"), SLICE("b\0c"), SLICE("d") };
    assert_int_equal(slices_sort(set, 4), 4);
    assert_true(slices_hold(set, 4, SLICE("a")));
    assert_true(slices_hold(set, 4, SLICE("b\0c")));
    assert_true(slices_hold(set, 4, SLICE("d")));
    assert_false(slices_hold(set, 4, SLICE("b\0")));
    assert_false(slices_hold(set, 4, SLICE("A")));
    assert_false(slices_hold(set, 4, SLICE("")));
    assert_false(slices_hold(set, 3, SLICE("d")));
    assert_false(slices_hold(NULL, 0, SLICE("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_becomes_a_set),
        cmocka_unit_test(a_set_holds_what_is_the_same_byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
