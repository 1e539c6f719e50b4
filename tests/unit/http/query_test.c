#include "unit.h"

#include "http/query.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 16);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct query_found find(const char *query)
{
    return query_find(slice_from_string(query), SLICE("access_token"));
}

static void finds_the_very_name(void **state)
{
    (void)state;
    static const char *const queries[] = { "access_token=a.b", "x=1&access_token=a.b&y=2",
                                           "&access_token=a.b&", "x=access_token&access_token=a.b" };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct query_found found = find(queries[i]);
        assert_int_equal(found.count, 1);
        assert_true(found.clear);
        assert_slice(found.value, "a.b");
    }
    assert_int_equal(find("").count, 0);
    assert_int_equal(find(NULL).count, 0);
    assert_int_equal(find("access_tokens=a&xaccess_token=b&access=c&x=access_token=d").count, 0);
}

static void what_may_be_taken_for_it_is_not_clear(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "Access_Token=a",   "access%5Ftoken=a&x", "access.token=a",  "access_token[]=a", "access_token%00=",
        "x;access_token=a", "access_token=a;x",   "+access_token=a", "access_token",
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct query_found found = find(queries[i]);
        assert_int_equal(found.count, 1);
        /* An escape in the name is the name itself, decoded: one reading, and so clear. */
        assert_int_equal(found.clear, i == 1);
    }
    assert_int_equal(find("access_token=a&ACCESS_TOKEN=b").count, 2);
    assert_int_equal(find("access_token=a;access_token=b").count, 2);
}

static struct slice without(const char *query)
{
    struct slice names[] = { SLICE_INIT("access_token"), SLICE_INIT("key") };
    const struct conf_strings list = { names, 2 };
    struct slice left;
    assert_true(query_without(slice_from_string(query), &list, &arena, &left));
    return left;
}

static void takes_out_what_is_named(void **state)
{
    (void)state;
    assert_null(without("access_token=a").ptr);
    assert_null(without("key=a&access_token=b&key").ptr);
    assert_slice(without("a=1&access_token=b&c=%20d&key=e&f"), "a=1&c=%20d&f");
    assert_slice(without("Access%5fToken=b&c=d"), "c=d");
    assert_slice(without("a=1;access_token=b&c=d"), "c=d");
    assert_slice(without("access_token=a&"), "");
    /* twin: others stay as they are, byte for byte */
    const char *same = "keys=1&&c=key;d&%6b";
    struct slice left = without(same);
    assert_ptr_equal(left.ptr, same);
    assert_slice(left, same);
    assert_null(without(NULL).ptr);
}

static void no_room_is_told(void **state)
{
    (void)state;
    struct arena none;
    struct slice name = SLICE("key"), left;
    const struct conf_strings list = { &name, 1 };
    arena_init(&none, 0);
    assert_false(query_without(SLICE("a=1&key=b"), &list, &none, &left));
    assert_true(query_without(SLICE("a=1"), &list, &none, &left));
    arena_done(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_very_name),
        cmocka_unit_test(what_may_be_taken_for_it_is_not_clear),
        cmocka_unit_test(takes_out_what_is_named),
        cmocka_unit_test(no_room_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
