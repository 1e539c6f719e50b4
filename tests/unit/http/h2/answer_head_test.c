#include "http/h2/answer_head.h"

#include "unit.h"

static struct h2_answer_head head;
static struct header items[HTTP_HEADERS_MAX];
static struct http_response response;

static int setup(void **state)
{
    (void)state;
    h2_answer_init(&head);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    h2_answer_done(&head);
    return 0;
}

/* `text`: "name=value" in lines. */
static void feed(enum h2_answer_part part, const char *text)
{
    struct slice rest = slice_from_string(text), line;
    h2_answer_begin(&head, part);
    while (slice_next(&rest, '\n', &line)) {
        ssize_t equals = slice_find(line, '=');
        assert_true(equals >= 0);
        h2_answer_field(&head, slice_part(line, 0, (size_t)equals), slice_from(line, (size_t)equals + 1));
    }
}

static const char *take(const char *text, bool ends, enum http_method method)
{
    feed(H2_ANSWER_HEAD, text);
    memset(&response, 0, sizeof response);
    return h2_answer_take(&head, ends, method, items, &response);
}

static void a_head_becomes_a_message(void **state)
{
    (void)state;
    assert_null(take(":status=200\ncontent-type=text/plain\nset-cookie=a\nset-cookie=b\nx-empty=", false,
                     METHOD_GET));
    assert_int_equal(response.status, 200);
    assert_int_equal(response.body, BODY_CHUNKED);
    assert_int_equal(response.minor_version, 2);
    assert_int_equal(response.headers.count, 4);
    assert_int_equal(response.headers.items[0].id, HEADER_CONTENT_TYPE);
    assert_slice(response.headers.items[0].value, "text/plain");
    assert_slice(response.headers.items[2].value, "b");
    assert_slice(response.headers.items[3].name, "x-empty");
    assert_slice(response.headers.items[3].value, "");
}

static void what_follows_a_head(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum http_method method;
        bool ends;
        enum http_body body;
        uint64_t length;
    } cases[] = {
        { ":status=200", METHOD_GET, false, BODY_CHUNKED, 0 },
        { ":status=200", METHOD_GET, true, BODY_LENGTH, 0 },
        { ":status=200\ncontent-length=5", METHOD_GET, false, BODY_LENGTH, 5 },
        { ":status=200\ncontent-length=0", METHOD_GET, true, BODY_LENGTH, 0 },
        { ":status=200\ncontent-length=5", METHOD_HEAD, true, BODY_NONE, 5 },
        { ":status=200", METHOD_HEAD, false, BODY_NONE, 0 },
        { ":status=204", METHOD_GET, true, BODY_NONE, 0 },
        { ":status=304\ncontent-length=9", METHOD_GET, true, BODY_NONE, 9 },
        { ":status=103\nlink=</a>", METHOD_GET, false, BODY_NONE, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_null(take(cases[i].text, cases[i].ends, cases[i].method));
        assert_int_equal(response.body, cases[i].body);
        assert_int_equal(response.content_length, cases[i].length);
    }
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wrong;
    } cases[] = {
        { "content-type=a", "no status" },
        { ":status=200\n:status=200", "two statuses" },
        { "a=b\n:status=200", "a pseudo-header behind a field" },
        { ":status=200\n:path=/", "a pseudo-header that answers do not have" },
        { ":status=20", "malformed status" },
        { ":status=2000", "malformed status" },
        { ":status=600", "malformed status" },
        { ":status=099", "malformed status" },
        { ":status=+20", "malformed status" },
        { ":status=", "malformed status" },
        { ":status=101", "101, which HTTP/2 does not have" },
        { ":status=200\nX-Upper=1", "malformed field name" },
        { ":status=200\n=1", "malformed field name" },
        { ":status=200\na b=1", "malformed field name" },
        { ":status=200\na:b=1", "malformed field name" },
        { ":status=200\ntransfer_encoding=chunked", "malformed field name" },
        { ":status=200\ncontent--length=1", "malformed field name" },
        { ":status=200\nconnection=close", "a connection-specific field" },
        { ":status=200\nkeep-alive=1", "a connection-specific field" },
        { ":status=200\nproxy-connection=close", "a connection-specific field" },
        { ":status=200\ntransfer-encoding=chunked", "a connection-specific field" },
        { ":status=200\nupgrade=x", "a connection-specific field" },
        { ":status=200\na= b", "malformed field value" },
        { ":status=200\na=b\r", "malformed field value" },
        { ":status=200\na=b\tc\x7f", "malformed field value" },
        { ":status=200\ncontent-length=+5", "malformed or repeated Content-Length" },
        { ":status=200\ncontent-length=5\ncontent-length=5", "malformed or repeated Content-Length" },
        { ":status=200\ncontent-length=99999999999999999999", "malformed or repeated Content-Length" },
        { ":status=204\ncontent-length=0", "malformed or repeated Content-Length" },
        { ":status=103\ncontent-length=5", "malformed or repeated Content-Length" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *wrong = take(cases[i].text, false, METHOD_GET);
        assert_non_null(wrong);
        assert_string_equal(wrong, cases[i].wrong);
    }
    assert_string_equal(take(":status=103", true, METHOD_GET),
                        "the stream ended with an informational response");
    assert_string_equal(take(":status=200\ncontent-length=5", true, METHOD_GET),
                        "the body is shorter than its Content-Length");
}

static void injected_lines_are_refused(void **state)
{
    (void)state;
    static const struct slice evil[] = { SLICE_INIT("a\r\nset-cookie: x=1"), SLICE_INIT("a\nb"),
                                         SLICE_INIT("a\0b"), SLICE_INIT("\rb") };
    for (size_t i = 0; i < sizeof evil / sizeof evil[0]; i++) {
        for (int as_name = 0; as_name < 2; as_name++) {
            h2_answer_begin(&head, H2_ANSWER_HEAD);
            h2_answer_field(&head, SLICE(":status"), SLICE("200"));
            h2_answer_field(&head, as_name ? evil[i] : SLICE("x"), as_name ? SLICE("v") : evil[i]);
            assert_non_null(h2_answer_take(&head, false, METHOD_GET, items, &response));
        }
    }
}

static void trailers(void **state)
{
    (void)state;
    struct headers taken;
    feed(H2_ANSWER_TRAILERS, "grpc-status=0\ngrpc-message=");
    assert_null(h2_answer_take_trailers(&head, true, items, &taken));
    assert_int_equal(taken.count, 2);
    assert_slice(taken.items[0].value, "0");

    feed(H2_ANSWER_TRAILERS, "grpc-status=0");
    assert_string_equal(h2_answer_take_trailers(&head, false, items, &taken), "a second head");
    feed(H2_ANSWER_TRAILERS, ":status=200");
    assert_string_equal(h2_answer_take_trailers(&head, true, items, &taken), "a pseudo-header in trailers");
    feed(H2_ANSWER_TRAILERS, "content-length=3");
    assert_string_equal(h2_answer_take_trailers(&head, true, items, &taken),
                        "a field that may not stand in trailers");
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    static char large[HTTP_HEAD_MAX];
    memset(large, 'a', sizeof large);
    h2_answer_begin(&head, H2_ANSWER_HEAD);
    h2_answer_field(&head, SLICE(":status"), SLICE("200"));
    h2_answer_field(&head, SLICE("x"), slice_of(large, sizeof large - 64));
    assert_null(head.wrong);
    h2_answer_field(&head, SLICE("y"), slice_of(large, 64));
    assert_string_equal(head.wrong, "response head too large");
    /* What is too much is counted on. */
    size_t decoded = head.decoded;
    h2_answer_field(&head, SLICE("z"), slice_of(large, sizeof large));
    assert_int_equal(head.decoded, decoded + 1 + sizeof large + 4);

    h2_answer_begin(&head, H2_ANSWER_HEAD);
    h2_answer_field(&head, SLICE(":status"), SLICE("200"));
    for (int i = 0; i < HTTP_HEADERS_MAX; i++) {
        h2_answer_field(&head, SLICE("x"), SLICE("1"));
        assert_null(head.wrong);
    }
    h2_answer_field(&head, SLICE("x"), SLICE("1"));
    assert_string_equal(head.wrong, "too many fields");
}

static void the_next_head_begins_anew(void **state)
{
    (void)state;
    assert_non_null(take(":status=200\nconnection=close", false, METHOD_GET));
    assert_null(take(":status=200\ncontent-length=1", false, METHOD_GET));
    assert_null(take(":status=404\nserver=x", false, METHOD_GET));
    assert_int_equal(response.status, 404);
    assert_int_equal(response.body, BODY_CHUNKED);
    assert_int_equal(response.headers.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_head_becomes_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(what_follows_a_head, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(injected_lines_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(trailers, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(the_next_head_begins_anew, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
