/* What an admin API is asked: a query and a body, whatever they hold, read by the tables of its operations. */
#include "admin/body.h"
#include "admin/internal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct admin_operation *choose(unsigned int number)
{
    size_t count = 0;
    while (admin_keys.operations[count].name != NULL) {
        count++;
    }
    return &admin_keys.operations[number % count];
}

static void read_into(const struct conf_object *object, const struct json *tree, struct arena *arena)
{
    void *out = object != NULL ? calloc(1, object->size) : NULL;
    const char *problem = out != NULL ? body_read(object, tree, arena, out) : NULL;
    if (problem != NULL && problem[0] == '\0') {
        abort();
    }
    free(out);
}

/* The first byte chooses the operation; the query goes to the first newline, the body is the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct slice body = slice_of((const char *)data, size), query;
    const struct admin_operation *operation = choose(size > 0 ? data[0] : 0);
    const char *problem = NULL;
    struct json *tree = NULL;
    arena_init(&arena, 1 << 20);
    body = slice_from(body, 1);
    slice_next(&body, '\n', &query);
    const struct json *parameters = query_parse(query, &arena, &problem);
    if (parameters != NULL) {
        read_into(operation->query, parameters, &arena);
    } else if (problem == NULL) {
        abort();
    }
    if (body.ptr != NULL && !failed(json_parse(body, 4, &arena, &tree, NULL))) {
        read_into(operation->body, tree, &arena);
    }
    arena_done(&arena);
    return 0;
}
