#include "arena.h"
#include "authorize/strength.h"
#include "base/clock.h"
#include "base/limits.h"

#define NOW 1000000

static struct slice gold[] = { SLICE_INIT("gold"), SLICE_INIT("silver") };
static struct slice factors[] = { SLICE_INIT("pwd"), SLICE_INIT("mfa") };

static bool is_enough(const struct authorize_settings *settings, const char *claims)
{
    struct json *value = NULL;
    assert_ok(json_parse(slice_from_string(claims), JSON_DEPTH_MAX, &arena, &value, NULL));
    const struct principal principal = { .kind = PRINCIPAL_JWT, .claims = value };
    return strength_is_enough(settings, &principal, NOW);
}

static void nothing_demanded_is_enough(void **state)
{
    (void)state;
    const struct authorize_settings settings = { 0 };
    const struct principal key = { .kind = PRINCIPAL_API_KEY };
    assert_true(is_enough(&settings, "{}"));
    assert_true(strength_is_enough(&settings, &key, NOW));
}

static void acr_is_one_of_those(void **state)
{
    (void)state;
    const struct authorize_settings settings = { .acr = { gold, 2 } };
    assert_true(is_enough(&settings, "{\"acr\":\"gold\"}"));
    assert_true(is_enough(&settings, "{\"acr\":\"silver\"}"));
    static const char *const wrong[] = { "{}",
                                         "{\"acr\":\"bronze\"}",
                                         "{\"acr\":\"Gold\"}",
                                         "{\"acr\":[\"gold\"]}",
                                         "{\"acr\":null}",
                                         "{\"acr\":\"gold silver\"}",
                                         "{\"acr\":0}" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(is_enough(&settings, wrong[i]));
    }
    const struct principal key = { .kind = PRINCIPAL_API_KEY };
    assert_false(strength_is_enough(&settings, &key, NOW));
}

static void amr_holds_all_of_those(void **state)
{
    (void)state;
    const struct authorize_settings settings = { .amr = { factors, 2 } };
    assert_true(is_enough(&settings, "{\"amr\":[\"mfa\",\"otp\",\"pwd\"]}"));
    static const char *const wrong[] = {
        "{}",           "{\"amr\":[\"mfa\"]}",           "{\"amr\":\"mfa\"}",
        "{\"amr\":[]}", "{\"amr\":[\"pwd\",[\"mfa\"]]}", "{\"amr\":\"pwd mfa\"}"
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(is_enough(&settings, wrong[i]));
    }
}

static void a_login_is_recent(void **state)
{
    (void)state;
    const struct authorize_settings settings = { .max_age = 300 * NS_PER_S };
    static const char *const right[] = { "{\"auth_time\":1000000}", "{\"auth_time\":999700}",
                                         "{\"auth_time\":1000600}", "{\"auth_time\":999900.5}" };
    /* Milliseconds would be fresh for ever. */
    static const char *const wrong[] = { "{}",
                                         "{\"auth_time\":999699}",
                                         "{\"auth_time\":1000601}",
                                         "{\"auth_time\":1000000000}",
                                         "{\"auth_time\":\"1000000\"}",
                                         "{\"auth_time\":null}",
                                         "{\"iat\":1000000}" };
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        assert_true(is_enough(&settings, right[i]));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(is_enough(&settings, wrong[i]));
    }
}

static void it_is_asked_for_last(void **state)
{
    (void)state;
    struct scope_settings scopes = { .all = { gold, 1 } };
    const struct authorize_settings settings = { .scopes = &scopes,
                                                 .acr = { gold, 1 },
                                                 .kinds = UINT64_C(1) << CALLER_USER };
    struct principal principal = { .kind = PRINCIPAL_JWT };
    struct authorize_request request = { .kind = CALLER_SERVICE, .now = NOW };
    assert_int_equal(authorize_decide(&settings, &principal, &request), DENY_CALLER_KIND);
    request.kind = CALLER_USER;
    assert_int_equal(authorize_decide(&settings, &principal, &request), DENY_SCOPE_MISSING);
    principal.scopes = gold;
    principal.scope_count = 1;
    assert_int_equal(authorize_decide(&settings, &principal, &request), DENY_AUTHENTICATION_WEAK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_demanded_is_enough), cmocka_unit_test(acr_is_one_of_those),
        cmocka_unit_test(amr_holds_all_of_those),     cmocka_unit_test(a_login_is_recent),
        cmocka_unit_test(it_is_asked_for_last),
    };
    return cmocka_run_group_tests(tests, arena_start, arena_finish);
}
