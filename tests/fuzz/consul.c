/* Consul's answer about a service: whatever comes is taken or refused without reading beyond it; what is taken are endpoints that the
 * configuration could have, each once, and nothing of them lies in the answer, which may go. */
#include <stdlib.h>

#include "base/limits.h"
#include "upstream/discovery/consul_answer.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct found_endpoints *found, struct arena *arena)
{
    CHECK(found->count <= ENDPOINTS_MAX);
    for (size_t i = 0; i < found->count; i++) {
        struct upstream_endpoint parsed;
        CHECK(upstream_parse_endpoint(found->items[i].url, arena, &parsed) == NULL);
        CHECK(parsed.tls && parsed.path.len == 0 && parsed.port != 0);
        CHECK(found->items[i].weight >= 1 && found->items[i].weight <= ENDPOINT_WEIGHT_MAX);
        CHECK(i == 0 || slice_compare(found->items[i - 1].url, found->items[i].url) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct found_frame frame = { "https", SLICE_INIT("orders.service.consul") };
    struct arena scratch, memory;
    struct found_endpoints found = { 0 };
    char *copy = malloc(size + 1); /* of exactly this size, so that a sanitizer sees what is read beyond it */
    CHECK(copy != NULL);
    memcpy(copy, size > 0 ? (const char *)data : "", size);
    arena_init(&scratch, CONSUL_SCRATCH_MAX);
    arena_init(&memory, (size_t)4 * 1024 * 1024);
    struct error error = consul_answer_parse(slice_of(copy, size), &frame, &scratch, &memory, &found);
    free(copy);
    arena_done(&scratch);
    if (!failed(error)) {
        look_at(&found, &memory);
    }
    arena_done(&memory);
    return 0;
}
