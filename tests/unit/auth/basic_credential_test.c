#include "auth/basic_credential.h"

#include "base/encoding.h"
#include "unit.h"

/* False: malformed. The text is of exact size, so that reading past it shows. */
static bool decode(struct slice plain, char room[BASIC_DECODED_MAX], struct basic_credential *out)
{
    char *text = malloc(BASE64_ENCODED_MAX(plain.len) + 1);
    assert_non_null(text);
    size_t len = base64_encode(plain.ptr, plain.len, text);
    bool good = basic_credential_decode(slice_of(text, len), room, out);
    free(text);
    return good;
}

static void takes_name_and_password(void **state)
{
    (void)state;
    char room[BASIC_DECODED_MAX];
    struct basic_credential credential;
    /* RFC 7617 sections 2 and 2.1 */
    assert_true(basic_credential_decode(SLICE("QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), room, &credential));
    assert_slice(credential.user, "Aladdin");
    assert_slice(credential.password, "open sesame");
    assert_true(basic_credential_decode(SLICE("dGVzdDoxMjPCow=="), room, &credential));
    assert_slice(credential.password, "123£");
    assert_true(decode(SLICE("a:b:c"), room, &credential));
    assert_slice(credential.user, "a");
    assert_slice(credential.password, "b:c");
    assert_true(decode(SLICE("a:"), room, &credential));
    assert_int_equal(credential.password.len, 0);
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    char room[BASIC_DECODED_MAX], large[2048];
    struct basic_credential credential;
    static const struct slice plain[] = {
        SLICE_INIT("alice"),  SLICE_INIT(":secret"), SLICE_INIT(""),
        SLICE_INIT("a:b\0"),  SLICE_INIT("a\n:b"),   SLICE_INIT("a:\x7f"),
        SLICE_INIT("a:\xc3"), SLICE_INIT("a:\xff"),  SLICE_INIT("\xed\xa0\x80:x"),
    };
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        assert_false(decode(plain[i], room, &credential));
    }
    static const struct slice texts[] = {
        SLICE_INIT("QWxhZGRpbjpvcGVuIHNlc2FtZQ"),
        SLICE_INIT("QWxhZGRpbjpvcGVuIHNlc2FtZQ="),
        SLICE_INIT("QWxhZGRpbjpvcGVuIHNlc2FtZR=="),
        SLICE_INIT("QWxhZGRpbjpvcGVuIHNlc2FtZQ== "),
        SLICE_INIT("YTo_"),
        SLICE_INIT("="),
        SLICE_INIT("===="),
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(basic_credential_decode(texts[i], room, &credential));
    }
    memset(large, 'x', sizeof large);
    memcpy(large, "a:", 2);
    assert_true(decode(slice_of(large, 2 + 256), room, &credential));
    assert_false(decode(slice_of(large, 2 + 257), room, &credential));
    assert_false(decode(slice_of(large, sizeof large), room, &credential));
    memset(large, 'x', sizeof large);
    large[128] = ':';
    assert_true(decode(slice_of(large, 130), room, &credential));
    large[128] = 'x';
    large[129] = ':';
    assert_false(decode(slice_of(large, 130), room, &credential));
}

static enum deny_reason find(const char *first, const char *second, struct slice *ret_text)
{
    struct header items[2] = { { .id = HEADER_AUTHORIZATION, .name = SLICE("authorization") },
                               { .id = HEADER_AUTHORIZATION, .name = SLICE("authorization") } };
    items[0].value = slice_from_string(first != NULL ? first : "");
    items[1].value = slice_from_string(second != NULL ? second : "");
    const struct headers headers = { .items = items, .count = (first != NULL) + (second != NULL) };
    return basic_credential_find(&headers, ret_text);
}

static void finds_its_own_scheme(void **state)
{
    (void)state;
    struct slice text;
    assert_int_equal(find(NULL, NULL, &text), DENY_NONE);
    assert_null(text.ptr);
    assert_int_equal(find("bAsIC   abc=", NULL, &text), DENY_NONE);
    assert_slice(text, "abc=");
    assert_int_equal(find("Basic", NULL, &text), DENY_NONE);
    assert_non_null(text.ptr);
    assert_int_equal(text.len, 0);
    assert_int_equal(find("Bearer abc", NULL, &text), DENY_NONE);
    assert_null(text.ptr);
    assert_int_equal(find("Basically abc", NULL, &text), DENY_NONE);
    assert_null(text.ptr);
    assert_int_equal(find("", NULL, &text), DENY_CREDENTIAL_MALFORMED);
    assert_int_equal(find("a/b c", NULL, &text), DENY_CREDENTIAL_MALFORMED);
    assert_int_equal(find("Basic YTpi", "Basic YTpi", &text), DENY_CREDENTIAL_REPEATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_name_and_password),
        cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(finds_its_own_scheme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
