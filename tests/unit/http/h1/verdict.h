/* What the parser makes of a head, as one comparable value; and the same for every split of the bytes. */
#ifndef SALLYPORT_TESTS_HTTP_VERDICT_H
#define SALLYPORT_TESTS_HTTP_VERDICT_H

#include "http/h1/parser.h"
#include "unit.h"

static const struct http_head_limits verdict_limits = { HTTP_HEAD_MAX, HTTP_TARGET_MAX, HTTP_HEADERS_MAX };

struct verdict {
    enum h1_result result;
    enum h1_failure failure;
    uint32_t head_length;
    uint64_t digest; /* of everything that was taken */
};

enum verdict_kind {
    VERDICT_REQUEST,
    VERDICT_RESPONSE,
    VERDICT_RESPONSE_TO_HEAD,
};

static inline uint64_t verdict_add(uint64_t digest, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        digest = (digest ^ bytes[i]) * 0x100000001b3U;
    }
    return (digest ^ size) * 0x100000001b3U;
}

/* Also: every slice lies within the head. */
static inline uint64_t verdict_add_slice(uint64_t digest, struct slice part, const char *data, size_t size)
{
    assert_true(part.ptr >= data && part.ptr + part.len <= data + size);
    return verdict_add(digest, part.ptr, part.len);
}

static inline uint64_t verdict_of_headers(const struct headers *headers, const char *data, size_t size)
{
    uint64_t digest = verdict_add(0, &headers->count, sizeof headers->count);
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *item = &headers->items[i];
        digest = verdict_add_slice(digest, item->name, data, size);
        digest = verdict_add_slice(digest, item->value, data, size);
        digest = verdict_add(digest, &item->id, sizeof item->id);
        assert_int_equal(header_id_of(item->name), item->id);
        assert_true(http_token_valid(item->name) && http_field_value_valid(item->value));
    }
    return digest;
}

static inline uint64_t verdict_of_request(const struct h1_parser *parser, const char *data)
{
    struct header items[HTTP_HEADERS_MAX];
    struct http_request request;
    h1_take_request(parser, data, items, HTTP_HEADERS_MAX, &request);
    uint64_t digest = verdict_of_headers(&request.headers, data, parser->head_length);
    digest = verdict_add_slice(digest, request.method_text, data, parser->head_length);
    digest = verdict_add_slice(digest, request.target, data, parser->head_length);
    uint64_t numbers[] = { request.method,        request.body,       request.content_length,
                           request.minor_version, request.keep_alive, request.expect_continue,
                           request.upgrade };
    return verdict_add(digest, numbers, sizeof numbers);
}

static inline uint64_t verdict_of_response(const struct h1_parser *parser, const char *data)
{
    struct header items[HTTP_HEADERS_MAX];
    struct http_response response;
    h1_take_response(parser, data, items, HTTP_HEADERS_MAX, &response);
    uint64_t digest = verdict_of_headers(&response.headers, data, parser->head_length);
    digest = verdict_add_slice(digest, response.reason, data, parser->head_length);
    uint64_t numbers[] = { response.status, response.body, response.content_length, response.minor_version,
                           response.keep_alive };
    return verdict_add(digest, numbers, sizeof numbers);
}

static inline void verdict_init(struct h1_parser *parser, enum verdict_kind kind)
{
    if (kind == VERDICT_REQUEST) {
        h1_parser_init_request(parser, &verdict_limits);
    } else {
        h1_parser_init_response(parser, &verdict_limits,
                                kind == VERDICT_RESPONSE_TO_HEAD ? METHOD_HEAD : METHOD_GET);
    }
}

static inline void verdict_step(struct h1_parser *parser, struct slice text, size_t size,
                                enum verdict_kind kind, struct verdict *verdict)
{
    /* A copy of exactly that size, somewhere else each time: the buffer may move, and nothing behind it may be read. */
    char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, size > 0 ? text.ptr : "", size);
    *verdict = (struct verdict){ .result = h1_parse(parser, copy, size), .failure = parser->failure };
    if (verdict->result == H1_DONE) {
        verdict->head_length = parser->head_length;
        assert_true(verdict->head_length <= size);
        verdict->digest =
            kind == VERDICT_REQUEST ? verdict_of_request(parser, copy) : verdict_of_response(parser, copy);
    }
    assert_true((verdict->result == H1_FAILED) == (verdict->failure != H1_OK));
    free(copy);
}

static inline struct verdict verdict_whole(struct slice text, enum verdict_kind kind)
{
    struct h1_parser parser;
    struct verdict verdict;
    verdict_init(&parser, kind);
    verdict_step(&parser, text, text.len, kind, &verdict);
    return verdict;
}

static inline void verdict_same(struct verdict a, struct verdict b, struct slice text, size_t split)
{
    if (a.result != b.result || a.failure != b.failure || a.head_length != b.head_length ||
        a.digest != b.digest) {
        fail_msg("split at %zu: \"%.*s\": %d %s, not %d %s", split, SLICE_ARG(text), b.result,
                 h1_failure_text(b.failure), a.result, h1_failure_text(a.failure));
    }
}

/* The verdict on the whole, after checking that every split, and byte by byte, gives the same. `*ret_decided` (may be
 * NULL): how many bytes were enough. */
static inline struct verdict verdict_split(struct slice text, enum verdict_kind kind, size_t *ret_decided)
{
    struct verdict whole = verdict_whole(text, kind), verdict = { .result = H1_PARTIAL };
    struct h1_parser parser;
    for (size_t split = 0; split <= text.len; split++) {
        verdict_init(&parser, kind);
        verdict_step(&parser, text, split, kind, &verdict);
        if (verdict.result == H1_PARTIAL) {
            verdict_step(&parser, text, text.len, kind, &verdict);
        }
        verdict_same(whole, verdict, text, split);
    }
    verdict_init(&parser, kind);
    size_t size = 0;
    do {
        verdict_step(&parser, text, size, kind, &verdict);
    } while (verdict.result == H1_PARTIAL && size++ < text.len);
    verdict_same(whole, verdict, text, 1);
    if (ret_decided != NULL) {
        *ret_decided = size;
    }
    return whole;
}

#endif
