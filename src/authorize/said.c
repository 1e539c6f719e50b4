#include "authorize/said.h"

#include "http/query.h"

bool said_spells(struct slice encoded, struct slice text)
{
    size_t at = 0;
    while (encoded.len > 0 && at < text.len) {
        if (query_take_byte(&encoded) != text.ptr[at++]) {
            return false;
        }
    }
    return encoded.len == 0 && at == text.len;
}

bool said_by_query(struct slice query, struct slice name, struct slice *ret_value)
{
    struct query_found found = query_find(query, name);
    if (found.count != 1 || !found.clear || found.value.len == 0 || slice_find(found.value, '+') >= 0) {
        return false;
    }
    *ret_value = found.value;
    return true;
}

static bool is_letter_or_digit(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

bool said_same_field(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        bool signs = !is_letter_or_digit(a.ptr[i]) && !is_letter_or_digit(b.ptr[i]);
        if (!signs && ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool said_by_header(const struct headers *headers, struct slice name, struct slice *ret_value)
{
    const struct header *found = NULL;
    for (size_t i = 0; headers != NULL && i < headers->count; i++) {
        if (said_same_field(headers->items[i].name, name)) {
            if (found != NULL) {
                return false;
            }
            found = &headers->items[i];
        }
    }
    if (found == NULL || !slice_equal_nocase(found->name, name) || found->value.len == 0 ||
        slice_find(found->value, ',') >= 0) {
        return false;
    }
    *ret_value = found->value;
    return true;
}
