/* remove_request_header, remove_response_header: where a route passes trailers on, from them, too. */
#include "route/filters/field.h"

static enum deny_reason remove_field(const void *compiled, struct filter_run *run)
{
    (void)field_replace(compiled, run->headers, NULL);
    return DENY_NONE;
}

static struct error compile(struct filter_compiler *compiler, const struct conf_strings *names,
                            enum field_use use, struct filter_calls *calls, struct filter_calls *trailers)
{
    struct field *fields = arena_calloc(compiler->arena, names->count, sizeof *fields);
    if (fields == NULL) {
        return FILTER_NO_MEMORY;
    }
    for (size_t i = 0; i < names->count; i++) {
        TRY(field_compile(compiler, &names->items[i], names->items[i], use, &fields[i]));
        TRY(filter_add(compiler, calls, remove_field, &fields[i]));
        TRY(filter_add(compiler, trailers, remove_field, &fields[i]));
    }
    return OK;
}

struct error filter_remove_request_header(struct filter_compiler *compiler,
                                          const struct filter_settings *settings)
{
    return compile(compiler, &settings->remove_request_header, FIELD_REQUEST_REMOVE,
                   &compiler->chain->request, &compiler->chain->request_trailers);
}

struct error filter_remove_response_header(struct filter_compiler *compiler,
                                           const struct filter_settings *settings)
{
    return compile(compiler, &settings->remove_response_header, FIELD_RESPONSE_REMOVE,
                   &compiler->chain->response, &compiler->chain->response_trailers);
}
