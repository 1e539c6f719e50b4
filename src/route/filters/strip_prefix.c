/* strip_prefix: the first segments of the path go. Of a path that has no more of them, "/" is left. */
#include "route/filters/internal.h"

static enum deny_reason strip(const void *compiled, struct filter_run *run)
{
    int64_t left = *(const int64_t *)compiled;
    size_t at = 0;
    while (left > 0 && at < run->path.len) {
        ssize_t slash = slice_find(slice_from(run->path, at + 1), '/');
        at = slash < 0 ? run->path.len : at + 1 + (size_t)slash;
        left--;
    }
    run->path = at < run->path.len ? slice_from(run->path, at) : SLICE("/");
    return DENY_NONE;
}

struct error filter_strip_prefix(struct filter_compiler *compiler, const struct filter_settings *settings)
{
    return filter_add(compiler, &compiler->chain->request, strip, &settings->strip_prefix);
}
