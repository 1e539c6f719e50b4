#include "http/h1/lines.h"
#include "verdict.h"

static enum h1_failure request_failure(struct slice line)
{
    char text[12000];
    size_t len = (size_t)snprintf(text, sizeof text, "%.*s\r\nHost: a\r\n\r\n", SLICE_ARG(line));
    struct verdict verdict = verdict_split(slice_of(text, len), VERDICT_REQUEST, NULL);
    assert_int_not_equal(verdict.result, H1_PARTIAL);
    return verdict.failure;
}

static enum h1_failure status_failure(struct slice line)
{
    char text[1000];
    size_t len = (size_t)snprintf(text, sizeof text, "%.*s\r\n\r\n", SLICE_ARG(line));
    struct verdict verdict = verdict_split(slice_of(text, len), VERDICT_RESPONSE, NULL);
    assert_int_not_equal(verdict.result, H1_PARTIAL);
    return verdict.failure;
}

#define assert_request(line, failure) assert_int_equal(request_failure(SLICE(line)), (failure))
#define assert_status(line, failure)  assert_int_equal(status_failure(SLICE(line)), (failure))

static void test_request_lines(void **state)
{
    (void)state;
    assert_request("GET / HTTP/1.1", H1_OK);
    assert_request("GET / HTTP/1.0", H1_OK);
    assert_request("M-SEARCH * HTTP/1.1", H1_OK);
    assert_request("x!#$%&'*+.^_`|~9 http://a/?b HTTP/1.1", H1_OK);
    /* HTTP/0.9, spaces in wrong places, junk. */
    assert_request("GET /", H1_BAD_REQUEST_LINE);
    assert_request("GET", H1_BAD_REQUEST_LINE);
    assert_request("GET ", H1_BAD_REQUEST_LINE);
    assert_request(" GET / HTTP/1.1", H1_BAD_REQUEST_LINE);
    assert_request("GET  / HTTP/1.1", H1_BAD_REQUEST_LINE);
    assert_request("GET /  HTTP/1.1", H1_BAD_REQUEST_LINE);
    assert_request("GET / HTTP/1.1 ", H1_BAD_REQUEST_LINE);
    assert_request("GET / x HTTP/1.1", H1_BAD_REQUEST_LINE);
    assert_request("GET  HTTP/1.1", H1_BAD_REQUEST_LINE);
    assert_request("GET / ", H1_BAD_VERSION);
    assert_request("G\tT / HTTP/1.1", H1_BAD_METHOD);
    assert_request("GET\t/ HTTP/1.1", H1_BAD_METHOD);
    assert_request("GE(T / HTTP/1.1", H1_BAD_METHOD);
    assert_request("GET: / HTTP/1.1", H1_BAD_METHOD);
    assert_request("\xff\xfe / HTTP/1.1", H1_BAD_REQUEST_LINE);
    assert_request("GET /\t HTTP/1.1", H1_BAD_TARGET);
    assert_request("GET /\xc3\xa9 HTTP/1.1", H1_BAD_TARGET);
    assert_request("GET /a\x01 HTTP/1.1", H1_BAD_REQUEST_LINE);
    assert_request("GET /a\x7f HTTP/1.1", H1_BAD_REQUEST_LINE);
    assert_request("GET /a\rb HTTP/1.1", H1_BAD_LINE_ENDING);
    assert_request("GET /a\nb HTTP/1.1", H1_BAD_LINE_ENDING);
    assert_request("\nGET / HTTP/1.1", H1_BAD_LINE_ENDING);
    assert_request("\rGET / HTTP/1.1", H1_BAD_LINE_ENDING);
    assert_request("junk\r\nGET / HTTP/1.1", H1_BAD_REQUEST_LINE);
}

static void test_request_versions(void **state)
{
    (void)state;
    assert_request("GET / HTTP/1.2", H1_BAD_VERSION);
    assert_request("GET / HTTP/1.9", H1_BAD_VERSION);
    assert_request("GET / HTTP/2.0", H1_BAD_VERSION);
    assert_request("GET / HTTP/0.9", H1_BAD_VERSION);
    assert_request("GET / HTTP/1.10", H1_BAD_VERSION);
    assert_request("GET / HTTP/01.1", H1_BAD_VERSION);
    assert_request("GET / HTTP/1.", H1_BAD_VERSION);
    assert_request("GET / HTTP/1,1", H1_BAD_VERSION);
    assert_request("GET / http/1.1", H1_BAD_VERSION);
    assert_request("GET / XTTP/1.1", H1_BAD_VERSION);
    assert_request("GET / HTTP/1.1\t", H1_BAD_VERSION);
    assert_request("PRI * HTTP/2.0", H1_BAD_VERSION);
}

static void test_method_and_target_lengths(void **state)
{
    (void)state;
    char line[HTTP_TARGET_MAX + 100];
    memset(line, 'M', HTTP_METHOD_MAX);
    memcpy(line + HTTP_METHOD_MAX, " / HTTP/1.1", 11);
    assert_int_equal(request_failure(slice_of(line, HTTP_METHOD_MAX + 11)), H1_OK);
    memset(line, 'M', HTTP_METHOD_MAX + 1);
    memcpy(line + HTTP_METHOD_MAX + 1, " / HTTP/1.1", 11);
    assert_int_equal(request_failure(slice_of(line, HTTP_METHOD_MAX + 12)), H1_BAD_METHOD);
}

static void test_empty_line_before_a_request(void **state)
{
    (void)state;
    struct verdict verdict = verdict_split(SLICE("\r\nGET / HTTP/1.0\r\n\r\n"), VERDICT_REQUEST, NULL);
    assert_int_equal(verdict.result, H1_DONE);
    assert_int_equal(verdict.head_length, 20);
    assert_request("\r\nGET / HTTP/1.1", H1_OK);
    assert_request("\r\n\r\nGET / HTTP/1.1", H1_BAD_REQUEST_LINE);
    assert_status("\r\nHTTP/1.1 200 OK", H1_BAD_STATUS_LINE);
}

static void test_status_lines(void **state)
{
    (void)state;
    assert_status("HTTP/1.1 200 OK", H1_OK);
    assert_status("HTTP/1.0 599 Any thing\tat all \xe9", H1_OK);
    assert_status("HTTP/1.1 200 ", H1_OK);
    assert_status("HTTP/1.1 200", H1_OK);
    assert_status("HTTP/1.1 200  OK", H1_OK);
    assert_status("HTTP/1.1 100 Continue", H1_OK);
    assert_status("HTTP/1.1 099 x", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1 600 x", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1 999 x", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1 20 x", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1 2000 x", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1 200OK", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1 +20 OK", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1 2x0 OK", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1 20x OK", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1  200 OK", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1\t200 OK", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1", H1_BAD_STATUS_LINE);
    assert_status("HTP/1.1 200 OK", H1_BAD_STATUS_LINE);
    assert_status(" HTTP/1.1 200 OK", H1_BAD_STATUS_LINE);
    assert_status("HTTP/2.0 200 OK", H1_BAD_VERSION);
    assert_status("HTTP/1.2 200 OK", H1_BAD_VERSION);
    assert_status("HTTP/1.01 200 OK", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1 200 O\x01K", H1_BAD_STATUS_LINE);
    assert_status("HTTP/1.1 200 OK\rX: y", H1_BAD_LINE_ENDING);
    assert_status("HTTP/1.1 200 OK\nX: y", H1_BAD_LINE_ENDING);
}

static void test_reason_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        { "HTTP/1.1 404 Not Found\r\n\r\n", "Not Found" },
        { "HTTP/1.1 404 \r\n\r\n", "" },
        { "HTTP/1.1 404\r\n\r\n", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct h1_parser parser;
        struct http_response response;
        h1_parser_init_response(&parser, &verdict_limits, METHOD_GET);
        assert_int_equal(h1_parse(&parser, cases[i].text, strlen(cases[i].text)), H1_DONE);
        h1_take_response(&parser, cases[i].text, NULL, 0, &response);
        assert_int_equal(response.status, 404);
        assert_slice(response.reason, cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_lines),
        cmocka_unit_test(test_request_versions),
        cmocka_unit_test(test_method_and_target_lengths),
        cmocka_unit_test(test_empty_line_before_a_request),
        cmocka_unit_test(test_status_lines),
        cmocka_unit_test(test_reason_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
