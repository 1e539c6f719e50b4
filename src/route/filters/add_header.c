/* add_request_header, add_response_header: a field more, beside those that are there. */
#include "route/filters/field.h"

static enum deny_reason add(const void *compiled, struct filter_run *run)
{
    struct slice value;
    enum deny_reason reason = field_value(compiled, run, &value);
    return reason != DENY_NONE || value.ptr == NULL ? reason : field_put(compiled, value, run);
}

struct error filter_add_request_header(struct filter_compiler *compiler,
                                       const struct filter_settings *settings)
{
    return field_add_pairs(compiler, &settings->add_request_header, FIELD_REQUEST_SET, add);
}

struct error filter_add_response_header(struct filter_compiler *compiler,
                                        const struct filter_settings *settings)
{
    return field_add_pairs(compiler, &settings->add_response_header, FIELD_RESPONSE_SET, add);
}
