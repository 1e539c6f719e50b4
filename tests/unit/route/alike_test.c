#include "route/alike.h"

#include "unit.h"

static bool same(const char *a, const char *b)
{
    bool outcome = route_paths_same(slice_from_string(a), slice_from_string(b));
    assert_int_equal(outcome, route_paths_same(slice_from_string(b), slice_from_string(a)));
    return outcome;
}

static bool meet(const char *a, const char *b)
{
    bool outcome = route_paths_meet(slice_from_string(a), slice_from_string(b));
    assert_int_equal(outcome, route_paths_meet(slice_from_string(b), slice_from_string(a)));
    return outcome;
}

static void one_path_has_many_spellings(void **state)
{
    (void)state;
    assert_true(same("/a/{x}/**", "/a/{y}/**"));
    assert_true(same("/a", "/%61"));
    assert_true(same("/%c3%a4", "/%C3%A4"));
    assert_false(same("/a", "/A"));
    assert_false(same("/a", "/a/"));
    assert_false(same("/a", "/{a}"));
    assert_false(same("/a/**", "/a/{b}"));
    assert_false(same("/a", "/a/b"));
    assert_false(same("/a%2Fb", "/a/b"));
    assert_true(route_texts_same(SLICE("%41"), SLICE("a"), true));
    assert_false(route_texts_same(SLICE("%zz"), SLICE("%yy"), true));
}

static void paths_that_both_take(void **state)
{
    (void)state;
    assert_true(meet("/a/{x}", "/{y}/b"));
    assert_true(meet("/**", "/a/"));
    assert_true(meet("/a/**", "/a"));
    assert_true(meet("/%61/{x}", "/a/b"));
    assert_false(meet("/a/{x}", "/a/")); /* no variable is empty */
    assert_false(meet("/a", "/a/"));
    assert_false(meet("/a/b", "/a/c"));
    assert_false(meet("/a/b/**", "/a"));
}

static void methods_that_both_take(void **state)
{
    (void)state;
    struct slice get[] = { SLICE("GET") }, head[] = { SLICE("HEAD") },
                 post[] = { SLICE("PUT"), SLICE("POST") };
    const struct conf_strings any = { NULL, 0 }, gets = { get, 1 }, heads = { head, 1 }, posts = { post, 2 };
    assert_true(route_methods_meet(&any, &heads));
    assert_true(route_methods_meet(&posts, &any));
    assert_true(route_methods_meet(&gets, &heads));
    assert_true(route_methods_meet(&heads, &gets));
    assert_true(route_methods_meet(&heads, &heads));
    assert_false(route_methods_meet(&posts, &gets));
    assert_false(route_methods_meet(&heads, &posts));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_path_has_many_spellings),
        cmocka_unit_test(paths_that_both_take),
        cmocka_unit_test(methods_that_both_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
