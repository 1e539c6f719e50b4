/* What the reader does to a finished object: private to src/json. */
#ifndef SALLYPORT_JSON_TREE_H
#define SALLYPORT_JSON_TREE_H

#include "json/json.h"

/* Objects with more members have `order`: found by binary search, so that a body with many members costs no square. */
#define JSON_ORDERED_ABOVE 16

/* Sets `order` of a large object; false without memory. */
bool tree_order(struct json *object, struct arena *arena);

/* Does a name stand twice? `*ret_index` is then the later member. */
bool tree_has_twin(const struct json *object, size_t *ret_index);

#endif
