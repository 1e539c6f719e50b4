/* preserve_host_header, set_host_header: what Host, or :authority, the upstream is told. Of several, the last holds. */
#include "route/filters/internal.h"

static enum deny_reason preserve(const void *compiled, struct filter_run *run)
{
    (void)compiled;
    run->preserve_host = true;
    run->host = SLICE_NONE;
    return DENY_NONE;
}

static enum deny_reason set(const void *compiled, struct filter_run *run)
{
    run->preserve_host = false;
    run->host = *(const struct slice *)compiled;
    return DENY_NONE;
}

struct error filter_preserve_host_header(struct filter_compiler *compiler,
                                         const struct filter_settings *settings)
{
    (void)settings;
    return filter_add(compiler, &compiler->chain->request, preserve, NULL);
}

struct error filter_set_host_header(struct filter_compiler *compiler, const struct filter_settings *settings)
{
    const struct slice *host = &settings->set_host_header;
    char lowered[URI_AUTHORITY_MAX];
    struct uri_authority authority;
    enum uri_result result = uri_parse_authority(*host, lowered, &authority);
    if (result != URI_OK) {
        return filter_wrong(compiler, host,
                            "not a host, as in \"orders.internal\" or \"orders.internal:8443\": %s",
                            uri_result_text(result));
    }
    return filter_add(compiler, &compiler->chain->request, set, host);
}
