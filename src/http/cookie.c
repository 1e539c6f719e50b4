#include "http/cookie.h"

static struct slice name_of(struct slice pair)
{
    ssize_t equals = slice_find(pair, '=');
    return slice_trim(equals < 0 ? pair : slice_part(pair, 0, (size_t)equals));
}

size_t cookie_find(const struct headers *headers, struct slice name, struct slice *ret_value)
{
    size_t count = 0;
    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id != HEADER_COOKIE) {
            continue;
        }
        struct slice rest = headers->items[i].value, pair;
        while (slice_next(&rest, ';', &pair)) {
            ssize_t equals = slice_find(pair, '=');
            if (equals >= 0 && slice_equal(name_of(pair), name)) {
                *ret_value = slice_trim(slice_from(pair, (size_t)equals + 1));
                count++;
            }
        }
    }
    return count;
}

bool cookie_without(struct slice value, const struct conf_strings *names, struct arena *arena,
                    struct slice *ret_value)
{
    struct slice rest = value, pair;
    bool any = false;
    while (!any && names->count > 0 && slice_next(&rest, ';', &pair)) {
        any = conf_strings_contain(names, name_of(pair));
    }
    if (!any) {
        *ret_value = value;
        return true;
    }
    char *out = arena_alloc(arena, value.len);
    if (out == NULL) {
        return false;
    }
    size_t len = 0;
    for (rest = value; slice_next(&rest, ';', &pair);) {
        /* The first one has no space before it, whichever it was. */
        pair = len > 0 ? pair : slice_trim(pair);
        if (pair.len == 0 || conf_strings_contain(names, name_of(pair))) {
            continue;
        }
        if (len > 0) {
            out[len++] = ';';
        }
        memcpy(out + len, pair.ptr, pair.len);
        len += pair.len;
    }
    *ret_value = slice_of(out, len);
    return true;
}
