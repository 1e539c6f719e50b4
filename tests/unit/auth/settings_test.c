#include "unit.h"

#include "auth/jws.h"
#include "auth/settings.h"

static const struct conf_field *find(const struct conf_object *object, const char *name)
{
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        if (strcmp(field->name, name) == 0) {
            return field;
        }
    }
    return NULL;
}

/* Every field has help, a place inside its struct, and a default within its bounds is for the reader to check. */
static void tables_are_well_formed(void **state)
{
    (void)state;
    const struct conf_object *objects[] = { &issuer_object, &auth_object };
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(objects[i]->help);
        for (const struct conf_field *field = objects[i]->fields; field->name != NULL; field++) {
            assert_non_null(field->help);
            assert_true(field->offset < objects[i]->size);
            assert_true(field->maximum == 0 || field->minimum <= field->maximum);
            assert_ptr_equal(find(objects[i], field->name), field);
        }
    }
}

static void every_algorithm_can_be_named(void **state)
{
    (void)state;
    const struct conf_field *field = find(&issuer_object, "algorithms");
    size_t count = 0;
    for (const struct conf_choice *choice = field->choices; choice->name != NULL; choice++, count++) {
        assert_int_equal(jws_algorithm_of(slice_from_string(choice->name)), choice->value);
    }
    assert_int_equal(count, JWT_ALGORITHM_COUNT);
}

/* What a policy locks may only be tightened: these marks say which way that is. */
static void tighter_is_marked(void **state)
{
    (void)state;
    assert_true(find(&auth_object, "mode")->flags & CONF_LOWER);
    assert_true(AUTH_REQUIRED < AUTH_OPTIONAL && AUTH_OPTIONAL < AUTH_NONE);
    assert_true(find(&auth_object, "jwt")->flags & CONF_SUBSET);
    assert_true(find(&issuer_object, "max_token_lifetime")->flags & CONF_LOWER);
    assert_string_equal(auth_object.scalar, "mode");
    assert_int_equal(find(&issuer_object, "secret")->type, CONF_SECRET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_well_formed),
        cmocka_unit_test(every_algorithm_can_be_named),
        cmocka_unit_test(tighter_is_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
