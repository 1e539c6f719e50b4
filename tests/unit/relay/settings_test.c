#include "relay/relay.h"
#include "unit.h"

static const char *problem_of(const char *name, const char *value)
{
    struct conf_pair pairs[] = { { SLICE_INIT("X-First"), SLICE_INIT("subject") },
                                 { slice_from_string(name), slice_from_string(value) } };
    struct relay_settings settings = { .headers = { pairs, 2 } };
    size_t pair = 99;
    const char *problem = relay_check_settings(&settings, &pair);
    assert_int_equal(pair, problem != NULL ? 1 : 99);
    return problem;
}

static void test_names(void **state)
{
    (void)state;
    static const char *const good[] = { "X-User-Id", "X-Scopes", "User", "X-Tenant", "x-lower" };
    static const char *const bad[] = {
        "",
        "X User",
        "X-User:",
        "X_User",
        "Host",
        "Authorization",
        "Cookie",
        "Set-Cookie",
        "Connection",
        "Transfer-Encoding",
        "Content-Length",
        "Content-Type",
        "Content-Encoding",
        "TE",
        "Upgrade",
        "Expect",
        "X-Forwarded-For",
        "X-Forwarded-User",
        "Forwarded",
        "X-Real-IP",
        "X-Request-Id",
        "traceparent",
        "tracestate",
        "Via",
        "Proxy-Authorization",
        "DPoP",
        "Client-Cert",
        "X-HTTP-Method-Override",
        "Proxy",
        "X-FIRST",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_null(problem_of(good[i], "claims.sub"));
        assert_non_null(problem_of(good[i], "nonsense"));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (problem_of(bad[i], "claims.sub") == NULL) {
            fail_msg("\"%s\" may be set", bad[i]);
        }
    }
}

static void test_the_table_of_fields(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct conf_field *field = relay_object.fields; field->name != NULL; field++, count++) {
        assert_non_null(field->help);
        assert_true(field->offset < relay_object.size);
        /* Nothing is relayed unless it is said. */
        assert_true(field->type == CONF_PAIRS || strcmp(field->standard, "false") == 0 ||
                    strcmp(field->standard, "strip") == 0);
    }
    assert_int_equal(count, 4);
    assert_int_equal(RELAY_STRIP, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_the_table_of_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
