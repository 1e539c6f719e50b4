/* The PROXY protocol's header: what was read piece by piece is what was read at once, and bytes behind it change nothing. */
#include <stdlib.h>

#include "base/limits.h"
#include "net/proxy_protocol.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

#define SIZE_MAX_TRIED (PROXY_HEADER_MAX + 64)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size, so that a sanitizer sees what is read beyond it. */
static enum proxy_protocol_result parse(const uint8_t *data, size_t size, struct proxy_protocol *header)
{
    char *copy = malloc(size + 1);
    CHECK(copy != NULL);
    memmove(copy + 1, data, size);
    enum proxy_protocol_result result = proxy_protocol_parse(slice_of(copy + 1, size), header);
    free(copy);
    return result;
}

static void check_done(const uint8_t *data, size_t size, const struct proxy_protocol *whole)
{
    struct proxy_protocol part;
    CHECK(whole->size >= 15 && whole->size <= size && whole->size <= PROXY_HEADER_MAX);
    CHECK(!whole->announced || !address_is_unspecified(&whole->client));
    CHECK(parse(data, whole->size, &part) == PROXY_PROTOCOL_DONE);
    CHECK(part.size == whole->size && part.announced == whole->announced);
    CHECK(memcmp(&part.client, &whole->client, sizeof part.client) == 0);
    CHECK(parse(data, whole->size - 1, &part) == PROXY_PROTOCOL_MORE);
    CHECK(parse(data, whole->size / 2, &part) == PROXY_PROTOCOL_MORE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_protocol whole, part;
    size = size < SIZE_MAX_TRIED ? size : SIZE_MAX_TRIED;
    switch (parse(data, size, &whole)) {
    case PROXY_PROTOCOL_DONE:
        check_done(data, size, &whole);
        break;
    case PROXY_PROTOCOL_MORE:
        CHECK(size < PROXY_HEADER_MAX);
        for (size_t i = 0; i < size; i += 1 + size / 8) {
            CHECK(parse(data, i, &part) == PROXY_PROTOCOL_MORE);
        }
        break;
    case PROXY_PROTOCOL_BAD:
        CHECK(whole.problem != NULL);
        for (size_t i = 0; i < size; i += 1 + size / 8) {
            CHECK(parse(data, i, &part) != PROXY_PROTOCOL_DONE);
        }
        break;
    }
    return 0;
}
