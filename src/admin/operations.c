/* The table of what the admin API can do: one resource a file. */
#include "admin/internal.h"

const struct admin_resource *const admin_resources[] = {
    &admin_keys,
    &admin_blocks,
    NULL,
};

struct slice admin_operation_name(const struct admin_operation *operation)
{
    return slice_from_string(operation->name);
}

bool admin_operation_changes(const struct admin_operation *operation)
{
    return operation->body != NULL;
}

static bool path_matches(struct slice pattern, struct slice path, struct slice *ret_id)
{
    struct slice wanted, segment;
    *ret_id = SLICE_NONE;
    for (;;) {
        bool has_wanted = slice_next(&pattern, '/', &wanted), has = slice_next(&path, '/', &segment);
        if (!has_wanted || !has) {
            return has_wanted == has;
        }
        if (slice_equal(wanted, SLICE("{id}")) && segment.len > 0) {
            *ret_id = segment;
        } else if (!slice_equal(wanted, segment)) {
            return false;
        }
    }
}

/* The pairs of methods that paths have. */
static struct slice allow_of(bool get, bool post)
{
    if (get && post) {
        return SLICE("GET, HEAD, POST");
    }
    return get ? SLICE("GET, HEAD") : SLICE("POST");
}

enum admin_found admin_find(enum http_method method, struct slice path,
                            const struct admin_operation **ret_operation, struct slice *ret_id,
                            struct slice *ret_allow)
{
    bool get = false, post = false;
    method = method == METHOD_HEAD ? METHOD_GET : method;
    for (const struct admin_resource *const *resource = admin_resources; *resource != NULL; resource++) {
        for (const struct admin_operation *row = (*resource)->operations; row->name != NULL; row++) {
            struct slice id;
            if (!path_matches(slice_from_string(row->path), path, &id)) {
                continue;
            }
            if (row->method == method) {
                *ret_operation = row;
                *ret_id = id;
                return ADMIN_FOUND;
            }
            get = get || row->method == METHOD_GET;
            post = post || row->method == METHOD_POST;
        }
    }
    if (!get && !post) {
        return ADMIN_NO_PATH;
    }
    *ret_allow = allow_of(get, post);
    return ADMIN_NO_METHOD;
}
