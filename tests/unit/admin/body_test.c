/* What a body may hold: by tables as the configuration's, and nothing beside them. */
#include "admin/body.h"

#include "arena.h"

#define OF(member) .offset = offsetof(struct thing, member)

struct entry {
    struct slice name, text;
};

struct thing {
    struct slice text, needed;
    struct conf_strings list;
    struct conf_rate rate;
    int64_t duration;
    bool yes;
    struct conf_list map;
};

static const struct conf_field entry_fields[] = {
    { "text", CONF_STRING, CONF_REQUIRED, .offset = offsetof(struct entry, text), .help = "" },
    { 0 },
};
static const struct conf_object entry_object = { .name = "entry",
                                                 .size = sizeof(struct entry),
                                                 .fields = entry_fields };
static const struct conf_field fields[] = {
    { "text", CONF_STRING, CONF_NON_EMPTY, OF(text), .help = "" },
    { "needed", CONF_STRING, CONF_REQUIRED, OF(needed), .help = "" },
    { "list", CONF_STRINGS, OF(list), .help = "" },
    { "rate", CONF_RATE, OF(rate), .minimum = 1, .maximum = 100, .help = "" },
    { "duration", CONF_DURATION, OF(duration), .standard = "24h", .minimum = 0,
      .maximum = INT64_C(1000000000) * 86400, .help = "" },
    { "yes", CONF_BOOL, OF(yes), .help = "" },
    { "map", CONF_MAP, OF(map), .object = &entry_object, .help = "" },
    { 0 },
};
static const struct conf_object object = { .name = "thing", .size = sizeof(struct thing), .fields = fields };

static const char *problem_of(const char *text, struct thing *out)
{
    struct json *tree = NULL;
    memset(out, 0, sizeof *out);
    assert_ok(json_parse(slice_from_string(text), 8, &arena, &tree, NULL));
    return body_read(&object, tree, &arena, out);
}

static void each_type_is_read(void **state)
{
    (void)state;
    struct thing thing;
    assert_null(problem_of("{\"text\":\"a\",\"needed\":\"\",\"list\":[\"x\",\"y\"],\"rate\":\"5/1m\","
                           "\"duration\":\"1h\",\"yes\":true,\"map\":{\"one\":{\"text\":\"t\"}}}",
                           &thing));
    assert_slice(thing.text, "a");
    assert_int_equal(thing.list.count, 2);
    assert_slice(thing.list.items[1], "y");
    assert_int_equal(thing.rate.count, 5);
    assert_int_equal(thing.duration, INT64_C(3600000000000));
    assert_true(thing.yes);
    const struct entry *entries = thing.map.items;
    assert_int_equal(thing.map.count, 1);
    assert_slice(entries[0].name, "one");
    assert_slice(entries[0].text, "t");
}

static void what_is_absent_or_null_has_its_default(void **state)
{
    (void)state;
    struct thing thing;
    assert_null(problem_of("{\"needed\":\"x\",\"text\":null,\"list\":null,\"duration\":null}", &thing));
    assert_null(thing.text.ptr);
    assert_int_equal(thing.list.count, 0);
    assert_int_equal(thing.duration, INT64_C(86400000000000));
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *problem;
    } wrong[] = {
        { "[]", "an object is wanted" },
        { "null", "an object is wanted" },
        { "{}", "needed is missing" },
        { "{\"needed\":null}", "needed is missing" },
        { "{\"needed\":\"x\",\"other\":1}",
          "a member that is not known; known are: text, needed, list, rate, duration, yes, map" },
        { "{\"needed\":5}", "needed: a string is wanted" },
        { "{\"needed\":\"x\",\"text\":\"\"}", "text: a string is wanted" },
        { "{\"needed\":\"x\",\"list\":\"a\"}", "list: an array of strings is wanted" },
        { "{\"needed\":\"x\",\"list\":[\"a\",1]}", "list: an array of strings is wanted" },
        { "{\"needed\":\"x\",\"rate\":\"5\"}", "rate: a rate, as in \"1000/1m\" is wanted" },
        { "{\"needed\":\"x\",\"rate\":\"101/1s\"}", "rate: a rate, as in \"1000/1m\" is wanted" },
        { "{\"needed\":\"x\",\"duration\":60}", "duration: a duration, as in \"24h\" is wanted" },
        { "{\"needed\":\"x\",\"duration\":\"2d\"}", "duration: a duration, as in \"24h\" is wanted" },
        { "{\"needed\":\"x\",\"yes\":\"true\"}", "yes: true or false is wanted" },
        { "{\"needed\":\"x\",\"map\":[]}", "map: an object is wanted" },
        { "{\"needed\":\"x\",\"map\":{\"a b\":{}}}",
          "a name is of 1 to 64 letters, digits, \"-\", \"_\" and \".\"" },
        { "{\"needed\":\"x\",\"map\":{\"a\":{}}}", "a: text is missing" },
        { "{\"needed\":\"x\",\"map\":{\"a\":5}}", "a: an object is wanted" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct thing thing;
        const char *problem = problem_of(wrong[i].text, &thing);
        assert_non_null(problem);
        assert_string_equal(problem, wrong[i].problem);
    }
}

/* Without room something is said, and nothing is half taken for whole. */
static void without_memory_it_is_a_problem(void **state)
{
    (void)state;
    static const char text[] = "{\"needed\":\"x\",\"list\":[\"a\",\"b\"],\"map\":{\"a\":{\"text\":\"t\"}}}";
    struct json *tree = NULL;
    assert_ok(json_parse(slice_from_string(text), 8, &arena, &tree, NULL));
    size_t room = 0;
    for (bool good = false; !good && room < 4096; room += 16) {
        struct arena small;
        struct thing thing = { 0 };
        arena_init(&small, room);
        const char *problem = body_read(&object, tree, &small, &thing);
        good = problem == NULL;
        assert_true(good ? thing.map.count == 1 : strlen(problem) > 0);
        arena_done(&small);
    }
    assert_true(room > 32 && room < 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_type_is_read, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(what_is_absent_or_null_has_its_default, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_told, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(without_memory_it_is_a_problem, arena_start, arena_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
