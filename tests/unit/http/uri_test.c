#include "http/uri.h"
#include "unit.h"

static struct uri_target parsed(const char *text, enum http_method method)
{
    struct uri_target target = { 0 };
    enum uri_result result = uri_parse_target(slice_from_string(text), method, &target);
    if (result != URI_OK) {
        fail_msg("\"%s\": %s", text, uri_result_text(result));
    }
    return target;
}

#define assert_target_fails(text, method, expected)                                                     \
    do {                                                                                                \
        struct uri_target untouched_ = { .form = (enum uri_form)77 };                                   \
        assert_int_equal(uri_parse_target(slice_from_string(text), (method), &untouched_), (expected)); \
        assert_int_equal(untouched_.form, 77);                                                          \
    } while (0)

/* A copy that is exactly as long as the text, so that sanitizers see a byte too many, read or written. */
static enum uri_result canonical(struct slice raw, unsigned int allow, char **ret_out, struct slice *ret_path)
{
    char *copy = malloc(raw.len > 0 ? raw.len : 1);
    *ret_out = malloc(raw.len > 0 ? raw.len : 1);
    assert_non_null(copy);
    assert_non_null(*ret_out);
    memcpy(copy, raw.len > 0 ? raw.ptr : "", raw.len);
    enum uri_result result = uri_canonical_path(slice_of(copy, raw.len), allow, *ret_out, ret_path);
    free(copy);
    return result;
}

static void check_path(const char *file, int line, struct slice raw, unsigned int allow,
                       enum uri_result expected, const char *expected_path)
{
    char *out, *again_out;
    struct slice path = SLICE("untouched"), again;
    enum uri_result result = canonical(raw, allow, &out, &path);
    if (result != expected || (expected_path == NULL && path.len != strlen("untouched")) ||
        (expected_path != NULL && !slice_equal(path, slice_from_string(expected_path)))) {
        fail_msg("%s:%d: \"%.*s\": %s, \"%.*s\"", file, line, SLICE_ARG(raw), uri_result_text(result),
                 SLICE_ARG(path));
    }
    if (result == URI_OK) {
        assert_int_equal(canonical(path, allow, &again_out, &again), URI_OK);
        assert_true(slice_equal(path, again));
        free(again_out);
    }
    free(out);
}

#define assert_path(raw, expected)       check_path(__FILE__, __LINE__, SLICE(raw), 0, URI_OK, (expected))
#define assert_path_fails(raw, expected) check_path(__FILE__, __LINE__, SLICE(raw), 0, (expected), NULL)
#define assert_path_with(raw, allow, expected) \
    check_path(__FILE__, __LINE__, SLICE(raw), (allow), URI_OK, (expected))
#define assert_path_fails_with(raw, allow, expected) \
    check_path(__FILE__, __LINE__, SLICE(raw), (allow), (expected), NULL)

static void test_origin_form(void **state)
{
    (void)state;
    struct uri_target target = parsed("/a/b?x=1&y=/?", METHOD_GET);
    assert_int_equal(target.form, URI_ORIGIN);
    assert_slice(target.path, "/a/b");
    assert_slice(target.query, "x=1&y=/?");
    assert_null(target.authority.ptr);
    target = parsed("/", METHOD_POST);
    assert_slice(target.path, "/");
    assert_null(target.query.ptr);
    target = parsed("/a?", METHOD_GET);
    assert_slice(target.query, "");
    assert_non_null(target.query.ptr);
}

static void test_absolute_form(void **state)
{
    (void)state;
    struct uri_target target = parsed("http://api.example.com:8080/a?b=c", METHOD_GET);
    assert_int_equal(target.form, URI_ABSOLUTE);
    assert_slice(target.scheme, "http");
    assert_slice(target.authority, "api.example.com:8080");
    assert_slice(target.path, "/a");
    assert_slice(target.query, "b=c");
    target = parsed("HTTPS://[::1]", METHOD_GET);
    assert_slice(target.scheme, "HTTPS");
    assert_slice(target.authority, "[::1]");
    assert_slice(target.path, "/");
    assert_null(target.query.ptr);
    target = parsed("http://host?q", METHOD_GET);
    assert_slice(target.authority, "host");
    assert_slice(target.path, "/");
    assert_slice(target.query, "q");

    assert_target_fails("ftp://host/", METHOD_GET, URI_BAD_FORM);
    assert_target_fails("http:/host/", METHOD_GET, URI_BAD_FORM);
    assert_target_fails("http:host", METHOD_GET, URI_BAD_FORM);
    assert_target_fails("://host/", METHOD_GET, URI_BAD_FORM);
    assert_target_fails("javascript:alert(1)", METHOD_GET, URI_BAD_FORM);
    assert_target_fails("http:///path", METHOD_GET, URI_BAD_HOST);
    assert_target_fails("http://", METHOD_GET, URI_BAD_HOST);
    assert_target_fails("http://user:secret@host/", METHOD_GET, URI_BAD_HOST);
    assert_target_fails("http://host:99999/", METHOD_GET, URI_BAD_HOST);
    assert_target_fails("http://ho%73t/", METHOD_GET, URI_BAD_HOST);
    assert_target_fails("http://ho\\st/", METHOD_GET, URI_BAD_HOST);
}

/* T10: strange targets, each beside its honest twin. */
static void test_forms_belong_to_methods(void **state)
{
    (void)state;
    assert_int_equal(parsed("*", METHOD_OPTIONS).form, URI_ASTERISK);
    assert_target_fails("*", METHOD_GET, URI_BAD_FORM);
    assert_target_fails("**", METHOD_OPTIONS, URI_BAD_FORM);
    assert_target_fails("*", METHOD_OTHER, URI_BAD_FORM);

    struct uri_target target = parsed("api.example.com:443", METHOD_CONNECT);
    assert_int_equal(target.form, URI_AUTHORITY);
    assert_slice(target.authority, "api.example.com:443");
    assert_target_fails("api.example.com:443", METHOD_GET, URI_BAD_FORM);
    assert_target_fails("api.example.com", METHOD_CONNECT, URI_BAD_HOST);
    assert_target_fails("/path", METHOD_CONNECT, URI_BAD_FORM);
    assert_target_fails("http://host:80/", METHOD_CONNECT, URI_BAD_FORM);
    assert_target_fails("*", METHOD_CONNECT, URI_BAD_FORM);
    assert_target_fails("user@host:80", METHOD_CONNECT, URI_BAD_HOST);

    assert_target_fails("", METHOD_GET, URI_BAD_FORM);
    assert_target_fails("admin", METHOD_GET, URI_BAD_FORM);
    assert_target_fails("?a=b", METHOD_GET, URI_BAD_FORM);
    assert_target_fails("\\admin", METHOD_GET, URI_BAD_FORM);
    assert_int_equal(parsed("/admin", METHOD_GET).form, URI_ORIGIN);
}

/* T9 */
static void test_fragments_are_refused(void **state)
{
    (void)state;
    assert_target_fails("/foo/secret#/bar", METHOD_GET, URI_FRAGMENT);
    assert_target_fails("/foo?a#b", METHOD_GET, URI_FRAGMENT);
    assert_target_fails("#", METHOD_GET, URI_FRAGMENT);
    assert_target_fails("http://host/#a", METHOD_GET, URI_FRAGMENT);
    assert_path_fails("/foo#bar", URI_FRAGMENT);
    assert_path("/foo%23bar", "/foo%23bar");
}

static void test_long_targets(void **state)
{
    (void)state;
    static char text[HTTP_TARGET_MAX + 2];
    static char out[HTTP_TARGET_MAX + 2];
    memset(text, 'a', sizeof text);
    text[0] = '/';
    struct uri_target target;
    struct slice path;
    assert_int_equal(uri_parse_target(slice_of(text, HTTP_TARGET_MAX), METHOD_GET, &target), URI_OK);
    assert_int_equal(uri_parse_target(slice_of(text, HTTP_TARGET_MAX + 1), METHOD_GET, &target),
                     URI_TOO_LONG);
    assert_int_equal(uri_canonical_path(slice_of(text, HTTP_TARGET_MAX), 0, out, &path), URI_OK);
    assert_int_equal(path.len, HTTP_TARGET_MAX);
    assert_int_equal(uri_canonical_path(slice_of(text, HTTP_TARGET_MAX + 1), 0, out, &path), URI_TOO_LONG);
}

static void test_one_spelling(void **state)
{
    (void)state;
    assert_path("/", "/");
    assert_path("/a/b/", "/a/b/");
    assert_path("/%61%2D%2e%5F%7ez", "/a-._~z");
    assert_path("/caf%c3%a9", "/caf%C3%A9");
    assert_path("/a%20b", "/a%20b");
    assert_path("/%3c%3E%22%7b%7C%7d%5b%5D%5e%60", "/%3C%3E%22%7B%7C%7D%5B%5D%5E%60");
    assert_path("/a%3Fb", "/a%3Fb");
    /* A rule for "batch:delete" must not be passed by with "batch%3Adelete". */
    assert_path("/orders/batch%3Adelete", "/orders/batch:delete");
    assert_path("/%21%24%26%27%28%29%2a%2B%2c%3d%40", "/!$&'()*+,=@");
    assert_path("/!$&'()*+,=:@", "/!$&'()*+,=:@");
    assert_path("/%E2%82%AC%F0%9F%98%80", "/%E2%82%AC%F0%9F%98%80");
    /* RFC 3986 section 6.2.2 */
    assert_path("/%7Efoo", "/~foo");
    assert_path("/%7efoo", "/~foo");
}

/* T7 */
static void test_dot_segments_are_refused(void **state)
{
    (void)state;
    assert_path_fails("/public/../admin", URI_DOT_SEGMENT);
    assert_path_fails("/api%2e%2e/../admin", URI_DOT_SEGMENT);
    assert_path_fails("/api/%2e%2e/admin", URI_DOT_SEGMENT);
    assert_path_fails("/api/%2E./admin", URI_DOT_SEGMENT);
    assert_path_fails("/api/.%2e/admin", URI_DOT_SEGMENT);
    assert_path_fails("/api/%2e/admin", URI_DOT_SEGMENT);
    assert_path_fails("/api/./admin", URI_DOT_SEGMENT);
    assert_path_fails("/api/..", URI_DOT_SEGMENT);
    assert_path_fails("/api/.", URI_DOT_SEGMENT);
    assert_path_fails("/..", URI_DOT_SEGMENT);
    assert_path_fails("/.", URI_DOT_SEGMENT);
    assert_path_fails("/api/..%3Bx/admin", URI_DOT_SEGMENT);
    assert_path_fails("/api/..;/admin", URI_PARAMETER);
    assert_path_fails_with("/api/..;/admin", URI_ALLOW_PARAMETERS, URI_DOT_SEGMENT);
    assert_path_fails_with("/api/.;x=1", URI_ALLOW_PARAMETERS, URI_DOT_SEGMENT);
    assert_path_fails_with("/api/%2e%2e;x/admin", URI_ALLOW_PARAMETERS, URI_DOT_SEGMENT);
    assert_path_fails_with("/a%2F..%2Fadmin", URI_ALLOW_ENCODED_SLASH, URI_DOT_SEGMENT);
    assert_path_fails_with("/a%2f..", URI_ALLOW_ENCODED_SLASH, URI_DOT_SEGMENT);
    assert_path_fails_with("/..%2fa", URI_ALLOW_ENCODED_SLASH, URI_DOT_SEGMENT);
    assert_path_fails_with("/a%2f%2e%2e;b", URI_ALLOW_ENCODED_SLASH | URI_ALLOW_PARAMETERS, URI_DOT_SEGMENT);
    /* Dots that are part of a name. */
    assert_path("/api%2e%2e/admin", "/api../admin");
    assert_path("/...", "/...");
    assert_path("/.well-known/x", "/.well-known/x");
    assert_path("/a..b/c.", "/a..b/c.");
    assert_path_with("/v1.0%2Fa.b;v=.x", URI_ALLOW_ENCODED_SLASH | URI_ALLOW_PARAMETERS, "/v1.0%2Fa.b;v=.x");
}

/* T8 */
static void test_encoded_slashes(void **state)
{
    (void)state;
    assert_path_fails("/a%2Fadmin", URI_ENCODED_SLASH);
    assert_path_fails("/a%2fadmin", URI_ENCODED_SLASH);
    assert_path_fails("/a%5Cadmin", URI_ENCODED_SLASH);
    assert_path_fails("/a\\admin", URI_ENCODED_SLASH);
    assert_path_with("/a%2fadmin", URI_ALLOW_ENCODED_SLASH, "/a%2Fadmin");
    assert_path_fails_with("/a%5cadmin", URI_ALLOW_ENCODED_SLASH, URI_ENCODED_SLASH);
    assert_path_fails_with("/a\\admin", URI_ALLOW_ENCODED_SLASH, URI_ENCODED_SLASH);
    assert_path("/a/admin", "/a/admin");
}

static void test_empty_segments(void **state)
{
    (void)state;
    assert_path_fails("//admin", URI_EMPTY_SEGMENT);
    assert_path_fails("//", URI_EMPTY_SEGMENT);
    assert_path_fails("/a//b", URI_EMPTY_SEGMENT);
    assert_path_fails("/a//", URI_EMPTY_SEGMENT);
    assert_path_fails_with("/;/admin", URI_ALLOW_PARAMETERS, URI_EMPTY_SEGMENT);
    assert_path_fails_with("/a/;x", URI_ALLOW_PARAMETERS, URI_EMPTY_SEGMENT);
    assert_path("/admin/", "/admin/");
}

static void test_parameters(void **state)
{
    (void)state;
    assert_path_fails("/x;/admin", URI_PARAMETER);
    assert_path_fails("/x;a=b", URI_PARAMETER);
    assert_path_with("/x;a=b/c", URI_ALLOW_PARAMETERS, "/x;a=b/c");
    /* Encoded it is data, with or without the allowance. */
    assert_path("/x%3by", "/x%3By");
    assert_path_with("/x%3by", URI_ALLOW_PARAMETERS, "/x%3By");
}

static void test_double_encoding(void **state)
{
    (void)state;
    assert_path_fails("/%252e%252e/", URI_DOUBLE_ENCODING);
    assert_path_fails("/%252F", URI_DOUBLE_ENCODING);
    assert_path_fails("/%25%32%65", URI_DOUBLE_ENCODING);
    assert_path_fails("/%25%32e", URI_DOUBLE_ENCODING);
    assert_path_fails("/%25%252e", URI_DOUBLE_ENCODING);
    assert_path_fails("/100%2520", URI_DOUBLE_ENCODING);
    assert_path("/100%25", "/100%25");
    assert_path("/%25zz", "/%25zz");
    assert_path("/%252", "/%252");
    assert_path("/%252/e", "/%252/e");
    assert_path("/%25%20", "/%25%20");
}

static void test_controls_and_bad_bytes(void **state)
{
    (void)state;
    assert_path_fails("/a%00b", URI_CONTROL);
    assert_path_fails("/a%0d%0aX", URI_CONTROL);
    assert_path_fails("/a%09", URI_CONTROL);
    assert_path_fails("/a%7f", URI_CONTROL);
    assert_path_fails("/a%c2%85b", URI_CONTROL);
    assert_path("/a%c2%a0b", "/a%C2%A0b");
    assert_path_fails("/%c0%af", URI_BAD_UTF8);
    assert_path_fails("/%c0%ae%c0%ae/", URI_BAD_UTF8);
    assert_path_fails("/%e0%80%af", URI_BAD_UTF8);
    assert_path_fails("/%ff", URI_BAD_UTF8);
    assert_path_fails("/%c3", URI_BAD_UTF8);
    assert_path_fails("/%c3a%a9", URI_BAD_UTF8);
    assert_path_fails("/%ed%a0%80", URI_BAD_UTF8);
    assert_path_fails("/%zz", URI_BAD_SYNTAX);
    assert_path_fails("/%", URI_BAD_SYNTAX);
    assert_path_fails("/%4", URI_BAD_SYNTAX);
    assert_path_fails("/%u002e", URI_BAD_SYNTAX);
    assert_path_fails("/a b", URI_BAD_SYNTAX);
    assert_path_fails("/a\x01", URI_BAD_SYNTAX);
    assert_path_fails("/a\0b", URI_BAD_SYNTAX);
    assert_path_fails("/\xc3\xa9", URI_BAD_SYNTAX);
    assert_path_fails("/a?b", URI_BAD_SYNTAX);
    assert_path_fails("/<script>", URI_BAD_SYNTAX);
    assert_path_fails("/a[0]", URI_BAD_SYNTAX);
    assert_path_fails("", URI_BAD_FORM);
    assert_path_fails("a", URI_BAD_FORM);
    assert_path_fails("%2Fa", URI_BAD_FORM);
}

static void test_needs(void **state)
{
    (void)state;
    assert_int_equal(uri_path_needs(SLICE("/a/b%20c")), 0);
    assert_int_equal(uri_path_needs(SLICE("/a%2fb")), URI_ALLOW_ENCODED_SLASH);
    assert_int_equal(uri_path_needs(SLICE("/a;b")), URI_ALLOW_PARAMETERS);
    assert_int_equal(uri_path_needs(SLICE("/a;b%2F")), URI_ALLOW_PARAMETERS | URI_ALLOW_ENCODED_SLASH);
    /* No allowance helps with these. */
    assert_int_equal(uri_path_needs(SLICE("/a%5Cb%2")), 0);
    assert_int_equal(uri_path_needs(SLICE("/a%252Fb%3B")), 0);
}

/* What is refused for want of an allowance is exactly what uri_path_needs says. Every short path over an alphabet of
 * everything that matters, with every set of allowances; idempotence and length on the way. */
static void test_every_short_path(void **state)
{
    (void)state;
    static const char *const parts[] = { "/",   ".", "a",   ";",   "%2e", "%2F",
                                         "%25", "2", "%3b", "%32", "%5C", "\\" };
    enum {
        PARTS = sizeof parts / sizeof parts[0],
        DEPTH = 5
    };
    size_t total = 1;
    for (int i = 0; i < DEPTH; i++) {
        total *= PARTS;
    }
    for (size_t n = 0; n < total; n++) {
        char raw[DEPTH * 3 + 2] = "/", out[sizeof raw], again[sizeof raw];
        size_t len = 1;
        for (size_t rest = n, i = 0; i < DEPTH; i++, rest /= PARTS) {
            size_t part = strlen(parts[rest % PARTS]);
            memcpy(raw + len, parts[rest % PARTS], part);
            len += part;
        }
        struct slice text = slice_of(raw, len);
        unsigned int needs = uri_path_needs(text);
        for (unsigned int allow = 0; allow < 4; allow++) {
            struct slice path, path_again;
            enum uri_result result = uri_canonical_path(text, allow, out, &path);
            if ((needs & ~allow) != 0) {
                assert_true(result != URI_OK);
            }
            if (result != URI_OK) {
                continue;
            }
            assert_true(path.len <= len);
            assert_int_equal(uri_canonical_path(path, allow, again, &path_again), URI_OK);
            assert_true(slice_equal(path, path_again));
            assert_false(slice_contains(path, SLICE("//")) || slice_contains(path, SLICE("/../")));
        }
    }
}

static void test_queries(void **state)
{
    (void)state;
    assert_true(uri_query_valid(SLICE("")));
    assert_true(uri_query_valid(SLICE_NONE));
    assert_true(uri_query_valid(SLICE("a=1&b=%20%C3%A9+x&c=/?:@!$'()*,;")));
    assert_true(uri_query_valid(SLICE("filter[name]=x|y&j={}")));
    assert_true(uri_query_valid(SLICE("%00")));
    assert_false(uri_query_valid(SLICE("a=%")));
    assert_false(uri_query_valid(SLICE("a=%2")));
    assert_false(uri_query_valid(SLICE("a=%zz")));
    assert_false(uri_query_valid(SLICE("a b")));
    assert_false(uri_query_valid(SLICE("a\r\nb")));
    assert_false(uri_query_valid(SLICE("a\0")));
    assert_false(uri_query_valid(SLICE("a#b")));
    assert_false(uri_query_valid(SLICE("<a>")));
    assert_false(uri_query_valid(SLICE("\"")));
    assert_false(uri_query_valid(SLICE("\\")));
    assert_false(uri_query_valid(SLICE("\xc3\xa9")));
    assert_target_fails("/a?b=%", METHOD_GET, URI_BAD_SYNTAX);
    assert_target_fails("http://host/a?<b>", METHOD_GET, URI_BAD_SYNTAX);
}

static void test_decode(void **state)
{
    (void)state;
    char out[32];
    assert_slice(slice_of(out, uri_decode(SLICE("a%20b%2Fc+%c3%A9"), out)), "a b/c+\xc3\xa9");
    assert_slice(slice_of(out, uri_decode(SLICE("%zz%4"), out)), "%zz%4");
    assert_slice(slice_of(out, uri_decode(SLICE("%2525"), out)), "%25");
    assert_int_equal(uri_decode(SLICE(""), out), 0);
}

static void test_every_result_has_a_text(void **state)
{
    (void)state;
    for (int result = URI_OK; result <= URI_BAD_HOST; result++) {
        assert_string_not_equal(uri_result_text((enum uri_result)result), "unknown failure");
    }
    assert_string_equal(uri_result_text((enum uri_result)99), "unknown failure");
}

/* The look at a path that spares the closer one must come to what that would: an escape in front of the path makes sure that
 * it is asked. */
static void check_against_the_long_way(struct slice raw)
{
    char longer[256] = "/%41", out[256], long_out[256];
    struct slice path, long_path;
    memcpy(longer + 4, raw.ptr, raw.len);
    struct slice asked = slice_of(longer, raw.len + 4);
    assert_false(uri_path_is_canonical(asked));
    for (unsigned int allow = 0; allow < 4; allow++) {
        enum uri_result result = uri_canonical_path(raw, allow, out, &path);
        /* Of two faults the escape may let the other one be seen first. */
        assert_int_equal(result == URI_OK, uri_canonical_path(asked, allow, long_out, &long_path) == URI_OK);
        if (result == URI_OK) {
            assert_true(slice_equal(slice_from(long_path, 2), path));
        }
        if (uri_path_is_canonical(raw)) {
            assert_int_equal(result, URI_OK);
            assert_true(slice_equal(path, raw));
            assert_int_equal(uri_path_needs(raw), 0);
        }
    }
}

static void test_plain_paths_are_canonical(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "/", "/a", "/a/", "/orders/v2/42/items", "/a.b/c..d/e.", "/a:b@c/!$&'()*+,=~_-"
    };
    static const char *const other[] = { "",          "a",    "//",           "/a//b",
                                         "/./a",      "/..",  "/.well-known", "/a;b",
                                         "/%41",      "/a?b", "/a#b",         "/a\\b",
                                         "/\xc3\xa9", "/a b", "/a\"",         "*" };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        assert_true(uri_path_is_canonical(slice_from_string(plain[i])));
        check_against_the_long_way(slice_from_string(plain[i]));
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        assert_false(uri_path_is_canonical(slice_from_string(other[i])));
    }
    char text[HTTP_TARGET_MAX + 1];
    memset(text, 'a', sizeof text);
    text[0] = '/';
    assert_true(uri_path_is_canonical(slice_of(text, HTTP_TARGET_MAX)));
    assert_false(uri_path_is_canonical(slice_of(text, HTTP_TARGET_MAX + 1)));
}

static void test_the_short_look_agrees_with_the_long(void **state)
{
    (void)state;
    static const char *const parts[] = { "/",   "//",  "/.",  "/..", ".",      "a",    "42",       ";",
                                         "%2e", "%2F", "%25", "%41", "%c3%a9", "~",    "-",        "=",
                                         "%",   "#",   "?",   "\\",  " ",      "\x7f", "\xc3\xa9", "items" };
    uint64_t seed = 99;
    for (int round = 0; round < 300000; round++) {
        char raw[200] = "/";
        size_t len = 1;
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        for (size_t left = (seed >> 40) % 12; left > 0; left--) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            /* Half of all parts are harmless, so that canonical paths come about. */
            size_t which =
                (seed >> 60) < 8 ? (seed >> 40) % 2 * 5 : (seed >> 40) % (sizeof parts / sizeof *parts);
            size_t size = strlen(parts[which]);
            memcpy(raw + len, parts[which], size);
            len += size;
        }
        check_against_the_long_way(slice_of(raw, len));
    }
    for (int byte = 0; byte < 256; byte++) {
        for (size_t at = 1; at < 6; at++) {
            char raw[] = "/ab/cd";
            raw[at] = (char)byte;
            check_against_the_long_way(slice_of(raw, 6));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origin_form),
        cmocka_unit_test(test_absolute_form),
        cmocka_unit_test(test_forms_belong_to_methods),
        cmocka_unit_test(test_fragments_are_refused),
        cmocka_unit_test(test_long_targets),
        cmocka_unit_test(test_one_spelling),
        cmocka_unit_test(test_dot_segments_are_refused),
        cmocka_unit_test(test_encoded_slashes),
        cmocka_unit_test(test_empty_segments),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_double_encoding),
        cmocka_unit_test(test_controls_and_bad_bytes),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_every_short_path),
        cmocka_unit_test(test_plain_paths_are_canonical),
        cmocka_unit_test(test_the_short_look_agrees_with_the_long),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_every_result_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
