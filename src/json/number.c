#include "json/number.h"

#include "base/limits.h"

#include <math.h>
#include <stdlib.h>

#define SHORT_DIGITS   18      /* of an integer that fits an int64_t, whatever they are */
#define EXPONENT_CLAMP 1000000 /* far outside of a double, far inside of an int */

static size_t scan_digits(struct slice text, size_t at)
{
    size_t from = at;
    while (at < text.len && ascii_is_digit(text.ptr[at])) {
        at++;
    }
    return at - from;
}

static bool char_at(struct slice text, size_t at, char a, char b)
{
    return at < text.len && (text.ptr[at] == a || text.ptr[at] == b);
}

size_t number_scan(struct slice text, bool *ret_plain)
{
    bool plain = true;
    size_t at = char_at(text, 0, '-', '-') ? 1 : 0;
    size_t digits = scan_digits(text, at);
    if (digits == 0 || (digits > 1 && text.ptr[at] == '0')) {
        return 0;
    }
    at += digits;
    if (char_at(text, at, '.', '.')) {
        plain = false;
        digits = scan_digits(text, at + 1);
        if (digits == 0) {
            return 0;
        }
        at += 1 + digits;
    }
    if (char_at(text, at, 'e', 'E')) {
        plain = false;
        at++;
        if (char_at(text, at, '+', '-')) {
            at++;
        }
        digits = scan_digits(text, at);
        if (digits == 0) {
            return 0;
        }
        at += digits;
    }
    *ret_plain = plain;
    return at;
}

size_t number_short(struct slice text, struct json *out)
{
    const size_t from = char_at(text, 0, '-', '-') ? 1 : 0;
    size_t at = from;
    int64_t value = 0;
    while (at < text.len && at - from < SHORT_DIGITS && ascii_is_digit(text.ptr[at])) {
        value = value * 10 + (text.ptr[at++] - '0');
    }
    if (at == from || (at - from > 1 && text.ptr[from] == '0')) {
        return 0;
    }
    if (at < text.len &&
        (ascii_is_digit(text.ptr[at]) || text.ptr[at] == '.' || (text.ptr[at] | 0x20) == 'e')) {
        return 0;
    }
    value = from > 0 ? -value : value;
    *out = (struct json){
        .type = JSON_NUMBER,
        .is_integer = true,
        .integer = value,
        .number = (double)value,
        .text = slice_of(text.ptr, at),
    };
    return at;
}

static bool convert_integer(struct slice text, int64_t *ret_value)
{
    bool negative = text.ptr[0] == '-';
    int64_t value = 0;
    for (size_t i = negative ? 1 : 0; i < text.len; i++) {
        int digit = text.ptr[i] - '0';
        if (__builtin_mul_overflow(value, INT64_C(10), &value) ||
            __builtin_add_overflow(value, (int64_t)(negative ? -digit : digit), &value)) {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

/* A decimal as it stands: significant digits and the power of ten of the last one. */
struct decimal {
    bool negative;
    struct slice
        digits;    /* with at most one '.' among them; neither first nor last digit is a zero; empty: 0 */
    size_t count;  /* of digits */
    long exponent; /* value = digits read as an integer, times ten to this */
};

static long read_exponent(struct slice text)
{
    bool negative = char_at(text, 0, '-', '-');
    long value = 0;
    for (size_t i = char_at(text, 0, '+', '-') ? 1 : 0; i < text.len; i++) {
        value = value * 10 + (text.ptr[i] - '0');
        if (value > EXPONENT_CLAMP) {
            value = EXPONENT_CLAMP;
        }
    }
    return negative ? -value : value;
}

static bool is_zero_or_point(char c)
{
    return c == '0' || c == '.';
}

static struct decimal decimal_of(struct slice text)
{
    struct decimal out = { .negative = text.ptr[0] == '-' };
    struct slice rest = slice_from(text, out.negative ? 1 : 0);
    ssize_t mark = slice_find(rest, 'e');
    if (mark < 0) {
        mark = slice_find(rest, 'E');
    }
    if (mark >= 0) {
        out.exponent = read_exponent(slice_from(rest, (size_t)mark + 1));
        rest.len = (size_t)mark;
    }
    ssize_t point = slice_find(rest, '.');
    if (point >= 0) {
        out.exponent -= (long)(rest.len - (size_t)point - 1);
    }
    while (rest.len > 0 && is_zero_or_point(rest.ptr[0])) {
        rest.ptr++;
        rest.len--;
    }
    while (rest.len > 0 && is_zero_or_point(rest.ptr[rest.len - 1])) {
        out.exponent += rest.ptr[rest.len - 1] == '0' ? 1 : 0;
        rest.len--;
    }
    out.digits = rest;
    out.count = rest.len - (slice_find(rest, '.') >= 0 ? 1 : 0);
    return out;
}

/* The value where it comes out exact in double arithmetic: mantissa and power of ten both are doubles. */
static bool convert_exact(const struct decimal *decimal, double *ret_value)
{
    static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    if (decimal->count > 15 || decimal->exponent < -22 || decimal->exponent > 22) {
        return false;
    }
    int64_t mantissa = 0;
    for (size_t i = 0; i < decimal->digits.len; i++) {
        if (decimal->digits.ptr[i] != '.') {
            mantissa = mantissa * 10 + (decimal->digits.ptr[i] - '0');
        }
    }
    double value = decimal->negative ? -(double)mantissa : (double)mantissa;
    *ret_value =
        decimal->exponent < 0 ? value / powers[-decimal->exponent] : value * powers[decimal->exponent];
    return true;
}

bool number_convert(struct slice text, bool plain, struct json *out)
{
    if (text.len > JSON_NUMBER_MAX) {
        return false;
    }
    struct json number = { .type = JSON_NUMBER, .text = text };
    if (plain && convert_integer(text, &number.integer)) {
        number.is_integer = true;
        number.number = (double)number.integer;
        *out = number;
        return true;
    }
    struct decimal decimal = decimal_of(text);
    if (!convert_exact(&decimal, &number.number)) {
        /* strtod reads by the locale: the program never leaves the C locale. */
        char copy[JSON_NUMBER_MAX + 1];
        memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
        number.number = strtod(copy, NULL);
    }
    if (!isfinite(number.number)) {
        return false;
    }
    *out = number;
    return true;
}

static bool digits_equal(struct slice a, struct slice b)
{
    size_t i = 0, k = 0;
    while (i < a.len && k < b.len) {
        i += a.ptr[i] == '.' ? 1 : 0;
        k += b.ptr[k] == '.' ? 1 : 0;
        if (a.ptr[i++] != b.ptr[k++]) {
            return false;
        }
    }
    return i == a.len && k == b.len;
}

bool number_equal(const struct json *a, const struct json *b)
{
    if (a->is_integer && b->is_integer) {
        return a->integer == b->integer;
    }
    /* Equal values round to equal doubles, so most comparisons end here. */
    if (a->number != b->number) {
        return false;
    }
    if (slice_is_empty(a->text) || slice_is_empty(b->text)) {
        return true;
    }
    struct decimal x = decimal_of(a->text), y = decimal_of(b->text);
    if (x.count == 0 || y.count == 0) {
        return x.count == y.count;
    }
    return x.negative == y.negative && x.count == y.count && x.exponent == y.exponent &&
           digits_equal(x.digits, y.digits);
}

static int compare_digits(struct slice a, struct slice b)
{
    size_t i = 0, k = 0;
    for (;;) {
        i += i < a.len && a.ptr[i] == '.' ? 1 : 0;
        k += k < b.len && b.ptr[k] == '.' ? 1 : 0;
        if (i == a.len || k == b.len) {
            return (i < a.len) - (k < b.len);
        }
        if (a.ptr[i] != b.ptr[k]) {
            return a.ptr[i] < b.ptr[k] ? -1 : 1;
        }
        i++;
        k++;
    }
}

static int sign_of(const struct decimal *decimal)
{
    if (decimal->count == 0) {
        return 0;
    }
    return decimal->negative ? -1 : 1;
}

static int compare_decimals(const struct decimal *a, const struct decimal *b)
{
    int sign = sign_of(a);
    if (sign != sign_of(b) || sign == 0) {
        return sign - sign_of(b);
    }
    long a_size = a->exponent + (long)a->count, b_size = b->exponent + (long)b->count;
    if (a_size != b_size) {
        return a_size < b_size ? -sign : sign;
    }
    return sign * compare_digits(a->digits, b->digits);
}

int json_compare_numbers(const struct json *a, const struct json *b)
{
    if (a->is_integer && b->is_integer) {
        return (a->integer > b->integer) - (a->integer < b->integer);
    }
    /* Rounding keeps the order, but for what becomes equal by it. */
    if (a->number != b->number) {
        return a->number < b->number ? -1 : 1;
    }
    if (slice_is_empty(a->text) || slice_is_empty(b->text)) {
        return 0;
    }
    struct decimal x = decimal_of(a->text), y = decimal_of(b->text);
    return compare_decimals(&x, &y);
}
