#include "unit.h"

#include "base/limits.h"
#include "json/json.h"

static struct arena arena;

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 1024 * 1024);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct json *parse(const char *text)
{
    struct json *value = NULL;
    assert_ok(json_parse(slice_from_string(text), JSON_DEPTH_MAX, &arena, &value, NULL));
    return value;
}

static void gets_members_by_name_and_type(void **state)
{
    (void)state;
    struct json *object = parse("{\"s\":\"text\",\"i\":5,\"f\":5.0,\"n\":null}");
    struct slice text = SLICE("untouched");
    int64_t number = 42;
    assert_true(json_get_string(object, SLICE("s"), &text));
    assert_slice(text, "text");
    assert_true(json_get_integer(object, SLICE("i"), &number));
    assert_int_equal(number, 5);
    assert_false(json_get_string(object, SLICE("i"), &text));
    assert_slice(text, "text");
    assert_false(json_get_integer(object, SLICE("f"), &number));
    assert_false(json_get_integer(object, SLICE("s"), &number));
    assert_int_equal(number, 5);
    assert_int_equal(json_get(object, SLICE("n"))->type, JSON_NULL);
    assert_null(json_get(object, SLICE("S")));
    assert_null(json_get(NULL, SLICE("s")));
    assert_null(json_get(parse("[1]"), SLICE("s")));
}

static void compares_by_value(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        { "{\"a\":1,\"b\":[true,null]}", "{\"b\":[true,null],\"a\":1.0}", true },
        { "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
        { "{\"a\":1,\"c\":2}", "{\"a\":1,\"b\":2}", false },
        { "[1,2]", "[2,1]", false },
        { "[1,2]", "[1,2,3]", false },
        { "\"a\\u0062\"", "\"ab\"", true },
        { "\"1\"", "1", false },
        { "true", "false", false },
        { "null", "false", false },
        { "null", "null", true },
        { "[]", "{}", false },
        { "{\"a\":{\"x\":[1]}}", "{\"a\":{\"x\":[2]}}", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(json_equal(parse(cases[i].a), parse(cases[i].b)), cases[i].equal);
        assert_int_equal(json_equal(parse(cases[i].b), parse(cases[i].a)), cases[i].equal);
    }
}

static void a_flat_copy_stands_alone(void **state)
{
    (void)state;
    char text[2048] = "{\"a\":\"x\\ny\",\"b\":[1,2.5,{\"c\":\"\",\"d\":null}],\"e\":{},\"f\":[]";
    size_t used = strlen(text);
    for (int i = 0; i < 40; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, ",\"m%d\":%d", i, i);
    }
    snprintf(text + used, sizeof text - used, "}");
    struct json *original = parse(text);
    size_t size = json_flat_size(original);
    void *memory = malloc(size);
    struct json *copy = json_flat_copy(original, memory);
    assert_ptr_equal(copy, memory);
    assert_true(json_equal(original, copy));
    /* Neither the text nor the arena is needed any more. */
    memset(text, 'X', sizeof text);
    arena_done(&arena);
    int64_t number = 0;
    assert_true(json_get_integer(copy, SLICE("m39"), &number));
    assert_int_equal(number, 39);
    assert_slice(json_get(copy, SLICE("a"))->text, "x\ny");
    assert_slice(json_get(copy, SLICE("b"))->items[1].text, "2.5");
    assert_int_equal(json_get(&json_get(copy, SLICE("b"))->items[2], SLICE("d"))->type, JSON_NULL);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gets_members_by_name_and_type, start, finish),
        cmocka_unit_test_setup_teardown(compares_by_value, start, finish),
        cmocka_unit_test_setup_teardown(a_flat_copy_stands_alone, start, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
