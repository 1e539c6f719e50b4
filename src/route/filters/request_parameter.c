/* add_request_parameter, remove_request_parameter. What the client sent by the name that is added goes, in every spelling that a
 * server may take for it: of two parameters of one name, some servers read the first. */
#include "http/query.h"
#include "route/filters/template.h"

struct parameter {
    struct slice name, plain_name; /* percent-encoded, and as written */
    struct conf_strings plain;     /* plain_name alone */
    struct template value;
    struct slice fixed; /* "name=value", where it is the same for every request; else empty */
};

static enum deny_reason remove_named(const struct conf_strings *names, struct filter_run *run)
{
    if (run->query.ptr == NULL) {
        return DENY_NONE;
    }
    return query_without(run->query, names, run->arena, &run->query) ? DENY_NONE : filter_no_memory(run);
}

static enum deny_reason remove_parameters(const void *compiled, struct filter_run *run)
{
    return remove_named(compiled, run);
}

/* "name=value"; ptr NULL: nothing is to be said. */
static enum deny_reason text_of(const struct parameter *parameter, struct filter_run *run,
                                struct slice *ret_text)
{
    *ret_text = parameter->fixed;
    if (parameter->fixed.len > 0) {
        return DENY_NONE;
    }
    struct slice value;
    enum deny_reason reason = template_fill_parameter(&parameter->value, run, &value);
    if (reason != DENY_NONE || value.ptr == NULL) {
        return reason;
    }
    *ret_text = ARENA_CONCAT(run->arena, parameter->name, SLICE("="), value);
    return ret_text->ptr != NULL ? DENY_NONE : filter_no_memory(run);
}

static enum deny_reason add(const void *compiled, struct filter_run *run)
{
    const struct parameter *parameter = compiled;
    struct slice text = SLICE_NONE;
    enum deny_reason reason = remove_named(&parameter->plain, run);
    if (reason == DENY_NONE) {
        reason = text_of(parameter, run, &text);
    }
    if (reason != DENY_NONE || text.ptr == NULL) {
        return reason;
    }
    run->query = run->query.len == 0 ? text : ARENA_CONCAT(run->arena, run->query, SLICE("&"), text);
    return run->query.ptr != NULL ? DENY_NONE : filter_no_memory(run);
}

static struct error compile_one(struct filter_compiler *compiler, const struct conf_pair *pair,
                                struct parameter *parameter)
{
    if (pair->name.len == 0) {
        return filter_wrong(compiler, &pair->value, "a parameter has a name");
    }
    parameter->plain_name = pair->name;
    parameter->plain = (struct conf_strings){ &parameter->plain_name, 1 };
    parameter->name = template_encode(pair->name, compiler->arena);
    TRY(template_compile(compiler, &pair->value, pair->value, TEMPLATE_OF_CALLER, &parameter->value));
    struct slice value = template_encode(template_constant(&parameter->value), compiler->arena);
    if (parameter->name.ptr == NULL || value.ptr == NULL) {
        return FILTER_NO_MEMORY;
    }
    if (value.len > 0) {
        parameter->fixed = ARENA_CONCAT(compiler->arena, parameter->name, SLICE("="), value);
    }
    return value.len == 0 || parameter->fixed.ptr != NULL ? OK : FILTER_NO_MEMORY;
}

struct error filter_add_request_parameter(struct filter_compiler *compiler,
                                          const struct filter_settings *settings)
{
    const struct conf_pairs *pairs = &settings->add_request_parameter;
    struct parameter *parameters = arena_calloc(compiler->arena, pairs->count, sizeof *parameters);
    if (parameters == NULL) {
        return FILTER_NO_MEMORY;
    }
    for (size_t i = 0; i < pairs->count; i++) {
        TRY(compile_one(compiler, &pairs->items[i], &parameters[i]));
        TRY(filter_add(compiler, &compiler->chain->request, add, &parameters[i]));
    }
    return OK;
}

struct error filter_remove_request_parameter(struct filter_compiler *compiler,
                                             const struct filter_settings *settings)
{
    return filter_add(compiler, &compiler->chain->request, remove_parameters,
                      &settings->remove_request_parameter);
}
