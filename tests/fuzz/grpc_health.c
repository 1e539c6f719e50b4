/* The answer to a gRPC health check: whatever comes is taken or refused without reading beyond it; what is taken is one whole
 * message, and an unknown field behind it changes nothing. */
#include <stdlib.h>

#include "upstream/health/grpc_message.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

#define UNKNOWN "\x7a\1x" /* field 15, a text */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size, so that a sanitizer sees what is read beyond it. */
static const char *parse(const char *data, size_t size, const char *more, size_t more_size, uint64_t *status)
{
    char *copy = malloc(size + more_size + 1);
    CHECK(copy != NULL);
    memcpy(copy + 1, data, size);
    memcpy(copy + 1 + size, more, more_size);
    if (more_size > 0) {
        size_t message = size + more_size - GRPC_PREFIX_SIZE;
        copy[1 + 1] = (char)(message >> 24);
        copy[1 + 2] = (char)(message >> 16);
        copy[1 + 3] = (char)(message >> 8);
        copy[1 + 4] = (char)message;
    }
    const char *wrong = grpc_health_parse(slice_of(copy + 1, size + more_size), status);
    free(copy);
    return wrong;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size > 0 ? (const char *)data : "";
    uint64_t status = 77, again = 77, twin = 77;
    const char *wrong = parse(text, size, "", 0, &status);
    if (wrong != NULL) {
        CHECK(status == 77);
        return 0;
    }
    CHECK(size >= GRPC_PREFIX_SIZE && text[0] == 0);
    CHECK(parse(text, size, UNKNOWN, sizeof UNKNOWN - 1, &again) == NULL && again == status);
    CHECK(parse(text, size, "\x08\1", 2, &twin) == NULL && twin == GRPC_SERVING);
    if (size > GRPC_PREFIX_SIZE) {
        CHECK(parse(text, size - 1, "", 0, &twin) != NULL); /* cut off */
    }
    return 0;
}
