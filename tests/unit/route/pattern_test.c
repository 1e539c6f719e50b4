#include "route/pattern.h"

#include "base/arena.h"
#include "route/route.h"
#include "unit.h"

#define assert_good_pattern(text) assert_null(route_pattern_problem(slice_from_string(text)))
#define assert_bad_pattern(text, part)                                                      \
    do {                                                                                    \
        const char *problem_ = route_pattern_problem(slice_from_string(text));              \
        if (problem_ == NULL || strstr(problem_, (part)) == NULL) {                         \
            fail_msg("\"%s\": \"%s\"", (text), problem_ != NULL ? problem_ : "no problem"); \
        }                                                                                   \
    } while (0)

static void test_path_is_cut_into_segments(void **state)
{
    (void)state;
    struct slice rest = SLICE("/a/b%2Fc/");
    struct slice segment;
    assert_true(path_next(&rest, &segment));
    assert_slice(segment, "a");
    assert_true(path_next(&rest, &segment));
    assert_slice(segment, "b%2Fc");
    assert_true(path_next(&rest, &segment));
    assert_slice(segment, "");
    assert_false(path_next(&rest, &segment));
    rest = SLICE("/");
    assert_true(path_next(&rest, &segment));
    assert_slice(segment, "");
    assert_false(path_next(&rest, &segment));
    rest = SLICE("*");
    assert_false(path_next(&rest, &segment));
    rest = SLICE("");
    assert_false(path_next(&rest, &segment));
}

static void test_good_patterns(void **state)
{
    (void)state;
    assert_good_pattern("/");
    assert_good_pattern("/**");
    assert_good_pattern("/orders");
    assert_good_pattern("/orders/");
    assert_good_pattern("/orders/**");
    assert_good_pattern("/orders/{id}/lines/{line-no}");
    assert_good_pattern("/{_a}/");
    assert_good_pattern("/caf%C3%A9");
    assert_good_pattern("/a%2Fb");
    assert_good_pattern("/a;v=1");
}

static void test_bad_patterns(void **state)
{
    (void)state;
    assert_bad_pattern("", "starts with /");
    assert_bad_pattern("orders", "starts with /");
    assert_bad_pattern("**", "starts with /");
    assert_bad_pattern("/a//b", "empty segment");
    assert_bad_pattern("//", "empty segment");
    assert_bad_pattern("/**/a", "last segment");
    assert_bad_pattern("/**/", "last segment");
    assert_bad_pattern("/a*", "whole last segment");
    assert_bad_pattern("/*", "whole last segment");
    assert_bad_pattern("/a/*/b", "whole last segment");
    assert_bad_pattern("/***", "whole last segment");
    assert_bad_pattern("/x{id}", "whole segment");
    assert_bad_pattern("/{id}.json", "whole segment");
    assert_bad_pattern("/{id", "whole segment");
    assert_bad_pattern("/{}", "name of a {variable}");
    assert_bad_pattern("/{1a}", "name of a {variable}");
    assert_bad_pattern("/{a b}", "name of a {variable}");
    assert_bad_pattern("/{a}/{a}", "two {variables}");
    assert_bad_pattern("/a/../b", "dot segment");
    assert_bad_pattern("/%2e", "dot segment");
    assert_bad_pattern("/a?b", "match.query");
    assert_bad_pattern("/{id:[0-9]+}", "no expressions in paths");
    assert_bad_pattern("/a#b", "fragment");
    assert_bad_pattern("/a b", "byte");
    assert_bad_pattern("/%zz", "byte");
    assert_bad_pattern("/%2541", "double");
    assert_bad_pattern("/%00", "control");
    assert_bad_pattern("/%ff", "UTF-8");
}

static void test_patterns_have_limits(void **state)
{
    (void)state;
    char text[HTTP_TARGET_MAX + 2];
    size_t len = 0;
    for (int i = 0; i < ROUTE_SEGMENTS_MAX; i++) {
        memcpy(text + len, "/a", 2);
        len += 2;
    }
    assert_null(route_pattern_problem(slice_of(text, len)));
    memcpy(text + len, "/a", 2);
    assert_non_null(route_pattern_problem(slice_of(text, len + 2)));

    len = 0;
    for (int i = 0; i <= ROUTE_VARIABLES_MAX; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "/{v%d}", i);
        assert_true((route_pattern_problem(slice_of(text, len)) == NULL) == (i < ROUTE_VARIABLES_MAX));
    }
    memset(text, 'a', sizeof text);
    text[0] = '/';
    assert_non_null(route_pattern_problem(slice_of(text, HTTP_TARGET_MAX + 1)));
}

static void test_canonical_text(void **state)
{
    (void)state;
    char out[64];
    struct slice text = SLICE("untouched");
    assert_null(pattern_canonical_text(SLICE("%41b%c3%a9"), out, &text));
    assert_slice(text, "Ab%C3%A9");
    assert_null(pattern_canonical_text(SLICE("a%2fb"), out, &text));
    assert_slice(text, "a%2Fb");
    text = SLICE("untouched");
    assert_non_null(pattern_canonical_text(SLICE(".."), out, &text));
    assert_slice(text, "untouched");
}

static void test_variables_are_listed(void **state)
{
    (void)state;
    struct slice names[2];
    assert_int_equal(route_pattern_variables(SLICE("/a/{x}/{y}/{z}/**"), names, 2), 3);
    assert_slice(names[0], "x");
    assert_slice(names[1], "y");
    assert_int_equal(route_pattern_variables(SLICE("/a"), names, 2), 0);
    assert_int_equal(route_pattern_variables(SLICE("/{x}"), NULL, 0), 1);
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const good[] = { "*",        "example.com", "*.example.com", "localhost",
                                        "10.0.0.1", "::1",         "2001:db8::1",   "xn--bcher-kva.example",
                                        "a-b.c" };
    static const char *const bad[] = { "",        "Example.com",  "example.com.", "example.com:443",
                                       "*.*.com", "a.*.com",      "*example.com", "*.",
                                       "[::1]",   "[::1]:443",    "a..b",         ".a",
                                       "a b",     "a/b",          "user@a",       "*.::1",
                                       "a%41",    "*.Example.com" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *problem = route_host_problem(slice_from_string(good[i]));
        if (problem != NULL) {
            fail_msg("%s: %s", good[i], problem);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (route_host_problem(slice_from_string(bad[i])) == NULL) {
            fail_msg("%s: no problem", bad[i]);
        }
    }
    char text[300];
    memset(text, 'a', sizeof text);
    assert_non_null(route_host_problem(slice_of(text, sizeof text)));
}

static void test_methods(void **state)
{
    (void)state;
    static const char *const good[] = { "GET", "OPTIONS", "PROPFIND", "M-SEARCH", "purge" };
    static const char *const bad[] = { "",        "get",   "Get",
                                       "CONNECT", "TRACE", "connect",
                                       "G ET",    "A,B",   "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_null(route_method_problem(slice_from_string(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (route_method_problem(slice_from_string(bad[i])) == NULL) {
            fail_msg("%s: no problem", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_is_cut_into_segments),
        cmocka_unit_test(test_good_patterns),
        cmocka_unit_test(test_bad_patterns),
        cmocka_unit_test(test_patterns_have_limits),
        cmocka_unit_test(test_canonical_text),
        cmocka_unit_test(test_variables_are_listed),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
