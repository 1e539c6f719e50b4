/* Classes of bytes by the grammars of RFC 9110, 9112 and 3986, and the one scan that every line passes. Pure; any
 * thread. */
#ifndef SALLYPORT_HTTP_BYTES_H
#define SALLYPORT_HTTP_BYTES_H

#include <endian.h>

#include "base/slice.h"

enum http_byte {
    HTTP_BYTE_TOKEN = 1,      /* tchar, RFC 9110 section 5.6.2 */
    HTTP_BYTE_TEXT = 2,       /* HTAB, SP, VCHAR, obs-text: what a field value is made of, section 5.5 */
    HTTP_BYTE_VISIBLE = 4,    /* VCHAR: 0x21 to 0x7e */
    HTTP_BYTE_UNRESERVED = 8, /* RFC 3986 section 2.3 */
    HTTP_BYTE_SEGMENT = 16,   /* pchar without percent escapes, section 3.3 */
    HTTP_BYTE_QUERY = 32, /* section 3.4 without percent escapes, and what the URL Standard leaves as it is */
    HTTP_BYTE_HOST = 64,  /* letters, digits, '-', '.', '_' */
    HTTP_BYTE_QUOTED = 128, /* qdtext, RFC 9110 section 5.6.4 */
};

extern const unsigned char http_bytes[256];

static inline bool http_byte_is(char c, unsigned int classes)
{
    return (http_bytes[(unsigned char)c] & classes) != 0;
}

/* The first position in [at, end) whose byte is not of the class; `end` where there is none. */
static inline size_t http_skip(const char *data, size_t at, size_t end, unsigned int classes)
{
    while (at < end && http_byte_is(data[at], classes)) {
        at++;
    }
    return at;
}

/* Bit 7 of each byte that is below 0x20 or 0x7f. Only the lowest one set is certain to be right: a borrow may set those
 * above it. */
static inline uint64_t http_word_controls(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101U, high = 0x8080808080808080U;
    uint64_t below = (word - ones * 0x20) & ~word;
    uint64_t delete = word ^ (ones * 0x7f);
    return (below | ((delete - ones) & ~delete)) & high;
}

/* The first control character other than HTAB in [at, end); `end` where there is none. Eight bytes a step. */
static inline size_t http_find_control(const char *data, size_t at, size_t end)
{
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, data + at, sizeof word);
        uint64_t controls = http_word_controls(le64toh(word));
        if (controls == 0) {
            at += 8;
            continue;
        }
        at += (size_t)__builtin_ctzll(controls) / 8;
        if (data[at] != '\t') {
            return at;
        }
        at++;
    }
    return http_skip(data, at, end, HTTP_BYTE_TEXT);
}

#endif
