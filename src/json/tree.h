/* What the reader does to a finished object: private to src/json. */
#ifndef SALLYPORT_JSON_TREE_H
#define SALLYPORT_JSON_TREE_H

#include "json/json.h"

/* Objects with more members have an `index`, so that a body with many members costs no square. */
#define JSON_INDEXED_ABOVE 32

enum tree_result {
    TREE_GOOD,
    TREE_MEMORY,
    TREE_TWIN, /* a name stands twice: `*ret_index` is the first member whose name an earlier one has */
};

/* Looks for twins, and indexes a large object. */
enum tree_result tree_finish_object(struct json *object, struct arena *arena, size_t *ret_index);

#endif
