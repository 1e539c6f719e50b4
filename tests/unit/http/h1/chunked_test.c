#include "http/h1/parser.h"
#include "unit.h"

/* What came out of a body. */
struct outcome {
    enum h1_result result;
    enum h1_failure failure;
    char data[2048];
    size_t length;
    char trailers[HTTP_TRAILERS_MAX];
    size_t trailers_length;
    size_t consumed;
};

/* Calls until nothing moves any more, as a connection does, with a copy of exactly the bytes that are there. */
static void feed(struct h1_chunked *chunked, struct slice text, struct outcome *outcome)
{
    struct slice data, trailers;
    do {
        struct slice rest = slice_from(text, outcome->consumed);
        char *copy = malloc(rest.len > 0 ? rest.len : 1);
        assert_non_null(copy);
        memcpy(copy, rest.len > 0 ? rest.ptr : "", rest.len);
        size_t consumed;
        outcome->result = h1_chunked_parse(chunked, copy, rest.len, &consumed, &data, &trailers);
        assert_true(consumed <= rest.len);
        if (data.len > 0) {
            assert_true(data.ptr >= copy && data.ptr + data.len <= copy + consumed);
            assert_true(outcome->length + data.len <= sizeof outcome->data);
            memcpy(outcome->data + outcome->length, data.ptr, data.len);
            outcome->length += data.len;
        }
        if (trailers.len > 0) {
            assert_int_equal(outcome->result, H1_DONE);
            assert_true(trailers.ptr >= copy && trailers.ptr + trailers.len == copy + consumed);
            memcpy(outcome->trailers, trailers.ptr, trailers.len);
            outcome->trailers_length = trailers.len;
        }
        outcome->consumed += consumed;
        free(copy);
    } while (outcome->result == H1_PARTIAL && data.len > 0);
    outcome->failure = chunked->failure;
}

static void same(const struct outcome *a, const struct outcome *b, struct slice text, size_t split)
{
    if (a->result != b->result || a->failure != b->failure || a->length != b->length ||
        memcmp(a->data, b->data, a->length) != 0 || a->trailers_length != b->trailers_length ||
        memcmp(a->trailers, b->trailers, a->trailers_length) != 0 ||
        (a->result == H1_DONE && a->consumed != b->consumed)) {
        fail_msg("split at %zu: \"%.*s\"", split, SLICE_ARG(text));
    }
}

static const struct outcome *outcome_of(struct slice text)
{
    static struct outcome whole, other;
    struct h1_chunked chunked;
    h1_chunked_init(&chunked);
    whole = (struct outcome){ 0 };
    feed(&chunked, text, &whole);
    for (size_t split = 0; split < text.len && text.len < 1000; split++) {
        h1_chunked_init(&chunked);
        other = (struct outcome){ 0 };
        feed(&chunked, slice_part(text, 0, split), &other);
        feed(&chunked, text, &other);
        same(&whole, &other, text, split);
    }
    h1_chunked_init(&chunked);
    other = (struct outcome){ 0 };
    for (size_t size = 0; size <= text.len; size++) {
        feed(&chunked, slice_part(text, 0, size), &other);
    }
    same(&whole, &other, text, 1);
    return &whole;
}

#define assert_body(text, data_, trailers_)                                                 \
    do {                                                                                    \
        const struct outcome *outcome_ = outcome_of(SLICE(text));                           \
        assert_int_equal(outcome_->failure, H1_OK);                                         \
        assert_int_equal(outcome_->result, H1_DONE);                                        \
        assert_slice(slice_of(outcome_->data, outcome_->length), (data_));                  \
        assert_slice(slice_of(outcome_->trailers, outcome_->trailers_length), (trailers_)); \
    } while (0)
#define assert_bad(text, failure_) assert_int_equal(outcome_of(SLICE(text))->failure, (failure_))

static void test_bodies(void **state)
{
    (void)state;
    assert_body("0\r\n\r\n", "", "\r\n");
    assert_body("5\r\nhello\r\n0\r\n\r\n", "hello", "\r\n");
    assert_body("5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n", "hello world", "\r\n");
    assert_body("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", "\r\n");
    assert_body("0000000000000003\r\n\r\n\r\r\n0\r\n\r\n", "\r\n\r", "\r\n");
    assert_body("1\r\nx\r\n0\r\nServer-Timing: a\r\nDigest: b\r\n\r\n", "x",
                "Server-Timing: a\r\nDigest: b\r\n\r\n");
    assert_int_equal(outcome_of(SLICE("5\r\nhel"))->result, H1_PARTIAL);
    assert_int_equal(outcome_of(SLICE("0\r\n"))->result, H1_PARTIAL);
    assert_int_equal(outcome_of(SLICE("0\r\nX: y\r\n"))->result, H1_PARTIAL);
    assert_int_equal(outcome_of(SLICE(""))->result, H1_PARTIAL);
}

static void test_what_follows_is_left(void **state)
{
    (void)state;
    const struct outcome *outcome = outcome_of(SLICE("1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n"));
    assert_int_equal(outcome->result, H1_DONE);
    assert_int_equal(outcome->consumed, 11);
}

/* T2 */
static void test_sizes(void **state)
{
    (void)state;
    assert_bad("0x5\r\nhello\r\n0\r\n\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("-1\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("+1\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad(" 1\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("1 \r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("1\t\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad(";a\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("g\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("5h\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("1_0\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("5\n", H1_BAD_CHUNK_SIZE);
    assert_bad("5\rx", H1_BAD_CHUNK_SIZE);
    assert_bad("5\r\rx", H1_BAD_CHUNK_SIZE);
    assert_bad("5\0\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("00000000000000005\r\nhello\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("ffffffffffffffff\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("8000000000000000\r\n", H1_BAD_CHUNK_SIZE);
    assert_bad("10000000000000000\r\n", H1_BAD_CHUNK_SIZE);
    assert_int_equal(outcome_of(SLICE("7fffffffffffffff\r\nx"))->result, H1_PARTIAL);
}

static void test_chunk_ends(void **state)
{
    (void)state;
    assert_bad("5\r\nhello0\r\n\r\n", H1_BAD_CHUNK_END);
    assert_bad("5\r\nhello!\r\n0\r\n\r\n", H1_BAD_CHUNK_END);
    assert_bad("5\r\nhello\n0\r\n\r\n", H1_BAD_CHUNK_END);
    assert_bad("5\r\nhello\r0\r\n\r\n", H1_BAD_CHUNK_END);
    assert_bad("5\r\nhello\r\r\n", H1_BAD_CHUNK_END);
    assert_bad("5\r\nhello\r\n\r\n0\r\n\r\n", H1_BAD_CHUNK_SIZE);
}

static void test_extensions(void **state)
{
    (void)state;
    assert_body("1;a\r\nx\r\n0;b=c\r\n\r\n", "x", "\r\n");
    assert_body("1;a=\"b; c\\\"\\\\\t\xe4 \";d;e=f\r\nx\r\n0\r\n\r\n", "x", "\r\n");
    assert_body("1;a=\"\"\r\nx\r\n0\r\n\r\n", "x", "\r\n");
    assert_bad("1;\r\nx", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;;a\r\nx", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1; a\r\nx", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a =b\r\nx", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a= b\r\nx", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a=\r\nx", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;=b\r\nx", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a=b=c\r\nx", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a=b\"c\"\r\nx", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a=\"b\"c\r\nx", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a=\"b\r\nx", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a=\"b\\\r\nx", H1_BAD_CHUNK_EXTENSION);
    /* A bare LF in an extension, which some take for the end of the line. */
    assert_bad("1;a\nx\r\n", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a=b\nx\r\n", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a=\"\n\"\r\nx\r\n", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a\rx\r\n", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a\0\r\n", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a=\"\0\"\r\n", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a=\"\x7f\"\r\n", H1_BAD_CHUNK_EXTENSION);
    assert_bad("1;a\xff\r\n", H1_BAD_CHUNK_EXTENSION);
}

static void test_extension_limits(void **state)
{
    (void)state;
    char line[400];
    memset(line, 'a', sizeof line);
    memcpy(line, "1;", 2);
    /* The CR belongs to the line. */
    memcpy(line + HTTP_CHUNK_LINE_MAX - 1, "\r\nx\r\n0\r\n\r\n", 10);
    assert_int_equal(outcome_of(slice_of(line, HTTP_CHUNK_LINE_MAX + 9))->result, H1_DONE);
    memset(line, 'a', sizeof line);
    memcpy(line, "1;", 2);
    memcpy(line + HTTP_CHUNK_LINE_MAX, "\r\nx\r\n0\r\n\r\n", 10);
    assert_int_equal(outcome_of(slice_of(line, HTTP_CHUNK_LINE_MAX + 10))->failure, H1_BAD_CHUNK_EXTENSION);

    /* Many small chunks, each with a long extension, cost more than they carry. */
    struct h1_chunked chunked;
    h1_chunked_init(&chunked);
    struct slice text = SLICE("1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n");
    size_t chunks = 0, consumed = 0;
    enum h1_result result = H1_PARTIAL;
    while (result == H1_PARTIAL) {
        struct slice data, trailers;
        struct slice rest = slice_from(text, consumed);
        size_t step;
        result = h1_chunked_parse(&chunked, rest.ptr, rest.len, &step, &data, &trailers);
        consumed += step;
        if (consumed == text.len) {
            consumed = 0;
            chunks++;
        }
    }
    assert_int_equal(chunked.failure, H1_BAD_CHUNK_EXTENSION);
    /* All of a line but "1;", the LF and the data. */
    assert_int_equal(chunks, HTTP_CHUNK_EXTENSIONS_MAX / (text.len - 6));
}

static void test_trailer_sections(void **state)
{
    (void)state;
    assert_bad("0\r\nX : y\r\n\r\n", H1_BAD_TRAILER);
    assert_bad("0\r\nX\r\n\r\n", H1_BAD_TRAILER);
    assert_bad("0\r\n: y\r\n\r\n", H1_BAD_TRAILER);
    assert_bad("0\r\nX: y\r\n z\r\n\r\n", H1_BAD_TRAILER);
    assert_bad("0\r\nX: y\nZ: y\r\n\r\n", H1_BAD_TRAILER);
    assert_bad("0\r\nX: y\rZ: y\r\n\r\n", H1_BAD_TRAILER);
    assert_bad("0\r\nX: \0\r\n\r\n", H1_BAD_TRAILER);
    assert_bad("0\r\n\n", H1_BAD_TRAILER);
    assert_bad("0\r\n\rX", H1_BAD_TRAILER);
    assert_bad("0\r\nContent_Length: 5\r\n\r\n", H1_BAD_TRAILER);
    assert_bad("0\r\nGET / HTTP/1.1\r\n\r\n", H1_BAD_TRAILER);
}

static void test_trailer_limit(void **state)
{
    (void)state;
    static char text[HTTP_TRAILERS_MAX + 10];
    memset(text, 'a', sizeof text);
    memcpy(text, "0\r\nX:", 5);
    memcpy(text + 3 + HTTP_TRAILERS_MAX - 4, "\r\n\r\n", 4);
    const struct outcome *outcome = outcome_of(slice_of(text, 3 + HTTP_TRAILERS_MAX));
    assert_int_equal(outcome->result, H1_DONE);
    assert_int_equal(outcome->trailers_length, HTTP_TRAILERS_MAX);
    memcpy(text + 3 + HTTP_TRAILERS_MAX - 4, "a\r\n\r\n", 5);
    assert_int_equal(outcome_of(slice_of(text, 4 + HTTP_TRAILERS_MAX))->failure, H1_BAD_TRAILER);
    memset(text + 3 + HTTP_TRAILERS_MAX - 4, 'a', 8);
    assert_int_equal(outcome_of(slice_of(text, 3 + HTTP_TRAILERS_MAX))->failure, H1_BAD_TRAILER);
}

static void test_verdicts_are_final(void **state)
{
    (void)state;
    struct h1_chunked chunked;
    size_t consumed;
    struct slice data, trailers;
    h1_chunked_init(&chunked);
    assert_int_equal(h1_chunked_parse(&chunked, "0\r\n\r\n", 5, &consumed, &data, &trailers), H1_DONE);
    assert_int_equal(h1_chunked_parse(&chunked, "junk", 4, &consumed, &data, &trailers), H1_DONE);
    assert_int_equal(consumed, 0);
    h1_chunked_init(&chunked);
    assert_int_equal(h1_chunked_parse(&chunked, "x", 1, &consumed, &data, &trailers), H1_FAILED);
    assert_int_equal(h1_chunked_parse(&chunked, "0\r\n\r\n", 5, &consumed, &data, &trailers), H1_FAILED);
    assert_int_equal(consumed, 0);
}

static bool parse(struct slice text, struct headers *out)
{
    out->count = 0;
    return h1_parse_trailers(text, out);
}

static void test_trailer_fields(void **state)
{
    (void)state;
    struct header items[3];
    struct headers out = { items, 0, 3 };
    assert_true(parse(SLICE("\r\n"), &out));
    assert_int_equal(out.count, 0);
    assert_true(parse(SLICE("Grpc-Status: 0\r\nX-Sum:\tabc \r\n\r\n"), &out));
    assert_int_equal(out.count, 2);
    assert_slice(items[0].name, "Grpc-Status");
    assert_slice(items[1].value, "abc");
    assert_true(parse(SLICE("A: 1\r\nB: 2\r\nC: 3\r\n\r\n"), &out));
    assert_false(parse(SLICE("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n"), &out));
    assert_false(parse(SLICE(""), &out));
    assert_false(parse(SLICE("\r"), &out));
    assert_false(parse(SLICE("A: 1"), &out));
    assert_false(parse(SLICE("A: 1\r\n"), &out));
    assert_false(parse(SLICE("A: 1\n\n"), &out));
    assert_false(parse(SLICE("A: 1\r\n\r\nB: 2\r\n\r\n"), &out));
    assert_false(parse(SLICE("A : 1\r\n\r\n"), &out));
    assert_false(parse(SLICE("A: \x01\r\n\r\n"), &out));
}

static void test_forbidden_trailers(void **state)
{
    (void)state;
    static const char *const forbidden[] = {
        "Transfer-Encoding",
        "Content-Length",
        "Host",
        "Authorization",
        "Content-Encoding",
        "Content-Type",
        "Content-Range",
        "Trailer",
        "TE",
        "Connection",
        "Set-Cookie",
        "Cookie",
        "Expect",
        "Max-Forwards",
        "Cache-Control",
        "Date",
        "Location",
        "Retry-After",
        "Vary",
        "Expires",
        "Age",
        "Pragma",
        "Warning",
        "Range",
        "If-Match",
        "IF-NONE-MATCH",
        "if-range",
        "WWW-Authenticate",
        "Proxy-Authenticate",
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "Client-Cert",
        "Upgrade",
        "Keep-Alive",
        "Accept-Encoding",
        "Referer",
        "Access-Control-Allow-Origin",
        "X-HTTP-Method-Override",
        "Content-Disposition",
    };
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        char text[100];
        struct header items[2];
        struct headers out = { items, 0, 2 };
        int len = snprintf(text, sizeof text, "%s: x\r\n\r\n", forbidden[i]);
        if (parse(slice_of(text, (size_t)len), &out)) {
            fail_msg("%s passed as a trailer", forbidden[i]);
        }
        len = snprintf(text, sizeof text, "%s-2: x\r\n\r\n", forbidden[i]);
        bool family = strncasecmp(forbidden[i], "if-", 3) == 0;
        assert_int_equal(parse(slice_of(text, (size_t)len), &out), !family);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_what_follows_is_left),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_chunk_ends),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_extension_limits),
        cmocka_unit_test(test_trailer_sections),
        cmocka_unit_test(test_trailer_limit),
        cmocka_unit_test(test_verdicts_are_final),
        cmocka_unit_test(test_trailer_fields),
        cmocka_unit_test(test_forbidden_trailers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
