#include "compress/judge.h"
#include "unit.h"

static struct slice type_items[] = { SLICE_INIT("text/*"), SLICE_INIT("application/json"),
                                     SLICE_INIT("application/*+json") };
static const struct compress_settings settings = { .enabled = true,
                                                   .types = { type_items, 3 },
                                                   .min_size = 100 };
static const struct compress_settings without_secrets = {
    .enabled = true, .no_secrets_in_responses = true, .types = { type_items, 3 }, .min_size = 100
};

/* "Name: value\n" of each. */
static struct headers fields_of(const char *text, struct header *items, size_t capacity)
{
    struct headers headers = { items, 0, capacity };
    struct slice rest = slice_from_string(text), line;
    while (slice_next(&rest, '\n', &line) && line.len > 0) {
        ssize_t colon = slice_find(line, ':');
        struct slice name = slice_part(line, 0, (size_t)colon);
        headers_add(&headers, header_id_of(name), name, slice_trim(slice_from(line, (size_t)colon + 1)));
    }
    return headers;
}

static enum compress_skip judged(const struct compress_settings *by, unsigned int status, int64_t length,
                                 const char *fields)
{
    struct header items[8];
    struct headers headers = fields_of(fields, items, 8);
    const struct compress_response response = { status, &headers, length >= 0,
                                                (uint64_t)(length < 0 ? 0 : length) };
    return compress_judge_response(by, &response);
}

#define JSON "Content-Type: application/json\n"

static void compresses_what_has_a_body_of_its_own(void **state)
{
    (void)state;
    static const unsigned int not [] = { 100, 103, 204, 205, 206, 226, 304 },
                                  is[] = { 200, 201, 301, 404, 500 };
    for (size_t i = 0; i < sizeof not / sizeof not [0]; i++) {
        assert_int_equal(judged(&settings, not [i], 1000, JSON), COMPRESS_SKIP_STATUS);
    }
    for (size_t i = 0; i < sizeof is / sizeof is[0]; i++) {
        assert_int_equal(judged(&settings, is[i], 1000, JSON), COMPRESS_NO_SKIP);
    }
    assert_int_equal(judged(&settings, 200, 1000, JSON "Content-Range: bytes 0-9/10\n"),
                     COMPRESS_SKIP_STATUS);
}

static void leaves_what_may_not_be_touched(void **state)
{
    (void)state;
    assert_int_equal(judged(&settings, 200, 1000, JSON "Content-Encoding: br\n"), COMPRESS_SKIP_ENCODED);
    assert_int_equal(
        judged(&settings, 200, 1000, JSON "Cache-Control: max-age=1\nCache-Control: public, No-Transform\n"),
        COMPRESS_SKIP_NO_TRANSFORM);
    assert_int_equal(judged(&settings, 200, 1000, JSON "Cache-Control: x-no-transform, max-age=1\n"),
                     COMPRESS_NO_SKIP);
    static const char *const proofs[] = { JSON "Content-Digest: a\n", JSON "Repr-Digest: a\n",
                                          JSON "Digest: a\n",         JSON "Content-MD5: a\n",
                                          JSON "Signature: a\n",      JSON "Signature-Input: a\n" };
    for (size_t i = 0; i < sizeof proofs / sizeof proofs[0]; i++) {
        assert_int_equal(judged(&settings, 200, 1000, proofs[i]), COMPRESS_SKIP_SIGNED);
    }
    assert_int_equal(judged(&settings, 200, 99, JSON), COMPRESS_SKIP_SMALL);
    assert_int_equal(judged(&settings, 200, 100, JSON), COMPRESS_NO_SKIP);
    assert_int_equal(judged(&settings, 200, -1, JSON), COMPRESS_NO_SKIP);
}

static void fits(const char *type, bool expected)
{
    if (compress_type_fits(&settings.types, slice_from_string(type)) != expected) {
        fail_msg("\"%s\"", type);
    }
}

static void types(void **state)
{
    (void)state;
    fits("application/json", true);
    fits("Application/JSON ; charset=utf-8", true);
    fits("application/problem+json", true);
    fits("application/+json", false);
    fits("application/json-seq", false);
    fits("application/problem+json5", false);
    fits("text/html", true);
    fits("text/", false);
    fits("text", false);
    fits("image/png", false);
    fits("", false);
    fits("text/event-stream", false);
    fits("Text/Event-Stream;charset=utf-8", false);
    fits("application/grpc+json", false);
    fits("application/grpc-web+json", false);
    assert_int_equal(judged(&settings, 200, 1000, "X: y\n"), COMPRESS_SKIP_TYPE);
}

static void types_are_checked(void **state)
{
    (void)state;
    static const char *const good[] = { "text/html", "text/*", "application/*+json",
                                        "application/vnd.a.b+xml" };
    static const char *const bad[] = { "",          "text",    "/",         "text/",
                                       "/html",     "*",       "*/*",       "text/h*",
                                       "text/*x",   "text/*+", "te*t/html", "text/html; charset=utf-8",
                                       "text/*+a*", "text/**", "text/a/b" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_null(compress_check_type(slice_from_string(good[i])));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (compress_check_type(slice_from_string(bad[i])) == NULL) {
            fail_msg("\"%s\" is taken", bad[i]);
        }
    }
}

static void somebodys_own(void **state)
{
    (void)state;
    assert_int_equal(judged(&settings, 200, 1000, JSON "Cache-Control: max-age=1, private\n"),
                     COMPRESS_SKIP_PRIVATE);
    assert_int_equal(judged(&settings, 200, 1000, JSON "Cache-Control: Private=\"set-cookie\"\n"),
                     COMPRESS_SKIP_PRIVATE);
    assert_int_equal(judged(&settings, 200, 1000, JSON "Cache-Control: no-store\n"), COMPRESS_SKIP_PRIVATE);
    assert_int_equal(judged(&settings, 200, 1000, JSON "Cache-Control: public, no-cache\n"),
                     COMPRESS_NO_SKIP);
    assert_int_equal(judged(&without_secrets, 200, 1000, JSON "Cache-Control: no-store, private\n"),
                     COMPRESS_NO_SKIP);
    assert_int_equal(judged(&settings, 200, 1000, JSON "Set-Cookie: a=b\n"), COMPRESS_SKIP_PRIVATE);
    assert_int_equal(judged(&without_secrets, 200, 1000, JSON "Set-Cookie: a=b\n"), COMPRESS_SKIP_PRIVATE);
}

static bool shows(const struct compress_settings *by, const char *fields)
{
    struct header items[8];
    struct headers headers = fields_of(fields, items, 8);
    return compress_has_credential(by, &headers);
}

static void what_browsers_send_by_themselves(void **state)
{
    (void)state;
    static const char *const always[] = { "Cookie: a=b\n",
                                          "Cookie: \n",
                                          "Authorization: Basic YTpi\n",
                                          "Authorization: basic YTpi\n",
                                          "Authorization: Negotiate YTpi\n",
                                          "Authorization: Digest a=b\n",
                                          "Authorization: Bearers x\n",
                                          "Authorization: \n",
                                          "Proxy-Authorization: Bearer x\n",
                                          "Authorization: Bearer x\nCookie: a=b\n" };
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        assert_true(shows(&settings, always[i]));
        if (!shows(&without_secrets, always[i])) {
            fail_msg("%s", always[i]);
        }
    }
    assert_true(shows(&settings, "Authorization: Bearer x\n"));
    assert_false(shows(&without_secrets, "Authorization: bearer x\n"));
    assert_false(shows(&without_secrets, "Authorization: DPoP x\nDPoP: y\n"));
    assert_false(shows(&settings, "Accept: */*\nX-Cookie: a\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compresses_what_has_a_body_of_its_own),
        cmocka_unit_test(leaves_what_may_not_be_touched),
        cmocka_unit_test(types),
        cmocka_unit_test(types_are_checked),
        cmocka_unit_test(somebodys_own),
        cmocka_unit_test(what_browsers_send_by_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
