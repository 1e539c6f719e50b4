/* Heads under fuzzing: the verdict does not depend on how the bytes are split, what is taken lies within the head and is
 * what may stand there, and what we would write of it reads as the same. */
#ifndef SALLYPORT_TESTS_FUZZ_H1_HEADS_H
#define SALLYPORT_TESTS_FUZZ_H1_HEADS_H

#include <stdlib.h>

#include "http/h1/parser.h"
#include "http/h1/writer.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

/* Small enough to be met. */
static const struct http_head_limits fuzz_limits = { 4096, 1024, 20 };

struct fuzz_verdict {
    enum h1_result result;
    enum h1_failure failure;
    uint32_t head_length, field_count;
    size_t decided; /* bytes after which it was known */
};

/* Parses in pieces of 1 to `step` bytes, drawn from `seed`; a step of 0 is the whole at once. */
static inline struct fuzz_verdict fuzz_parse(struct h1_parser *parser, const char *data, size_t size,
                                             unsigned int step, unsigned int seed)
{
    size_t have = step == 0 ? size : 0;
    struct fuzz_verdict verdict = { .result = h1_parse(parser, data, have) };
    while (verdict.result == H1_PARTIAL && have < size) {
        seed = seed * 1103515245U + 12345U;
        have += 1 + (seed >> 16) % step;
        have = have < size ? have : size;
        verdict.result = h1_parse(parser, data, have);
    }
    verdict.failure = parser->failure;
    verdict.decided = have;
    if (verdict.result == H1_DONE) {
        verdict.head_length = parser->head_length;
        verdict.field_count = parser->field_count;
    }
    return verdict;
}

static inline void fuzz_same(struct fuzz_verdict a, struct fuzz_verdict b)
{
    CHECK(a.result == b.result && a.failure == b.failure && a.head_length == b.head_length &&
          a.field_count == b.field_count);
}

static inline void fuzz_within(struct slice part, const char *data, size_t size)
{
    CHECK(part.ptr >= data && part.len <= size && part.ptr <= data + size - part.len);
}

static inline void fuzz_headers(const struct headers *headers, const char *data, size_t size)
{
    CHECK(headers->count <= headers->capacity && headers->count <= fuzz_limits.fields_max);
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        fuzz_within(header->name, data, size);
        fuzz_within(header->value, data, size);
        CHECK(http_token_valid(header->name) && http_field_value_valid(header->value));
        CHECK(header->id == header_id_of(header->name));
    }
    CHECK(headers_count(headers, HEADER_CONTENT_LENGTH) + headers_count(headers, HEADER_TRANSFER_ENCODING) <=
          1);
}

#endif
