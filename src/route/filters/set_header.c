/* set_request_header, set_response_header: one field, whatever was there by that name. Where its value tells of the caller what is
 * absent, none is there. */
#include "route/filters/field.h"

static enum deny_reason set(const void *compiled, struct filter_run *run)
{
    const struct field *field = compiled;
    struct slice value;
    enum deny_reason reason = field_value(field, run, &value);
    if (reason != DENY_NONE) {
        return reason;
    }
    const struct header one = { field->name, value, field->id };
    bool placed = field_replace(field, run->headers, value.ptr != NULL ? &one : NULL);
    return placed || value.ptr == NULL ? DENY_NONE : field_put(field, value, run);
}

struct error filter_set_request_header(struct filter_compiler *compiler,
                                       const struct filter_settings *settings)
{
    return field_add_pairs(compiler, &settings->set_request_header, FIELD_REQUEST_SET, set);
}

struct error filter_set_response_header(struct filter_compiler *compiler,
                                        const struct filter_settings *settings)
{
    return field_add_pairs(compiler, &settings->set_response_header, FIELD_RESPONSE_SET, set);
}
