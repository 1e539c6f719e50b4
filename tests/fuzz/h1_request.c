#include "h1_heads.h"

/* What we write of a request must read as the one that came. */
static void write_and_read(const struct http_request *request)
{
    struct buffer out;
    struct h1_framing framing = { .body = request->body, .content_length = request->content_length };
    const struct header *host = headers_find(&request->headers, HEADER_HOST);
    buffer_init(&out, 16384);
    if (host != NULL && h1_write_request(&out, request->method_text, request->target, host->value,
                                         &request->headers, &framing)) {
        struct slice text = buffer_slice(&out);
        struct h1_parser parser;
        struct header items[HTTP_HEADERS_MAX];
        struct http_request again;
        struct http_head_limits limits = { HTTP_HEAD_MAX, HTTP_TARGET_MAX, HTTP_HEADERS_MAX };
        h1_parser_init_request(&parser, &limits);
        CHECK(h1_parse(&parser, text.ptr, text.len) == H1_DONE && parser.head_length == text.len);
        h1_take_request(&parser, text.ptr, items, HTTP_HEADERS_MAX, &again);
        CHECK(slice_equal(again.method_text, request->method_text) && again.method == request->method);
        CHECK(slice_equal(again.target, request->target));
        CHECK(again.body == request->body && again.content_length == request->content_length);
    }
    buffer_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *data = (const char *)bytes;
    struct h1_parser parser;
    h1_parser_init_request(&parser, &fuzz_limits);
    struct fuzz_verdict whole = fuzz_parse(&parser, data, size, 0, 0);
    for (unsigned int step = 1; step <= 64; step *= 8) {
        struct h1_parser pieces;
        h1_parser_init_request(&pieces, &fuzz_limits);
        struct fuzz_verdict verdict = fuzz_parse(&pieces, data, size, step, (unsigned int)size);
        fuzz_same(whole, verdict);
        CHECK(verdict.decided <= fuzz_limits.head_max + step);
    }
    if (whole.result != H1_DONE) {
        return 0;
    }
    struct header items[HTTP_HEADERS_MAX];
    struct http_request request;
    h1_take_request(&parser, data, items, HTTP_HEADERS_MAX, &request);
    fuzz_headers(&request.headers, data, whole.head_length);
    fuzz_within(request.method_text, data, whole.head_length);
    fuzz_within(request.target, data, whole.head_length);
    CHECK(http_token_valid(request.method_text) && request.method_text.len <= HTTP_METHOD_MAX);
    CHECK(request.target.len > 0 && request.target.len <= fuzz_limits.target_max);
    CHECK(headers_count(&request.headers, HEADER_HOST) == 1 ||
          (request.minor_version == 0 && headers_count(&request.headers, HEADER_HOST) == 0));
    CHECK(request.content_length <= INT64_MAX);
    write_and_read(&request);
    return 0;
}
