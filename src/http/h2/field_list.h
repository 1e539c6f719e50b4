/* Message fields that are kept: their text in one buffer that is born with a maximum. For heads and trailers that come in
 * pieces, or before their turn. Pure; one owner. */
#ifndef SALLYPORT_HTTP_H2_FIELD_LIST_H
#define SALLYPORT_HTTP_H2_FIELD_LIST_H

#include "base/buffer.h"
#include "http/headers.h"

struct h2_field_list {
    struct buffer text; /* names and values, one behind the other */
    size_t count;
    struct {
        uint32_t name_size, value_size;
    } fields[HTTP_HEADERS_MAX];
};

/* `maximum` bytes of text. */
void h2_field_list_init(struct h2_field_list *list, size_t maximum);
void h2_field_list_done(struct h2_field_list *list);
void h2_field_list_clear(struct h2_field_list *list);

/* False: no room. */
bool h2_field_list_add(struct h2_field_list *list, struct slice name, struct slice value);
/* All of `headers`. */
bool h2_field_list_copy(struct h2_field_list *list, const struct headers *headers);

/* As slices, good until the list changes. `items` has room for HTTP_HEADERS_MAX. */
void h2_field_list_take(const struct h2_field_list *list, struct header *items, struct headers *ret_headers);

#endif
