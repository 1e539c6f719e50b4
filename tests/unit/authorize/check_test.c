#include "authorize/authorize.h"
#include "unit.h"

static struct conf_strings strings(struct slice *items, size_t count)
{
    return (struct conf_strings){ items, count };
}

static const char *problem_of(const struct authorize_settings *settings, int *ret_rule)
{
    *ret_rule = 99;
    return authorize_check_settings(settings, SLICE("/t/{tenant}/x"), ret_rule);
}

static void test_something_is_demanded(void **state)
{
    (void)state;
    int rule;
    struct authorize_settings settings = { 0 };
    assert_non_null(problem_of(&settings, &rule));
    assert_int_equal(rule, -1);
    settings.any_caller = true;
    assert_null(problem_of(&settings, &rule));
    struct scope_settings scopes = { 0 };
    settings.scopes = &scopes;
    assert_non_null(problem_of(&settings, &rule));
    settings.any_caller = false;
    assert_non_null(problem_of(&settings, &rule));
    struct slice one[] = { SLICE_INIT("read") };
    scopes.any = strings(one, 1);
    assert_null(problem_of(&settings, &rule));
    settings.any_caller = true;
    assert_non_null(problem_of(&settings, &rule));
    settings.scopes = NULL;
    struct claim_settings claim = { .claim = SLICE("a"), .equals = SLICE("b") };
    settings.claims = (struct conf_list){ &claim, 1 };
    assert_non_null(problem_of(&settings, &rule));
    settings.any_caller = false;
    assert_null(problem_of(&settings, &rule));
}

static void test_scopes(void **state)
{
    (void)state;
    int rule;
    static const char *const bad[] = { "", "a b", "a\"b", "a\\b", "caf\xc3\xa9", "a\tb", "a\x7f" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct slice items[] = { SLICE_INIT("fine"), slice_from_string(bad[i]) };
        struct scope_settings scopes = { .all = strings(items, 2) };
        struct authorize_settings settings = { .scopes = &scopes };
        assert_non_null(problem_of(&settings, &rule));
        scopes = (struct scope_settings){ .any = strings(items, 2) };
        assert_non_null(problem_of(&settings, &rule));
        scopes = (struct scope_settings){ .any = strings(items, 1), .all = strings(items, 1) };
        assert_null(problem_of(&settings, &rule));
    }
}

static void test_roles(void **state)
{
    (void)state;
    int rule;
    struct slice items[] = { SLICE_INIT("Order Admin"), SLICE_INIT("") };
    struct scope_settings roles = { 0 };
    struct authorize_settings settings = { .roles = &roles };
    assert_non_null(problem_of(&settings, &rule));
    roles.any = strings(items, 1);
    assert_null(problem_of(&settings, &rule));
    settings.any_caller = true;
    assert_non_null(problem_of(&settings, &rule));
    settings.any_caller = false;
    roles.all = strings(items, 2);
    assert_non_null(problem_of(&settings, &rule));
    assert_int_equal(rule, -1);
}

static void test_claim_rules(void **state)
{
    (void)state;
    struct slice items[] = { SLICE_INIT("x") };
    struct claim_settings good[] = {
        { .claim = SLICE("a"), .equals = SLICE("") },
        { .claim = SLICE("a"), .one_of = strings(items, 1) },
        { .claim = SLICE("a"), .path_variable = SLICE("tenant") },
        { .claim = SLICE("a"), .contains = SLICE("x") },
        { .claim = SLICE("a"), .query = SLICE("tenant_id") },
        { .claim = SLICE("a"), .header = SLICE("X-Tenant") },
        { .claim = SLICE("a"), .at_least = SLICE("-1.5e3") },
        { .claim = SLICE("a"), .at_least = SLICE("1"), .at_most = SLICE("1.0") },
    };
    struct authorize_settings settings = { .claims = { good, 8 } };
    struct arena arena;
    arena_init(&arena, 1 << 16);
    int rule;
    assert_ok(authorize_prepare(&settings, &arena));
    assert_null(problem_of(&settings, &rule));
    struct claim_settings bad[] = {
        { .equals = SLICE("x") },
        { .claim = SLICE("a") },
        { .claim = SLICE("a"), .equals = SLICE("x"), .contains = SLICE("x") },
        { .claim = SLICE("a"), .equals = SLICE("x"), .one_of = strings(items, 1) },
        { .claim = SLICE("a"), .path_variable = SLICE("other") },
        { .claim = SLICE("a"), .path_variable = SLICE("tenan") },
        { .claim = SLICE("a"), .path_variable = SLICE("tenant"), .equals = SLICE("") },
        { .claim = SLICE("a"), .query = SLICE("t"), .header = SLICE("t") },
        { .claim = SLICE("a"), .query = SLICE("a b") },
        { .claim = SLICE("a"), .query = SLICE("a[]") },
        { .claim = SLICE("a"), .header = SLICE("X Tenant") },
        { .claim = SLICE("a"), .header = SLICE("X_Tenant") },
        { .claim = SLICE("a"), .at_least = SLICE("1"), .equals = SLICE("1") },
        { .claim = SLICE("a"), .at_least = SLICE("") },
        { .claim = SLICE("a"), .at_least = SLICE("five") },
        { .claim = SLICE("a"), .at_most = SLICE("01") },
        { .claim = SLICE("a"), .at_most = SLICE("\"1\"") },
        { .claim = SLICE("a"), .at_least = SLICE("1.1"), .at_most = SLICE("1") },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct claim_settings rules[] = { good[0], bad[i] };
        settings.claims = (struct conf_list){ rules, 2 };
        assert_ok(authorize_prepare(&settings, &arena));
        assert_non_null(problem_of(&settings, &rule));
        assert_int_equal(rule, 1);
    }
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_something_is_demanded),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_claim_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
