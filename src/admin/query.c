#include "admin/internal.h"

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
        if (object->count == PARAMETERS_MAX || is_known(object, name)) {
            *ret_problem = "a parameter stands there twice, or there are too many";
            return NULL;
        }
        members[object->count++] = (struct json_member){ name, { .type = JSON_STRING, .text = value } };
    }
    return object;
}

bool query_page(struct admin_call *call, struct slice limit, struct slice after, uint64_t *ret_limit,
                uint64_t *ret_after)
{
    *ret_limit = ADMIN_PAGE_STANDARD;
    *ret_after = 0;
    if (limit.ptr != NULL &&
        (!slice_to_u64(limit, ret_limit) || *ret_limit < 1 || *ret_limit > ADMIN_PAGE_MAX)) {
        admin_problem(call, 400, "invalid_request", "limit: a number from 1 to %d is wanted", ADMIN_PAGE_MAX);
        return false;
    }
    if (after.ptr != NULL && !slice_to_u64(after, ret_after)) {
        admin_problem(call, 400, "invalid_request", "after: `next` of the page before is wanted");
        return false;
    }
    return true;
}
