#include "json/escape.h"

#include "base/encoding.h"

/* Four hexadecimal digits, or -1. */
static int32_t hex4(const char *at, const char *end)
{
    if (end - at < 4) {
        return -1;
    }
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *out, uint32_t point)
{
    if (point < 0x80) {
        *out++ = (char)point;
    } else if (point < 0x800) {
        *out++ = (char)(0xc0 | (point >> 6));
        *out++ = (char)(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        *out++ = (char)(0xe0 | (point >> 12));
        *out++ = (char)(0x80 | ((point >> 6) & 0x3f));
        *out++ = (char)(0x80 | (point & 0x3f));
    } else {
        *out++ = (char)(0xf0 | (point >> 18));
        *out++ = (char)(0x80 | ((point >> 12) & 0x3f));
        *out++ = (char)(0x80 | ((point >> 6) & 0x3f));
        *out++ = (char)(0x80 | (point & 0x3f));
    }
    return out;
}

/* `*at` stands behind "\u"; moves it behind the escape, a surrogate pair being one. */
static bool unescape_unicode(const char **at, const char *end, char **out)
{
    int32_t unit = hex4(*at, end);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) {
        return false;
    }
    *at += 4;
    uint32_t point = (uint32_t)unit;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u') {
            return false;
        }
        int32_t low = hex4(*at + 2, end);
        if (low < 0xdc00 || low > 0xdfff) {
            return false;
        }
        point = 0x10000 + (((uint32_t)unit - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
        *at += 6;
    }
    *out = put_utf8(*out, point);
    return true;
}

/* `*at` stands on a backslash; moves it behind the escape. */
static bool unescape_one(const char **at, const char *end, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (end - *at < 2) {
        return false;
    }
    char c = (*at)[1];
    if (c == 'u') {
        *at += 2;
        return unescape_unicode(at, end, out);
    }
    const char *found = memchr(from, c, sizeof from - 1);
    if (found == NULL) {
        return false;
    }
    *(*out)++ = to[found - from];
    *at += 2;
    return true;
}

const char *escape_decode(struct slice raw, char *out, size_t *ret_length)
{
    const char *at = raw.ptr, *end = raw.ptr + raw.len;
    char *to = out;
    while (at < end) {
        const char *escape = at;
        if (*at != '\\') {
            *to++ = *at++;
        } else if (!unescape_one(&at, end, &to)) {
            return escape;
        }
    }
    *ret_length = (size_t)(to - out);
    return NULL;
}
