#include "http/accept.h"

/* "0", "1", "0.5", "0.333", "1.000" (section 12.4.2), in thousandths; anything else is 0. */
static unsigned int quality_of(struct slice text)
{
    unsigned int value = 0, scale = 1000;
    for (size_t i = 0; i < text.len; i++) {
        if (i == 1) {
            if (text.ptr[i] != '.') {
                return 0;
            }
            continue;
        }
        if (!ascii_is_digit(text.ptr[i]) || scale == 0) {
            return 0;
        }
        value += (unsigned int)(text.ptr[i] - '0') * scale;
        scale /= 10;
    }
    return value <= 1000 ? value : 0;
}

unsigned int accept_weight(struct slice rest)
{
    struct slice parameter;
    while (slice_next(&rest, ';', &parameter)) {
        parameter = slice_trim(parameter);
        if (slice_equal_nocase(slice_part(parameter, 0, 2), SLICE("q="))) {
            return quality_of(slice_from(parameter, 2));
        }
    }
    return 1000;
}

/* 3: the type itself; 2: "type" and any subtype; 1: any type; 0: another one. */
static unsigned int fit_of(struct slice range, struct slice type)
{
    ssize_t slash = slice_find(type, '/');
    if (slice_equal_nocase(range, type)) {
        return 3;
    }
    if (slash > 0 && range.len == (size_t)slash + 2 && range.ptr[range.len - 1] == '*' &&
        slice_equal_nocase(slice_part(range, 0, (size_t)slash + 1), slice_part(type, 0, (size_t)slash + 1))) {
        return 2;
    }
    return slice_equal(range, SLICE("*/*")) ? 1 : 0;
}

struct accept_quality accept_quality_of(const struct headers *headers, struct slice type)
{
    unsigned int best = 0, value = 0, ranges = 0;
    bool said = false;
    for (size_t i = 0; i < headers->count; i++) {
        if (headers->items[i].id != HEADER_ACCEPT) {
            continue;
        }
        struct slice list = headers->items[i].value, element;
        said = true;
        while (ranges++ < ACCEPT_RANGES_MAX && http_list_next(&list, &element)) {
            ssize_t end = slice_find(element, ';');
            struct slice range = slice_trim(end < 0 ? element : slice_part(element, 0, (size_t)end));
            unsigned int fit = fit_of(range, type);
            if (fit > best) {
                best = fit;
                value = accept_weight(end < 0 ? SLICE_NONE : slice_from(element, (size_t)end + 1));
            }
        }
    }
    return said ? (struct accept_quality){ value, best > 1 } : (struct accept_quality){ 1000, false };
}
