/* prefix_path: a constant in front of the path. */
#include "route/filters/internal.h"

static enum deny_reason prefix(const void *compiled, struct filter_run *run)
{
    run->path = ARENA_CONCAT(run->arena, *(const struct slice *)compiled, run->path);
    return run->path.ptr != NULL ? DENY_NONE : filter_no_memory(run);
}

struct error filter_prefix_path(struct filter_compiler *compiler, const struct filter_settings *settings)
{
    const struct slice *text = &settings->prefix_path;
    if (slice_ends_with(*text, SLICE("/"))) {
        return filter_wrong(compiler, text,
                            "the path behind it begins with \"/\": leave the one at the end out");
    }
    TRY(filter_check_path_text(compiler, text, *text));
    return filter_add(compiler, &compiler->chain->request, prefix, text);
}
