/* Texts of a source in YAML: quoted, or in a comment, so that nothing of them is read as anything else. */
#include "cli/import/import.h"

#include <stdarg.h>
#include <stdio.h>

void import_put(struct import *import, struct buffer *out, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !buffer_reserve(out, (size_t)length + 1)) {
        import->full = true;
    } else {
        vsnprintf(out->data + out->end, (size_t)length + 1, format, again);
        buffer_commit(out, (size_t)length);
    }
    va_end(again);
}

static void put_bytes(struct import *import, struct buffer *out, struct slice text)
{
    if (!buffer_append(out, text)) {
        import->full = true;
    }
}

/* The length of a character that YAML takes for a line's end, or does not print, and its code point; 0: it is none. */
static size_t unprintable(struct slice text, unsigned int *ret_code)
{
    if (text.len == 0) {
        return 0;
    }
    const unsigned char *c = (const unsigned char *)text.ptr;
    if (c[0] < 0x20 || c[0] == 0x7f) {
        *ret_code = c[0];
        return 1;
    }
    if (text.len >= 2 && c[0] == 0xc2 && c[1] < 0xa0) {
        *ret_code = c[1];
        return 2;
    }
    if (text.len < 3 || (c[0] != 0xe2 && c[0] != 0xef)) {
        return 0;
    }
    *ret_code = (unsigned int)(c[0] & 0x0f) << 12 | (unsigned int)(c[1] & 0x3f) << 6 | (c[2] & 0x3f);
    bool is_line_end = *ret_code == 0x2028 || *ret_code == 0x2029;
    bool is_direction = (*ret_code >= 0x200e && *ret_code <= 0x200f) ||
                        (*ret_code >= 0x202a && *ret_code <= 0x202e) ||
                        (*ret_code >= 0x2066 && *ret_code <= 0x2069); /* shows another text than it is */
    return is_line_end || is_direction || *ret_code == 0xfeff || *ret_code >= 0xfffe ? 3 : 0;
}

void import_put_text(struct import *import, struct buffer *out, struct slice text)
{
    put_bytes(import, out, SLICE("\""));
    for (size_t i = 0; i < text.len;) {
        unsigned int code = 0;
        size_t length = unprintable(slice_from(text, i), &code);
        if (length > 0) {
            import_put(import, out, "\\u%04x", code);
            i += length;
            continue;
        }
        if (text.ptr[i] == '"' || text.ptr[i] == '\\') {
            put_bytes(import, out, SLICE("\\"));
        }
        put_bytes(import, out, slice_part(text, i++, 1));
    }
    put_bytes(import, out, SLICE("\""));
}

bool import_is_key(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) {
            return false;
        }
    }
    return text.len > 0;
}

bool import_show(struct buffer *out, struct slice text)
{
    bool good = true;
    for (size_t i = 0; i < text.len && good;) {
        unsigned int code = 0;
        size_t length = unprintable(slice_from(text, i), &code);
        good = buffer_append(out, length > 0 ? SLICE("?") : slice_part(text, i, 1));
        i += length > 0 ? length : 1;
    }
    return good;
}

void import_put_comment(struct import *import, struct buffer *out, int indent, struct slice text)
{
    import_put(import, out, "%*s# ", indent, "");
    import->full |= !import_show(out, text);
    put_bytes(import, out, SLICE("\n"));
}

void import_put_item(struct import *import, struct buffer *out, struct slice text)
{
    if (buffer_length(out) > 0) {
        put_bytes(import, out, SLICE(", "));
    }
    import_put_text(import, out, text);
}

struct slice import_show_uri(struct import *import, struct slice uri)
{
    size_t length = 0;
    while (length < uri.len && uri.ptr[length] != '?' && uri.ptr[length] != '#') {
        length++;
    }
    struct slice shown = slice_part(uri, 0, length);
    ssize_t at = slice_find_last(shown, '@'), colon = slice_find(shown, ':');
    if (at < 0) {
        return shown;
    }
    bool has_scheme = colon >= 0 && slice_starts_with(slice_from(shown, (size_t)colon), SLICE("://"));
    struct slice scheme = slice_part(shown, 0, has_scheme ? (size_t)colon + 3 : 0);
    struct slice whole = ARENA_CONCAT(&import->arena, scheme, slice_from(shown, (size_t)at + 1));
    return whole.ptr != NULL ? whole : SLICE("");
}

bool import_is_name_byte(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_' || c == '.';
}

struct slice import_name(struct import *import, struct slice text)
{
    char name[IMPORT_NAME_MAX];
    size_t length = 0;
    for (size_t i = 0; i < text.len && length < sizeof name; i++) {
        bool good = import_is_name_byte(text.ptr[i]);
        if (good || (length > 0 && name[length - 1] != '-')) {
            name[length++] = good ? text.ptr[i] : '-';
        }
    }
    while (length > 0 && name[length - 1] == '-') {
        length--;
    }
    bool is_name =
        length > 0 && !slice_equal(slice_of(name, length), SLICE("null")) &&
        !slice_starts_with(slice_of(name, length), SLICE("fill-in")); /* what is left to fill in stays so */
    struct slice copy = arena_copy(&import->arena, is_name ? slice_of(name, length) : SLICE("unnamed"));
    import->full |= copy.ptr == NULL;
    return copy.ptr != NULL ? copy : SLICE("");
}
