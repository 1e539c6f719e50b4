/* The messages of Node's parser, with its verdict in strict mode. What it refuses must be refused here, or be read in one
 * way only; what it accepts must pass, but for the deviations listed by title, with their reason. "lenient" cases are
 * such that a lenient parser accepts them: refused here, or read as they are. */
#include "suite.h"
#include "verdict.h"

/* Accepted by llhttp in strict mode, refused here. */
static const char *const refused_on_purpose[] = {
    /* RTSP and ICE are not HTTP. */
    "Methods / SOURCE request with ICE",
    "Methods / OPTIONS request with RTSP",
    "Methods / ANNOUNCE request with RTSP",
    "Sample responses / RTSP response",
    "Sample responses / ICE response",
    /* HTTP/0.9 has no framing at all. */
    "Sample requests / No HTTP version",
    "Sample responses / HTTP version 0.9",
    /* Only before a request may an empty line stand (RFC 9112 section 2.2). */
    "Sample responses / Response starting with CRLF",
    /* Anything but one plain "chunked": the suite reads such responses until the connection closes, others do not. */
    "Transfer-Encoding header / POST with `chunked` as last transfer-encoding",
    "Transfer-Encoding header / POST with `chunked` as last transfer-encoding (multiple headers)",
    "Transfer-Encoding header / `chunked` before other transfer-encoding",
    "Transfer-Encoding header / multiple transfer-encoding where chunked is not the last one",
    "Transfer-Encoding header / `chunkedchunked` transfer-encoding does not enable chunked enconding",
    /* A response that has no body says how long it is (RFC 9112 section 6.1). */
    "Connection header / HTTP 101 response with Upgrade and Content-Length header",
    "Connection header / HTTP 101 response with Upgrade and Transfer-Encoding header",
    /* Vary and Content-Type as trailers: their time is past (RFC 9110 section 6.5.1). */
    "Transfer-Encoding header / `chunked` / Trailing headers",
};

/* Refused by llhttp in strict mode, accepted here. */
static const char *const accepted_on_purpose[] = {
    /* Any token is a method: routes say which ones they take. */
    "Invalid requests / Invalid method",
    "Invalid requests / HTTP protocol and ANNOUNCE method",
    /* Data behind the last message of a connection is the connection's affair: it is not read. */
    "Connection header / `keep-alive` / No restart when keep-alive is off (1.0)",
    "Connection header / `close` / CRLF between requests, explicit `close`",
    "Connection header / `close` / CRLF between requests, explicit `close` followed by tab",
    "Connection header / HTTP/1.1 with keep-alive disabled and 204 status",
    "Connection header / HTTP/1.1 with keep-alive disabled, content-length",
};

/* "lenient" cases whose first message is sound: what is lenient comes behind it and is not read, or is refused then. */
static const char *const sound_though_lenient[] = {
    "Connection header / `keep-alive` / Resetting flags when keep-alive is off (1.0, lenient)",
    "Connection header / `close` / CRLF between requests, explicit `close` (lenient)",
    "Lenient header value parsing / Second request header value (lenient)",
    "Connection header / HTTP/1.1 with keep-alive disabled, content-length (lenient)",
    "Connection header / HTTP/1.1 with keep-alive disabled and 204 status (lenient)",
};

static bool listed(struct slice name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(name, slice_from_string(list[i]))) {
            return true;
        }
    }
    return false;
}

#define LISTED(name, list) listed((name), (list), sizeof(list) / sizeof(list)[0])

/* How far a message could be read. */
enum reading {
    READ_ALL,
    READ_PART, /* the text ends within it */
    READ_FAILED,
};

static enum reading read_chunked(struct slice *rest)
{
    struct h1_chunked chunked;
    struct slice data, trailers;
    enum h1_result result;
    h1_chunked_init(&chunked);
    do {
        size_t consumed;
        result = h1_chunked_parse(&chunked, rest->ptr, rest->len, &consumed, &data, &trailers);
        *rest = slice_from(*rest, consumed);
    } while (result == H1_PARTIAL && data.len > 0);
    if (result != H1_DONE) {
        return result == H1_FAILED ? READ_FAILED : READ_PART;
    }
    struct header items[HTTP_HEADERS_MAX];
    struct headers out = { items, 0, HTTP_HEADERS_MAX };
    return h1_parse_trailers(trailers, &out) ? READ_ALL : READ_FAILED;
}

static enum reading read_body(struct slice *rest, enum http_body body, uint64_t length)
{
    switch (body) {
    case BODY_CHUNKED:
        return read_chunked(rest);
    case BODY_LENGTH:
        if (length > rest->len) {
            return READ_PART;
        }
        *rest = slice_from(*rest, (size_t)length);
        return READ_ALL;
    case BODY_CLOSE:
        *rest = slice_from(*rest, rest->len);
        return READ_ALL;
    default:
        return READ_ALL;
    }
}

/* The first message decides; what follows it in the same case has often no Host, or is cut. */
static enum reading read_first(struct slice text, bool response)
{
    static struct header items[HTTP_HEADERS_MAX];
    struct h1_parser parser;
    verdict_init(&parser, response ? VERDICT_RESPONSE : VERDICT_REQUEST);
    enum h1_result result = h1_parse(&parser, text.ptr, text.len);
    if (result != H1_DONE) {
        return result == H1_FAILED ? READ_FAILED : READ_PART;
    }
    struct slice rest = slice_from(text, parser.head_length);
    if (response) {
        struct http_response head;
        h1_take_response(&parser, text.ptr, items, HTTP_HEADERS_MAX, &head);
        return read_body(&rest, head.body, head.content_length);
    }
    struct http_request head;
    h1_take_request(&parser, text.ptr, items, HTTP_HEADERS_MAX, &head);
    return read_body(&rest, head.body, head.content_length);
}

/* The suite's messages lack Host where HTTP/1.1 wants it: that is not what they are about. Where one ends within a line,
 * `end` ends it, so that what is wrong with the line can show. */
static struct slice with_host(struct slice text, struct slice end, bool response)
{
    struct slice version = SLICE(" HTTP/1.1\r\n");
    const char *line = memmem(text.ptr, text.len, version.ptr, version.len);
    for (size_t i = 0; i < text.len; i++) {
        if (response || slice_equal_nocase(slice_part(text, i, 5), SLICE("host:"))) {
            line = NULL;
        }
    }
    struct slice host = line != NULL ? SLICE("Host: a\r\n") : SLICE("");
    size_t at = line != NULL ? (size_t)(line - text.ptr) + version.len : text.len;
    char *copy = malloc(text.len + host.len + end.len);
    assert_non_null(copy);
    memcpy(copy, text.ptr, at);
    memcpy(copy + at, host.ptr, host.len);
    memcpy(copy + at + host.len, text.ptr + at, text.len - at);
    memcpy(copy + text.len + host.len, end.ptr, end.len);
    return slice_of(copy, text.len + host.len + end.len);
}

struct counts {
    size_t seen, wrong, deviations;
};

/* By type: should the first message pass? */
static bool should_pass(struct slice line, struct slice title, struct counts *counts)
{
    bool accepted = slice_starts_with(suite_value(line, "strict_error"), SLICE("null"));
    if (slice_contains(suite_string(line, "type"), SLICE("lenient"))) {
        return LISTED(title, sound_though_lenient);
    }
    bool deviates = LISTED(title, refused_on_purpose) || LISTED(title, accepted_on_purpose);
    counts->deviations += deviates;
    return accepted != deviates;
}

static void visit(struct slice line, void *state)
{
    struct counts *counts = state;
    struct slice type = suite_string(line, "type"), title = suite_string(line, "title"), raw = SLICE_NONE;
    bool response = slice_starts_with(type, SLICE("response"));
    if (!response && !slice_starts_with(type, SLICE("request"))) {
        return;
    }
    assert_true(suite_bytes(line, "raw_b64", &raw));
    bool pass = should_pass(line, title, counts);
    bool finish = slice_ends_with(type, SLICE("finish"));
    struct slice text = with_host(raw, pass || finish ? SLICE("") : SLICE("\r\n\r\n"), response);
    verdict_split(text, response ? VERDICT_RESPONSE : VERDICT_REQUEST, NULL);
    enum reading reading = read_first(text, response);
    /* A sound message may be cut: "finish" cases are about that alone. */
    if (!(pass || finish ? reading != READ_FAILED : reading == READ_FAILED)) {
        printf("%.*s: %.*s: %d, %s\n", SLICE_ARG(type), SLICE_ARG(title), reading,
               pass ? "should pass" : "should not");
        counts->wrong++;
    }
    counts->seen++;
    free((char *)text.ptr);
    free((char *)raw.ptr);
}

static void test_llhttp(void **state)
{
    (void)state;
    struct counts counts = { 0 };
    if (!suite_each("llhttp-cases/llhttp.jsonl", visit, &counts)) {
        skip();
    }
    printf("%zu cases, %zu deliberate deviations\n", counts.seen, counts.deviations);
    assert_int_equal(counts.wrong, 0);
    assert_int_equal(counts.seen, 251);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llhttp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
