#include "reading.h"

#include "config/documents.h"
#include "config/tables.h"
#include "config/values.h"

/* Every room's tables, from the root. */
static void collect(struct object_list *list)
{
    memset(list, 0, sizeof *list);
    object_list_collect(list, &config_object);
    assert_true(list->count > 15);
}

static void every_field_is_explained(void **state)
{
    (void)state;
    struct object_list list;
    collect(&list);
    for (size_t i = 0; i < list.count; i++) {
        const struct conf_object *object = list.items[i];
        assert_non_null(object->help);
        for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
            if (field->help == NULL || field->help[0] == '\0') {
                fail_msg("%s.%s has no help", object->name, field->name);
            }
            bool has_choices = field->type == CONF_ENUM || field->type == CONF_FLAGS;
            assert_int_equal(has_choices, field->choices != NULL);
            bool has_object =
                field->type == CONF_OBJECT || field->type == CONF_LIST || field->type == CONF_MAP;
            assert_int_equal(has_object, field->object != NULL);
            assert_true(field->offset < object->size);
            assert_true(field->minimum <= field->maximum);
        }
    }
}

/* A default is read as if it were written: so it must be something that one may write. */
static void every_default_can_be_read(void **state)
{
    (void)state;
    struct object_list list;
    collect(&list);
    struct reading reading;
    reading_init(&reading, SLICE("a: 1\n"));
    struct conf_reader reader = { .arena = &reading.arena,
                                  .diagnostics = &reading.diagnostics,
                                  .places = &reading.places };
    for (size_t i = 0; i < list.count; i++) {
        void *out = calloc(1, list.items[i]->size);
        assert_non_null(out);
        assert_ok(conf_read(&reader, list.items[i], NULL, out));
        assert_diagnostics(&reading, "");
        free(out);
    }
    reading_done(&reading);
}

/* What messages give as an example is something that one may write; alone, but for what it needs beside it. */
static void every_example_can_be_read(void **state)
{
    (void)state;
    struct object_list list;
    collect(&list);
    size_t count = 0;
    for (size_t i = 0; i < list.count; i++) {
        for (const struct conf_field *field = list.items[i]->fields; field->name != NULL; field++) {
            struct reading reading;
            struct conf_field alone[2] = { *field, { 0 } };
            alone[0].offset = 0;
            const struct conf_object object = { .name = "x", .size = 64, .fields = alone };
            struct arena arena;
            arena_init(&arena, 4096);
            struct slice example = value_example(field, &arena);
            bool is_whole = !slice_contains(example, SLICE("…")) && !slice_contains(example, SLICE("${")) &&
                            !slice_contains(example, SLICE("text")) && !slice_ends_with(example, SLICE(": "));
            if (is_whole) {
                reading_init(&reading, example);
                struct conf_reader reader = { .arena = &reading.arena,
                                              .diagnostics = &reading.diagnostics,
                                              .places = &reading.places };
                uint64_t out[8] = { 0 };
                assert_ok(conf_read(&reader, &object, reading.root, out));
                if (reading.diagnostics.error_count > 0) {
                    fail_msg("%s.%s: %.*s", list.items[i]->name, field->name, SLICE_ARG(example));
                }
                reading_done(&reading);
                count++;
            }
            arena_done(&arena);
        }
    }
    assert_true(count > 200);
}

static void shorthands_name_fields(void **state)
{
    (void)state;
    struct object_list list;
    collect(&list);
    for (size_t i = 0; i < list.count; i++) {
        const struct conf_object *object = list.items[i];
        assert_true(object->scalar == NULL ||
                    conf_field_find(object, slice_from_string(object->scalar)) != NULL);
        assert_true(object->sequence == NULL ||
                    conf_field_find(object, slice_from_string(object->sequence)) != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_explained),
        cmocka_unit_test(every_default_can_be_read),
        cmocka_unit_test(every_example_can_be_read),
        cmocka_unit_test(shorthands_name_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
