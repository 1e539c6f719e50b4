#include "relay/value.h"

#include "base/limits.h"
#include "unit.h"

static struct arena arena;
static struct principal principal;

static int setup(void **state)
{
    (void)state;
    static struct slice scopes[] = { SLICE_INIT("read"), SLICE_INIT("write") };
    static struct slice roles[] = { SLICE_INIT("Order Admin"), SLICE_INIT("user") };
    arena_init(&arena, 1 << 20);
    principal = (struct principal){ .kind = PRINCIPAL_JWT,
                                    .issuer = SLICE("https://idp.example"),
                                    .subject = SLICE("u1"),
                                    .client_id = SLICE("app"),
                                    .scopes = scopes,
                                    .scope_count = 2,
                                    .roles = roles,
                                    .role_count = 2 };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static void claims(const char *text)
{
    struct json *value = NULL;
    assert_ok(json_parse(slice_from_string(text), JSON_DEPTH_MAX, &arena, &value, NULL));
    principal.claims = value;
}

static struct slice value(const char *expression)
{
    struct slice out = SLICE("untouched");
    assert_ok(value_of(slice_from_string(expression), &principal, &arena, &out));
    return out;
}

static void test_expressions(void **state)
{
    (void)state;
    static const char *const good[] = {
        "subject", "issuer",  "client_id", "scopes", "claims.sub", "claims.a.b", "claims[\"https://x/y\"]",
        "'text'",  "'it''s'", "'a b, c'"
    };
    static const char *const bad[] = {
        "",   "sub",  "Subject", "claims", "claims.", "claims[\"\"]", "claims[\"a", "text",  "'",
        "''", "' a'", "'a '",    "'a\nb'", "'a\rb'",  "'a\x01'",      "\"text\"",   "token", "subject "
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (value_expression_problem(slice_from_string(good[i])) != NULL) {
            fail_msg("%s: %s", good[i], value_expression_problem(slice_from_string(good[i])));
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (value_expression_problem(slice_from_string(bad[i])) == NULL) {
            fail_msg("%s: no problem", bad[i]);
        }
    }
}

static void test_values(void **state)
{
    (void)state;
    claims("{\"sub\":\"u1\",\"n\":42,\"big\":12345678901234567890,\"yes\":true,\"no\":false,\"nothing\":null,"
           "\"empty\":\"\","
           "\"list\":[\"a\",\"b\",3,true],\"none\":[],\"holes\":[\"\",null,\"x\"],\"a\":{\"b\":\"deep\"},"
           "\"https://x/y\":\"uri\",\"name\":\"M\\u00fcller\"}");
    assert_slice(value("subject"), "u1");
    assert_slice(value("issuer"), "https://idp.example");
    assert_slice(value("client_id"), "app");
    assert_slice(value("scopes"), "read write");
    assert_slice(value("roles"), "Order Admin, user");
    assert_slice(value("'text'"), "text");
    assert_slice(value("claims.sub"), "u1");
    assert_slice(value("claims.n"), "42");
    assert_slice(value("claims.big"), "12345678901234567890");
    assert_slice(value("claims.yes"), "true");
    assert_slice(value("claims.no"), "false");
    assert_slice(value("claims.list"), "a, b, 3, true");
    assert_slice(value("claims.a.b"), "deep");
    assert_slice(value("claims[\"https://x/y\"]"), "uri");
    assert_slice(value("claims.name"), "M\xc3\xbcller");
    assert_slice(value("claims.nothing"), "");
    assert_slice(value("claims.empty"), "");
    assert_slice(value("claims.none"), "");
    assert_slice(value("claims.holes"), "x");
    assert_slice(value("claims.absent"), "");
    principal.scope_count = 0;
    assert_slice(value("scopes"), "");
}

static void test_anonymous(void **state)
{
    (void)state;
    claims("{\"sub\":\"u1\"}");
    principal.kind = PRINCIPAL_ANONYMOUS;
    static const char *const expressions[] = { "subject", "issuer", "client_id",
                                               "scopes",  "roles",  "claims.sub" };
    for (size_t i = 0; i < 5; i++) {
        assert_slice(value(expressions[i]), "");
    }
    assert_slice(value("'text'"), "text");
    struct slice out;
    assert_ok(value_of(SLICE("subject"), NULL, &arena, &out));
    assert_int_equal(out.len, 0);
}

/* What has no faithful form is refused, never mended. */
static void test_values_that_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"c\":\"a\\r\\nX-Admin: 1\"}",
        "{\"c\":\"a\\nb\"}",
        "{\"c\":\"a\\u0000\"}",
        "{\"c\":\"a\\u007fb\"}",
        "{\"c\":\"a\\u001bb\"}",
        "{\"c\":\" admin\"}",
        "{\"c\":\"admin \"}",
        "{\"c\":\"admin\\t\"}",
        "{\"c\":{}}",
        "{\"c\":{\"a\":1}}",
        "{\"c\":[[\"a\"]]}",
        "{\"c\":[{\"a\":1}]}",
        "{\"c\":[\"user,admin\"]}",
        "{\"c\":[\"a\",\"b\\n\"]}",
        "{\"c\":[\"a\",\",\"]}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        claims(bad[i]);
        struct slice out = SLICE("untouched");
        assert_fails(value_of(SLICE("claims.c"), &principal, &arena, &out), ERROR_VALUE);
        assert_slice(out, "untouched");
    }
    /* A comma in a plain text is that text. */
    claims("{\"c\":\"Doe, John\"}");
    assert_slice(value("claims.c"), "Doe, John");
    static struct slice scopes[] = { SLICE_INIT("read admin") };
    principal.scopes = scopes;
    principal.scope_count = 1;
    struct slice out;
    assert_fails(value_of(SLICE("scopes"), &principal, &arena, &out), ERROR_VALUE);
    static struct slice roles[] = { SLICE_INIT("user,admin") };
    principal.roles = roles;
    principal.role_count = 1;
    assert_fails(value_of(SLICE("roles"), &principal, &arena, &out), ERROR_VALUE);
    principal.subject = SLICE("a\nb");
    assert_fails(value_of(SLICE("subject"), &principal, &arena, &out), ERROR_VALUE);
    assert_fails(value_of(SLICE("bogus"), &principal, &arena, &out), ERROR_STATE);
}

static void test_without_memory(void **state)
{
    (void)state;
    claims("{\"c\":[\"a\",\"b\"]}");
    struct arena none;
    arena_init(&none, 0);
    struct slice out;
    assert_fails(value_of(SLICE("claims.c"), &principal, &none, &out), ERROR_MEMORY);
    assert_fails(value_of(SLICE("scopes"), &principal, &none, &out), ERROR_MEMORY);
    arena_done(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_expressions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anonymous, setup, teardown),
        cmocka_unit_test_setup_teardown(test_values_that_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
