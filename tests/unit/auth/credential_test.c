#include "unit.h"

#include "auth/credential.h"

static struct auth_place in_authorization = { .kind = AUTH_PLACE_BEARER,
                                              .name = SLICE_INIT("Authorization") };
static const struct auth_places bearer = { &in_authorization, 1 };

static enum deny_reason find(const char *value, struct credential *credential)
{
    struct header items[] = {
        { SLICE_INIT("Host"), SLICE_INIT("a"), HEADER_HOST },
        { SLICE_INIT("Authorization"), slice_from_string(value), HEADER_AUTHORIZATION },
        { SLICE_INIT("X-Authorization"), SLICE_INIT("Bearer other"), HEADER_OTHER },
    };
    struct headers headers = { .items = items, .count = 3, .capacity = 3 };
    return credential_find(&bearer, &headers, SLICE_NONE, credential);
}

static void finds_a_bearer_token(void **state)
{
    (void)state;
    static const char *const values[] = { "Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g==",
                                          "BEARER   a.b-c_d~e+f/g==" };
    for (size_t i = 0; i < 3; i++) {
        struct credential credential = { 0 };
        assert_int_equal(find(values[i], &credential), DENY_NONE);
        assert_ptr_equal(credential.place, &in_authorization);
        assert_slice(credential.text, "a.b-c_d~e+f/g==");
    }
}

static void finds_a_token_that_a_proof_comes_with(void **state)
{
    (void)state;
    struct credential credential = { 0 };
    assert_int_equal(find("DPoP a.b-c", &credential), DENY_NONE);
    assert_true(credential.is_dpop);
    assert_slice(credential.text, "a.b-c");
    assert_int_equal(find("dpop   a.b-c", &credential), DENY_NONE);
    assert_true(credential.is_dpop);
    assert_int_equal(find("Bearer a.b-c", &credential), DENY_NONE);
    assert_false(credential.is_dpop);
    assert_int_equal(find("DPoP", &credential), DENY_CREDENTIAL_MALFORMED);
    assert_int_equal(find("DPoP a b", &credential), DENY_CREDENTIAL_MALFORMED);
}

static void absent_and_foreign_schemes_are_none(void **state)
{
    (void)state;
    struct credential credential = { .place = &in_authorization };
    struct headers headers = { 0 };
    assert_int_equal(credential_find(&bearer, &headers, SLICE_NONE, &credential), DENY_NONE);
    assert_null(credential.place);
    static const char *const values[] = { "Basic dXNlcjpwYXNz", "DPoPs a.b.c",
                                          "Digest username=\"a\", realm=\"b\"", "Bearers abc", "Negotiate" };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        credential.place = &in_authorization;
        assert_int_equal(find(values[i], &credential), DENY_NONE);
        assert_null(credential.place);
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
        struct credential credential = { .place = &in_authorization };
        assert_int_equal(find(values[i], &credential), DENY_CREDENTIAL_MALFORMED);
        assert_ptr_equal(credential.place, &in_authorization);
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
    assert_int_equal(credential_find(&bearer, &headers, SLICE_NONE, &credential), DENY_CREDENTIAL_REPEATED);
    items[1].value = SLICE("Basic YTpi");
    assert_int_equal(credential_find(&bearer, &headers, SLICE_NONE, &credential), DENY_CREDENTIAL_REPEATED);
    headers.count = 1;
    assert_int_equal(credential_find(&bearer, &headers, SLICE_NONE, &credential), DENY_NONE);
}

/* ---- other places ---- */

static struct auth_place everywhere[] = {
    { .kind = AUTH_PLACE_BEARER, .name = SLICE_INIT("Authorization") },
    { .kind = AUTH_PLACE_HEADER, .name = SLICE_INIT("X-Token") },
    { .kind = AUTH_PLACE_COOKIE, .name = SLICE_INIT("token") },
    { .kind = AUTH_PLACE_QUERY, .name = SLICE_INIT("access_token") },
};

struct sent {
    const char *authorization, *header, *cookie, *query;
};

static enum deny_reason look(const struct auth_places *places, const struct sent *sent,
                             struct credential *credential)
{
    struct header items[4] = { { SLICE_INIT("Host"), SLICE_INIT("a"), HEADER_HOST } };
    struct headers headers = { .items = items, .count = 1, .capacity = 4 };
    const struct header fields[] = {
        { SLICE_INIT("Authorization"), slice_from_string(sent->authorization), HEADER_AUTHORIZATION },
        { SLICE_INIT("x-token"), slice_from_string(sent->header), HEADER_OTHER },
        { SLICE_INIT("Cookie"), slice_from_string(sent->cookie), HEADER_COOKIE },
    };
    for (size_t i = 0; i < 3; i++) {
        if (fields[i].value.ptr != NULL) {
            items[headers.count++] = fields[i];
        }
    }
    enum deny_reason reason = credential_find(places, &headers, slice_from_string(sent->query), credential);
    return reason == DENY_NONE && credential->place != NULL ? credential_token(credential) : reason;
}

static const struct auth_places all_places = { everywhere, 4 };

static void finds_a_token_in_each_place(void **state)
{
    (void)state;
    static const struct {
        struct sent sent;
        size_t place;
    } rows[] = {
        { { .authorization = "Bearer a.b.c" }, 0 },
        { { .header = "a.b.c" }, 1 },
        { { .header = "Bearer a.b.c" }, 1 },
        { { .header = "bearer  a.b.c", .authorization = "Basic eA==" }, 1 },
        { { .cookie = "x=1; token=a.b.c" }, 2 },
        { { .query = "x=1&access_token=a.b.c", .cookie = "token=" }, 3 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct credential credential;
        assert_int_equal(look(&all_places, &rows[i].sent, &credential), DENY_NONE);
        assert_ptr_equal(credential.place, &everywhere[rows[i].place]);
        assert_slice(credential.text, "a.b.c");
        /* What is no place of the method is not looked at. */
        const struct auth_places others = { &everywhere[rows[i].place == 0 ? 1 : 0],
                                            rows[i].place == 0 ? 3 : rows[i].place };
        assert_int_equal(look(&others, &rows[i].sent, &credential), DENY_NONE);
        assert_null(credential.place);
    }
}

static void a_token_in_two_places_is_refused(void **state)
{
    (void)state;
    static const struct sent sent[] = {
        { .authorization = "Bearer a.b.c", .header = "a.b.c" },
        { .authorization = "Bearer a.b.c", .cookie = "token=a.b.c" },
        { .authorization = "Bearer a.b.c", .query = "access_token=a.b.c" },
        { .header = "a.b.c", .cookie = "token=d" },
        { .cookie = "token=a.b.c", .query = "access_token=" },
        { .cookie = "token=a; token=a" },
        { .query = "access_token=a&access_token=a" },
        { .query = "access_token=a&Access_Token=b" },
    };
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        struct credential credential;
        assert_int_equal(look(&all_places, &sent[i], &credential), DENY_CREDENTIAL_REPEATED);
    }
}

static void what_is_no_token_is_malformed(void **state)
{
    (void)state;
    static const struct sent sent[] = {
        { .header = "" },
        { .header = "Basic eA==" },
        { .header = "a b" },
        { .cookie = "token=\"a\"" },
        { .cookie = "token=a,b" },
        { .query = "access_token" },
        { .query = "access_token=" },
        { .query = "access_token=%61" },
        { .query = "access_token=a;b" },
        { .query = "access_token[]=a" },
    };
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        struct credential credential;
        assert_int_equal(look(&all_places, &sent[i], &credential), DENY_CREDENTIAL_MALFORMED);
    }
}

static void assert_challenge(struct slice realm, struct slice error, struct slice description,
                             struct slice scope, const char *expected)
{
    struct buffer out;
    buffer_init(&out, 4096);
    assert_true(credential_challenge(
        &out, &(struct challenge){ realm, error, description, scope, .max_age = SLICE("") }));
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

static void asks_for_another_login(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 4096);
    const struct challenge challenge = { .error = SLICE("insufficient_user_authentication"),
                                         .acr_values = SLICE("gold silver"),
                                         .max_age = SLICE("300"),
                                         .resource_metadata = SLICE("https://a.example/x") };
    assert_true(credential_challenge(&out, &challenge));
    assert_slice(
        buffer_slice(&out),
        "Bearer error=\"insufficient_user_authentication\", acr_values=\"gold silver\", max_age=\"300\", "
        "resource_metadata=\"https://a.example/x\"");
    buffer_done(&out);
}

static void nothing_breaks_out_of_a_challenge(void **state)
{
    (void)state;
    assert_challenge(SLICE("a\", error=\"x\\"), SLICE("b\r\nSet-Cookie: c"), SLICE("\xc3\xa9\x7f"), SLICE(""),
                     "Bearer realm=\"a?, error=?x?\", error=\"b??Set-Cookie: c\", error_description=\"???\"");
    struct buffer small;
    buffer_init(&small, 10);
    assert_false(credential_challenge(&small, &(struct challenge){ .realm = SLICE("api") }));
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
        cmocka_unit_test(finds_a_token_that_a_proof_comes_with),
        cmocka_unit_test(absent_and_foreign_schemes_are_none),
        cmocka_unit_test(refuses_malformed_credentials),
        cmocka_unit_test(finds_a_token_in_each_place),
        cmocka_unit_test(a_token_in_two_places_is_refused),
        cmocka_unit_test(what_is_no_token_is_malformed),
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(refuses_two_fields),
        cmocka_unit_test(writes_challenges),
        cmocka_unit_test(asks_for_another_login),
        cmocka_unit_test(nothing_breaks_out_of_a_challenge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
