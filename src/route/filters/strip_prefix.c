/* strip_prefix: the first segments of the path go. Of a path that has no more of them, "/" is left. What of the client's own path
 * has gone is told to the upstream, as X-Forwarded-Prefix, so that it can make links that work outside. */
#include "route/filters/field.h"

static const struct field told = { .id = HEADER_X_FORWARDED_PREFIX,
                                   .name = SLICE_INIT("X-Forwarded-Prefix"),
                                   .folds = true };

/* One value, however many filters stripped: what all of them took off. */
static enum deny_reason tell(struct filter_run *run)
{
    struct slice prefix = run->stripped;
    if (slice_ends_with(prefix, SLICE("/"))) {
        prefix.len--;
    }
    if (prefix.len == 0) {
        return DENY_NONE;
    }
    const struct header header = { told.name, prefix, told.id };
    return field_replace(&told, run->headers, &header) ? DENY_NONE : field_put(&told, prefix, run);
}

static enum deny_reason strip(const void *compiled, struct filter_run *run)
{
    int64_t left = *(const int64_t *)compiled;
    bool of_client = run->path.ptr == run->stripped.ptr + run->stripped.len;
    size_t at = 0;
    while (left > 0 && at < run->path.len) {
        ssize_t slash = slice_find(slice_from(run->path, at + 1), '/');
        at = slash < 0 ? run->path.len : at + 1 + (size_t)slash;
        left--;
    }
    run->path = at < run->path.len ? slice_from(run->path, at) : SLICE("/");
    if (!of_client) { /* another filter's path: the client knows nothing of it */
        return DENY_NONE;
    }
    run->stripped.len += at;
    return tell(run);
}

struct error filter_strip_prefix(struct filter_compiler *compiler, const struct filter_settings *settings)
{
    compiler->chain->request_fields++;
    return filter_add(compiler, &compiler->chain->request, strip, &settings->strip_prefix);
}
