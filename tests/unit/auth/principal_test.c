#include "unit.h"

#include "auth/principal.h"
#include "base/limits.h"

static void finds_scopes_whole(void **state)
{
    (void)state;
    static const struct slice scopes[] = { SLICE_INIT("a"), SLICE_INIT("orders"), SLICE_INIT("orders.read"),
                                           SLICE_INIT("z") };
    struct principal principal = { .kind = PRINCIPAL_JWT, .scopes = scopes, .scope_count = 4 };
    for (size_t i = 0; i < 4; i++) {
        assert_true(principal_has_scope(&principal, scopes[i]));
    }
    static const char *const others[] = {
        "", "order", "orders.", "orders.rea", "orders.read ", "A", "zz", "0"
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(principal_has_scope(&principal, slice_from_string(others[i])));
    }
    principal.scope_count = 0;
    assert_false(principal_has_scope(&principal, SLICE("a")));
}

static void caller_keys_tell_callers_apart(void **state)
{
    (void)state;
    static const struct principal principals[] = {
        { .kind = PRINCIPAL_JWT, .issuer = SLICE_INIT("i"), .subject = SLICE_INIT("a") },
        { .kind = PRINCIPAL_JWT, .issuer = SLICE_INIT("i"), .subject = SLICE_INIT("b") },
        { .kind = PRINCIPAL_JWT, .issuer = SLICE_INIT("j"), .subject = SLICE_INIT("a") },
        /* a client that is called like a user is not that user */
        { .kind = PRINCIPAL_JWT, .issuer = SLICE_INIT("i"), .client_id = SLICE_INIT("a") },
        { .kind = PRINCIPAL_JWT, .issuer = SLICE_INIT("ia"), .client_id = SLICE_INIT("a") },
    };
    unsigned char keys[5][PRINCIPAL_KEY_SIZE];
    for (size_t i = 0; i < 5; i++) {
        assert_true(principal_caller_key(&principals[i], keys[i]));
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(keys[i], keys[k], PRINCIPAL_KEY_SIZE);
        }
    }
    struct principal same = principals[0];
    unsigned char key[PRINCIPAL_KEY_SIZE];
    same.client_id = SLICE("c");
    assert_true(principal_caller_key(&same, key));
    assert_memory_equal(key, keys[0], PRINCIPAL_KEY_SIZE);
}

static void the_anonymous_have_no_caller_key(void **state)
{
    (void)state;
    unsigned char key[PRINCIPAL_KEY_SIZE] = { 9 };
    struct principal anonymous = { .kind = PRINCIPAL_ANONYMOUS, .subject = SLICE("a") };
    struct principal nameless = { .kind = PRINCIPAL_JWT, .issuer = SLICE("i") };
    assert_false(principal_caller_key(&anonymous, key));
    assert_false(principal_caller_key(&nameless, key));
    assert_int_equal(key[0], 9);
}

static void follows_claim_paths(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 65536);
    struct json *claims;
    assert_ok(
        json_parse(SLICE("{\"sub\":\"u\",\"address\":{\"country\":\"DE\",\"a.b\":{\"c\":1}},"
                         "\"https://example.com/role\":\"admin\",\"a.b\":\"dotted\",\"list\":[{\"x\":1}]}"),
                   JSON_DEPTH_MAX, &arena, &claims, NULL));
    struct principal principal = { .kind = PRINCIPAL_JWT, .claims = claims };
    static const struct {
        const char *path, *text;
    } found[] = {
        { "sub", "u" },
        { "address.country", "DE" },
        { "[\"https://example.com/role\"]", "admin" },
        { "[\"a.b\"]", "dotted" },
        { "address[\"country\"]", "DE" },
        { "[\"address\"].country", "DE" },
        { "[\"address\"][\"country\"]", "DE" },
        { "address[\"a.b\"].c", "1" },
    };
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        const struct json *value = principal_claim(&principal, slice_from_string(found[i].path));
        assert_non_null(value);
        assert_slice(value->text, found[i].text);
    }
    static const char *const absent[] = { "",
                                          ".",
                                          "sub.",
                                          ".sub",
                                          "sub.x",
                                          "a.b",
                                          "address..country",
                                          "address.",
                                          "[\"sub\"",
                                          "[sub]",
                                          "[\"sub\"]x",
                                          "sub[",
                                          "sub[\"\"",
                                          "list.x",
                                          "list[0]",
                                          "Sub",
                                          "[\"\"]",
                                          "[\"sub\"].",
                                          "https://example.com/role" };
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        assert_null(principal_claim(&principal, slice_from_string(absent[i])));
    }
    struct principal anonymous = { 0 };
    assert_null(principal_claim(&anonymous, SLICE("sub")));
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_scopes_whole),
        cmocka_unit_test(caller_keys_tell_callers_apart),
        cmocka_unit_test(the_anonymous_have_no_caller_key),
        cmocka_unit_test(follows_claim_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
