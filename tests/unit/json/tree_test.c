#include "arena.h"

#include "base/limits.h"
#include "json/tree.h"

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

/* An object of `count` members, of which `twin` (where it is below `count`) is named like `first`. */
static struct error parse_members(size_t count, size_t twin, size_t first, size_t name_length,
                                  struct json **ret_object, size_t *ret_offset, size_t *ret_twin_at)
{
    static char text[64 * 1024];
    size_t used = 0;
    text[used++] = '{';
    for (size_t i = 0; i < count; i++) {
        if (i == twin) {
            *ret_twin_at = used;
        }
        /* Names of one length, alike but for their middle. */
        used += (size_t)snprintf(text + used, sizeof text - used, "\"a%0*zub\":%zu%c", (int)name_length,
                                 i == twin ? first : i, i, i + 1 < count ? ',' : '}');
    }
    arena_reset(&arena);
    return json_parse(slice_of(text, used), JSON_DEPTH_MAX, &arena, ret_object, ret_offset);
}

/* Around the size from which an object has an index: every member is found, no other name is, and a twin at any place is. */
static void names_are_found_in_objects_of_any_size(void **state)
{
    (void)state;
    static const size_t lengths[] = { 3, 6, 12, 20 };
    struct json *object;
    size_t offset, at;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        for (size_t count = 1; count < 140; count++) {
            assert_ok(parse_members(count, count, 0, lengths[k], &object, &offset, &at));
            assert_int_equal(object->index != NULL, count > JSON_INDEXED_ABOVE);
            assert_null(json_get(object, SLICE("")));
            assert_null(json_get(object, SLICE("a")));
            for (size_t i = 0; i < count; i++) {
                struct slice name = object->members[i].name;
                char other[32];
                assert_ptr_equal(json_get(object, name), &object->members[i].value);
                memcpy(other, name.ptr, name.len);
                other[name.len / 2] ^= 0x10;
                assert_null(json_get(object, slice_of(other, name.len)));
                assert_null(json_get(object, slice_part(name, 0, name.len - 1)));
            }
        }
    }
    for (size_t count = 2; count < 80; count++) {
        for (size_t twin = 1; twin < count; twin++) {
            for (size_t first = 0; first < twin; first += 1 + count / 9) {
                assert_fails(parse_members(count, twin, first, lengths[twin % 4], &object, &offset, &at),
                             ERROR_VALUE);
                assert_int_equal(offset, at);
            }
        }
    }
}

/* Short names, which share much, and the empty one. */
static void short_names_are_told_apart(void **state)
{
    (void)state;
    struct json *object =
        parse("{\"\":0,\"a\":1,\"b\":2,\"aa\":3,\"ab\":4,\"ba\":5,\"aab\":6,\"aba\":7,\"abab\":8,"
              "\"baba\":9,\"\\u0000\":10,\"\\u0000\\u0000\":11,\"aXbcdefg\":12,\"abcdefgh\":13}");
    for (size_t i = 0; i < object->count; i++) {
        assert_int_equal(json_get(object, object->members[i].name)->integer, i);
    }
    static const char *const twins[] = { "{\"\":0,\"\":1}", "{\"a\":0,\"b\":1,\"a\":2}",
                                         "{\"ab\":0,\"\\u0061b\":2}", "{\"abc\":0,\"x\":0,\"ab\\u0063\":2}",
                                         "{\"abcdefghij\":0,\"abcdefgh\\u0069j\":2}" };
    for (size_t i = 0; i < sizeof twins / sizeof *twins; i++) {
        struct json *value;
        assert_fails(json_parse(slice_from_string(twins[i]), JSON_DEPTH_MAX, &arena, &value, NULL),
                     ERROR_VALUE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gets_members_by_name_and_type, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(compares_by_value, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(a_flat_copy_stands_alone, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(names_are_found_in_objects_of_any_size, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(short_names_are_told_apart, arena_start, arena_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
