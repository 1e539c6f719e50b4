/* The query as an object of strings, each of them once. */
#include "admin/internal.h"

#include "arena.h"
#include "json/json.h"

static const struct json *parse(const char *text)
{
    const char *problem = NULL;
    return query_parse(slice_from_string(text), &arena, &problem);
}

static void assert_has(const struct json *query, const char *name, const char *value)
{
    struct slice text = SLICE_NONE;
    assert_true(json_get_string(query, slice_from_string(name), &text));
    assert_slice(text, value);
}

static void parameters_are_decoded(void **state)
{
    (void)state;
    const struct json *query = parse("set=partners&consumer=a%20b%26c&after&limit=");
    assert_non_null(query);
    assert_int_equal(query->count, 4);
    assert_has(query, "set", "partners");
    assert_has(query, "consumer", "a b&c");
    assert_has(query, "after", "");
    assert_has(query, "limit", "");
    assert_int_equal(parse("")->count, 0);
    assert_int_equal(parse(NULL)->count, 0);
}

/* Which of two counts would be a matter of taste. */
static void a_parameter_stands_there_once(void **state)
{
    (void)state;
    assert_null(parse("set=a&set=a"));
    assert_null(parse("set=a&%73et=b"));
    assert_null(parse("a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q"));
}

/* As a body: a database would refuse it, and seem to be out of order. */
static void a_parameter_is_utf8(void **state)
{
    (void)state;
    assert_null(parse("consumer=%ff"));
    assert_null(parse("consumer=%ed%a0%80"));
    assert_null(parse("%c3=a"));
    assert_has(parse("consumer=%c3%a4"), "consumer", "\xc3\xa4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(parameters_are_decoded, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(a_parameter_is_utf8, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(a_parameter_stands_there_once, arena_start, arena_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
