#include "routes.h"

static void check_refused(const char *const *lines, size_t index, size_t other, const char *part)
{
    struct routes routes;
    routes_init(&routes);
    for (; *lines != NULL; lines++) {
        routes_add_on(&routes, 1, *lines);
    }
    struct error error = routes_try(&routes);
    assert_int_equal(error.kind, ERROR_VALUE);
    assert_null(routes.table);
    assert_int_equal(routes.index, index);
    assert_int_equal(routes.other, other);
    if (strstr(error.what, part) == NULL) {
        fail_msg("\"%s\" without \"%s\"", error.what, part);
    }
    routes_done(&routes);
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_bad_entries_are_named(void **state)
{
    (void)state;
    check_refused(LINES("a /x GET", "A /y GET"), 1, 1, "lower case");
    check_refused(LINES("a /x GET", "a y GET"), 1, 1, "starts with /");
    check_refused(LINES("a /x GET", "a /y GET", "a /z get"), 2, 2, "upper case");
    check_refused(LINES("a /x TRACE"), 0, 0, "never passed on");
}

static void test_ambiguity(void **state)
{
    (void)state;
    check_refused(LINES("a /x GET", "b /x GET", "a /x POST,GET"), 2, 0, "ambiguous");
    /* Variables of other names are the same path. */
    check_refused(LINES("a /x/{id}/y GET", "a /x/{order}/y GET"), 1, 0, "ambiguous");
    check_refused(LINES("a /x", "a /x GET"), 1, 0, "ambiguous");
    check_refused(LINES("a /x", "a /x"), 1, 0, "ambiguous");
    check_refused(LINES("a /x", "a /x PURGE"), 1, 0, "ambiguous");
    check_refused(LINES("a /x PURGE", "a /x"), 1, 0, "ambiguous");
    check_refused(LINES("a /x PURGE", "a /x GET,PURGE"), 1, 0, "ambiguous");
    /* GET brings HEAD along. */
    check_refused(LINES("a /x GET", "a /x HEAD"), 1, 0, "ambiguous");
    /* One spelling of the path and another. */
    check_refused(LINES("a /%41 GET", "a /A GET"), 1, 0, "ambiguous");
    check_refused(LINES("a /%c3%a9 GET", "a /%C3%A9 GET"), 1, 0, "ambiguous");
    check_refused(LINES("* /** GET", "* /** GET"), 1, 0, "ambiguous");
    check_refused(LINES("*.a /x GET", "*.a /x GET"), 1, 0, "ambiguous");
}

static void test_what_is_not_ambiguous(void **state)
{
    (void)state;
    struct routes routes;
    routes_make(&routes,
                LINES("a /x GET", "a /x POST", "a /x/ GET", "a /x/{id} GET", "a /x/{other} POST",
                      "a /x/** GET", "*.a /x GET", "* /x GET", "a /X GET", "a /x PURGE", "a /x MOVE"));
    routes_done(&routes);
    /* The same on disjoint listeners. */
    routes_init(&routes);
    routes_add_on(&routes, 1, "a /x GET");
    routes_add_on(&routes, 2, "a /x GET");
    assert_ok(routes_try(&routes));
    routes_add_on(&routes, 2 | 4, "a /x GET");
    assert_fails(routes_try(&routes), ERROR_VALUE);
    assert_int_equal(routes.index, 2);
    assert_int_equal(routes.other, 1);
    routes_done(&routes);
}

static void test_an_arena_without_room_fails(void **state)
{
    (void)state;
    struct routes routes;
    routes_init(&routes);
    for (int i = 0; i < 20; i++) {
        routes_add_on(&routes, 1, "a.example /x/{id}/y GET,POST");
        char *path = arena_string(&routes.arena, SLICE("/x/{id}/y00"));
        path[9] = (char)('a' + i);
        routes.entries[i].path = slice_from_string(path);
    }
    size_t failures = 0;
    for (size_t maximum = 0;; maximum += 64) {
        struct arena arena;
        struct route_table *table = NULL;
        size_t index, other;
        arena_init(&arena, maximum);
        struct error error = route_table_new(routes.entries, routes.count, &arena, &table, &index, &other);
        arena_done(&arena);
        if (!failed(error)) {
            break;
        }
        assert_int_equal(error.kind, ERROR_MEMORY);
        assert_null(table);
        failures++;
    }
    assert_true(failures > 20);
    routes_done(&routes);
}

static void test_the_entries_need_not_live(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    char host[] = "a.example", path[] = "/x/{id}", method[] = "PURGE";
    struct slice methods[] = { slice_from_string(method) };
    struct conf_strings list = { methods, 1 };
    struct route_entry entry = { 7, slice_from_string(host), slice_from_string(path), &list, 1 };
    struct route_table *table;
    size_t index, other;
    assert_ok(route_table_new(&entry, 1, &arena, &table, &index, &other));
    memset(host, '#', sizeof host - 1);
    memset(path, '#', sizeof path - 1);
    memset(method, '#', sizeof method - 1);
    struct route_match match;
    route_find(table, 0, SLICE("a.example"), SLICE("/x/5"), METHOD_OTHER, SLICE("PURGE"), NULL, &match);
    assert_found(match, 7);
    assert_slice(match.variables.items[0].name, "id");
    assert_slice(match.variables.items[0].value, "5");
    assert_slice(match.allow, "PURGE");
    arena_done(&arena);
}

static void test_an_empty_table(void **state)
{
    (void)state;
    struct routes routes;
    routes_init(&routes);
    assert_ok(routes_try(&routes));
    assert_outcome(routes_find(&routes, "GET", "a", "/"), ROUTE_NO_HOST);
    assert_false(route_serves_host(routes.table, 0, SLICE("a")));
    routes_done(&routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_entries_are_named),     cmocka_unit_test(test_ambiguity),
        cmocka_unit_test(test_what_is_not_ambiguous),     cmocka_unit_test(test_an_arena_without_room_fails),
        cmocka_unit_test(test_the_entries_need_not_live), cmocka_unit_test(test_an_empty_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
