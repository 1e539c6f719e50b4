#include "authorize/authorize.h"
#include "unit.h"

static const struct conf_field *field_of(const struct conf_object *object, const char *name)
{
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        assert_non_null(field->help);
        assert_true(field->offset < object->size);
        if (strcmp(field->name, name) == 0) {
            return field;
        }
    }
    fail_msg("no field %s", name);
    return NULL;
}

/* `authorize: any_caller`: a bare word that is the name of the boolean it stands for sets it. */
static void test_the_bare_word(void **state)
{
    (void)state;
    assert_string_equal(authorize_object.scalar, "any_caller");
    const struct conf_field *field = field_of(&authorize_object, authorize_object.scalar);
    assert_int_equal(field->type, CONF_BOOL);
    assert_int_equal(field->offset, offsetof(struct authorize_settings, any_caller));
    assert_string_equal(field->standard, "false");
}

static void test_scopes_as_a_list(void **state)
{
    (void)state;
    const struct conf_object *scopes = field_of(&authorize_object, "scopes")->object;
    assert_string_equal(scopes->sequence, "all");
    assert_string_equal(scopes->scalar, "all");
    assert_int_equal(field_of(scopes, "all")->offset, offsetof(struct scope_settings, all));
    assert_int_equal(field_of(scopes, "any")->offset, offsetof(struct scope_settings, any));
}

static void test_claims(void **state)
{
    (void)state;
    const struct conf_field *claims = field_of(&authorize_object, "claims");
    assert_int_equal(claims->type, CONF_LIST);
    assert_int_equal(claims->object->size, sizeof(struct claim_settings));
    static const char *const names[] = { "claim", "equals", "one_of",   "path_variable", "contains",
                                         "query", "header", "at_least", "at_most" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        field_of(claims->object, names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bare_word),
        cmocka_unit_test(test_scopes_as_a_list),
        cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
