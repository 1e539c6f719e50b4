#include "asking.h"

static void ask(struct asking *asking, struct external_question *question)
{
    assert_ok(authorizer_prepare(&asking->settings, &asking->arena));
    assert_int_equal(asking_look(asking), DENY_NONE);
    assert_true(
        external_question_of(&asking->settings, &asking->request, &asking->found, &asking->arena, question));
}

#define assert_told(question, name, expected) \
    assert_slice(find(&(question).headers, (name))->value, (expected))

static void test_forward_auth(void **state)
{
    (void)state;
    struct asking asking;
    struct external_question question;
    asking_init(&asking);
    fields_add(&asking.fields, "authorization", "Basic x");
    fields_add(&asking.fields, "X-Other", "1");
    fields_add(&asking.fields, "X_Tenant", "1");
    asking.principal = (struct principal){ .kind = PRINCIPAL_JWT, .subject = SLICE("alice") };
    asking.request.query = SLICE("b=1");
    ask(&asking, &question);
    assert_slice(question.method_text, "GET");
    assert_slice(question.target, "/verify");
    assert_slice(question.host, "127.0.0.1:9000");
    assert_int_equal(question.body, BODY_NONE);
    assert_told(question, "X-Forwarded-Method", "POST");
    assert_told(question, "X-Forwarded-Uri", "/a?b=1");
    assert_told(question, "X-Forwarded-Host", "api.example:8443");
    assert_told(question, "X-Forwarded-Proto", "https");
    assert_told(question, "X-Forwarded-For", "192.0.2.7");
    assert_told(question, "X-Original-URL", "https://api.example:8443/a?b=1");
    assert_told(question, "Authorization", "Basic x");
    assert_told(question, "X-Caller", "alice");
    assert_null(find(&question.headers, "X-Other"));
    assert_null(find(&question.headers, "X_Tenant"));
    assert_null(find(&question.headers, "traceparent"));
    arena_done(&asking.arena);
}

static void test_ext_authz(void **state)
{
    (void)state;
    struct asking asking;
    struct external_question question;
    asking_init(&asking);
    asking.settings.contract = AUTHORIZER_EXT_AUTHZ;
    asking.request.query = SLICE("");
    asking.request.method = SLICE("PURGE");
    ask(&asking, &question);
    assert_slice(question.method_text, "PURGE");
    assert_int_equal(question.method, METHOD_OTHER);
    assert_slice(question.target, "/verify/a?");
    assert_slice(question.host, "api.example:8443");
    assert_int_equal(question.body, BODY_LENGTH);
    assert_null(find(&question.headers, "X-Forwarded-Uri"));
    assert_null(find(&question.headers, "X-Caller")); /* nobody was proven */
    arena_done(&asking.arena);
}

static void test_what_is_not_asked(void **state)
{
    (void)state;
    struct asking asking;
    asking_init(&asking);
    fields_add(&asking.fields, "Connection", "X-Tenant");
    fields_add(&asking.fields, "X-Tenant", "1");
    assert_int_equal(asking_look(&asking), DENY_NONE);
    assert_int_equal(asking.found.client.count, 0);
    fields_add(&asking.fields, "Authorization", "a");
    assert_int_equal(asking_look(&asking), DENY_NONE);
    fields_add(&asking.fields, "Authorization", "a");
    assert_int_equal(asking_look(&asking), DENY_CREDENTIAL_REPEATED);
    asking.fields.list.count = 0;
    asking.principal = (struct principal){ .kind = PRINCIPAL_JWT, .subject = SLICE("a\r\nX-Admin: yes") };
    assert_int_equal(asking_look(&asking), DENY_AUTHORIZATION_ERROR);
    arena_done(&asking.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward_auth),
        cmocka_unit_test(test_ext_authz),
        cmocka_unit_test(test_what_is_not_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
