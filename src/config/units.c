#include "config/units.h"

#include "base/clock.h"

#include <inttypes.h>

struct unit {
    struct slice name;
    int64_t factor;
};

/* From large to small: printing takes the largest that leaves a whole number. */
static const struct unit duration_units[] = {
    { SLICE_INIT("d"), 24 * 3600 * NS_PER_S }, { SLICE_INIT("h"), 3600 * NS_PER_S },
    { SLICE_INIT("m"), 60 * NS_PER_S },        { SLICE_INIT("s"), NS_PER_S },
    { SLICE_INIT("ms"), NS_PER_MS },           { SLICE_INIT("us"), NS_PER_US },
};
#define DURATION_UNITS (sizeof duration_units / sizeof duration_units[0])

static const struct unit size_units[] = {
    { SLICE_INIT("GiB"), INT64_C(1) << 30 },
    { SLICE_INIT("MiB"), INT64_C(1) << 20 },
    { SLICE_INIT("KiB"), INT64_C(1) << 10 },
    { SLICE_INIT("B"), 1 },
};
#define SIZE_UNITS (sizeof size_units / sizeof size_units[0])

/* Takes digits off the front of `*rest`. */
static bool take_number(struct slice *rest, int64_t *ret_value)
{
    size_t digits = 0;
    while (digits < rest->len && ascii_is_digit(rest->ptr[digits])) {
        digits++;
    }
    uint64_t value;
    if (!slice_to_u64(slice_part(*rest, 0, digits), &value) || value > INT64_MAX) {
        return false;
    }
    *rest = slice_from(*rest, digits);
    *ret_value = (int64_t)value;
    return true;
}

/* Takes letters off the front of `*rest`; the index of the unit, or `count`. */
static size_t take_unit(struct slice *rest, const struct unit *units, size_t count)
{
    size_t letters = 0;
    while (letters < rest->len && ascii_is_alpha(rest->ptr[letters])) {
        letters++;
    }
    struct slice name = slice_part(*rest, 0, letters);
    *rest = slice_from(*rest, letters);
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(units[i].name, name)) {
            return i;
        }
    }
    return count;
}

bool units_parse_duration(struct slice text, int64_t *ret_ns)
{
    if (slice_equal(text, SLICE("0"))) {
        *ret_ns = 0;
        return true;
    }
    int64_t total = 0;
    size_t smallest = 0; /* index that the next unit may not go below */
    do {
        int64_t number, part;
        if (!take_number(&text, &number)) {
            return false;
        }
        size_t unit = take_unit(&text, duration_units, DURATION_UNITS);
        if (unit == DURATION_UNITS || unit < smallest ||
            __builtin_mul_overflow(number, duration_units[unit].factor, &part) ||
            __builtin_add_overflow(total, part, &total)) {
            return false;
        }
        smallest = unit + 1;
    } while (text.len > 0);
    *ret_ns = total;
    return true;
}

bool units_parse_size(struct slice text, int64_t *ret_bytes)
{
    if (slice_equal(text, SLICE("0"))) {
        *ret_bytes = 0;
        return true;
    }
    int64_t number, bytes;
    if (!take_number(&text, &number)) {
        return false;
    }
    size_t unit = take_unit(&text, size_units, SIZE_UNITS);
    if (unit == SIZE_UNITS || text.len > 0 ||
        __builtin_mul_overflow(number, size_units[unit].factor, &bytes)) {
        return false;
    }
    *ret_bytes = bytes;
    return true;
}

bool units_parse_integer(struct slice text, int64_t *ret_value)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    struct slice digits = slice_from(text, negative ? 1 : 0);
    int64_t value;
    if (!take_number(&digits, &value) || digits.len > 0) {
        return false;
    }
    *ret_value = negative ? -value : value;
    return true;
}

bool units_parse_rate(struct slice text, struct conf_rate *ret_rate)
{
    ssize_t slash = slice_find(text, '/');
    if (slash < 0) {
        return false;
    }
    struct slice count_text = slice_part(text, 0, (size_t)slash);
    struct slice window_text = slice_from(text, (size_t)slash + 1);
    struct conf_rate rate;
    if (!take_number(&count_text, &rate.count) || count_text.len > 0 || rate.count < 1) {
        return false;
    }
    struct slice rest = window_text;
    size_t unit = take_unit(&rest, duration_units, DURATION_UNITS);
    if (unit < DURATION_UNITS && rest.len == 0) {
        rate.window = duration_units[unit].factor;
    } else if (!units_parse_duration(window_text, &rate.window) || rate.window < 1) {
        return false;
    }
    *ret_rate = rate;
    return true;
}

bool units_print_duration(int64_t ns, struct buffer *out)
{
    if (ns == 0) {
        return buffer_append(out, SLICE("0s"));
    }
    for (size_t i = 0; i < DURATION_UNITS && ns > 0; i++) {
        int64_t number = ns / duration_units[i].factor;
        if (number == 0) {
            continue;
        }
        if (!buffer_printf(out, "%" PRId64 "%.*s", number, SLICE_ARG(duration_units[i].name))) {
            return false;
        }
        ns -= number * duration_units[i].factor;
    }
    return ns == 0 || buffer_printf(out, "%" PRId64 "ns", ns);
}

bool units_print_size(int64_t bytes, struct buffer *out)
{
    size_t unit = 0;
    while (unit + 1 < SIZE_UNITS && (bytes == 0 || bytes % size_units[unit].factor != 0)) {
        unit++;
    }
    return buffer_printf(out, "%" PRId64 "%.*s", bytes / size_units[unit].factor,
                         SLICE_ARG(size_units[unit].name));
}

bool units_print_rate(struct conf_rate rate, struct buffer *out)
{
    return buffer_printf(out, "%" PRId64 "/", rate.count) && units_print_duration(rate.window, out);
}
