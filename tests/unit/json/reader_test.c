#include "arena.h"

#include "base/limits.h"
#include "json/json.h"

static struct json *parse(const char *text)
{
    struct json *value = NULL;
    assert_ok(json_parse(slice_from_string(text), JSON_DEPTH_MAX, &arena, &value, NULL));
    return value;
}

static void assert_refused(struct slice text, enum error_kind kind, size_t offset)
{
    struct json *value = (struct json *)&arena;
    size_t at = 0;
    assert_fails(json_parse(text, JSON_DEPTH_MAX, &arena, &value, &at), kind);
    assert_int_equal(at, offset);
    assert_ptr_equal(value, &arena);
    assert_fails(json_parse(text, JSON_DEPTH_MAX, &arena, &value, NULL), kind);
}

static void reads_every_type(void **state)
{
    (void)state;
    struct json *value =
        parse(" { \"a\" : [ null , true , false , -12 , 1.5e1 , \"x\" ] , \"b\" : { } , \"c\":[]}\r\n\t");
    assert_int_equal(value->type, JSON_OBJECT);
    assert_int_equal(value->count, 3);
    assert_slice(value->members[0].name, "a");
    const struct json *items = value->members[0].value.items;
    assert_int_equal(value->members[0].value.count, 6);
    assert_int_equal(items[0].type, JSON_NULL);
    assert_true(items[1].type == JSON_BOOL && items[1].boolean);
    assert_true(items[2].type == JSON_BOOL && !items[2].boolean);
    assert_true(items[3].is_integer && items[3].integer == -12);
    assert_true(!items[4].is_integer && items[4].number == 15.0);
    assert_slice(items[4].text, "1.5e1");
    assert_slice(items[5].text, "x");
    assert_int_equal(value->members[1].value.type, JSON_OBJECT);
    assert_int_equal(value->members[1].value.count, 0);
    assert_int_equal(value->members[2].value.type, JSON_ARRAY);
}

static void reads_scalars_alone(void **state)
{
    (void)state;
    assert_slice(parse("\"text\"")->text, "text");
    assert_slice(parse("\"\"")->text, "");
    assert_int_equal(parse("7")->integer, 7);
    assert_int_equal(parse("null")->type, JSON_NULL);
}

/* Plain strings point into the text: nothing is copied. */
static void points_into_the_text(void **state)
{
    (void)state;
    const char *text = "[\"plain and longer than a word\",\"a\\nb\"]";
    struct json *value = parse(text);
    assert_ptr_equal(value->items[0].text.ptr, text + 2);
    assert_slice(value->items[1].text, "a\nb");
}

static void finds_ends_of_strings_at_every_offset(void **state)
{
    (void)state;
    for (size_t before = 0; before < 20; before++) {
        char text[64];
        snprintf(text, sizeof text, "[\"%.*s\\\"%.*s\",1]", (int)before, "aaaaaaaaaaaaaaaaaaaa",
                 (int)(20 - before), "bbbbbbbbbbbbbbbbbbbb");
        struct json *value = parse(text);
        assert_int_equal(value->count, 2);
        assert_int_equal(value->items[0].text.len, 21);
        snprintf(text, sizeof text, "\"%.*s\x01%.*s\"", (int)before, "aaaaaaaaaaaaaaaaaaaa",
                 (int)(20 - before), "bbbbbbbbbbbbbbbbbbbb");
        assert_refused(slice_from_string(text), ERROR_SYNTAX, before + 1);
        snprintf(text, sizeof text, "\"%.*s\xff%.*s\"", (int)before, "aaaaaaaaaaaaaaaaaaaa",
                 (int)(20 - before), "bbbbbbbbbbbbbbbbbbbb");
        assert_refused(slice_from_string(text), ERROR_SYNTAX, 1);
    }
}

static void refuses_bad_syntax_and_says_where(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t offset;
    } cases[] = {
        { "", 0 },
        { "   ", 3 },
        { "[1,]", 3 },
        { "[1 2]", 3 },
        { "{\"a\" 1}", 5 },
        { "{\"a\":}", 5 },
        { "{a:1}", 1 },
        { "{\"a\":1,}", 7 },
        { "[1", 2 },
        { "[1}", 2 },
        { "tru", 0 },
        { "nulll", 4 },
        { "1 2", 2 },
        { "\"abc", 4 },
        { "\"\\x\"", 1 },
        { "\xef\xbb\xbf{}", 0 },
        { "[01]", 1 },
        { "'a'", 0 },
        { "[1]//", 3 },
        { "\"a\tb\"", 2 },
        { "[\"\\ud800\"]", 2 },
        { "\"\\", 1 },
        { "{\"a\":1 \"b\":2}", 7 },
        { "\"\xc0\x80\"", 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_refused(slice_from_string(cases[i].text), ERROR_SYNTAX, cases[i].offset);
    }
    assert_refused(SLICE("1\0"), ERROR_SYNTAX, 1);
    assert_refused(SLICE_NONE, ERROR_SYNTAX, 0);
    assert_refused(SLICE("[1,1e999]"), ERROR_VALUE, 3);
}

/* Two readers, two meanings: {"sub":"me","sub":"admin"}. */
static void refuses_a_name_that_stands_twice(void **state)
{
    (void)state;
    assert_refused(SLICE("{\"sub\":\"me\",\"sub\":\"admin\"}"), ERROR_VALUE, 12);
    assert_refused(SLICE("{\"sub\":1,\"\\u0073ub\":1}"), ERROR_VALUE, 9);
    assert_refused(SLICE("[{\"b\":{\"a\":1,\"a\":1}}]"), ERROR_VALUE, 13);
    assert_refused(SLICE("{\"\":1,\"\":2}"), ERROR_VALUE, 6);
    parse("{\"sub\":1,\"Sub\":2,\"sub2\":3,\"\":4,\"\\u0000\":5}");
    parse("{\"a\":{\"a\":{\"a\":1}}}");
}

static size_t many_members(char *text, size_t size, size_t count, size_t twin)
{
    size_t used = (size_t)snprintf(text, size, "{");
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == twin) {
            at = used;
        }
        used += (size_t)snprintf(text + used, size - used, "\"name%zu\":%zu,",
                                 i == twin ? 3 : (i * 7919) % 1000, i);
    }
    snprintf(text + used - 1, size - used + 1, "}");
    return at;
}

static void finds_members_and_twins_among_many(void **state)
{
    (void)state;
    static char text[64 * 1024];
    static const size_t counts[] = { 15, 16, 17, 18, 100, 1000 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        many_members(text, sizeof text, counts[i], SIZE_MAX);
        struct json *value = parse(text);
        assert_int_equal(value->count, counts[i]);
        for (size_t k = 0; k < counts[i]; k++) {
            char name[16];
            snprintf(name, sizeof name, "name%zu", (k * 7919) % 1000);
            int64_t number = -1;
            assert_true(json_get_integer(value, slice_from_string(name), &number));
            assert_int_equal(number, k);
        }
        assert_null(json_get(value, SLICE("name")));
        assert_null(json_get(value, SLICE("name1000")));
    }
    size_t at = many_members(text, sizeof text, 1000, 900);
    assert_refused(slice_from_string(text), ERROR_VALUE, at);
}

static void nests_to_the_limit_and_no_deeper(void **state)
{
    (void)state;
    struct json *value;
    assert_ok(json_parse(SLICE("[[1]]"), 2, &arena, &value, NULL));
    assert_ok(json_parse(SLICE("[[1],[2],{\"a\":3}]"), 2, &arena, &value, NULL));
    assert_fails(json_parse(SLICE("[[[1]]]"), 2, &arena, &value, NULL), ERROR_LIMIT);
    assert_fails(json_parse(SLICE("{\"a\":{\"b\":{}}}"), 2, &arena, &value, NULL), ERROR_LIMIT);
    assert_ok(json_parse(SLICE("1"), 0, &arena, &value, NULL));
    assert_fails(json_parse(SLICE("[]"), 0, &arena, &value, NULL), ERROR_LIMIT);
}

/* One byte of text may become 32 of tree: the arena's cap holds for all that is gathered on the way. */
static void memory_is_bounded_by_the_arena(void **state)
{
    (void)state;
    size_t size = 200 * 1024 + 1;
    char *text = malloc(size);
    text[0] = '[';
    for (size_t i = 1; i + 1 < size; i += 2) {
        text[i] = '1';
        text[i + 1] = ',';
    }
    text[size - 1] = ']';
    struct json *value;
    assert_fails(json_parse(slice_of(text, size), 2, &arena, &value, NULL), ERROR_MEMORY);
    struct arena large;
    arena_init(&large, 16 * 1024 * 1024);
    struct error error = json_parse(slice_of(text, size), 2, &large, &value, NULL);
    assert_ok(error);
    assert_true(value->count > 90000);
    arena_done(&large);
    free(text);
    struct arena tiny;
    arena_init(&tiny, 16);
    assert_fails(json_parse(SLICE("1"), 2, &tiny, &value, NULL), ERROR_MEMORY);
    arena_done(&tiny);
}

static void an_arena_that_is_full_is_an_error(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,2,3,{\"b\":\"\\u00e4\\n\"},[],{}],\"c\":{\"d\":1.5e3,\"e\":null,"
                               "\"f\":true},\"g\":\"plain\",\"h\":[[[[]]]]}";
    bool whole = false;
    for (size_t maximum = 0; !whole; maximum += 16) {
        struct arena small;
        struct json *value = NULL;
        arena_init(&small, maximum);
        struct error error = json_parse(slice_from_string(text), JSON_DEPTH_MAX, &small, &value, NULL);
        whole = !failed(error);
        assert_true(whole ? value->count == 4 : error.kind == ERROR_MEMORY && value == NULL);
        arena_done(&small);
        assert_true(maximum < 1024 * 1024);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_every_type, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(reads_scalars_alone, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(points_into_the_text, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(finds_ends_of_strings_at_every_offset, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(refuses_bad_syntax_and_says_where, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(refuses_a_name_that_stands_twice, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(finds_members_and_twins_among_many, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(nests_to_the_limit_and_no_deeper, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(memory_is_bounded_by_the_arena, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(an_arena_that_is_full_is_an_error, arena_start, arena_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
