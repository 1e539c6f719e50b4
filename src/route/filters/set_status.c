/* set_status: what the client is told instead of the upstream's status. */
#include "route/filters/internal.h"

static enum deny_reason set(const void *compiled, struct filter_run *run)
{
    run->status = (unsigned int)*(const int64_t *)compiled;
    return DENY_NONE;
}

struct error filter_set_status(struct filter_compiler *compiler, const struct filter_settings *settings)
{
    const int64_t *status = &settings->set_status;
    if (*status == 204 || *status == 205 || *status == 304) {
        return filter_wrong(compiler, status, "an answer of %d has no body, and the upstream's may have one",
                            (int)*status);
    }
    return filter_add(compiler, &compiler->chain->response, set, status);
}
