/* Where the values of a read configuration were written: address of a field → node of the tree. So cross-checks can point
 * at what they find wrong, and `check` can say where a value comes from. Lives in an arena; read-only once loaded. */
#ifndef SALLYPORT_CONFIG_PLACES_H
#define SALLYPORT_CONFIG_PLACES_H

#include "config/tree.h"

struct places_entry;

struct places {
    struct arena *arena;
    struct places_entry *entries;
    size_t capacity, count;
};

enum place_kind {
    PLACE_FIELD,  /* the address of a field, of an item of conf_strings, of a pair's value */
    PLACE_OBJECT, /* the address of a struct: an item of a list or map, or what a CONF_OBJECT points to */
};

void places_init(struct places *places, struct arena *arena);

/* False without memory. */
bool places_put(struct places *places, const void *address, enum place_kind kind,
                const struct conf_node *node);

/* NULL: a default, not written anywhere. */
const struct conf_node *places_field(const struct places *places, const void *address);
const struct conf_node *places_object(const struct places *places, const void *address);

#endif
