/* set_path: another path, in which the variables of the route's path may stand. */
#include "route/filters/template.h"

static enum deny_reason set(const void *compiled, struct filter_run *run)
{
    return template_fill(compiled, run, &run->path);
}

struct error filter_set_path(struct filter_compiler *compiler, const struct filter_settings *settings)
{
    struct template *template = arena_calloc(compiler->arena, 1, sizeof *template);
    if (template == NULL) {
        return FILTER_NO_MEMORY;
    }
    TRY(template_compile(compiler, &settings->set_path, settings->set_path, TEMPLATE_PATH_ONLY, template));
    struct slice sample = template_sample(template, compiler->arena);
    if (sample.ptr == NULL) {
        return FILTER_NO_MEMORY;
    }
    TRY(filter_check_path_text(compiler, &settings->set_path, sample));
    return filter_add(compiler, &compiler->chain->request, set, template);
}
