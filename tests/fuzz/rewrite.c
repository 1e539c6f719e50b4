/* rewrite_path: "PATTERN\nREPLACEMENT\nPATH". Whatever the three are, what comes out is canonical or refused, and soon. */
#include <stdlib.h>

#include "http/uri.h"
#include "route/filter.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static struct arena arena;
static struct filter_scratch *scratch;

static void run(const struct filter_chain *chain, struct slice path)
{
    static const struct route_variables none;
    char out[HTTP_TARGET_MAX], again[HTTP_TARGET_MAX];
    struct slice same = SLICE_NONE;
    struct filter_run one = { .variables = &none, .arena = &arena, .scratch = scratch };
    if (path.len > HTTP_TARGET_MAX || uri_canonical_path(path, 0, out, &one.path) != URI_OK) {
        return;
    }
    enum deny_reason reason = filter_request(chain, &one);
    reason = reason == DENY_NONE ? filter_check_path(&one) : reason;
    if (reason != DENY_NONE) {
        CHECK(one.detail.len > 0);
        return;
    }
    CHECK(one.path.len <= HTTP_TARGET_MAX && uri_canonical_path(one.path, 0, again, &same) == URI_OK &&
          slice_equal(same, one.path));
    CHECK(slice_find(one.path, '?') < 0 && slice_find(one.path, '#') < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (scratch == NULL) {
        arena_init(&arena, 1 << 24);
        scratch = filter_scratch_new();
        CHECK(scratch != NULL);
    }
    static struct slice everything = SLICE_INIT("/**");
    static const struct match_settings match = { .path = { &everything, 1 } };
    const struct filter_route route = { .match = &match };
    struct slice rest = { (const char *)bytes, size };
    struct rewrite_settings settings;
    struct filter_settings entry = { .rewrite_path = &settings };
    const struct conf_list filters = { &entry, 1 };
    struct filter_chain *chain;
    const void *wrong = NULL;
    if (!slice_next(&rest, '\n', &settings.pattern) || !slice_next(&rest, '\n', &settings.replacement) ||
        rest.ptr == NULL) {
        return 0;
    }
    if (!failed(filter_chain_new(&filters, &route, &arena, &chain, &wrong))) {
        run(chain, rest);
    }
    arena_reset(&arena);
    return 0;
}
