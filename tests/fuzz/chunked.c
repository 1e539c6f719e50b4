/* Chunked bodies: the same data, trailers and verdict for every split, all within the bytes given. */
#include <stdlib.h>

#include "http/h1/parser.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

struct outcome {
    enum h1_result result;
    enum h1_failure failure;
    size_t length, trailers_at, trailers_length, consumed;
    uint64_t digest; /* of the data, by byte */
};

/* Hands over what was not consumed and `step` bytes more, each time. */
static struct outcome run(const char *data, size_t size, size_t step)
{
    struct h1_chunked chunked;
    struct outcome outcome = { .digest = 5381 };
    size_t have = 0;
    h1_chunked_init(&chunked);
    for (;;) {
        size_t consumed, rest = have - outcome.consumed;
        struct slice piece, trailers;
        const char *at = data + outcome.consumed;
        outcome.result = h1_chunked_parse(&chunked, at, rest, &consumed, &piece, &trailers);
        CHECK(consumed <= rest);
        CHECK(piece.len == 0 || (piece.ptr >= at && piece.ptr + piece.len == at + consumed));
        for (size_t i = 0; i < piece.len; i++) {
            outcome.digest = outcome.digest * 33 + (unsigned char)piece.ptr[i];
        }
        outcome.length += piece.len;
        outcome.consumed += consumed;
        if (outcome.result == H1_DONE) {
            CHECK(trailers.len >= 2 && trailers.len <= HTTP_TRAILERS_MAX);
            CHECK(trailers.ptr + trailers.len == at + consumed);
            outcome.trailers_at = (size_t)(trailers.ptr - data);
            outcome.trailers_length = trailers.len;
        }
        if (outcome.result != H1_PARTIAL || (piece.len == 0 && have == size)) {
            outcome.failure = chunked.failure;
            return outcome;
        }
        if (piece.len == 0) {
            have = size - have > step ? have + step : size;
        }
    }
}

static void check_trailers(struct slice text)
{
    struct header items[16];
    struct headers out = { items, 0, 16 };
    if (!h1_parse_trailers(text, &out)) {
        return;
    }
    for (size_t i = 0; i < out.count; i++) {
        CHECK(items[i].id == HEADER_OTHER && header_id_of(items[i].name) == HEADER_OTHER);
        CHECK(http_token_valid(items[i].name) && http_field_value_valid(items[i].value));
        CHECK(items[i].name.ptr >= text.ptr &&
              items[i].value.ptr + items[i].value.len <= text.ptr + text.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *data = (const char *)bytes;
    struct outcome whole = run(data, size, size + 1);
    for (size_t step = 1; step <= 49; step *= 7) {
        struct outcome pieces = run(data, size, step);
        CHECK(pieces.result == whole.result && pieces.failure == whole.failure);
        CHECK(pieces.length == whole.length && pieces.digest == whole.digest);
        CHECK(pieces.trailers_at == whole.trailers_at && pieces.trailers_length == whole.trailers_length);
        CHECK(whole.result != H1_DONE || pieces.consumed == whole.consumed);
    }
    CHECK((whole.result == H1_FAILED) == (whole.failure != H1_OK));
    if (whole.result == H1_DONE) {
        check_trailers((struct slice){ data + whole.trailers_at, whole.trailers_length });
    }
    check_trailers((struct slice){ data, size < HTTP_TRAILERS_MAX ? size : HTTP_TRAILERS_MAX });
    return 0;
}
