#include "config/documents.h"

#include <assert.h>

static bool is_listed(const struct object_list *list, const struct conf_object *object)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i] == object) {
            return true;
        }
    }
    return false;
}

/* Depth first, so that what belongs together stands together. Tables may refer to each other in circles. */
static void collect(struct object_list *list, const struct conf_object *object)
{
    if (object == NULL || is_listed(list, object)) {
        return;
    }
    assert(list->count < DOCUMENTS_OBJECTS_MAX);
    list->items[list->count++] = object;
    for (const struct conf_field *field = object->fields; field->name != NULL; field++) {
        collect(list, field->object);
    }
}

void object_list_collect(struct object_list *list, const struct conf_object *root)
{
    list->count = 0;
    collect(list, root);
}

void object_slug(const struct conf_object *object, struct buffer *out)
{
    for (const char *at = object->name; *at != '\0'; at++) {
        char c = ascii_lower(*at);
        if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c == '-') {
            buffer_append_char(out, c);
        } else if (c == ' ') {
            buffer_append_char(out, '-');
        }
    }
}

bool standard_next(struct slice *rest, struct slice *ret_item)
{
    struct slice text = slice_trim(*rest);
    if (text.len >= 2 && text.ptr[0] == '[') {
        text = slice_trim(slice_part(text, 1, text.len - 2));
    }
    struct slice item;
    if (text.len == 0 || !slice_next(&text, ',', &item)) {
        return false;
    }
    item = slice_trim(item);
    if (item.len >= 2 && item.ptr[0] == '"') {
        item = slice_part(item, 1, item.len - 2);
    }
    *ret_item = item;
    *rest = text.ptr != NULL ? text : SLICE("");
    return true;
}
