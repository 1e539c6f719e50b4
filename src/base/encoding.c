#include "base/encoding.h"

static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char standard_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 0 to 63, or -1. */
static int sextet(char c, const char alphabet[64])
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == alphabet[62]) {
        return 62;
    }
    return c == alphabet[63] ? 63 : -1;
}

/* Decodes unpadded text. */
static ssize_t decode(struct slice text, const char alphabet[64], unsigned char *out)
{
    if (text.len % 4 == 1) {
        return -1;
    }
    size_t written = 0;
    uint32_t bits = 0;
    unsigned int held = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = sextet(text.ptr[i], alphabet);
        if (value < 0) {
            return -1;
        }
        bits = (bits << 6) | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[written++] = (unsigned char)(bits >> held);
        }
    }
    /* Bits left over are no byte: they must be zero, or two texts would mean the same bytes. */
    if ((bits & ((1U << held) - 1)) != 0) {
        return -1;
    }
    return (ssize_t)written;
}

static size_t encode(const unsigned char *bytes, size_t size, const char alphabet[64], char *out)
{
    size_t written = 0;
    uint32_t bits = 0;
    unsigned int held = 0;
    for (size_t i = 0; i < size; i++) {
        bits = (bits << 8) | bytes[i];
        held += 8;
        while (held >= 6) {
            held -= 6;
            out[written++] = alphabet[(bits >> held) & 63];
        }
    }
    if (held > 0) {
        out[written++] = alphabet[(bits << (6 - held)) & 63];
    }
    return written;
}

ssize_t base64url_decode(struct slice text, void *out)
{
    return decode(text, url_alphabet, out);
}

size_t base64url_encode(const void *bytes, size_t size, char *out)
{
    return encode(bytes, size, url_alphabet, out);
}

ssize_t base64_decode(struct slice text, void *out)
{
    if (text.len % 4 != 0) {
        return -1;
    }
    for (int padding = 0; padding < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; padding++) {
        text.len--;
    }
    return decode(text, standard_alphabet, out);
}

size_t base64_encode(const void *bytes, size_t size, char *out)
{
    size_t written = encode(bytes, size, standard_alphabet, out);
    while (written % 4 != 0) {
        out[written++] = '=';
    }
    return written;
}

void hex_encode(const void *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[from[i] >> 4];
        out[2 * i + 1] = digits[from[i] & 15];
    }
}

int hex_digit(char c)
{
    if (ascii_is_digit(c)) {
        return c - '0';
    }
    char lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The length of the sequence that this byte leads and its least code point; 0 where no sequence starts so. */
static size_t utf8_sequence(unsigned char lead, uint32_t *ret_least, uint32_t *ret_bits)
{
    if (lead >= 0xc2 && lead <= 0xdf) {
        *ret_least = 0x80;
        *ret_bits = lead & 0x1fU;
        return 2;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        *ret_least = 0x800;
        *ret_bits = lead & 0x0fU;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        *ret_least = 0x10000;
        *ret_bits = lead & 0x07U;
        return 4;
    }
    return 0;
}

bool utf8_valid(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    size_t i = 0;
    while (i < text.len) {
        if (bytes[i] < 0x80) {
            i++;
            continue;
        }
        uint32_t least = 0;
        uint32_t point = 0;
        size_t length = utf8_sequence(bytes[i], &least, &point);
        if (length == 0 || length > text.len - i) {
            return false;
        }
        for (size_t k = 1; k < length; k++) {
            if ((bytes[i + k] & 0xc0) != 0x80) {
                return false;
            }
            point = (point << 6) | (bytes[i + k] & 0x3fU);
        }
        if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
        i += length;
    }
    return true;
}
