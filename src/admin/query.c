#include "admin/internal.h"

#include "base/encoding.h"
#include "http/uri.h"
#include "json/json.h"

#define PARAMETERS_MAX 16

static bool is_known(const struct json *object, struct slice name)
{
    for (size_t i = 0; i < object->count; i++) {
        if (slice_equal(object->members[i].name, name)) {
            return true;
        }
    }
    return false;
}

static struct slice decode(struct slice text, struct arena *arena)
{
    char *out = arena_alloc(arena, text.len + 1);
    return out != NULL ? slice_of(out, uri_decode(text, out)) : SLICE_NONE;
}

const struct json *query_parse(struct slice query, struct arena *arena, const char **ret_problem)
{
    struct json *object = arena_calloc(arena, 1, sizeof *object);
    struct json_member *members = arena_calloc(arena, PARAMETERS_MAX, sizeof *members);
    struct slice part;
    *ret_problem = "there is no memory for the query";
    if (object == NULL || members == NULL) {
        return NULL;
    }
    *object = (struct json){ .type = JSON_OBJECT, .members = members };
    while (query.len > 0 && slice_next(&query, '&', &part)) {
        ssize_t equals = slice_find(part, '=');
        struct slice name = slice_part(part, 0, equals >= 0 ? (size_t)equals : part.len);
        name = decode(name, arena);
        struct slice value = decode(equals >= 0 ? slice_from(part, (size_t)equals + 1) : SLICE(""), arena);
        if (name.ptr == NULL || value.ptr == NULL) {
            return NULL;
        }
        if (!utf8_valid(name) || !utf8_valid(value)) {
            *ret_problem = "a parameter is no UTF-8";
            return NULL;
        }
        if (object->count == PARAMETERS_MAX || is_known(object, name)) {
            *ret_problem = "a parameter stands there twice, or there are too many";
            return NULL;
        }
        members[object->count++] = (struct json_member){ name, { .type = JSON_STRING, .text = value } };
    }
    return object;
}
