#include "http/h2/field_list.h"

#include "unit.h"

static void what_is_kept_comes_back(void **state)
{
    (void)state;
    struct h2_field_list list;
    struct header items[HTTP_HEADERS_MAX];
    struct headers taken;
    h2_field_list_init(&list, 1024);
    h2_field_list_take(&list, items, &taken);
    assert_int_equal(taken.count, 0);
    assert_true(h2_field_list_add(&list, SLICE("content-type"), SLICE("text/plain")));
    assert_true(h2_field_list_add(&list, SLICE("x-empty"), SLICE("")));
    assert_true(h2_field_list_add(&list, SLICE("x-last"), SLICE("1")));
    h2_field_list_take(&list, items, &taken);
    assert_int_equal(taken.count, 3);
    assert_int_equal(taken.items[0].id, HEADER_CONTENT_TYPE);
    assert_slice(taken.items[1].name, "x-empty");
    assert_slice(taken.items[1].value, "");
    assert_slice(taken.items[2].value, "1");

    struct h2_field_list copy;
    h2_field_list_init(&copy, 1024);
    assert_true(h2_field_list_copy(&copy, &taken));
    h2_field_list_clear(&list);
    h2_field_list_take(&copy, items, &taken);
    assert_slice(taken.items[2].name, "x-last");
    h2_field_list_done(&list);
    h2_field_list_done(&copy);
}

static void it_has_a_maximum(void **state)
{
    (void)state;
    struct h2_field_list list;
    h2_field_list_init(&list, 8);
    assert_true(h2_field_list_add(&list, SLICE("abcd"), SLICE("efgh")));
    assert_false(h2_field_list_add(&list, SLICE("i"), SLICE("")));
    assert_int_equal(list.count, 1);
    h2_field_list_done(&list);

    h2_field_list_init(&list, 1 << 20);
    for (int i = 0; i < HTTP_HEADERS_MAX; i++) {
        assert_true(h2_field_list_add(&list, SLICE("a"), SLICE("b")));
    }
    assert_false(h2_field_list_add(&list, SLICE("a"), SLICE("b")));
    h2_field_list_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_comes_back),
        cmocka_unit_test(it_has_a_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
