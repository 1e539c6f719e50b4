#include "http/h1/writer.h"

#include "http/h1/parser.h"
#include "verdict.h"

static struct header items[HTTP_HEADERS_MAX];
static struct headers headers = { items, 0, HTTP_HEADERS_MAX };

static struct headers *fields(size_t count, const char *const pairs[][2])
{
    headers.count = 0;
    for (size_t i = 0; i < count; i++) {
        struct slice name = slice_from_string(pairs[i][0]);
        assert_true(headers_add(&headers, header_id_of(name), name, slice_from_string(pairs[i][1])));
    }
    return &headers;
}

#define FIELDS(...)                                                                        \
    fields(sizeof((const char *const[][2]){ __VA_ARGS__ }) / sizeof(const char *const[2]), \
           (const char *const[][2]){ __VA_ARGS__ })

/* Writes into a buffer that holds something already, and checks what was added. */
#define assert_written(call, expected)                        \
    do {                                                      \
        struct buffer out;                                    \
        buffer_init(&out, 4096);                              \
        assert_true(buffer_append(&out, SLICE("before|")));   \
        assert_true(call);                                    \
        assert_slice(buffer_slice(&out), "before|" expected); \
        buffer_done(&out);                                    \
    } while (0)

#define assert_not_written(call)                           \
    do {                                                   \
        struct buffer out;                                 \
        buffer_init(&out, 4096);                           \
        assert_true(buffer_append(&out, SLICE("before"))); \
        assert_false(call);                                \
        assert_slice(buffer_slice(&out), "before");        \
        buffer_done(&out);                                 \
    } while (0)

static const struct h1_framing none = { .body = BODY_NONE };

static void test_requests(void **state)
{
    (void)state;
    assert_written(h1_write_request(&out, SLICE("GET"), SLICE("/a?b"), SLICE("api.example.com"), NULL, &none),
                   "GET /a?b HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    struct h1_framing length = { .body = BODY_LENGTH, .content_length = UINT64_MAX };
    assert_written(h1_write_request(&out, SLICE("POST"), SLICE("/"), SLICE("a:1"),
                                    FIELDS({ "X-One", "two words" }, { "X-Empty", "" }), &length),
                   "POST / HTTP/1.1\r\nHost: a:1\r\nContent-Length: 18446744073709551615\r\nX-One: two "
                   "words\r\nX-Empty: "
                   "\r\n\r\n");
    struct h1_framing chunked = { .body = BODY_CHUNKED, .close = true };
    assert_written(h1_write_request(&out, SLICE("PUT"), SLICE("*"), SLICE("a"), NULL, &chunked),
                   "PUT * HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    struct h1_framing keep = { .body = BODY_LENGTH, .keep_alive = true };
    assert_written(h1_write_request(&out, SLICE("PUT"), SLICE("/"), SLICE("a"), NULL, &keep),
                   "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
}

static void test_responses(void **state)
{
    (void)state;
    struct h1_framing length = { .body = BODY_LENGTH, .content_length = 12 };
    assert_written(h1_write_response(&out, 200, FIELDS({ "Server", "x" }, { "Host", "y" }), &length),
                   "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nServer: x\r\nHost: y\r\n\r\n");
    assert_written(h1_write_response(&out, 299, NULL, &none), "HTTP/1.1 299 \r\n\r\n");
    struct h1_framing close = { .body = BODY_CLOSE, .close = true, .keep_alive = true };
    assert_written(h1_write_response(&out, 404, NULL, &close),
                   "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    struct h1_framing empty = { .body = BODY_LENGTH };
    assert_written(h1_write_response(&out, 204, NULL, &empty), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_written(h1_write_response(&out, 204, NULL, &none), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_written(h1_write_response(&out, 304, NULL, &length),
                   "HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\n\r\n");
    struct h1_framing chunked = { .body = BODY_CHUNKED };
    assert_not_written(h1_write_response(&out, 204, NULL, &length));
    assert_not_written(h1_write_response(&out, 204, NULL, &chunked));
    assert_not_written(h1_write_response(&out, 204, NULL, &close));
    assert_not_written(h1_write_response(&out, 99, NULL, &none));
    assert_not_written(h1_write_response(&out, 100, NULL, &none));
    assert_not_written(h1_write_response(&out, 600, NULL, &none));
}

static void test_upgrades(void **state)
{
    (void)state;
    struct h1_framing asks = { .body = BODY_NONE, .upgrade = true };
    assert_written(
        h1_write_request(&out, SLICE("GET"), SLICE("/"), SLICE("a"), FIELDS({ "Upgrade", "h2c" }), &asks),
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    struct h1_framing tunnel = { .body = BODY_TUNNEL, .upgrade = true };
    assert_written(h1_write_response(&out, 101, FIELDS({ "Upgrade", "h2c" }), &tunnel),
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    struct h1_framing required = { .body = BODY_LENGTH, .close = true, .upgrade = true };
    assert_written(h1_write_response(&out, 426, NULL, &required),
                   "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: close\r\n"
                   "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    assert_not_written(h1_write_response(&out, 200, NULL, &tunnel));
    assert_not_written(h1_write_response(&out, 101, NULL, &none));
    assert_not_written(h1_write_request(&out, SLICE("GET"), SLICE("/"), SLICE("a"), NULL, &tunnel));
}

static void test_informational(void **state)
{
    (void)state;
    assert_written(h1_write_informational(&out, 100, NULL), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_written(h1_write_informational(&out, 103, FIELDS({ "Link", "</a>" }, { "Content-Length", "5" })),
                   "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    assert_not_written(h1_write_informational(&out, 200, NULL));
    assert_not_written(h1_write_informational(&out, 99, NULL));
    assert_not_written(h1_write_informational(&out, 103, FIELDS({ "Link", "</a>\r\n\r\nHTTP/1.1 200 OK" })));
}

/* What a peer sent never frames our message, whatever number somebody gave it. */
static void test_framing_fields_are_skipped(void **state)
{
    (void)state;
    struct headers *list =
        FIELDS({ "Content-Length", "5" }, { "transfer-encoding", "chunked" }, { "Connection", "x-user" },
               { "Keep-Alive", "timeout=5" }, { "Proxy-Connection", "keep-alive" }, { "TE", "trailers" },
               { "Upgrade", "h2c" }, { "HTTP2-Settings", "x" }, { "HOST", "evil" }, { "X-Good", "1" });
    for (int wrong_numbers = 0; wrong_numbers < 2; wrong_numbers++) {
        assert_written(h1_write_request(&out, SLICE("GET"), SLICE("/"), SLICE("a"), list, &none),
                       "GET / HTTP/1.1\r\nHost: a\r\nX-Good: 1\r\n\r\n");
        assert_written(h1_write_response(&out, 200, list, &none),
                       "HTTP/1.1 200 OK\r\nHOST: evil\r\nX-Good: 1\r\n\r\n");
        assert_written(h1_write_last_chunk(&out, list), "0\r\nX-Good: 1\r\n\r\n");
        for (size_t i = 0; i < list->count; i++) {
            items[i].id = HEADER_OTHER;
        }
    }
}

/* T16 and its kin: nothing that would become a line of its own. */
static void test_injection_is_refused(void **state)
{
    (void)state;
    static const char *const values[] = {
        "a\r\nX-Evil: 1", "a\n", "a\r", "a\x0b", " a", "a ", "\ta", "a\x7f"
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct headers *list = FIELDS({ "X-Good", "1" }, { "X-Bad", values[i] });
        assert_not_written(h1_write_request(&out, SLICE("GET"), SLICE("/"), SLICE("a"), list, &none));
        assert_not_written(h1_write_response(&out, 200, list, &none));
        assert_not_written(h1_write_last_chunk(&out, list));
        /* Also where the field would have been skipped. */
        list = FIELDS({ "Content-Length", values[i] });
        assert_not_written(h1_write_response(&out, 200, list, &none));
    }
    items[0] = (struct header){ SLICE("X"), SLICE("a\0b"), HEADER_OTHER };
    headers.count = 1;
    assert_not_written(h1_write_response(&out, 200, &headers, &none));
    static const char *const names[] = { "", "X Y", "X:", "X\r\nY", "X\n", "\xc3\xa4" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_not_written(h1_write_response(&out, 200, FIELDS({ names[i], "1" }), &none));
    }
    assert_not_written(h1_write_request(&out, SLICE("GE T"), SLICE("/"), SLICE("a"), NULL, &none));
    assert_not_written(h1_write_request(&out, SLICE(""), SLICE("/"), SLICE("a"), NULL, &none));
    assert_not_written(
        h1_write_request(&out, SLICE("GET"), SLICE("/ HTTP/1.1\r\nX: y"), SLICE("a"), NULL, &none));
    assert_not_written(h1_write_request(&out, SLICE("GET"), SLICE(""), SLICE("a"), NULL, &none));
    assert_not_written(h1_write_request(&out, SLICE("GET"), SLICE("/\xc3\xa4"), SLICE("a"), NULL, &none));
    assert_not_written(h1_write_request(&out, SLICE("GET"), SLICE("/"), SLICE("a\r\nX: y"), NULL, &none));
    assert_not_written(h1_write_request(&out, SLICE("GET"), SLICE("/"), SLICE("a b"), NULL, &none));
    assert_not_written(h1_write_request(&out, SLICE("GET"), SLICE("/"), SLICE(""), NULL, &none));
    struct h1_framing close = { .body = BODY_CLOSE };
    assert_not_written(h1_write_request(&out, SLICE("GET"), SLICE("/"), SLICE("a"), NULL, &close));
}

static void test_all_or_nothing(void **state)
{
    (void)state;
    struct headers *list = FIELDS({ "X-Long", "a value that takes some room in the buffer" });
    for (size_t maximum = 0; maximum < 400; maximum++) {
        struct buffer out;
        buffer_init(&out, maximum);
        bool written = h1_write_response(&out, 200, list, &none) &&
                       h1_write_request(&out, SLICE("GET"), SLICE("/"), SLICE("a"), list, &none) &&
                       h1_write_informational(&out, 103, list) && h1_write_last_chunk(&out, list);
        size_t length = buffer_length(&out);
        assert_true(length <= maximum);
        assert_true(length == 0 || slice_ends_with(buffer_slice(&out), SLICE("\r\n\r\n")));
        assert_true(!written || maximum > 200);
        assert_true(written || maximum < 390);
        buffer_done(&out);
    }
}

static void test_chunks(void **state)
{
    (void)state;
    static const struct {
        uint64_t size;
        const char *text;
    } cases[] = {
        { 1, "1\r\n" },
        { 15, "f\r\n" },
        { 16, "10\r\n" },
        { 0x1a2b, "1a2b\r\n" },
        { 0x100000, "100000\r\n" },
        { UINT64_MAX, "ffffffffffffffff\r\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[18];
        assert_slice(slice_of(out, h1_chunk_header(cases[i].size, out)), cases[i].text);
    }
    assert_written(h1_write_last_chunk(&out, NULL), "0\r\n\r\n");
    assert_written(h1_write_last_chunk(&out, FIELDS({ "Grpc-Status", "0" })), "0\r\nGrpc-Status: 0\r\n\r\n");
}

/* What we write, our own parser reads as the same. */
static void test_round_trip(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 4096);
    struct h1_framing length = { .body = BODY_LENGTH, .content_length = 7, .close = true };
    struct headers *list = FIELDS({ "Authorization", "Bearer x" }, { "X-A", "" });
    assert_true(h1_write_request(&out, SLICE("DELETE"), SLICE("/x"), SLICE("a"), list, &length));
    struct h1_parser parser;
    struct header taken[HTTP_HEADERS_MAX];
    struct http_request request;
    struct slice text = buffer_slice(&out);
    h1_parser_init_request(&parser, &verdict_limits);
    assert_int_equal(h1_parse(&parser, text.ptr, text.len), H1_DONE);
    assert_int_equal(parser.head_length, text.len);
    h1_take_request(&parser, text.ptr, taken, HTTP_HEADERS_MAX, &request);
    assert_int_equal(request.method, METHOD_DELETE);
    assert_int_equal(request.body, BODY_LENGTH);
    assert_int_equal(request.content_length, 7);
    assert_false(request.keep_alive);
    assert_int_equal(request.headers.count, 5);
    assert_slice(headers_find(&request.headers, HEADER_AUTHORIZATION)->value, "Bearer x");
    buffer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_upgrades),
        cmocka_unit_test(test_informational),
        cmocka_unit_test(test_framing_fields_are_skipped),
        cmocka_unit_test(test_injection_is_refused),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
