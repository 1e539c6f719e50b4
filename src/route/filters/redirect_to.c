/* redirect_to: answered by the gateway. Scheme and authority are constants, and the path is canonical, so that whatever a client sends, it
 * cannot lead to another host. */
#include "route/filters/template.h"

struct redirect {
    const struct redirect_settings *settings;
    struct slice origin; /* "https://host", or empty: the same */
    struct template path, query;
};

static struct error check_authority(struct filter_compiler *compiler, const struct slice *location,
                                    struct slice authority)
{
    char lowered[URI_AUTHORITY_MAX];
    struct uri_authority parsed;
    if (slice_find(authority, '{') >= 0) {
        return filter_wrong(compiler, location,
                            "the host of a redirect is a constant: else a client could say where it leads");
    }
    if (uri_parse_authority(authority, lowered, &parsed) != URI_OK) {
        return filter_wrong(compiler, location, "\"%.*s\" is not a host", SLICE_ARG(authority));
    }
    return OK;
}

/* Takes scheme and authority off the front; `*rest` begins with the path. */
static struct error take_origin(struct filter_compiler *compiler, const struct slice *location,
                                struct slice *rest, struct slice *ret_origin)
{
    static const struct slice schemes[] = { SLICE_INIT("https://"), SLICE_INIT("http://") };
    *ret_origin = SLICE("");
    if (slice_starts_with(*rest, SLICE("/")) && !slice_starts_with(*rest, SLICE("//"))) {
        return OK;
    }
    size_t scheme = 0;
    for (size_t i = 0; i < 2; i++) {
        scheme = slice_starts_with(*rest, schemes[i]) ? schemes[i].len : scheme;
    }
    if (scheme == 0) {
        return filter_wrong(compiler, location, "a redirect leads to \"/path\" or \"https://host/path\"");
    }
    struct slice behind = slice_from(*rest, scheme);
    ssize_t slash = slice_find(behind, '/');
    if (slash < 0) {
        return filter_wrong(compiler, location, "write the path, too: \"/\" where there is no other");
    }
    TRY(check_authority(compiler, location, slice_part(behind, 0, (size_t)slash)));
    *ret_origin = slice_part(*rest, 0, scheme + (size_t)slash);
    *rest = slice_from(behind, (size_t)slash);
    return OK;
}

static struct error compile_rest(struct filter_compiler *compiler, const struct slice *location,
                                 struct slice rest, struct redirect *redirect)
{
    ssize_t mark = slice_find(rest, '?');
    struct slice path = mark < 0 ? rest : slice_part(rest, 0, (size_t)mark);
    struct slice query = mark < 0 ? SLICE("") : slice_from(rest, (size_t)mark + 1);
    TRY(template_compile(compiler, location, path, TEMPLATE_PATH_ONLY, &redirect->path));
    TRY(template_compile(compiler, location, query, TEMPLATE_PATH_ONLY, &redirect->query));
    struct slice path_text = template_sample(&redirect->path, compiler->arena);
    struct slice query_text = template_sample(&redirect->query, compiler->arena);
    if (path_text.ptr == NULL || query_text.ptr == NULL) {
        return FILTER_NO_MEMORY;
    }
    if (!uri_query_valid(query_text)) {
        return filter_wrong(compiler, location, "the query holds what no query may: percent-encode it");
    }
    return filter_check_path_text(compiler, location, path_text);
}

/* Its own query, and the client's behind it. */
static enum deny_reason query_of(const struct redirect *redirect, struct filter_run *run,
                                 struct slice *ret_query)
{
    struct slice own = SLICE("");
    enum deny_reason reason = template_fill_query(&redirect->query, run, &own);
    bool keeps = redirect->settings->keep_query && run->query.len > 0;
    *ret_query = own;
    if (keeps) {
        *ret_query = own.len > 0 ? ARENA_CONCAT(run->arena, own, SLICE("&"), run->query) : run->query;
    }
    return reason == DENY_NONE && ret_query->ptr == NULL ? filter_no_memory(run) : reason;
}

static enum deny_reason redirect_to(const void *compiled, struct filter_run *run)
{
    const struct redirect *redirect = compiled;
    struct slice query = SLICE("");
    enum deny_reason reason = template_fill(&redirect->path, run, &run->path);
    reason = reason == DENY_NONE ? filter_check_path(run) : reason;
    reason = reason == DENY_NONE ? query_of(redirect, run, &query) : reason;
    if (reason != DENY_NONE) {
        return reason;
    }
    run->status = (unsigned int)redirect->settings->status;
    run->location =
        ARENA_CONCAT(run->arena, redirect->origin, run->path, query.len > 0 ? SLICE("?") : SLICE(""), query);
    return run->location.ptr != NULL ? DENY_NONE : filter_no_memory(run);
}

struct error filter_redirect_to(struct filter_compiler *compiler, const struct filter_settings *settings)
{
    const struct redirect_settings *said = settings->redirect_to;
    if (said->location.len == 0) {
        return OK; /* told where it was read */
    }
    struct redirect *redirect = arena_calloc(compiler->arena, 1, sizeof *redirect);
    if (redirect == NULL) {
        return FILTER_NO_MEMORY;
    }
    struct slice rest = said->location;
    redirect->settings = said;
    TRY(take_origin(compiler, &said->location, &rest, &redirect->origin));
    TRY(compile_rest(compiler, &said->location, rest, redirect));
    compiler->chain->redirects = true;
    return filter_add(compiler, &compiler->chain->request, redirect_to, redirect);
}
