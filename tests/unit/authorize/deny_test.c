#include "arena.h"
#include "authorize/authorize.h"
#include "base/limits.h"

static struct slice names[] = { SLICE_INIT("admin"), SLICE_INIT("root") };

static enum deny_reason decide(struct deny_settings rule, struct headers *headers, const char *claims)
{
    struct json *value = NULL;
    assert_ok(json_parse(slice_from_string(claims), JSON_DEPTH_MAX, &arena, &value, NULL));
    struct principal principal = { .kind = PRINCIPAL_JWT, .claims = value };
    struct deny_settings rules[] = { { .claim = SLICE("never"), .equals = SLICE("here") }, rule };
    struct authorize_settings settings = { .any_caller = true, .deny = { rules, 2 } };
    struct authorize_request request = { .headers = headers };
    assert_ok(authorize_prepare(&settings, &arena));
    return authorize_decide(&settings, &principal, &request);
}

static bool denies(struct deny_settings rule, const char *first, const char *second)
{
    struct header fields[] = { { SLICE("X-Role"), slice_from_string(first), HEADER_OTHER },
                               { SLICE("x-role"), slice_from_string(second), HEADER_OTHER } };
    struct headers headers = { fields, second != NULL ? 2 : 1, 2 };
    enum deny_reason reason = decide(rule, &headers, "{}");
    assert_true(reason == DENY_NONE || reason == DENY_DENY_RULE);
    return reason == DENY_DENY_RULE;
}

/* T15. */
static void a_header_fires_by_any_of_its_values(void **state)
{
    (void)state;
    struct deny_settings rule = { .header = SLICE("X-Role"), .equals = SLICE("admin") };
    assert_true(denies(rule, "admin", NULL));
    assert_true(denies(rule, "user,admin", NULL));
    assert_true(denies(rule, "user , admin , x", NULL));
    assert_true(denies(rule, "user", "admin"));
    assert_true(denies(rule, "admin", "user"));
    assert_true(denies(rule, "Admin", NULL));
    assert_true(denies(rule, "\"admin\"", NULL));
    assert_true(denies(rule, "\"user,admin\"", NULL));
    assert_false(denies(rule, "user", "guest"));
    assert_false(denies(rule, "administrator, sysadmin", NULL));
    assert_false(denies(rule, "", NULL));
    struct deny_settings any = { .header = SLICE("X-Role"), .one_of = { names, 2 } };
    assert_true(denies(any, "user", "x, root"));
    assert_false(denies(any, "user", "x, roots"));
    struct deny_settings part = { .header = SLICE("X-Role"), .contains = SLICE("admin") };
    assert_true(denies(part, "user", "SysAdmin2"));
    assert_false(denies(part, "user", "adm in"));
}

static void a_header_fires_by_whatever_spelling_of_its_name(void **state)
{
    (void)state;
    struct deny_settings rule = { .header = SLICE("X-Role"), .equals = SLICE("admin") };
    struct header field = { SLICE("x_ROLE"), SLICE("admin"), HEADER_OTHER };
    struct headers headers = { &field, 1, 1 };
    assert_int_equal(decide(rule, &headers, "{}"), DENY_DENY_RULE);
    field.name = SLICE("X-Roles");
    assert_int_equal(decide(rule, &headers, "{}"), DENY_NONE);
    headers.count = 0;
    assert_int_equal(decide(rule, &headers, "{}"), DENY_NONE);
    assert_int_equal(decide(rule, NULL, "{}"), DENY_DENY_RULE);
}

static void a_claim_fires_by_itself_or_an_element(void **state)
{
    (void)state;
    struct deny_settings equals = { .claim = SLICE("a.b"), .equals = SLICE("x") };
    struct deny_settings any = { .claim = SLICE("a.b"), .one_of = { names, 2 } };
    struct deny_settings part = { .claim = SLICE("a.b"), .contains = SLICE("dm") };
    static const struct {
        const char *claims;
        bool equals, any, part;
    } cases[] = {
        { "{}", false, false, false },
        { "{\"a\":{\"b\":null}}", false, false, false },
        { "{\"a\":{\"b\":\"x\"}}", true, false, false },
        { "{\"a\":{\"b\":\"X\"}}", false, false, false },
        { "{\"a\":{\"b\":\"admin\"}}", false, true, true },
        { "{\"a\":{\"b\":[\"y\",null,\"x\"]}}", true, false, false },
        { "{\"a\":{\"b\":[\"y\",\"root\"]}}", false, true, false },
        { "{\"a\":{\"b\":[]}}", false, false, false },
        { "{\"a\":{\"b\":{}}}", true, true, true },
        { "{\"a\":{\"b\":[[\"y\"]]}}", true, true, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(decide(equals, NULL, cases[i].claims), cases[i].equals ? DENY_DENY_RULE : DENY_NONE);
        assert_int_equal(decide(any, NULL, cases[i].claims), cases[i].any ? DENY_DENY_RULE : DENY_NONE);
        assert_int_equal(decide(part, NULL, cases[i].claims), cases[i].part ? DENY_DENY_RULE : DENY_NONE);
    }
}

static void what_check_refuses_denies(void **state)
{
    (void)state;
    static struct slice holes[] = { SLICE_INIT("x"), SLICE_INIT("") };
    const struct deny_settings broken[] = {
        { 0 },
        { .claim = SLICE("a") },
        { .header = SLICE("X-A") },
        { .equals = SLICE("x") },
        { .claim = SLICE("a"), .header = SLICE("X-A"), .equals = SLICE("x") },
        { .claim = SLICE("a"), .equals = SLICE("x"), .contains = SLICE("x") },
        { .claim = SLICE("a..b"), .equals = SLICE("x") },
        { .header = SLICE("X A"), .equals = SLICE("x") },
        { .header = SLICE("X_A"), .equals = SLICE("x") },
        { .claim = SLICE("a"), .one_of = { holes, 2 } },
    };
    struct headers none = { 0 };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        assert_non_null(authorize_check_deny(&broken[i]));
        assert_int_equal(decide(broken[i], &none, "{}"), DENY_DENY_RULE);
    }
    struct deny_settings sound = { .claim = SLICE("a"), .equals = SLICE("x") };
    assert_null(authorize_check_deny(&sound));
    assert_int_equal(decide(sound, &none, "{}"), DENY_NONE);
}

/* Whatever else would let the caller in, or keep it out. */
static void denying_wins(void **state)
{
    (void)state;
    struct deny_settings rule = { .claim = SLICE("a"), .equals = SLICE("x") };
    struct scope_settings scopes = { .all = { names, 1 } };
    struct authorize_settings settings = { .scopes = &scopes, .deny = { &rule, 1 } };
    struct authorize_request request = { 0 };
    assert_int_equal(authorize_decide(&settings, &(struct principal){ 0 }, &request), DENY_DENY_RULE);
    assert_ok(authorize_prepare(&settings, &arena));
    struct json *value = NULL;
    assert_ok(json_parse(SLICE("{\"a\":\"x\"}"), JSON_DEPTH_MAX, &arena, &value, NULL));
    struct principal principal = {
        .kind = PRINCIPAL_JWT, .claims = value, .scopes = names, .scope_count = 1
    };
    assert_int_equal(authorize_decide(&settings, &principal, &request), DENY_DENY_RULE);
    principal.scope_count = 0;
    assert_int_equal(authorize_decide(&settings, &principal, &request), DENY_DENY_RULE);
    principal.claims = NULL;
    assert_int_equal(authorize_decide(&settings, &principal, &request), DENY_SCOPE_MISSING);
    principal.scope_count = 1;
    assert_int_equal(authorize_decide(&settings, &principal, &request), DENY_NONE);
    settings.scopes = NULL;
    assert_int_equal(authorize_decide(&settings, &principal, &request), DENY_AUTHORIZATION_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_header_fires_by_any_of_its_values, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(a_header_fires_by_whatever_spelling_of_its_name, arena_start,
                                        arena_finish),
        cmocka_unit_test_setup_teardown(a_claim_fires_by_itself_or_an_element, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(what_check_refuses_denies, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(denying_wins, arena_start, arena_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
