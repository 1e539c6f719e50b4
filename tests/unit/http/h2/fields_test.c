#include "http/h2/fields.h"
#include "unit.h"

static struct buffer out;

static int setup(void **state)
{
    (void)state;
    buffer_init(&out, H2_FIELDS_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffer_done(&out);
    return 0;
}

/* "name: value\n" for each. */
static const char *written(size_t count)
{
    static char text[4096];
    size_t size = 0;
    const nghttp2_nv *fields = h2_fields_of(&out);
    for (size_t i = 0; i < count; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%.*s: %.*s\n", (int)fields[i].namelen,
                                 (const char *)fields[i].name, (int)fields[i].valuelen,
                                 (const char *)fields[i].value);
    }
    return text;
}

static struct header field(const char *name, const char *value)
{
    struct slice text = slice_from_string(name);
    return (struct header){ text, slice_from_string(value), header_id_of(text) };
}

static void test_response(void **state)
{
    (void)state;
    struct header items[] = { field("Content-Type", "text/plain"),
                              field("X-Mixed-Case", "Stays As It Is"),
                              field("Connection", "close"),
                              field("Transfer-Encoding", "chunked"),
                              field("Keep-Alive", "5"),
                              field("Content-Length", "999"),
                              field("Upgrade", "h2c"),
                              field("Proxy-Connection", "x"),
                              field("X-Request-Id", "abc"),
                              field("Empty", "") };
    struct http_response response = { .status = 200,
                                      .headers = { items, sizeof items / sizeof items[0], 10 },
                                      .body = BODY_LENGTH,
                                      .content_length = 5 };
    size_t count = 0;
    assert_true(h2_write_response(&out, &response, &count));
    assert_string_equal(written(count), ":status: 200\ncontent-length: 5\ncontent-type: text/plain\n"
                                        "x-mixed-case: Stays As It Is\nx-request-id: abc\nempty: \n");
    /* What differs each time stays out of the table. */
    const nghttp2_nv *fields = h2_fields_of(&out);
    assert_true((fields[4].flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
    assert_true((fields[2].flags & NGHTTP2_NV_FLAG_NO_INDEX) == 0);
}

static void test_request(void **state)
{
    (void)state;
    struct header items[] = { field("TE", "gzip"), field("Host", "b"), field("Authorization", "Bearer x"),
                              field("DPoP", "proof"), field("Accept", "*/*") };
    const struct headers headers = { items, sizeof items / sizeof items[0], 10 };
    const struct h2_own_field own[] = { { SLICE(":method"), SLICE("GET") },
                                        { SLICE(":path"), SLICE("/") },
                                        { SLICE("te"), SLICE("trailers") } };
    size_t count = 0;
    assert_true(h2_write_fields(&out, own, 3, &headers, NULL, &count));
    assert_string_equal(written(count), ":method: GET\n:path: /\nte: trailers\nauthorization: Bearer x\n"
                                        "dpop: proof\naccept: */*\n");
    /* Nor do secrets get into it. */
    const nghttp2_nv *fields = h2_fields_of(&out);
    assert_true((fields[3].flags & fields[4].flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
    assert_true((fields[5].flags & NGHTTP2_NV_FLAG_NO_INDEX) == 0);
}

static void test_statuses(void **state)
{
    (void)state;
    struct http_response response = { .status = 204, .body = BODY_LENGTH };
    size_t count = 0;
    assert_true(h2_write_response(&out, &response, &count));
    assert_string_equal(written(count), ":status: 204\n");
    response.content_length = 1;
    assert_false(h2_write_response(&out, &response, &count));
    static const unsigned int bad[] = { 0, 99, 101, 600, 1000 };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        response = (struct http_response){ .status = bad[i] };
        assert_false(h2_write_response(&out, &response, &count));
    }
    response = (struct http_response){ .status = 103 };
    assert_true(h2_write_response(&out, &response, &count));
}

/* Whatever made the list, nothing leaves that would be more than one field somewhere else. */
static void test_injection(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        { "x-a", "b\r\nc: d" }, { "x-a", "b\nc" }, { "x-a", "b\r" },  { "x-a", " b" },
        { "x-a", "b " },        { "x a", "b" },    { "", "b" },       { "x:a", "b" },
        { ":path", "/" },       { "x\na", "b" },   { "x-a", "\x01" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct header item = field(bad[i][0], bad[i][1]);
        struct http_response response = { .status = 200, .headers = { &item, 1, 1 } };
        size_t count = 0;
        assert_false(h2_write_response(&out, &response, &count));
    }
    /* A number that does not fit the name changes nothing. */
    struct header lie = { SLICE("transfer-encoding"), SLICE("chunked"), HEADER_OTHER };
    struct http_response response = { .status = 200, .headers = { &lie, 1, 1 } };
    size_t count = 0;
    assert_true(h2_write_response(&out, &response, &count));
    assert_int_equal(count, 1);
}

static void test_trailers(void **state)
{
    (void)state;
    struct header items[] = { field("Grpc-Status", "0") };
    const struct headers trailers = { items, 1, 1 };
    size_t count = 0;
    assert_true(h2_write_fields(&out, NULL, 0, &trailers, NULL, &count));
    assert_string_equal(written(count), "grpc-status: 0\n");
}

static void test_room(void **state)
{
    (void)state;
    static char value[H2_FIELDS_MAX];
    memset(value, 'a', sizeof value);
    struct header item = { SLICE("x-a"), slice_of(value, sizeof value), HEADER_OTHER };
    const struct headers list = { &item, 1, 1 };
    size_t count = 0;
    assert_false(h2_write_fields(&out, NULL, 0, &list, NULL, &count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_response), cmocka_unit_test(test_statuses), cmocka_unit_test(test_injection),
        cmocka_unit_test(test_request),  cmocka_unit_test(test_statuses), cmocka_unit_test(test_injection),
        cmocka_unit_test(test_trailers), cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
