/* Reads located YAML into the rooms' structs, as their field tables say (base/conf_field.h).
 *
 * Every value that is wrong is told, with what was found, what is wanted and an example; its field then keeps its default
 * or zero. One thread. */
#ifndef SALLYPORT_CONFIG_READER_H
#define SALLYPORT_CONFIG_READER_H

#include "base/conf_field.h"
#include "config/diagnostics.h"
#include "config/files.h"
#include "config/places.h"

#define SECRET_FILE_MAX (64 * 1024) /* bytes of a file that ${file:…} names */
#define CONFIG_NAME_MAX 64          /* bytes of a name that stands as a key */

struct conf_reader {
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct places *places;
    struct config_files *files; /* where secrets come from */
    /* Objects that are one layer of several to be merged (a policy, a group): nothing in them is required yet.
     * Ended by NULL; may be NULL. */
    const struct conf_object *const *layers;
    bool partial; /* inside of such an object */
};

/* Reads a node into `out`, zeroed memory of object->size. `node` may be NULL: all defaults. Fails for want of memory only. */
struct error conf_read(struct conf_reader *reader, const struct conf_object *object,
                       const struct conf_node *node, void *out) MUST_CHECK;

/* The field of that name, or NULL. */
const struct conf_field *conf_field_find(const struct conf_object *object, struct slice name);

#endif
