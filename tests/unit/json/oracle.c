#include "oracle.h"

#include <jansson.h>

static bool describe(json_t *value, struct buffer *out);

static bool describe_items(json_t *value, struct buffer *out)
{
    bool fits = buffer_append_char(out, '[');
    for (size_t i = 0; i < json_array_size(value); i++) {
        fits = fits && describe(json_array_get(value, i), out);
    }
    return fits && buffer_append_char(out, ']');
}

static bool describe_members(json_t *value, struct buffer *out)
{
    bool fits = buffer_append_char(out, '{');
    for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at)) {
        struct slice name = slice_from_string(json_object_iter_key(at));
        fits = fits && buffer_printf(out, "%zu:", name.len) && buffer_append(out, name) &&
               describe(json_object_iter_value(at), out);
    }
    return fits && buffer_append_char(out, ']');
}

static bool describe(json_t *value, struct buffer *out)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return describe_members(value, out);
    case JSON_ARRAY:
        return describe_items(value, out);
    case JSON_STRING:
        return buffer_printf(out, "s%zu:", json_string_length(value)) &&
               buffer_append(out, slice_of(json_string_value(value), json_string_length(value)));
    case JSON_INTEGER:
        return buffer_printf(out, "i%lld;", (long long)json_integer_value(value));
    case JSON_REAL:
        return buffer_printf(out, "r%a;", json_real_value(value));
    case JSON_NULL:
        return buffer_append_char(out, 'n');
    default:
        return buffer_append(out, json_is_true(value) ? SLICE("b1") : SLICE("b0"));
    }
}

enum oracle_verdict oracle_describe(struct slice text, struct buffer *out)
{
    json_error_t error;
    json_t *value =
        json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (value == NULL) {
        bool cannot = strstr(error.text, "too big") != NULL || strstr(error.text, "NUL byte") != NULL;
        bool fits = buffer_append(out, slice_from_string(error.text));
        return cannot || !fits ? ORACLE_CANNOT : ORACLE_REFUSES;
    }
    bool fits = describe(value, out);
    json_decref(value);
    return fits ? ORACLE_ACCEPTS : ORACLE_CANNOT;
}
