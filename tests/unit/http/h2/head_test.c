#include "http/h2/head.h"

#include "http/websocket.h"
#include "unit.h"

static const struct http_head_limits limits = { HTTP_HEAD_MAX, HTTP_TARGET_MAX, HTTP_HEADERS_MAX };
static struct h2_head head;

/* "name: value" a line; the first ": " behind the first character ends the name, so that ":path: /" has one. */
static enum h2_head_failure read_kind(enum h2_head_kind kind, struct slice text, bool ends)
{
    struct slice line;
    h2_head_init(&head, kind, &limits);
    while (text.len > 0 && slice_next(&text, '\n', &line)) {
        size_t at = 1;
        while (at < line.len && line.ptr[at] != ':') {
            at++;
        }
        size_t value = at + 2 < line.len ? at + 2 : line.len;
        h2_head_field(&head, slice_part(line, 0, at), slice_from(line, value));
    }
    return h2_head_end(&head, ends);
}

#define GET ":method: GET\n:scheme: https\n:authority: a.example\n:path: /x?y\n"

#define assert_request(lines, failure_) \
    assert_int_equal(read_kind(H2_HEAD_REQUEST, SLICE(lines), false), (failure_))
#define assert_response(lines, failure_) \
    assert_int_equal(read_kind(H2_HEAD_RESPONSE, SLICE(lines), false), (failure_))
#define assert_trailers(lines, failure_) \
    assert_int_equal(read_kind(H2_HEAD_TRAILERS, SLICE(lines), true), (failure_))

static void test_message(void **state)
{
    (void)state;
    struct http_request request;
    assert_int_equal(read_kind(H2_HEAD_REQUEST, SLICE(GET "accept: */*\nx-a: b\n"), true), H2_HEAD_OK);
    h2_take_request(&head, true, &request);
    assert_int_equal(request.method, METHOD_GET);
    assert_slice(request.target, "/x?y");
    assert_int_equal(request.minor_version, 2);
    assert_int_equal(request.body, BODY_NONE);
    assert_int_equal(request.headers.count, 3);
    assert_slice(headers_find(&request.headers, HEADER_HOST)->value, "a.example");
    assert_slice(headers_find_name(&request.headers, SLICE("x-a"))->value, "b");
    /* Every slice that is kept lies in the text, so that a copy of that is enough. */
    for (size_t i = 0; i < request.headers.count; i++) {
        assert_true(request.headers.items[i].name.ptr >= head.text &&
                    request.headers.items[i].value.ptr + request.headers.items[i].value.len <=
                        head.text + head.size);
    }
}

#define SOCKET ":method: CONNECT\n:protocol: websocket\n:scheme: https\n:authority: a.example\n:path: /x?y\n"

/* RFC 8441: a handshake of HTTP/1.1, with a key of ours. */
static void test_extended_connect(void **state)
{
    (void)state;
    struct http_request request;
    const char *why = NULL;
    assert_request(SOCKET "sec-websocket-version: 13\nsec-websocket-key: theirs\n", H2_HEAD_OK);
    h2_take_request(&head, false, &request);
    assert_int_equal(request.method, METHOD_GET);
    assert_slice(request.method_text, "GET");
    assert_slice(request.target, "/x?y");
    assert_true(request.upgrade);
    assert_int_equal(request.body, BODY_NONE);
    assert_int_equal(websocket_check_request(&request, &why), WEBSOCKET_ASKED);
    for (size_t i = 0; i < request.headers.count; i++) {
        assert_true(request.headers.items[i].name.ptr >= head.text &&
                    request.headers.items[i].value.ptr + request.headers.items[i].value.len <=
                        head.text + head.size);
    }
    assert_int_equal(read_kind(H2_HEAD_REQUEST, SLICE(SOCKET "sec-websocket-version: 13\n"), true),
                     H2_HEAD_OK);
    h2_take_request(&head, true, &request);
    assert_false(request.upgrade); /* it has ended before it began */
    assert_request(SOCKET "content-length: 0\n", H2_HEAD_BAD_CONTENT_LENGTH);
    assert_request(SOCKET "upgrade: websocket\n", H2_HEAD_CONNECTION_FIELD);
    assert_request(SOCKET ":protocol: websocket\n", H2_HEAD_BAD_PSEUDO);
    assert_request(GET ":protocol: websocket\n", H2_HEAD_BAD_PSEUDO);
    assert_request(":method: CONNECT\n:protocol: websocket\n:authority: a\n", H2_HEAD_BAD_PSEUDO);
    assert_request(":method: CONNECT\n:protocol: websocket\n:scheme: https\n:path: /\nhost: a\n",
                   H2_HEAD_BAD_PSEUDO);
    assert_request(":method: CONNECT\n:protocol: connect-udp\n:scheme: https\n:authority: a\n:path: /\n",
                   H2_HEAD_UNKNOWN_PROTOCOL);
    assert_false(h2_head_is_malformed(H2_HEAD_UNKNOWN_PROTOCOL));
}

static void test_bodies(void **state)
{
    (void)state;
    struct http_request request;
    assert_int_equal(read_kind(H2_HEAD_REQUEST, SLICE(GET "content-length: 5\n"), false), H2_HEAD_OK);
    h2_take_request(&head, false, &request);
    assert_int_equal(request.body, BODY_LENGTH);
    assert_int_equal(request.content_length, 5);
    assert_int_equal(read_kind(H2_HEAD_REQUEST, SLICE(GET "expect: 100-continue\n"), false), H2_HEAD_OK);
    h2_take_request(&head, false, &request);
    assert_int_equal(request.body, BODY_CHUNKED);
    assert_true(request.expect_continue);
    assert_int_equal(read_kind(H2_HEAD_REQUEST, SLICE(GET "content-length: 0\n"), true), H2_HEAD_OK);
    assert_int_equal(read_kind(H2_HEAD_REQUEST, SLICE(GET "content-length: 5\n"), true),
                     H2_HEAD_BAD_CONTENT_LENGTH);
    assert_request(GET "content-length: +5\n", H2_HEAD_BAD_CONTENT_LENGTH);
    assert_request(GET "content-length: 0x5\n", H2_HEAD_BAD_CONTENT_LENGTH);
    assert_request(GET "content-length: 5, 5\n", H2_HEAD_BAD_CONTENT_LENGTH);
    assert_request(GET "content-length: 5\ncontent-length: 5\n", H2_HEAD_BAD_CONTENT_LENGTH);
    assert_request(GET "content-length: 9223372036854775808\n", H2_HEAD_BAD_CONTENT_LENGTH);
}

static void test_names_and_values(void **state)
{
    (void)state;
    assert_request(GET "X-Upper: a\n", H2_HEAD_BAD_NAME);
    assert_request(GET "Host: a.example\n", H2_HEAD_BAD_NAME);
    assert_request(GET "x a: b\n", H2_HEAD_BAD_NAME);
    assert_request(GET "content_length: 5\n", H2_HEAD_BAD_NAME);
    assert_request(GET "x-a: b\r\n", H2_HEAD_BAD_VALUE);
    assert_request(GET "x-a: b\rc: d\n", H2_HEAD_BAD_VALUE);
    assert_request(GET "x-a: b\x01\n", H2_HEAD_BAD_VALUE);
    assert_request(GET "x-a:  b\n", H2_HEAD_BAD_VALUE);
    assert_request(GET "x-a: b\t\n", H2_HEAD_BAD_VALUE);
    assert_request(GET "x-a: b\tc \xc3\xa9 d\n", H2_HEAD_OK);
    const struct {
        struct slice name, value;
    } raw[] = {
        { SLICE("x-a"), SLICE("b\nc: d") }, { SLICE("x-a"), SLICE("b\0c") }, { SLICE("x\na"), SLICE("b") },
        { SLICE("x\0a"), SLICE("b") },      { SLICE(""), SLICE("b") },       { SLICE("x:a"), SLICE("b") },
        { SLICE("x\r\na"), SLICE("b") },
    };
    for (size_t i = 0; i < sizeof raw / sizeof raw[0]; i++) {
        read_kind(H2_HEAD_REQUEST, SLICE(GET), false);
        h2_head_field(&head, raw[i].name, raw[i].value);
        assert_true(h2_head_is_malformed(head.failure));
    }
}

static void test_pseudo_headers(void **state)
{
    (void)state;
    assert_request(GET ":method: GET\n", H2_HEAD_BAD_PSEUDO);
    assert_request(GET ":path: /z\n", H2_HEAD_BAD_PSEUDO);
    assert_request(GET ":protocol: websocket\n", H2_HEAD_BAD_PSEUDO);
    assert_request(GET ":status: 200\n", H2_HEAD_BAD_PSEUDO);
    assert_request(":method: GET\n:scheme: https\n:authority: a\n", H2_HEAD_BAD_PSEUDO);
    assert_request(":method: GET\n:path: /\n:authority: a\n", H2_HEAD_BAD_PSEUDO);
    assert_request(":scheme: https\n:path: /\n:authority: a\n", H2_HEAD_BAD_PSEUDO);
    assert_request(":method: GET\n:scheme: https\n:path: \n:authority: a\n", H2_HEAD_BAD_PSEUDO);
    assert_request(":method: GET\n:scheme: https\n:path: /\nx-a: b\n:authority: a\n", H2_HEAD_LATE_PSEUDO);
    assert_request(":method: G T\n:scheme: https\n:path: /\n:authority: a\n", H2_HEAD_BAD_METHOD);
    assert_request(":method: GET\n:scheme: ftp\n:path: /\n:authority: a\n", H2_HEAD_BAD_SCHEME);
    assert_request(":method: GET\n:scheme: https\n:path: /a\rb\n:authority: a\n", H2_HEAD_BAD_VALUE);
    assert_request(":method: GET\n:scheme: https\n:path: /\n:authority: \t\n", H2_HEAD_BAD_VALUE);
    /* Well-formed, and nothing that could be asked for: answered. */
    assert_request(":method: GET\n:scheme: https\n:path: a\n:authority: a\n", H2_HEAD_BAD_TARGET);
    assert_request(":method: GET\n:scheme: https\n:path: http://a/\n:authority: a\n", H2_HEAD_BAD_TARGET);
    assert_request(":method: GET\n:scheme: https\n:path: /a b\n:authority: a\n", H2_HEAD_BAD_TARGET);
    assert_request(":method: OPTIONS\n:scheme: https\n:path: *\n:authority: a\n", H2_HEAD_OK);
    assert_false(h2_head_is_malformed(H2_HEAD_BAD_TARGET));
}

static void test_connect(void **state)
{
    (void)state;
    struct http_request request;
    assert_request(":method: CONNECT\n:authority: a:443\n", H2_HEAD_OK);
    h2_take_request(&head, false, &request);
    assert_int_equal(request.method, METHOD_CONNECT);
    assert_slice(request.target, "a:443");
    assert_request(":method: CONNECT\n:authority: a:443\n:path: /\n", H2_HEAD_BAD_PSEUDO);
    assert_request(":method: CONNECT\n:scheme: https\n:path: /\n", H2_HEAD_BAD_PSEUDO);
}

static void test_hosts(void **state)
{
    (void)state;
    assert_request(GET "host: A.Example\n", H2_HEAD_OK);
    assert_int_equal(head.field_count, 1);
    assert_request(GET "host: b.example\n", H2_HEAD_TWO_HOSTS);
    assert_request(GET "host: a.example\nhost: a.example\n", H2_HEAD_TWO_HOSTS);
    assert_request(":method: GET\n:scheme: https\n:path: /\nhost: b\n", H2_HEAD_OK);
    assert_request(":method: GET\n:scheme: https\n:path: /\n", H2_HEAD_NO_HOST);
}

static void test_connection_fields(void **state)
{
    (void)state;
    assert_request(GET "connection: close\n", H2_HEAD_CONNECTION_FIELD);
    assert_request(GET "keep-alive: 5\n", H2_HEAD_CONNECTION_FIELD);
    assert_request(GET "proxy-connection: close\n", H2_HEAD_CONNECTION_FIELD);
    assert_request(GET "transfer-encoding: chunked\n", H2_HEAD_CONNECTION_FIELD);
    assert_request(GET "upgrade: websocket\n", H2_HEAD_CONNECTION_FIELD);
    assert_request(GET "te: gzip\n", H2_HEAD_CONNECTION_FIELD);
    assert_request(GET "te: trailers, gzip\n", H2_HEAD_CONNECTION_FIELD);
    assert_request(GET "te: trailers\n", H2_HEAD_OK);
}

static const struct header *cookie(void)
{
    const struct headers headers = { head.fields, head.field_count, HTTP_HEADERS_MAX };
    assert_int_equal(headers_count(&headers, HEADER_COOKIE), 1);
    return headers_find(&headers, HEADER_COOKIE);
}

static void test_cookies(void **state)
{
    (void)state;
    assert_request(GET "cookie: a=1\ncookie: b=2\ncookie: c=3\nx-a: b\n", H2_HEAD_OK);
    assert_slice(cookie()->value, "a=1; b=2; c=3");
    assert_request(GET "cookie: \ncookie: a=1\ncookie: \ncookie: b=2\ncookie: \n", H2_HEAD_OK);
    assert_slice(cookie()->value, "a=1; b=2");
    assert_request(GET "cookie: a=1\nx-a: b\ncookie: b=2\nx-c: d\nx-e: f\ncookie: c=3\n", H2_HEAD_OK);
    assert_slice(cookie()->value, "a=1; b=2; c=3");
    const struct headers headers = { head.fields, head.field_count, HTTP_HEADERS_MAX };
    assert_slice(headers_find_name(&headers, SLICE("x-a"))->value, "b");
    assert_slice(headers_find_name(&headers, SLICE("x-c"))->value, "d");
}

static void test_limits(void **state)
{
    (void)state;
    static char long_text[HTTP_HEAD_MAX];
    memset(long_text, 'a', sizeof long_text);
    read_kind(H2_HEAD_REQUEST, SLICE(GET), false);
    for (int i = 0; i < HTTP_HEADERS_MAX - 2; i++) {
        h2_head_field(&head, SLICE("x-a"), SLICE("b"));
    }
    assert_int_equal(head.failure, H2_HEAD_OK); /* with the Host field: as many as may be */
    h2_head_field(&head, SLICE("x-a"), SLICE("b"));
    h2_head_field(&head, SLICE("x-a"), SLICE("b"));
    assert_int_equal(head.failure, H2_HEAD_TOO_MANY_HEADERS);
    read_kind(H2_HEAD_REQUEST, SLICE(GET), false);
    h2_head_field(&head, SLICE("x-a"), slice_of(long_text, sizeof long_text));
    assert_int_equal(head.failure, H2_HEAD_TOO_LARGE);
    /* What is malformed behind it is found all the same. */
    h2_head_field(&head, SLICE("X-A"), SLICE("b"));
    assert_int_equal(head.failure, H2_HEAD_BAD_NAME);
    /* What is too much is counted on, empty fields too. */
    uint64_t decoded = head.decoded;
    h2_head_field(&head, SLICE("x"), SLICE(""));
    assert_int_equal(head.decoded, decoded + sizeof "x: \r\n" - 1);
    h2_head_init(&head, H2_HEAD_REQUEST, &limits);
    h2_head_field(&head, SLICE(":path"), slice_of(long_text, HTTP_TARGET_MAX + 1));
    h2_head_field(&head, SLICE(":method"), SLICE("GET"));
    h2_head_field(&head, SLICE(":scheme"), SLICE("https"));
    h2_head_field(&head, SLICE(":authority"), SLICE("a"));
    assert_int_equal(h2_head_end(&head, true), H2_HEAD_TARGET_TOO_LONG);
    /* Crumbs that are copied again and again meet the end of the text. */
    read_kind(H2_HEAD_REQUEST, SLICE(GET), false);
    for (int i = 0; i < 20; i++) {
        h2_head_field(&head, SLICE("cookie"), slice_of(long_text, 1000));
        h2_head_field(&head, SLICE("x-a"), SLICE("b"));
    }
    assert_int_equal(head.failure, H2_HEAD_TOO_LARGE);
    assert_true(head.size <= sizeof head.text);
}

static void test_responses(void **state)
{
    (void)state;
    assert_response(":status: 200\ncontent-type: text/plain\nx-a: \n", H2_HEAD_OK);
    assert_response(":status: 20\n", H2_HEAD_BAD_STATUS);
    assert_response(":status: 2000\n", H2_HEAD_BAD_STATUS);
    assert_response(":status: 099\n", H2_HEAD_BAD_STATUS);
    assert_response(":status: +20\n", H2_HEAD_BAD_STATUS);
    assert_response(":status: 101\n", H2_HEAD_BAD_STATUS);
    assert_response(":status: 600\n", H2_HEAD_BAD_STATUS);
    assert_response(":status: 200\n:status: 200\n", H2_HEAD_BAD_PSEUDO);
    assert_response(":status: 200\n:path: /\n", H2_HEAD_BAD_PSEUDO);
    assert_response("content-type: a\n", H2_HEAD_BAD_PSEUDO);
    assert_response("a: b\n:status: 200\n", H2_HEAD_LATE_PSEUDO);
    assert_response(":status: 200\nX-Upper: 1\n", H2_HEAD_BAD_NAME);
    assert_response(":status: 200\ntransfer_encoding: chunked\n", H2_HEAD_BAD_NAME);
    assert_response(":status: 200\nconnection: close\n", H2_HEAD_CONNECTION_FIELD);
    assert_response(":status: 200\ntransfer-encoding: chunked\n", H2_HEAD_CONNECTION_FIELD);
    assert_response(":status: 200\nupgrade: x\n", H2_HEAD_CONNECTION_FIELD);
    assert_response(":status: 200\nte: trailers\n", H2_HEAD_CONNECTION_FIELD);
    assert_response(":status: 200\na: b\r\n", H2_HEAD_BAD_VALUE);
    assert_response(":status: 200\ncontent-length: +5\n", H2_HEAD_BAD_CONTENT_LENGTH);
    assert_response(":status: 200\ncontent-length: 5\ncontent-length: 5\n", H2_HEAD_BAD_CONTENT_LENGTH);
    assert_response(":status: 204\ncontent-length: 0\n", H2_HEAD_BAD_CONTENT_LENGTH);
    assert_response(":status: 103\ncontent-length: 5\n", H2_HEAD_BAD_CONTENT_LENGTH);
    assert_int_equal(read_kind(H2_HEAD_RESPONSE, SLICE(":status: 103\n"), true), H2_HEAD_LAST_INFORMATIONAL);
    assert_response(":status: 103\nlink: </a>\n", H2_HEAD_OK);
}

static void test_response_bodies(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        enum http_method method;
        bool ends;
        enum http_body body;
        uint64_t length;
    } cases[] = {
        { SLICE_INIT(":status: 200\n"), METHOD_GET, false, BODY_CHUNKED, 0 },
        { SLICE_INIT(":status: 200\n"), METHOD_GET, true, BODY_LENGTH, 0 },
        { SLICE_INIT(":status: 200\ncontent-length: 5\n"), METHOD_GET, false, BODY_LENGTH, 5 },
        { SLICE_INIT(":status: 200\ncontent-length: 0\n"), METHOD_GET, true, BODY_LENGTH, 0 },
        { SLICE_INIT(":status: 200\ncontent-length: 5\n"), METHOD_HEAD, true, BODY_NONE, 5 },
        { SLICE_INIT(":status: 200\n"), METHOD_HEAD, false, BODY_NONE, 0 },
        { SLICE_INIT(":status: 204\n"), METHOD_GET, true, BODY_NONE, 0 },
        { SLICE_INIT(":status: 304\ncontent-length: 9\n"), METHOD_GET, true, BODY_NONE, 9 },
        { SLICE_INIT(":status: 103\nlink: </a>\n"), METHOD_GET, false, BODY_NONE, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_response response;
        assert_int_equal(read_kind(H2_HEAD_RESPONSE, cases[i].text, cases[i].ends), H2_HEAD_OK);
        h2_take_response(&head, cases[i].ends, cases[i].method, &response);
        assert_int_equal(response.body, cases[i].body);
        assert_int_equal(response.content_length, cases[i].length);
        assert_int_equal(response.minor_version, 2);
    }
}

static void test_injected_lines(void **state)
{
    (void)state;
    static const struct slice evil[] = { SLICE_INIT("a\r\nset-cookie: x=1"), SLICE_INIT("a\nb"),
                                         SLICE_INIT("a\0b"), SLICE_INIT("\rb") };
    for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++) {
        for (int as_name = 0; as_name < 2; as_name++) {
            h2_head_init(&head, H2_HEAD_RESPONSE, &limits);
            h2_head_field(&head, SLICE(":status"), SLICE("200"));
            h2_head_field(&head, as_name ? evil[i] : SLICE("x"), as_name ? SLICE("v") : evil[i]);
            assert_true(h2_head_is_malformed(h2_head_end(&head, false)));
        }
    }
}

static void test_trailers(void **state)
{
    (void)state;
    struct headers trailers;
    assert_trailers("grpc-status: 0\nx-checksum: a\n", H2_HEAD_OK);
    h2_take_trailers(&head, &trailers);
    assert_int_equal(trailers.count, 2);
    assert_trailers(":status: 200\n", H2_HEAD_LATE_PSEUDO);
    assert_trailers("content-length: 5\n", H2_HEAD_BAD_TRAILER);
    assert_trailers("authorization: x\n", H2_HEAD_BAD_TRAILER);
    assert_trailers("if-match: x\n", H2_HEAD_BAD_TRAILER);
}

static void test_failure_texts(void **state)
{
    (void)state;
    for (int failure = H2_HEAD_OK; failure <= H2_HEAD_TOO_MANY_HEADERS; failure++) {
        assert_non_null(h2_head_failure_text((enum h2_head_failure)failure));
    }
    assert_string_equal(h2_head_failure_text((enum h2_head_failure)99), "unknown failure");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_extended_connect),
        cmocka_unit_test(test_names_and_values),
        cmocka_unit_test(test_pseudo_headers),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_connection_fields),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_response_bodies),
        cmocka_unit_test(test_injected_lines),
        cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_failure_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
