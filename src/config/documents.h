/* What is generated from the field tables: the reference and the JSON Schema. Everything reachable from the root table is
 * covered, so that a room's new field needs no second place. One thread. */
#ifndef SALLYPORT_CONFIG_DOCUMENTS_H
#define SALLYPORT_CONFIG_DOCUMENTS_H

#include "base/buffer.h"
#include "base/conf_field.h"

#define DOCUMENTS_OBJECTS_MAX 128

/* The objects that can be reached from one, itself first, each once, in the order in which one meets them. */
struct object_list {
    const struct conf_object *items[DOCUMENTS_OBJECTS_MAX];
    size_t count;
};

void object_list_collect(struct object_list *list, const struct conf_object *root);

/* "read-orders" of "Read orders": a name for links and references. */
void object_slug(const struct conf_object *object, struct buffer *out);

/* Takes the items off a default as it is written, "[a, b]" or "a": false at the end. Quotes are taken off. */
bool standard_next(struct slice *rest, struct slice *ret_item);

/* Markdown, without the introduction. */
void reference_write(const struct conf_object *root, struct buffer *out);

/* JSON Schema 2020-12, indented. */
void schema_write(const struct conf_object *root, struct buffer *out);

#endif
