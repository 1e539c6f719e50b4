#include "unit.h"

#include "base/shadow.h"

static struct shadow_settings checked(int mode, const char *until, const char *problem)
{
    struct shadow_settings settings = { .mode = mode, .until = slice_from_string(until), .until_at = 7 };
    const char *found = shadow_check(&settings);
    if (problem == NULL) {
        assert_null(found);
    } else {
        assert_non_null(found);
        assert_string_equal(found, problem);
    }
    return settings;
}

static void a_date_is_said_with_observe_and_only_then(void **state)
{
    (void)state;
    checked(SHADOW_ENFORCE, NULL, NULL);
    checked(SHADOW_OBSERVE, "2027-01-31", NULL);
    checked(SHADOW_OBSERVE, NULL,
            "mode: observe says until when, as in until: 2027-01-31; then it is enforced");
    checked(SHADOW_ENFORCE, "2027-01-31", "until belongs to mode: observe, and it is enforced already");
    static const char *const wrong[] = { "soon", "2027-02-30", "31.1.2027", "2027-01-31 12:00", "never" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct shadow_settings settings =
            checked(SHADOW_OBSERVE, wrong[i], "until is written 2027-01-31 or 2027-01-31T12:00:00Z");
        assert_false(shadow_observes(&settings, 0)); /* what is broken is enforced */
    }
}

static void it_is_observed_until_then(void **state)
{
    (void)state;
    struct shadow_settings settings = checked(SHADOW_OBSERVE, "1970-01-01T00:16:40Z", NULL);
    assert_int_equal(settings.until_at, 1000);
    assert_true(shadow_observes(&settings, 999));
    assert_false(shadow_observes(&settings, 1000));
    const struct shadow_settings nothing = { 0 };
    assert_false(shadow_observes(&nothing, 0));
    const struct shadow_settings unchecked = { .mode = SHADOW_OBSERVE };
    assert_false(shadow_observes(&unchecked, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_date_is_said_with_observe_and_only_then),
        cmocka_unit_test(it_is_observed_until_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
