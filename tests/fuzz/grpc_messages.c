/* The messages of a gRPC body: what a plain reading of the whole says, for every cut into two and for pieces of one size. The
 * first two bytes are the limit. */
#include <stdlib.h>

#include "http/grpc_messages.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

#define EVERY_SPLIT_MAX 512 /* bytes of a body that is cut at every place */

struct outcome {
    enum grpc_messages_result result;
    bool whole;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Message after message, with all of it at hand. */
static struct outcome read_whole(const uint8_t *data, size_t size, uint64_t limit)
{
    for (size_t at = 0; at < size;) {
        if (data[at] > 1) {
            return (struct outcome){ GRPC_MESSAGES_FLAG, false };
        }
        if (size - at < 5) {
            return (struct outcome){ GRPC_MESSAGES_OK, false };
        }
        uint64_t length = (uint64_t)data[at + 1] << 24 | (uint64_t)data[at + 2] << 16 |
                          (uint64_t)data[at + 3] << 8 | data[at + 4];
        if (length > limit) {
            return (struct outcome){ GRPC_MESSAGES_TOO_LARGE, false };
        }
        if (size - at - 5 < length) {
            return (struct outcome){ GRPC_MESSAGES_OK, false };
        }
        at += 5 + length;
    }
    return (struct outcome){ GRPC_MESSAGES_OK, true };
}

/* A copy of exactly this size, so that a sanitizer sees what is read beyond it. */
static enum grpc_messages_result take(struct grpc_messages *messages, const uint8_t *data, size_t size,
                                      uint64_t limit)
{
    char *copy = malloc(size + 1);
    CHECK(copy != NULL);
    memcpy(copy + 1, data, size);
    enum grpc_messages_result result = grpc_messages_take(messages, slice_of(copy + 1, size), limit);
    free(copy);
    return result;
}

static void check(const struct grpc_messages *messages, enum grpc_messages_result result,
                  struct outcome expected)
{
    CHECK(result == expected.result);
    CHECK(result != GRPC_MESSAGES_OK || grpc_messages_whole(messages) == expected.whole);
}

static void check_split(const uint8_t *data, size_t size, size_t split, uint64_t limit,
                        struct outcome expected)
{
    struct grpc_messages messages = { 0 };
    enum grpc_messages_result result = take(&messages, data, split, limit);
    if (result == GRPC_MESSAGES_OK) {
        result = take(&messages, data + split, size - split, limit);
    }
    check(&messages, result, expected);
}

static void check_pieces(const uint8_t *data, size_t size, size_t step, uint64_t limit,
                         struct outcome expected)
{
    struct grpc_messages messages = { 0 };
    enum grpc_messages_result result = GRPC_MESSAGES_OK;
    for (size_t at = 0; at < size && result == GRPC_MESSAGES_OK; at += step) {
        result = take(&messages, data + at, size - at < step ? size - at : step, limit);
    }
    check(&messages, result, expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    uint64_t limit = (uint64_t)data[0] << 8 | data[1];
    data += 2;
    size -= 2;
    struct outcome expected = read_whole(data, size, limit);
    size_t splits = size < EVERY_SPLIT_MAX ? size : EVERY_SPLIT_MAX;
    for (size_t split = 0; split <= splits; split++) {
        check_split(data, size, split, limit, expected);
    }
    for (size_t step = 1; step <= 49; step *= 7) {
        check_pieces(data, size, step, limit, expected);
    }
    return 0;
}
