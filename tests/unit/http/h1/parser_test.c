#include "http/h1/parser.h"

#include "verdict.h"

static const struct slice requests[] = {
    SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    SLICE_INIT("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\n"),
    SLICE_INIT(
        "POST /orders?x=1 HTTP/1.1\r\nHost: api.example.com:8443\r\nAuthorization: Bearer abc.def.ghi\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\nX-Tabs: a\tb\t\tc\t\r\n\r\n{}"),
    SLICE_INIT(
        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close, x\r\n\r\n0\r\n\r\n"),
    SLICE_INIT("GET / HTTP/1.0\r\n\r\n"),
    SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\x80 long enough to pass a word\r\n\r\n"),
    SLICE_INIT("GET / HTTP/1.1\r\nX: y\r\n\r\n"),
    SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"),
    SLICE_INIT("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\rZ: y\r\n\r\n"),
    SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\nX: abcdefgh\0ijklmn\r\n\r\n"),
    SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"),
    SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\n\rX"),
    SLICE_INIT("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"),
    SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\nX-Unfinished: val"),
    SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\n\r"),
    SLICE_INIT("\r"),
    SLICE_INIT(""),
};

static const struct slice responses[] = {
    SLICE_INIT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello"),
    SLICE_INIT("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    SLICE_INIT("HTTP/1.0 304\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n"),
    SLICE_INIT("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n"),
    SLICE_INIT("HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\n\r\n"),
    SLICE_INIT("HTTP/1.1 200 OK\r\nX: y\x01\r\n\r\n"),
    SLICE_INIT("\r\nHTTP/1.1 200 OK\r\n\r\n"),
};

static void test_any_split_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        verdict_split(requests[i], VERDICT_REQUEST, NULL);
        verdict_split(requests[i], VERDICT_RESPONSE, NULL);
    }
    for (size_t i = 0; i < sizeof responses / sizeof responses[0]; i++) {
        verdict_split(responses[i], VERDICT_RESPONSE, NULL);
        verdict_split(responses[i], VERDICT_RESPONSE_TO_HEAD, NULL);
        verdict_split(responses[i], VERDICT_REQUEST, NULL);
    }
}

/* One byte of a good head changed to any other value: never a crash, and never a verdict that depends on the split. */
static void test_any_byte_changed(void **state)
{
    (void)state;
    char text[] = "POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nConnection: close\r\n\r\n";
    for (size_t at = 0; at < sizeof text - 1; at++) {
        char kept = text[at];
        for (int c = 0; c < 256; c += c < 128 ? 1 : 37) {
            text[at] = (char)c;
            struct slice changed = slice_of(text, sizeof text - 1);
            struct verdict whole = verdict_whole(changed, VERDICT_REQUEST), verdict = { 0 };
            struct h1_parser parser;
            verdict_init(&parser, VERDICT_REQUEST);
            for (size_t size = 0; size <= changed.len; size++) {
                verdict_step(&parser, changed, size, VERDICT_REQUEST, &verdict);
                if (verdict.result != H1_PARTIAL) {
                    break;
                }
            }
            verdict_same(whole, verdict, changed, at);
            if (whole.result == H1_DONE) {
                /* Whatever passed has no byte that may stand in no head. */
                assert_true(c >= 0x20 || kept == (char)c || c == '\t');
                assert_int_not_equal(c, 0x7f);
            }
        }
        text[at] = kept;
    }
}

/* What follows a bad line, or a bad byte in it, is not waited for. */
static void test_early_refusal(void **state)
{
    (void)state;
    static const struct {
        struct slice bad; /* up to where the verdict must have come */
        enum h1_failure failure;
    } cases[] = {
        { SLICE_INIT("GET /\r\n"), H1_BAD_REQUEST_LINE },
        { SLICE_INIT("GET / HTTP/3.0\r\n"), H1_BAD_VERSION },
        { SLICE_INIT("GET /a\x01"), H1_BAD_REQUEST_LINE },
        { SLICE_INIT("GET / HTTP/1.1\n"), H1_BAD_LINE_ENDING },
        { SLICE_INIT("\x16"), H1_BAD_REQUEST_LINE },
        { SLICE_INIT("GET / HTTP/1.1\r\nX : y\r\n"), H1_BAD_HEADER_NAME },
        { SLICE_INIT("GET / HTTP/1.1\r\nX: \0"), H1_BAD_HEADER_VALUE },
        { SLICE_INIT("GET / HTTP/1.1\r\nX: y\rZ"), H1_BAD_LINE_ENDING },
        { SLICE_INIT("GET / HTTP/1.1\r\nX: y\r\n z\r\n"), H1_OBS_FOLD },
        { SLICE_INIT("GET / HTTP/1.1\r\nContent-Length: 5x\r\n"), H1_BAD_CONTENT_LENGTH },
        { SLICE_INIT("GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
          H1_LENGTH_CONFLICT },
        { SLICE_INIT("GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n"), H1_BAD_TRANSFER_ENCODING },
        { SLICE_INIT("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n"), H1_BAD_HOST },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        memcpy(text, cases[i].bad.ptr, cases[i].bad.len);
        memcpy(text + cases[i].bad.len, "X: y\r\n\r\n", 8);
        size_t decided;
        struct slice whole = slice_of(text, cases[i].bad.len + 8);
        struct verdict verdict = verdict_split(whole, VERDICT_REQUEST, &decided);
        assert_int_equal(verdict.failure, cases[i].failure);
        assert_int_equal(decided, cases[i].bad.len);
    }
}

static struct verdict limited(struct slice text, struct http_head_limits limits, bool bytewise)
{
    struct h1_parser parser;
    struct verdict verdict = { .result = H1_PARTIAL };
    h1_parser_init_request(&parser, &limits);
    for (size_t size = bytewise ? 0 : text.len; verdict.result == H1_PARTIAL && size <= text.len; size++) {
        verdict_step(&parser, text, size, VERDICT_REQUEST, &verdict);
    }
    return verdict;
}

#define assert_limited(text, limits, result_, failure_)                     \
    do {                                                                    \
        for (int bytewise_ = 0; bytewise_ < 2; bytewise_++) {               \
            struct verdict verdict_ = limited((text), (limits), bytewise_); \
            assert_int_equal(verdict_.result, (result_));                   \
            assert_int_equal(verdict_.failure, (failure_));                 \
        }                                                                   \
    } while (0)

static void test_head_limit(void **state)
{
    (void)state;
    struct slice text = SLICE("GET / HTTP/1.0\r\nX-Name: some value\r\n\r\n");
    struct http_head_limits limits = { (uint32_t)text.len, 100, 10 };
    assert_limited(text, limits, H1_DONE, H1_OK);
    limits.head_max--;
    assert_limited(text, limits, H1_FAILED, H1_HEAD_TOO_LARGE);
    /* A line that has not ended by then is not waited for, whatever it might become. */
    limits.head_max = 30;
    assert_limited(slice_part(text, 0, 29), limits, H1_PARTIAL, H1_OK);
    assert_limited(slice_part(text, 0, 30), limits, H1_FAILED, H1_HEAD_TOO_LARGE);
    /* CR at the last byte, LF behind the limit. */
    limits.head_max = 15;
    assert_limited(text, limits, H1_FAILED, H1_HEAD_TOO_LARGE);
    limits.head_max = 16;
    assert_limited(text, limits, H1_FAILED, H1_HEAD_TOO_LARGE);
    assert_limited(slice_part(text, 0, 15), limits, H1_PARTIAL, H1_OK);
    limits.head_max = 0;
    assert_limited(text, limits, H1_FAILED, H1_HEAD_TOO_LARGE);
}

static void test_target_limit(void **state)
{
    (void)state;
    struct http_head_limits limits = { 1000, 10, 10 };
    assert_limited(SLICE("GET /345678910 HTTP/1.0\r\n\r\n"), limits, H1_DONE, H1_OK);
    assert_limited(SLICE("GET /3456789101 HTTP/1.0\r\n\r\n"), limits, H1_FAILED, H1_TARGET_TOO_LONG);
    /* The longest request line that may be: a method of HTTP_METHOD_MAX. */
    assert_limited(SLICE("\r\nMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM /345678910 HTTP/1.0\r\n\r\n"), limits, H1_DONE,
                   H1_OK);
    /* One that does not end is cut off there, not at the head's limit. */
    char text[200];
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    uint32_t longest = HTTP_METHOD_MAX + 1 + 10 + sizeof " HTTP/1.1\r\n" - 1;
    assert_limited(slice_of(text, longest - 1), limits, H1_PARTIAL, H1_OK);
    assert_limited(slice_of(text, longest), limits, H1_FAILED, H1_TARGET_TOO_LONG);
    assert_limited(slice_of(text, sizeof text), limits, H1_FAILED, H1_TARGET_TOO_LONG);
}

static void test_field_limit(void **state)
{
    (void)state;
    struct http_head_limits limits = { 1000, 100, 3 };
    assert_limited(SLICE("GET / HTTP/1.0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"), limits, H1_DONE, H1_OK);
    assert_limited(SLICE("GET / HTTP/1.0\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n"), limits, H1_FAILED,
                   H1_TOO_MANY_HEADERS);
    limits.fields_max = 0;
    assert_limited(SLICE("GET / HTTP/1.0\r\n\r\n"), limits, H1_DONE, H1_OK);
}

static void test_limits_have_ceilings(void **state)
{
    (void)state;
    struct http_head_limits limits = { UINT32_MAX, UINT32_MAX, UINT32_MAX };
    struct h1_parser parser;
    h1_parser_init_request(&parser, &limits);
    assert_int_equal(parser.limits.head_max, HTTP_HEAD_MAX);
    assert_int_equal(parser.limits.target_max, HTTP_TARGET_MAX);
    assert_int_equal(parser.limits.fields_max, HTTP_HEADERS_MAX);
    char text[2000];
    size_t len = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.0\r\n");
    for (int i = 0; i < HTTP_HEADERS_MAX; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "X: %d\r\n", i);
    }
    memcpy(text + len, "\r\n", 2);
    assert_int_equal(verdict_whole(slice_of(text, len + 2), VERDICT_REQUEST).result, H1_DONE);
    memcpy(text + len, "X: y\r\n\r\n", 8);
    assert_int_equal(verdict_whole(slice_of(text, len + 8), VERDICT_REQUEST).failure, H1_TOO_MANY_HEADERS);
}

/* A failed parser stays failed, a finished one finished, whatever comes. */
static void test_verdicts_are_final(void **state)
{
    (void)state;
    struct h1_parser parser;
    struct slice bad = SLICE("BAD\r\nGET / HTTP/1.0\r\n\r\n"), good = SLICE("GET / HTTP/1.0\r\n\r\nBAD\r\n");
    h1_parser_init_request(&parser, &verdict_limits);
    assert_int_equal(h1_parse(&parser, bad.ptr, 5), H1_FAILED);
    assert_int_equal(h1_parse(&parser, bad.ptr, bad.len), H1_FAILED);
    assert_int_equal(parser.failure, H1_BAD_REQUEST_LINE);
    h1_parser_init_request(&parser, &verdict_limits);
    assert_int_equal(h1_parse(&parser, good.ptr, 18), H1_DONE);
    assert_int_equal(h1_parse(&parser, good.ptr, good.len), H1_DONE);
    assert_int_equal(parser.head_length, 18);
}

static void test_a_parser_is_used_again(void **state)
{
    (void)state;
    struct h1_parser parser;
    struct slice first =
        SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close, upgrade\r\n"
              "Upgrade: x\r\nExpect: 100-continue\r\n\r\n");
    struct slice second = SLICE("GET / HTTP/1.1\r\nHost: b\r\n\r\n");
    struct header items[HTTP_HEADERS_MAX];
    struct http_request request;
    h1_parser_init_request(&parser, &verdict_limits);
    assert_int_equal(h1_parse(&parser, first.ptr, first.len), H1_DONE);
    h1_parser_init_request(&parser, &verdict_limits);
    assert_int_equal(h1_parse(&parser, second.ptr, second.len), H1_DONE);
    h1_take_request(&parser, second.ptr, items, HTTP_HEADERS_MAX, &request);
    assert_int_equal(request.headers.count, 1);
    assert_int_equal(request.headers.capacity, HTTP_HEADERS_MAX);
    assert_int_equal(request.body, BODY_NONE);
    assert_true(request.keep_alive);
    assert_false(request.upgrade || request.expect_continue);
}

static void test_every_failure_has_a_text(void **state)
{
    (void)state;
    for (int failure = H1_OK; failure <= H1_BAD_TRAILER; failure++) {
        assert_string_not_equal(h1_failure_text((enum h1_failure)failure), "unknown failure");
    }
    assert_string_equal(h1_failure_text((enum h1_failure)99), "unknown failure");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_split_gives_the_same),
        cmocka_unit_test(test_any_byte_changed),
        cmocka_unit_test(test_early_refusal),
        cmocka_unit_test(test_head_limit),
        cmocka_unit_test(test_target_limit),
        cmocka_unit_test(test_field_limit),
        cmocka_unit_test(test_limits_have_ceilings),
        cmocka_unit_test(test_verdicts_are_final),
        cmocka_unit_test(test_a_parser_is_used_again),
        cmocka_unit_test(test_every_failure_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
