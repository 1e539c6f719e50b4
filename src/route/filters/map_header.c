/* map_request_header: a field by another name, too. Where the client sent none, what is there by the other name stays. */
#include "route/filters/field.h"

struct mapping {
    struct field from, to;
};

static enum deny_reason map(const void *compiled, struct filter_run *run)
{
    const struct mapping *mapping = compiled;
    for (size_t i = 0; i < run->headers->count; i++) {
        if (!field_is(&mapping->from, &run->headers->items[i])) {
            continue;
        }
        struct slice value = run->headers->items[i].value;
        const struct header one = { mapping->to.name, value, mapping->to.id };
        bool placed = field_replace(&mapping->to, run->headers, &one);
        return placed ? DENY_NONE : field_put(&mapping->to, value, run);
    }
    return DENY_NONE;
}

struct error filter_map_request_header(struct filter_compiler *compiler,
                                       const struct filter_settings *settings)
{
    const struct conf_pairs *pairs = &settings->map_request_header;
    struct mapping *mappings = arena_calloc(compiler->arena, pairs->count, sizeof *mappings);
    if (mappings == NULL) {
        return FILTER_NO_MEMORY;
    }
    for (size_t i = 0; i < pairs->count; i++) {
        const struct conf_pair *pair = &pairs->items[i];
        TRY(field_compile(compiler, &pair->value, pair->name, FIELD_REQUEST_READ, &mappings[i].from));
        TRY(field_compile(compiler, &pair->value, pair->value, FIELD_REQUEST_SET, &mappings[i].to));
        TRY(filter_add(compiler, &compiler->chain->request, map, &mappings[i]));
        compiler->chain->request_fields++;
    }
    return OK;
}
