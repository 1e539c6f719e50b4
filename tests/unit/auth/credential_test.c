#include "unit.h"

#include "auth/credential.h"

static enum deny_reason find(const char *value, struct credential *credential)
{
    struct header items[] = {
        { SLICE_INIT("Host"), SLICE_INIT("a"), HEADER_HOST },
        { SLICE_INIT("Authorization"), slice_from_string(value), HEADER_AUTHORIZATION },
        { SLICE_INIT("X-Authorization"), SLICE_INIT("Bearer other"), HEADER_OTHER },
    };
    struct headers headers = { .items = items, .count = 3, .capacity = 3 };
    return credential_find(&headers, credential);
}

static void finds_a_bearer_token(void **state)
{
    (void)state;
    static const char *const values[] = { "Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g==",
                                          "BEARER   a.b-c_d~e+f/g==" };
    for (size_t i = 0; i < 3; i++) {
        struct credential credential = { 0 };
        assert_int_equal(find(values[i], &credential), DENY_NONE);
        assert_int_equal(credential.kind, CREDENTIAL_BEARER);
        assert_slice(credential.token, "a.b-c_d~e+f/g==");
    }
}

static void absent_and_foreign_schemes_are_none(void **state)
{
    (void)state;
    struct credential credential = { .kind = CREDENTIAL_BEARER };
    struct headers headers = { 0 };
    assert_int_equal(credential_find(&headers, &credential), DENY_NONE);
    assert_int_equal(credential.kind, CREDENTIAL_NONE);
    static const char *const values[] = { "Basic dXNlcjpwYXNz", "DPoP a.b.c",
                                          "Digest username=\"a\", realm=\"b\"", "Bearers abc", "Negotiate" };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        credential.kind = CREDENTIAL_BEARER;
        assert_int_equal(find(values[i], &credential), DENY_NONE);
        assert_int_equal(credential.kind, CREDENTIAL_NONE);
    }
}

static void refuses_malformed_credentials(void **state)
{
    (void)state;
    static const char *const values[] = {
        "",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer a,b",
        "Bearer a, Bearer b",
        "Bearer =",
        "Bearer a=b",
        "Bearer a\tb",
        "Bearer\ta",
        "Bearer \"a\"",
        "Bearer a\x01",
        "Bearer \xc3\xa9",
        "Bearer,a",
        "\"Bearer\" a",
        "Bearer:a",
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct credential credential = { .kind = (enum credential_kind)77 };
        assert_int_equal(find(values[i], &credential), DENY_CREDENTIAL_MALFORMED);
        assert_int_equal(credential.kind, 77);
    }
}

/* T20: which of two counts would be a matter of taste. */
static void refuses_two_fields(void **state)
{
    (void)state;
    struct header items[] = {
        { SLICE_INIT("Authorization"), SLICE_INIT("Bearer a"), HEADER_AUTHORIZATION },
        { SLICE_INIT("AUTHORIZATION"), SLICE_INIT("Bearer a"), HEADER_AUTHORIZATION },
    };
    struct headers headers = { .items = items, .count = 2, .capacity = 2 };
    struct credential credential;
    assert_int_equal(credential_find(&headers, &credential), DENY_CREDENTIAL_REPEATED);
    items[1].value = SLICE("Basic YTpi");
    assert_int_equal(credential_find(&headers, &credential), DENY_CREDENTIAL_REPEATED);
    headers.count = 1;
    assert_int_equal(credential_find(&headers, &credential), DENY_NONE);
}

static void assert_challenge(struct slice realm, struct slice error, struct slice description,
                             struct slice scope, const char *expected)
{
    struct buffer out;
    buffer_init(&out, 4096);
    assert_true(credential_challenge(&out, realm, error, description, scope));
    assert_slice(buffer_slice(&out), expected);
    buffer_done(&out);
}

static void writes_challenges(void **state)
{
    (void)state;
    assert_challenge(SLICE(""), SLICE(""), SLICE(""), SLICE(""), "Bearer");
    assert_challenge(SLICE("api"), SLICE(""), SLICE(""), SLICE(""), "Bearer realm=\"api\"");
    assert_challenge(
        SLICE("api"), SLICE("insufficient_scope"), SLICE("more is needed"), SLICE("a b"),
        "Bearer realm=\"api\", error=\"insufficient_scope\", error_description=\"more is needed\", "
        "scope=\"a b\"");
    assert_challenge(SLICE(""), SLICE("invalid_token"), SLICE(""), SLICE(""),
                     "Bearer error=\"invalid_token\"");
}

static void nothing_breaks_out_of_a_challenge(void **state)
{
    (void)state;
    assert_challenge(SLICE("a\", error=\"x\\"), SLICE("b\r\nSet-Cookie: c"), SLICE("\xc3\xa9\x7f"), SLICE(""),
                     "Bearer realm=\"a?, error=?x?\", error=\"b??Set-Cookie: c\", error_description=\"???\"");
    struct buffer small;
    buffer_init(&small, 10);
    assert_false(credential_challenge(&small, SLICE("api"), SLICE(""), SLICE(""), SLICE("")));
    buffer_done(&small);
}

/* Every byte, at every place of a token of any length: read many at a time or one by one, the verdict is the grammar's. */
static void every_byte_at_every_place(void **state)
{
    (void)state;
    static const char grammar[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
    for (size_t length = 1; length <= 40; length++) {
        for (size_t at = 0; at < length; at++) {
            for (int byte = 1; byte < 256; byte++) {
                char value[64] = "Bearer ";
                memset(value + 7, 'x', length);
                value[7 + at] = (char)byte;
                bool good = strchr(grammar, byte) != NULL ||
                            (byte == '=' && at + 1 == length && length > 1) ||
                            (byte == ' ' && at == 0 && length > 1);
                struct credential credential;
                assert_int_equal(find(value, &credential), good ? DENY_NONE : DENY_CREDENTIAL_MALFORMED);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_bearer_token),
        cmocka_unit_test(absent_and_foreign_schemes_are_none),
        cmocka_unit_test(refuses_malformed_credentials),
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(refuses_two_fields),
        cmocka_unit_test(writes_challenges),
        cmocka_unit_test(nothing_breaks_out_of_a_challenge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
