#include "base/encoding.h"

#include <endian.h>
#include <string.h>

static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char standard_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define FOREIGN 0x80 /* of no alphabet: a bit that no value has */

/* What both alphabets share: the value of each byte. */
#define COMMON_VALUES                                                                                       \
    ['A'] = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,       \
    25, ['a'] = 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, \
    49, 50, 51, ['0'] = 52, 53, 54, 55, 56, 57, 58, 59, 60, 61

#define FOREIGN_RANGES                                                                \
    [0 ... '*'] = FOREIGN, [','] = FOREIGN, ['.'] = FOREIGN, [':' ... '@'] = FOREIGN, \
           ['[' ... '^'] = FOREIGN, ['`'] = FOREIGN, ['{' ... 255] = FOREIGN

static const unsigned char url_values[256] = {
    FOREIGN_RANGES, COMMON_VALUES, ['-'] = 62, ['_'] = 63, ['+'] = FOREIGN, ['/'] = FOREIGN,
};
static const unsigned char standard_values[256] = {
    FOREIGN_RANGES, COMMON_VALUES, ['+'] = 62, ['/'] = 63, ['-'] = FOREIGN, ['_'] = FOREIGN,
};

/* What is left behind the last four characters: none, two or three. Bits that are left over are no byte: they must be zero,
 * or two texts would mean the same bytes. */
static ssize_t decode_rest(const unsigned char *from, size_t left, const unsigned char values[256],
                           unsigned char *out)
{
    unsigned int a = left > 0 ? values[from[0]] : 0, b = left > 1 ? values[from[1]] : 0;
    unsigned int c = left > 2 ? values[from[2]] : 0;
    if (left == 1 || ((a | b | c) & FOREIGN) != 0 || (left == 2 && (b & 15) != 0) ||
        (left == 3 && (c & 3) != 0)) {
        return -1;
    }
    if (left > 1) {
        out[0] = (unsigned char)(a << 2 | b >> 4);
    }
    if (left > 2) {
        out[1] = (unsigned char)(b << 4 | c >> 2);
    }
    return left > 1 ? (ssize_t)left - 1 : 0;
}

/* Decodes unpadded text, four characters a step. */
static ssize_t decode(struct slice text, const unsigned char values[256], unsigned char *out)
{
    const unsigned char *from = (const unsigned char *)text.ptr;
    unsigned char *to = out;
    unsigned int foreign = 0;
    size_t left = text.len;
    for (; left >= 4; left -= 4, from += 4, to += 3) {
        unsigned int a = values[from[0]], b = values[from[1]], c = values[from[2]], d = values[from[3]];
        foreign |= a | b | c | d;
        uint32_t bits = a << 18 | b << 12 | c << 6 | d;
        to[0] = (unsigned char)(bits >> 16);
        to[1] = (unsigned char)(bits >> 8);
        to[2] = (unsigned char)bits;
    }
    ssize_t rest = decode_rest(from, left, values, to);
    return rest < 0 || (foreign & FOREIGN) != 0 ? -1 : to - out + rest;
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
    return decode(text, url_values, out);
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
    return decode(text, standard_values, out);
}

size_t base64_encode(const void *bytes, size_t size, char *out)
{
    size_t written = encode(bytes, size, standard_alphabet, out);
    while (written % 4 != 0) {
        out[written++] = '=';
    }
    return written;
}

/* The eight digits of four bytes, all at once: a digit to a byte, then the way from 9 to a where there is one to go. */
static void hex_encode_four(const unsigned char *bytes, char *out)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint32_t four;
    memcpy(&four, bytes, sizeof four);
    uint64_t spread = le32toh(four);
    spread = (spread | spread << 16) & UINT64_C(0x0000ffff0000ffff);
    spread = (spread | spread << 8) & UINT64_C(0x00ff00ff00ff00ff);
    uint64_t values = (spread >> 4 | spread << 8) & (ones * 0x0f);
    uint64_t letters = ((values + ones * 6) >> 4) & ones;
    uint64_t digits = htole64(values + ones * '0' + letters * ('a' - '9' - 1));
    memcpy(out, &digits, sizeof digits);
}

void hex_encode(const void *bytes, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    size_t i = 0;
    for (; size - i >= 4; i += 4) {
        hex_encode_four(from + i, out + 2 * i);
    }
    for (; i < size; i++) {
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
static size_t utf8_lead(unsigned char lead, uint32_t *ret_least, uint32_t *ret_bits)
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

size_t utf8_sequence(struct slice text, uint32_t *ret_point)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    if (bytes[0] < 0x80) {
        *ret_point = bytes[0];
        return 1;
    }
    uint32_t least = 0;
    uint32_t point = 0;
    size_t length = utf8_lead(bytes[0], &least, &point);
    if (length == 0 || length > text.len) {
        return 0;
    }
    for (size_t k = 1; k < length; k++) {
        if ((bytes[k] & 0xc0) != 0x80) {
            return 0;
        }
        point = (point << 6) | (bytes[k] & 0x3fU);
    }
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return 0;
    }
    *ret_point = point;
    return length;
}

bool utf8_valid(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    size_t i = 0;
    while (i < text.len) {
        if (bytes[i] < 0x80) {
            uint64_t word = UINT64_C(0x8080808080808080);
            if (text.len - i >= sizeof word) {
                memcpy(&word, bytes + i, sizeof word);
            }
            /* Eight bytes a step where all are ASCII. */
            i += (word & UINT64_C(0x8080808080808080)) == 0 ? sizeof word : 1;
            continue;
        }
        uint32_t point;
        size_t length = utf8_sequence(slice_from(text, i), &point);
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}
