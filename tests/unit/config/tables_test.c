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
        cmocka_unit_test(shorthands_name_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
