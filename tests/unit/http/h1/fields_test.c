#include "http/h1/lines.h"
#include "verdict.h"

static enum h1_failure failure_of(const char *start, struct slice fields, enum verdict_kind kind)
{
    char text[1000];
    size_t at = strlen(start);
    memcpy(text, start, at);
    memcpy(text + at, fields.ptr, fields.len);
    memcpy(text + at + fields.len, "\r\n\r\n", 4);
    struct verdict verdict = verdict_split(slice_of(text, at + fields.len + 4), kind, NULL);
    assert_int_not_equal(verdict.result, H1_PARTIAL);
    return verdict.failure;
}

#define POST  "POST / HTTP/1.1\r\nHost: a\r\n"
#define POST0 "POST / HTTP/1.0\r\n"
#define assert_fields(fields, failure) \
    assert_int_equal(failure_of(POST, SLICE(fields), VERDICT_REQUEST), (failure))
#define assert_fields_of(start, fields, failure) \
    assert_int_equal(failure_of((start), SLICE(fields), VERDICT_REQUEST), (failure))
#define assert_response(status, fields, failure) \
    assert_int_equal(failure_of("HTTP/1.1 " status " x\r\n", SLICE(fields), VERDICT_RESPONSE), (failure))

static void take(const char *text, struct header *items, struct http_request *ret_request)
{
    struct h1_parser parser;
    h1_parser_init_request(&parser, &verdict_limits);
    if (h1_parse(&parser, text, strlen(text)) != H1_DONE) {
        fail_msg("\"%s\": %s", text, h1_failure_text(parser.failure));
    }
    h1_take_request(&parser, text, items, HTTP_HEADERS_MAX, ret_request);
}

static void take_answer(const char *text, enum http_method method, struct http_response *ret_response)
{
    static struct header items[HTTP_HEADERS_MAX];
    struct h1_parser parser;
    h1_parser_init_response(&parser, &verdict_limits, method);
    if (h1_parse(&parser, text, strlen(text)) != H1_DONE) {
        fail_msg("\"%s\": %s", text, h1_failure_text(parser.failure));
    }
    h1_take_response(&parser, text, items, HTTP_HEADERS_MAX, ret_response);
}

static void test_names_and_values_are_cut(void **state)
{
    (void)state;
    struct header items[HTTP_HEADERS_MAX];
    struct http_request request;
    take("GET /x?y HTTP/1.1\r\nHost:a\r\nX-One: \t two  words\t \r\nX-Empty:\r\nX-Blank: "
         "\t\r\nX:y:z\r\nCOOKIE: "
         "D\xfcsseldorf\r\n\r\n",
         items, &request);
    assert_int_equal(request.headers.count, 6);
    assert_slice(items[0].value, "a");
    assert_slice(items[1].name, "X-One");
    assert_slice(items[1].value, "two  words");
    assert_slice(items[2].value, "");
    assert_slice(items[3].value, "");
    assert_slice(items[4].name, "X");
    assert_slice(items[4].value, "y:z");
    assert_slice(items[5].value, "D\xfcsseldorf");
    assert_int_equal(items[5].id, HEADER_COOKIE);
    assert_slice(request.target, "/x?y");
    assert_int_equal(request.method, METHOD_GET);
    assert_int_equal(request.body, BODY_NONE);
    assert_true(request.keep_alive);
}

/* T3 */
static void test_malformed_fields(void **state)
{
    (void)state;
    assert_fields("X-Good: yes", H1_OK);
    assert_fields("X-Bad : yes", H1_BAD_HEADER_NAME);
    assert_fields("X-Bad\t: yes", H1_BAD_HEADER_NAME);
    assert_fields(": yes", H1_BAD_HEADER_NAME);
    assert_fields("X-Bad", H1_BAD_HEADER_NAME);
    assert_fields("X Bad: yes", H1_BAD_HEADER_NAME);
    assert_fields("X-B\xe4"
                  "d: yes",
                  H1_BAD_HEADER_NAME);
    assert_fields("X-B(d: yes", H1_BAD_HEADER_NAME);
    assert_fields("X-B\0d: yes", H1_BAD_HEADER_NAME);
    assert_fields("\x01X-Bad: yes", H1_BAD_HEADER_NAME);
    assert_fields(" X-Bad: yes", H1_OBS_FOLD);
    assert_fields("\tX-Bad: yes", H1_OBS_FOLD);
    assert_fields("X-Good: yes\r\n no", H1_OBS_FOLD);
    assert_fields("X-Good: yes\r\n\tno", H1_OBS_FOLD);
    assert_fields("X-Good: yes\r\n ", H1_OBS_FOLD);
    assert_fields("X-Bad: y\0s", H1_BAD_HEADER_VALUE);
    assert_fields("X-Bad: y\x1bs", H1_BAD_HEADER_VALUE);
    assert_fields("X-Bad: y\x7fs", H1_BAD_HEADER_VALUE);
    assert_fields("X-Bad: y\x0bs", H1_BAD_HEADER_VALUE);
    assert_fields("X-Bad: y\rs", H1_BAD_LINE_ENDING);
    assert_fields("X-Bad: yes\r\r\nX: y", H1_BAD_LINE_ENDING);
    assert_fields("X-Bad: y\ns: z", H1_BAD_LINE_ENDING);
    assert_fields("X-Bad: yes\n", H1_BAD_LINE_ENDING);
    assert_fields("\nX: y", H1_BAD_LINE_ENDING);
    assert_fields("\rX: y", H1_BAD_LINE_ENDING);
}

/* T1, T2 */
static void test_content_length(void **state)
{
    (void)state;
    assert_fields("Content-Length: 5", H1_OK);
    assert_fields("Content-Length: \t 5 ", H1_OK);
    assert_fields("Content-Length: 005", H1_OK);
    assert_fields("Content-Length: 9223372036854775807", H1_OK);
    assert_fields("Content-Length: 9223372036854775808", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: 9999999999999999999", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: 00000000000000000005", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: +5", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: -5", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: 0x5", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: 5 5", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: 5, 5", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: 5;", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: 5.0", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: \"5\"", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: 5\xa0", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length:", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: 5\r\nContent-Length: 5", H1_BAD_CONTENT_LENGTH);
    assert_fields("Content-Length: 5\r\ncontent-length: 6", H1_BAD_CONTENT_LENGTH);
}

static void test_transfer_encoding(void **state)
{
    (void)state;
    assert_fields("Transfer-Encoding: chunked", H1_OK);
    assert_fields("TRANSFER-ENCODING:\tChunkeD ", H1_OK);
    assert_fields("Transfer-Encoding: xchunked", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: chunkedx", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: chunked, identity", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: identity, chunked", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: gzip, chunked", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: chunked, chunked", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: chunked,", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: , chunked", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: \"chunked\"", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: chunked;q=1", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: identity", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding:", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: \x0b"
                  "chunked",
                  H1_BAD_HEADER_VALUE);
    assert_fields("Transfer-Encoding: \xa0"
                  "chunked",
                  H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", H1_BAD_TRANSFER_ENCODING);
    assert_fields("Transfer-Encoding\r\n : chunked", H1_BAD_HEADER_NAME);
    assert_fields_of(POST0, "Transfer-Encoding: chunked", H1_BAD_TRANSFER_ENCODING);
    assert_fields_of(POST0, "Content-Length: 5", H1_OK);
}

static void test_both_lengths(void **state)
{
    (void)state;
    assert_fields("Content-Length: 5\r\nTransfer-Encoding: chunked", H1_LENGTH_CONFLICT);
    assert_fields("Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 5", H1_LENGTH_CONFLICT);
    assert_fields("Transfer-Encoding: chunked\r\nContent-Length: 0", H1_LENGTH_CONFLICT);
    assert_fields_of(POST0, "Content-Length: 5\r\nTransfer-Encoding: chunked", H1_BAD_TRANSFER_ENCODING);
    assert_response("200", "Content-Length: 5\r\nTransfer-Encoding: chunked", H1_LENGTH_CONFLICT);
    assert_response("200", "Transfer-Encoding: chunked\r\nContent-Length: 5", H1_LENGTH_CONFLICT);
}

/* T13: what a lax server takes for a framing field. */
static void test_lookalikes_of_framing_fields(void **state)
{
    (void)state;
    assert_fields("Transfer_Encoding: chunked", H1_BAD_HEADER_NAME);
    assert_fields("Transfer--Encoding: chunked", H1_BAD_HEADER_NAME);
    assert_fields("TransferEncoding: chunked", H1_BAD_HEADER_NAME);
    assert_fields("_Transfer-Encoding: chunked", H1_BAD_HEADER_NAME);
    assert_fields("Content_Length: 5", H1_BAD_HEADER_NAME);
    assert_fields("content.length: 5", H1_BAD_HEADER_NAME);
    assert_fields("Content-Length-: 5", H1_BAD_HEADER_NAME);
    assert_fields("Content-Length-X: 5", H1_OK);
    assert_fields("X-Content-Length: 5", H1_OK);
    assert_fields("X_Transfer_Encoding2: x", H1_OK);
    assert_fields("Content-Langth: 5", H1_OK);
}

static void test_host(void **state)
{
    (void)state;
    assert_fields_of("GET / HTTP/1.1\r\n", "X: y", H1_BAD_HOST);
    assert_fields_of("GET / HTTP/1.1\r\n", "Host: a", H1_OK);
    assert_fields_of("GET / HTTP/1.1\r\n", "Host: a\r\nhost: a", H1_BAD_HOST);
    assert_fields_of("GET / HTTP/1.0\r\n", "X: y", H1_OK);
    assert_fields_of("GET / HTTP/1.0\r\n", "Host: a", H1_OK);
    assert_fields_of("GET / HTTP/1.0\r\n", "Host: a\r\nX: y\r\nHOST: b", H1_BAD_HOST);
    assert_response("200", "Host: a\r\nHost: b", H1_OK);
}

static void test_framing_of_requests(void **state)
{
    (void)state;
    struct header items[HTTP_HEADERS_MAX];
    struct http_request request;
    take(POST "Content-Length: 12\r\n\r\n", items, &request);
    assert_int_equal(request.body, BODY_LENGTH);
    assert_int_equal(request.content_length, 12);
    take(POST "Content-Length: 0\r\n\r\n", items, &request);
    assert_int_equal(request.body, BODY_LENGTH);
    assert_int_equal(request.content_length, 0);
    take(POST "Transfer-Encoding: chunked\r\n\r\n", items, &request);
    assert_int_equal(request.body, BODY_CHUNKED);
    take(POST "\r\n", items, &request);
    assert_int_equal(request.body, BODY_NONE);
}

static void test_keep_alive(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep_alive;
    } cases[] = {
        { POST "\r\n", true },
        { POST "Connection: close\r\n\r\n", false },
        { POST "Connection: Keep-Alive , CLOSE\r\n\r\n", false },
        { POST "Connection: keep-alive\r\nConnection: close\r\n\r\n", false },
        { POST "Connection: closed\r\n\r\n", true },
        { POST "Connection:\r\n\r\n", true },
        { POST0 "\r\n", false },
        { POST0 "Connection: keep-alive\r\n\r\n", true },
        { POST0 "Connection: keep-alive, close\r\n\r\n", false },
        { POST0 "Keep-Alive: timeout=5\r\n\r\n", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct header items[HTTP_HEADERS_MAX];
        struct http_request request;
        take(cases[i].text, items, &request);
        assert_int_equal(request.keep_alive, cases[i].keep_alive);
    }
    assert_fields("Connection: close, a b", H1_BAD_HEADER_VALUE);
    assert_fields("Connection: \"close\"", H1_BAD_HEADER_VALUE);
    assert_fields("Connection: close;", H1_BAD_HEADER_VALUE);
}

/* T5, the parser's part: an Upgrade counts only where Connection names it and no body comes with it. */
static void test_upgrade_and_expect(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool upgrade, expect_continue;
    } cases[] = {
        { POST "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", true, false },
        { POST "Upgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n", true, false },
        { POST "Upgrade: websocket\r\n\r\n", false, false },
        { POST "Connection: upgrade\r\n\r\n", false, false },
        { POST "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n", false, false },
        { POST "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n", false,
          false },
        { POST0 "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", false, false },
        { POST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n", false, true },
        { POST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n", false, true },
        { POST "Expect: 100-continue\r\n\r\n", false, false },
        { POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", false, false },
        { POST "Expect: 100-continued\r\nContent-Length: 5\r\n\r\n", false, false },
        { POST0 "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", false, false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct header items[HTTP_HEADERS_MAX];
        struct http_request request;
        take(cases[i].text, items, &request);
        assert_int_equal(request.upgrade, cases[i].upgrade);
        assert_int_equal(request.expect_continue, cases[i].expect_continue);
    }
    /* Another expectation stays in sight, to be answered 417. */
    struct header items[HTTP_HEADERS_MAX];
    struct http_request request;
    take(POST "Expect: 200-ok\r\nContent-Length: 5\r\n\r\n", items, &request);
    assert_false(request.expect_continue);
    assert_slice(headers_find(&request.headers, HEADER_EXPECT)->value, "200-ok");
}

/* T31 */
static void test_framing_of_responses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum http_method method;
        enum http_body body;
        uint64_t length;
        bool keep_alive;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", METHOD_GET, BODY_LENGTH, 5, true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", METHOD_GET, BODY_CHUNKED, 0, true },
        { "HTTP/1.1 200 OK\r\n\r\n", METHOD_GET, BODY_CLOSE, 0, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", METHOD_GET, BODY_LENGTH, 5,
          false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", METHOD_GET, BODY_LENGTH, 5, false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", METHOD_GET, BODY_LENGTH,
          5, true },
        { "HTTP/1.1 204 No Content\r\n\r\n", METHOD_GET, BODY_NONE, 0, true },
        { "HTTP/1.1 304 Not Modified\r\n\r\n", METHOD_GET, BODY_NONE, 0, true },
        { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", METHOD_GET, BODY_NONE, 5, true },
        { "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", METHOD_GET, BODY_NONE, 0, true },
        { "HTTP/1.1 100 Continue\r\n\r\n", METHOD_GET, BODY_NONE, 0, true },
        { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", METHOD_GET,
          BODY_NONE, 0, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", METHOD_HEAD, BODY_NONE, 5, true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", METHOD_HEAD, BODY_NONE, 0, true },
        { "HTTP/1.1 200 OK\r\n\r\n", METHOD_HEAD, BODY_NONE, 0, true },
        { "HTTP/1.1 200 OK\r\n\r\n", METHOD_CONNECT, BODY_NONE, 0, false },
        { "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n", METHOD_CONNECT, BODY_LENGTH, 5, true },
        { "HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", METHOD_GET, BODY_LENGTH, 0, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_response response;
        take_answer(cases[i].text, cases[i].method, &response);
        assert_int_equal(response.body, cases[i].body);
        assert_int_equal(response.content_length, cases[i].length);
        assert_int_equal(response.keep_alive, cases[i].keep_alive);
    }
    assert_response("204", "Content-Length: 0", H1_BAD_CONTENT_LENGTH);
    assert_response("204", "Transfer-Encoding: chunked", H1_BAD_TRANSFER_ENCODING);
    assert_response("100", "Content-Length: 5", H1_BAD_CONTENT_LENGTH);
    assert_response("101", "Transfer-Encoding: chunked", H1_BAD_TRANSFER_ENCODING);
    assert_response("103", "Link: </a>", H1_OK);
    assert_response("200", "Content-Length: 5\r\nContent-Length: 5", H1_BAD_CONTENT_LENGTH);
    assert_response("200", "Transfer-Encoding: gzip, chunked", H1_BAD_TRANSFER_ENCODING);
    assert_int_equal(failure_of("HTTP/1.0 200 x\r\n", SLICE("Transfer-Encoding: chunked"), VERDICT_RESPONSE),
                     H1_BAD_TRANSFER_ENCODING);
    struct h1_parser parser;
    const char *tunnel = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    h1_parser_init_response(&parser, &verdict_limits, METHOD_CONNECT);
    assert_int_equal(h1_parse(&parser, tunnel, strlen(tunnel)), H1_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_values_are_cut),
        cmocka_unit_test(test_malformed_fields),
        cmocka_unit_test(test_content_length),
        cmocka_unit_test(test_transfer_encoding),
        cmocka_unit_test(test_both_lengths),
        cmocka_unit_test(test_lookalikes_of_framing_fields),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_framing_of_requests),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_upgrade_and_expect),
        cmocka_unit_test(test_framing_of_responses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
