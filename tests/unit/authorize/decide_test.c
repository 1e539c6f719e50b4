#include "arena.h"
#include "authorize/authorize.h"
#include "base/limits.h"

static struct conf_strings list(const char *text)
{
    struct conf_strings out = { arena_calloc(&arena, 16, sizeof(struct slice)), 0 };
    struct slice rest = slice_from_string(text), part;
    while (rest.len > 0 && slice_next(&rest, ' ', &part)) {
        out.items[out.count++] = part;
    }
    return out;
}

/* Scopes in sorted order; claims as JSON. */
static struct principal caller(const char *scopes, const char *claims)
{
    struct conf_strings sorted = list(scopes);
    struct json *value = NULL;
    assert_ok(json_parse(slice_from_string(claims), JSON_DEPTH_MAX, &arena, &value, NULL));
    return (struct principal){
        .kind = PRINCIPAL_JWT, .scopes = sorted.items, .scope_count = sorted.count, .claims = value
    };
}

static const struct route_variables no_variables;
static const struct authorize_request no_request = { .variables = &no_variables };

static void test_deny_by_default(void **state)
{
    (void)state;
    struct principal principal = caller("a", "{}");
    struct authorize_settings settings = { 0 };
    assert_int_equal(authorize_decide(NULL, &principal, &no_request), DENY_AUTHORIZATION_ERROR);
    assert_int_equal(authorize_decide(&settings, &principal, &no_request), DENY_AUTHORIZATION_ERROR);
    struct scope_settings empty = { 0 };
    settings.scopes = &empty;
    assert_int_equal(authorize_decide(&settings, &principal, &no_request), DENY_AUTHORIZATION_ERROR);
    settings = (struct authorize_settings){ .any_caller = true };
    assert_int_equal(authorize_decide(&settings, NULL, &no_request), DENY_AUTHORIZATION_ERROR);
    assert_int_equal(authorize_decide(&settings, &principal, &no_request), DENY_NONE);
    struct principal anonymous = { 0 };
    assert_int_equal(authorize_decide(&settings, &anonymous, &no_request), DENY_NONE);
}

static enum deny_reason by_scopes(const char *all, const char *any, const char *has)
{
    struct scope_settings scopes = { list(all), list(any) };
    struct authorize_settings settings = { .scopes = &scopes };
    struct principal principal = caller(has, "{}");
    return authorize_decide(&settings, &principal, &no_request);
}

static void test_scopes(void **state)
{
    (void)state;
    assert_int_equal(by_scopes("a", "", "a"), DENY_NONE);
    assert_int_equal(by_scopes("a b", "", "a b c"), DENY_NONE);
    assert_int_equal(by_scopes("a b", "", "a"), DENY_SCOPE_MISSING);
    assert_int_equal(by_scopes("a", "", ""), DENY_SCOPE_MISSING);
    assert_int_equal(by_scopes("a", "", "A"), DENY_SCOPE_MISSING);
    assert_int_equal(by_scopes("read", "", "read_all reader"), DENY_SCOPE_MISSING);
    assert_int_equal(by_scopes("", "a b", "b"), DENY_NONE);
    assert_int_equal(by_scopes("", "a b", "c"), DENY_SCOPE_MISSING);
    assert_int_equal(by_scopes("x", "a b", "a x"), DENY_NONE);
    assert_int_equal(by_scopes("x", "a b", "a"), DENY_SCOPE_MISSING);
    assert_int_equal(by_scopes("x", "a b", "x"), DENY_SCOPE_MISSING);
    struct principal anonymous = { 0 };
    struct scope_settings scopes = { list("a"), list("") };
    struct authorize_settings settings = { .scopes = &scopes };
    assert_int_equal(authorize_decide(&settings, &anonymous, &no_request), DENY_SCOPE_MISSING);
}

static enum deny_reason by_roles(const char *all, const char *any, const char *has)
{
    struct scope_settings roles = { list(all), list(any) };
    struct authorize_settings settings = { .roles = &roles };
    struct principal principal = caller("admin owner", "{\"roles\":[\"admin\",\"owner\"]}");
    struct conf_strings sorted = list(has);
    principal.roles = sorted.items;
    principal.role_count = sorted.count;
    return authorize_decide(&settings, &principal, &no_request);
}

/* Scopes and claims of a role's name are none. */
static void test_roles(void **state)
{
    (void)state;
    assert_int_equal(by_roles("admin", "", "admin"), DENY_NONE);
    assert_int_equal(by_roles("admin owner", "", "admin owner"), DENY_NONE);
    assert_int_equal(by_roles("admin owner", "", "admin"), DENY_ROLE_MISSING);
    assert_int_equal(by_roles("admin", "", "Admin admin2"), DENY_ROLE_MISSING);
    assert_int_equal(by_roles("admin", "", ""), DENY_ROLE_MISSING);
    assert_int_equal(by_roles("", "admin owner", "owner"), DENY_NONE);
    assert_int_equal(by_roles("", "admin owner", "user"), DENY_ROLE_MISSING);
    assert_int_equal(by_roles("x", "admin owner", "admin x"), DENY_NONE);
    assert_int_equal(by_roles("x", "admin owner", "admin"), DENY_ROLE_MISSING);
    assert_int_equal(by_roles("", "", "admin"), DENY_AUTHORIZATION_ERROR);
}

static enum deny_reason by_rule(struct claim_settings rule, const char *claims)
{
    struct authorize_settings settings = { .claims = { &rule, 1 } };
    struct principal principal = caller("", claims);
    return authorize_decide(&settings, &principal, &no_request);
}

#define EQUALS(name, text) ((struct claim_settings){ .claim = SLICE(name), .equals = SLICE(text) })

static void test_equals(void **state)
{
    (void)state;
    assert_int_equal(by_rule(EQUALS("t", "acme"), "{\"t\":\"acme\"}"), DENY_NONE);
    assert_int_equal(by_rule(EQUALS("t", "5"), "{\"t\":5}"), DENY_NONE);
    assert_int_equal(by_rule(EQUALS("t", "5"), "{\"t\":\"5\"}"), DENY_NONE);
    assert_int_equal(by_rule(EQUALS("t", "true"), "{\"t\":true}"), DENY_NONE);
    assert_int_equal(by_rule(EQUALS("a.b", "x"), "{\"a\":{\"b\":\"x\"}}"), DENY_NONE);
    assert_int_equal(by_rule(EQUALS("[\"a.b\"]", "x"), "{\"a.b\":\"x\"}"), DENY_NONE);
    static const char *const wrong[] = {
        "{}",
        "{\"t\":null}",
        "{\"t\":\"Acme\"}",
        "{\"t\":\"acme \"}",
        "{\"t\":\"acm\"}",
        "{\"t\":\"acme2\"}",
        "{\"t\":[\"acme\"]}",
        "{\"t\":{\"acme\":1}}",
        "{\"T\":\"acme\"}",
        "{\"t\":\"\"}",
        "{\"t\":\"acme\\u0000\"}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(by_rule(EQUALS("t", "acme"), wrong[i]), DENY_CLAIM_RULE);
    }
    assert_int_equal(by_rule(EQUALS("t", "5"), "{\"t\":5.0}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(EQUALS("t", "true"), "{\"t\":false}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(EQUALS("t", "null"), "{\"t\":null}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(EQUALS("t", ""), "{}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(EQUALS("t", ""), "{\"t\":null}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(EQUALS("a.b", "x"), "{\"a.b\":\"x\"}"), DENY_CLAIM_RULE);
}

static void test_one_of_and_contains(void **state)
{
    (void)state;
    struct claim_settings one_of = { .claim = SLICE("role"), .one_of = list("admin owner 7") };
    assert_int_equal(by_rule(one_of, "{\"role\":\"owner\"}"), DENY_NONE);
    assert_int_equal(by_rule(one_of, "{\"role\":7}"), DENY_NONE);
    assert_int_equal(by_rule(one_of, "{\"role\":\"user\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(one_of, "{\"role\":\"user,admin\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(one_of, "{\"role\":[\"admin\"]}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(one_of, "{}"), DENY_CLAIM_RULE);
    struct claim_settings contains = { .claim = SLICE("groups"), .contains = SLICE("admin") };
    assert_int_equal(by_rule(contains, "{\"groups\":[\"user\",\"admin\"]}"), DENY_NONE);
    assert_int_equal(by_rule(contains, "{\"groups\":[]}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(contains, "{\"groups\":\"admin\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(contains, "{\"groups\":\"user admin\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(contains, "{\"groups\":[[\"admin\"]]}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(contains, "{\"groups\":[{\"admin\":1},null]}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(contains, "{\"groups\":{\"admin\":true}}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(contains, "{}"), DENY_CLAIM_RULE);
    contains.contains = SLICE("5");
    assert_int_equal(by_rule(contains, "{\"groups\":[4,5]}"), DENY_NONE);
}

static enum deny_reason by_path(const char *value, const char *claims)
{
    struct claim_settings rule = { .claim = SLICE("tenant"), .path_variable = SLICE("t") };
    struct authorize_settings settings = { .claims = { &rule, 1 } };
    struct principal principal = caller("", claims);
    struct route_variables variables = {
        .items = { { SLICE("x"), SLICE("acme") }, { SLICE("t"), slice_from_string(value) } }, .count = 2
    };
    struct authorize_request request = { .variables = &variables };
    return authorize_decide(&settings, &principal, &request);
}

static void test_path_variable(void **state)
{
    (void)state;
    assert_int_equal(by_path("acme", "{\"tenant\":\"acme\"}"), DENY_NONE);
    assert_int_equal(by_path("42", "{\"tenant\":42}"), DENY_NONE);
    assert_int_equal(by_path("caf%C3%A9", "{\"tenant\":\"caf\xc3\xa9\"}"), DENY_NONE);
    assert_int_equal(by_path("a%20b", "{\"tenant\":\"a b\"}"), DENY_NONE);
    assert_int_equal(by_path("a%2Fb", "{\"tenant\":\"a/b\"}"), DENY_NONE);
    assert_int_equal(by_path("other", "{\"tenant\":\"acme\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_path("Acme", "{\"tenant\":\"acme\"}"), DENY_CLAIM_RULE);
    /* What is compared is what the path says, never its spelling. */
    assert_int_equal(by_path("a%20b", "{\"tenant\":\"a%20b\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_path("a%25b", "{\"tenant\":\"a%b\"}"), DENY_NONE);
    assert_int_equal(by_path("acme", "{}"), DENY_CLAIM_RULE);
    assert_int_equal(by_path("acme", "{\"tenant\":[\"acme\"]}"), DENY_CLAIM_RULE);
    assert_int_equal(by_path("", "{\"tenant\":\"\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_path("null", "{\"tenant\":null}"), DENY_CLAIM_RULE);
    struct claim_settings rule = { .claim = SLICE("tenant"), .path_variable = SLICE("t") };
    assert_int_equal(by_rule(rule, "{\"tenant\":\"acme\"}"), DENY_AUTHORIZATION_ERROR);
}

static enum deny_reason by_range(const char *least, const char *most, const char *claims)
{
    struct claim_settings rule = { .claim = SLICE("n"),
                                   .at_least = slice_from_string(least),
                                   .at_most = slice_from_string(most) };
    struct authorize_settings settings = { .claims = { &rule, 1 } };
    assert_ok(authorize_prepare(&settings, &arena));
    return by_rule(rule, claims);
}

static void test_ranges(void **state)
{
    (void)state;
    assert_int_equal(by_range("18", NULL, "{\"n\":18}"), DENY_NONE);
    assert_int_equal(by_range("18", NULL, "{\"n\":18.0}"), DENY_NONE);
    assert_int_equal(by_range("18", NULL, "{\"n\":1.9e1}"), DENY_NONE);
    assert_int_equal(by_range("18", NULL, "{\"n\":17.999999999999999999999}"), DENY_CLAIM_RULE);
    assert_int_equal(by_range(NULL, "9007199254740992", "{\"n\":9007199254740993}"), DENY_CLAIM_RULE);
    assert_int_equal(by_range(NULL, "18446744073709551616", "{\"n\":18446744073709551617}"), DENY_CLAIM_RULE);
    assert_int_equal(by_range("-2.5", "2.5", "{\"n\":-2.5}"), DENY_NONE);
    assert_int_equal(by_range("-2.5", "2.5", "{\"n\":-2.51}"), DENY_CLAIM_RULE);
    assert_int_equal(by_range("-2.5", "2.5", "{\"n\":2.51}"), DENY_CLAIM_RULE);
    assert_int_equal(by_range("0", NULL, "{\"n\":\"5\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_range("0", NULL, "{\"n\":true}"), DENY_CLAIM_RULE);
    assert_int_equal(by_range("0", NULL, "{\"n\":[5]}"), DENY_CLAIM_RULE);
    assert_int_equal(by_range("0", NULL, "{}"), DENY_CLAIM_RULE);
    assert_int_equal(by_range("x", NULL, "{\"n\":5}"), DENY_AUTHORIZATION_ERROR);
    assert_int_equal(by_range("0", "\"9\"", "{\"n\":5}"), DENY_AUTHORIZATION_ERROR);
}

static enum deny_reason by_said(struct claim_settings rule, const char *query, const char *claims)
{
    struct header fields[] = { { SLICE("Tenant"), slice_from_string(query), HEADER_OTHER } };
    struct headers headers = { fields, 1, 1 };
    struct authorize_request request = { .variables = &no_variables,
                                         .query = slice_from_string(query),
                                         .headers = &headers };
    struct authorize_settings settings = { .claims = { &rule, 1 } };
    struct principal principal = caller("", claims);
    return authorize_decide(&settings, &principal, &request);
}

static void test_query_and_header(void **state)
{
    (void)state;
    struct claim_settings query = { .claim = SLICE("t"), .query = SLICE("tenant") };
    assert_int_equal(by_said(query, "a=1&tenant=a%20b", "{\"t\":\"a b\"}"), DENY_NONE);
    assert_int_equal(by_said(query, "tenant=7", "{\"t\":7}"), DENY_NONE);
    assert_int_equal(by_said(query, "tenant=b", "{\"t\":\"a\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_said(query, "tenant=a%2520b", "{\"t\":\"a b\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_said(query, "tenant=a", "{\"t\":[\"a\"]}"), DENY_CLAIM_RULE);
    assert_int_equal(by_said(query, "tenant=a&tenant=a", "{\"t\":\"a\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_said(query, "tenant=", "{\"t\":\"\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_said(query, NULL, "{\"t\":\"\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_said(query, "tenant=a", "{}"), DENY_CLAIM_RULE);
    struct claim_settings header = { .claim = SLICE("t"), .header = SLICE("tenant") };
    assert_int_equal(by_said(header, "acme", "{\"t\":\"acme\"}"), DENY_NONE);
    assert_int_equal(by_said(header, "acme,evil", "{\"t\":\"acme\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_said(header, "evil", "{\"t\":\"acme\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_said(header, "", "{\"t\":\"\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_said(header, "a%20b", "{\"t\":\"a b\"}"), DENY_CLAIM_RULE);
    assert_int_equal(by_rule(header, "{\"t\":\"acme\"}"), DENY_CLAIM_RULE);
}

/* Settings that check refuses are no way in. */
static void test_broken_rules(void **state)
{
    (void)state;
    assert_int_equal(by_rule((struct claim_settings){ .claim = SLICE("t") }, "{\"t\":\"\"}"),
                     DENY_AUTHORIZATION_ERROR);
    struct claim_settings two = { .claim = SLICE("t"), .equals = SLICE("x"), .contains = SLICE("x") };
    assert_int_equal(by_rule(two, "{\"t\":\"x\"}"), DENY_AUTHORIZATION_ERROR);
    struct principal anonymous = { 0 };
    struct claim_settings rule = EQUALS("t", "x");
    struct authorize_settings settings = { .claims = { &rule, 1 } };
    assert_int_equal(authorize_decide(&settings, &anonymous, &no_request), DENY_CLAIM_RULE);
}

static void test_everything_must_hold(void **state)
{
    (void)state;
    struct scope_settings scopes = { list("a"), list("") };
    struct claim_settings rules[] = { EQUALS("t", "x"), EQUALS("u", "y") };
    struct authorize_settings settings = { .scopes = &scopes, .claims = { rules, 2 } };
    struct principal principal = caller("a", "{\"t\":\"x\",\"u\":\"y\"}");
    assert_int_equal(authorize_decide(&settings, &principal, &no_request), DENY_NONE);
    principal = caller("b", "{\"t\":\"x\",\"u\":\"y\"}");
    assert_int_equal(authorize_decide(&settings, &principal, &no_request), DENY_SCOPE_MISSING);
    principal = caller("a", "{\"t\":\"x\",\"u\":\"z\"}");
    assert_int_equal(authorize_decide(&settings, &principal, &no_request), DENY_CLAIM_RULE);
    principal = caller("a", "{\"t\":\"z\",\"u\":\"y\"}");
    assert_int_equal(authorize_decide(&settings, &principal, &no_request), DENY_CLAIM_RULE);
}

static void test_scope_text(void **state)
{
    (void)state;
    struct scope_settings scopes = { list("a b"), list("c") };
    struct authorize_settings settings = { .scopes = &scopes };
    assert_slice(authorize_scope_text(&settings, &arena), "a b");
    scopes.all.count = 0;
    assert_slice(authorize_scope_text(&settings, &arena), "c");
    settings.scopes = NULL;
    assert_slice(authorize_scope_text(&settings, &arena), "");
    assert_slice(authorize_scope_text(NULL, &arena), "");
    settings.scopes = &scopes;
    struct arena none;
    arena_init(&none, 0);
    assert_null(authorize_scope_text(&settings, &none).ptr);
    arena_done(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_deny_by_default, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(test_scopes, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(test_roles, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(test_equals, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(test_one_of_and_contains, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(test_path_variable, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(test_ranges, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(test_query_and_header, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(test_broken_rules, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(test_everything_must_hold, arena_start, arena_finish),
        cmocka_unit_test_setup_teardown(test_scope_text, arena_start, arena_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
