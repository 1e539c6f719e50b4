#include "base/slice.h"

#include <stdlib.h>

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

int slice_compare(struct slice a, struct slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order != 0 || a.len == b.len) {
        return order;
    }
    return a.len < b.len ? -1 : 1;
}

static int compare(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

size_t slices_sort(struct slice *slices, size_t count)
{
    size_t kept = 0;
    if (count > 1) {
        qsort(slices, count, sizeof *slices, compare);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !slice_equal(slices[i], slices[kept - 1])) {
            slices[kept++] = slices[i];
        }
    }
    return kept;
}

bool slices_hold(const struct slice *sorted, size_t count, struct slice slice)
{
    return count > 0 && bsearch(&slice, sorted, count, sizeof *sorted, compare) != NULL;
}

ssize_t slice_find(struct slice s, char c)
{
    const char *found = s.len > 0 ? memchr(s.ptr, c, s.len) : NULL;
    return found != NULL ? found - s.ptr : -1;
}

ssize_t slice_find_last(struct slice s, char c)
{
    const char *found = s.len > 0 ? memrchr(s.ptr, c, s.len) : NULL;
    return found != NULL ? found - s.ptr : -1;
}

bool slice_contains(struct slice s, struct slice part)
{
    return part.len == 0 || (s.len >= part.len && memmem(s.ptr, s.len, part.ptr, part.len) != NULL);
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

bool slice_next(struct slice *rest, char separator, struct slice *ret_part)
{
    if (rest->ptr == NULL) {
        return false;
    }
    ssize_t at = slice_find(*rest, separator);
    if (at < 0) {
        *ret_part = *rest;
        *rest = SLICE_NONE;
        return true;
    }
    *ret_part = slice_part(*rest, 0, (size_t)at);
    *rest = slice_from(*rest, (size_t)at + 1);
    return true;
}

bool slice_to_u64(struct slice s, uint64_t *ret_value)
{
    if (s.len == 0 || s.len > 19) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit(s.ptr[i])) {
            return false;
        }
        value = value * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    *ret_value = value;
    return true;
}

bool slice_to_range(struct slice s, uint64_t *ret_first, uint64_t *ret_last)
{
    ssize_t dash = slice_find(s, '-');
    uint64_t first, last;
    if (!slice_to_u64(dash < 0 ? s : slice_part(s, 0, (size_t)dash), &first) ||
        !slice_to_u64(dash < 0 ? s : slice_from(s, (size_t)dash + 1), &last) || first > last) {
        return false;
    }
    *ret_first = first;
    *ret_last = last;
    return true;
}
