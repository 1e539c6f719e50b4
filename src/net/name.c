#include "net/name.h"

#define DNS_LABEL_MAX 63 /* RFC 1035 section 2.3.4 */

static bool is_label(struct slice label)
{
    if (label.len == 0 || label.len > DNS_LABEL_MAX) {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_') {
            return false;
        }
    }
    return true;
}

bool name_has_labels(struct slice name)
{
    struct slice rest = name, label;
    while (slice_next(&rest, '.', &label)) {
        if (!is_label(label)) {
            return false;
        }
    }
    return name.len > 0 && name.len <= DNS_NAME_MAX;
}

static bool looks_numeric(struct slice label)
{
    size_t digits = 0;
    while (digits < label.len && ascii_is_digit(label.ptr[digits])) {
        digits++;
    }
    return digits == label.len || slice_starts_with(label, SLICE("0x")) ||
           slice_starts_with(label, SLICE("0X"));
}

bool name_is_host(struct slice name)
{
    struct slice rest = name, label = SLICE_NONE;
    if (!name_has_labels(name)) {
        return false;
    }
    while (slice_next(&rest, '.', &label)) {
        if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-') {
            return false;
        }
    }
    return !looks_numeric(label);
}

bool name_is_service(struct slice name)
{
    struct slice rest = name, label;
    bool good = name_has_labels(name);
    while (good && slice_next(&rest, '.', &label)) {
        good = label.ptr[0] != '-';
    }
    return good;
}

bool name_is_localhost(struct slice name)
{
    static const struct slice last = SLICE_INIT("localhost");
    bool ends = name.len >= last.len && slice_equal_nocase(slice_from(name, name.len - last.len), last);
    return ends && (name.len == last.len || name.ptr[name.len - last.len - 1] == '.');
}
