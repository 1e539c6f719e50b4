#include "http/h2/field_list.h"

void h2_field_list_init(struct h2_field_list *list, size_t maximum)
{
    list->count = 0;
    buffer_init(&list->text, maximum);
}

void h2_field_list_done(struct h2_field_list *list)
{
    list->count = 0;
    buffer_done(&list->text);
}

void h2_field_list_clear(struct h2_field_list *list)
{
    list->count = 0;
    buffer_clear(&list->text);
}

bool h2_field_list_add(struct h2_field_list *list, struct slice name, struct slice value)
{
    if (list->count == HTTP_HEADERS_MAX || !buffer_reserve(&list->text, name.len + value.len) ||
        !buffer_append(&list->text, name) || !buffer_append(&list->text, value)) {
        return false;
    }
    list->fields[list->count].name_size = (uint32_t)name.len;
    list->fields[list->count].value_size = (uint32_t)value.len;
    list->count++;
    return true;
}

bool h2_field_list_copy(struct h2_field_list *list, const struct headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (!h2_field_list_add(list, headers->items[i].name, headers->items[i].value)) {
            return false;
        }
    }
    return true;
}

void h2_field_list_take(const struct h2_field_list *list, struct header *items, struct headers *ret_headers)
{
    struct slice rest = buffer_slice(&list->text);
    for (size_t i = 0; i < list->count; i++) {
        struct slice name = slice_part(rest, 0, list->fields[i].name_size);
        rest = slice_from(rest, name.len);
        struct slice value = slice_part(rest, 0, list->fields[i].value_size);
        rest = slice_from(rest, value.len);
        items[i] = (struct header){ .name = name, .value = value, .id = header_id_of(name) };
    }
    *ret_headers = (struct headers){ .items = items, .count = list->count, .capacity = HTTP_HEADERS_MAX };
}
