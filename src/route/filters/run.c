#include "route/filters/internal.h"

enum deny_reason filter_no_memory(struct filter_run *run)
{
    run->detail = SLICE("no memory for the filters");
    return DENY_INTERNAL;
}

static enum deny_reason run_calls(const struct filter_calls *calls, struct filter_run *run)
{
    for (size_t i = 0; i < calls->count && run->location.ptr == NULL; i++) {
        enum deny_reason reason = calls->items[i].step(calls->items[i].compiled, run);
        if (reason != DENY_NONE) {
            return reason;
        }
    }
    return DENY_NONE;
}

enum deny_reason filter_check_path(struct filter_run *run)
{
    if (uri_path_is_canonical(run->path)) {
        return DENY_NONE;
    }
    struct slice again = SLICE_NONE;
    enum uri_result result = URI_TOO_LONG;
    if (run->path.len <= HTTP_TARGET_MAX) {
        char *out = arena_alloc(run->arena, run->path.len + 1);
        if (out == NULL) {
            return filter_no_memory(run);
        }
        result = uri_canonical_path(run->path, run->path_allows, out, &again);
    }
    if (result == URI_OK && slice_equal(again, run->path)) {
        return DENY_NONE;
    }
    bool has_slash = slice_starts_with(run->path, SLICE("/"));
    run->detail = !has_slash         ? SLICE("a path that does not begin with a slash")
                  : result == URI_OK ? SLICE("a path that is not in its canonical form")
                                     : slice_from_string(uri_result_text(result));
    return DENY_REWRITE_PATH;
}

bool filter_redirects(const struct filter_chain *chain)
{
    return chain != NULL && chain->redirects;
}

size_t filter_request_fields(const struct filter_chain *chain)
{
    return chain != NULL ? chain->request_fields : 0;
}

size_t filter_response_fields(const struct filter_chain *chain)
{
    return chain != NULL ? chain->response_fields : 0;
}

enum deny_reason filter_request(const struct filter_chain *chain, struct filter_run *run)
{
    run->stripped = slice_of(run->path.ptr, 0);
    return run_calls(&chain->request, run);
}

enum deny_reason filter_response(const struct filter_chain *chain, struct filter_run *run)
{
    return run_calls(&chain->response, run);
}

void filter_trailers(const struct filter_chain *chain, bool of_request, struct headers *trailers)
{
    if (chain != NULL) {
        struct filter_run run = { .headers = trailers };
        (void)run_calls(of_request ? &chain->request_trailers : &chain->response_trailers, &run);
    }
}
