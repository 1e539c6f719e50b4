/* What an API server of Kubernetes sends: as a list; and as a watch, which gives the same lines however it is cut into pieces.
 * What is taken of either are endpoints that the configuration could have, each once. */
#include <stdlib.h>

#include "base/limits.h"
#include "upstream/discovery/slice_set.h"
#include "upstream/discovery/watch_lines.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct slice_set *set)
{
    static const struct found_frame frame = { "https", SLICE_INIT("orders.shop.svc") };
    struct arena memory;
    struct found_endpoints found = { 0 };
    arena_init(&memory, (size_t)4 * 1024 * 1024);
    CHECK(set->count <= SLICES_MAX && set->endpoints <= SLICE_SET_ENDPOINTS_MAX);
    if (!failed(slice_set_merge(set, &frame, &memory, &found))) {
        CHECK(found.count <= set->endpoints && found.count <= ENDPOINTS_MAX);
        for (size_t i = 0; i < found.count; i++) {
            struct upstream_endpoint parsed;
            CHECK(upstream_parse_endpoint(found.items[i].url, &memory, &parsed) == NULL);
            CHECK(parsed.is_address && parsed.port != 0);
            CHECK(i == 0 || slice_compare(found.items[i - 1].url, found.items[i].url) < 0);
        }
    }
    arena_done(&memory);
}

static void take_list(struct slice text)
{
    struct arena scratch, memory;
    struct slice_list list = { 0 };
    struct slice_set set = { 0 };
    arena_init(&scratch, SLICE_SCRATCH_MAX);
    arena_init(&memory, (size_t)4 * 1024 * 1024);
    if (!failed(endpoint_slice_list(text, SLICE("http"), &scratch, &memory, &list))) {
        CHECK(list.version.len > 0 && list.version.len <= RESOURCE_VERSION_MAX);
        for (size_t i = 0; i < list.count && !failed(slice_set_put(&set, &list.items[i])); i++) {
        }
    }
    (void)endpoint_slice_refusal(text, &scratch);
    arena_done(&scratch);
    arena_done(&memory);
    look_at(&set);
    slice_set_clear(&set);
}

struct watched {
    struct slice_set set;
    uint64_t lines, bytes, sum;
};

static bool take_line(void *context, struct slice line)
{
    struct watched *watched = context;
    struct arena scratch, memory;
    struct slice_event event = { 0 };
    CHECK(line.len > 0 && slice_find(line, '\n') < 0);
    watched->lines++;
    watched->bytes += line.len;
    watched->sum = watched->sum * 31 + (unsigned char)line.ptr[0];
    arena_init(&scratch, SLICE_SCRATCH_MAX);
    arena_init(&memory, (size_t)4 * 1024 * 1024);
    struct error error = endpoint_slice_event(line, SLICE_NONE, &scratch, &memory, &event);
    arena_done(&scratch);
    if (!failed(error) && event.kind == SLICE_PUT) {
        error = slice_set_put(&watched->set, &event.slice);
    } else if (!failed(error) && event.kind == SLICE_DELETED) {
        slice_set_drop(&watched->set, event.slice.name);
    }
    arena_done(&memory);
    return error.kind != ERROR_LIMIT;
}

static void watch(struct slice text, size_t piece, struct watched *watched)
{
    struct watch_lines lines;
    bool too_long = false, good = true;
    watch_lines_init(&lines, SLICE_EVENT_MAX);
    for (size_t at = 0; good && at < text.len; at += piece) {
        size_t size = text.len - at < piece ? text.len - at : piece;
        char *copy = malloc(size); /* so that a sanitizer sees what is read beyond it */
        CHECK(copy != NULL);
        memcpy(copy, text.ptr + at, size);
        good = watch_lines_push(&lines, slice_of(copy, size), take_line, watched, &too_long);
        free(copy);
    }
    CHECK(!too_long);
    watch_lines_done(&lines);
    look_at(&watched->set);
    slice_set_clear(&watched->set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(size > 0 ? (const char *)data : "", size);
    struct watched whole = { 0 }, pieces = { 0 };
    take_list(text);
    watch(text, size + 1, &whole);
    watch(text, size > 0 && data[0] % 7 > 0 ? data[0] % 7 : 7, &pieces);
    CHECK(whole.lines == pieces.lines && whole.bytes == pieces.bytes && whole.sum == pieces.sum);
    return 0;
}
