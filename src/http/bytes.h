/* Classes of bytes by the grammars of RFC 9110, 9112 and 3986, and the one scan that every line passes. Pure; any
 * thread. */
#ifndef SALLYPORT_HTTP_BYTES_H
#define SALLYPORT_HTTP_BYTES_H

#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/slice.h"

enum http_byte {
    HTTP_BYTE_TOKEN = 1,      /* tchar, RFC 9110 section 5.6.2 */
    HTTP_BYTE_TEXT = 2,       /* HTAB, SP, VCHAR, obs-text: what a field value is made of, section 5.5 */
    HTTP_BYTE_VISIBLE = 4,    /* VCHAR: 0x21 to 0x7e */
    HTTP_BYTE_UNRESERVED = 8, /* RFC 3986 section 2.3 */
    HTTP_BYTE_SEGMENT = 16,   /* pchar without percent escapes and ';', section 3.3 */
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

/* Is every byte of the class? Not so of no bytes. */
static inline bool http_all(struct slice text, unsigned int classes)
{
    return text.len > 0 && http_skip(text.ptr, 0, text.len, classes) == text.len;
}

/* Is this word, without case, the known lower-case one? Where the known one has bit 0x40, 0x20 does not count. */
static inline bool http_words_equal(uint64_t word, uint64_t known)
{
    return (word | ((known & 0x4040404040404040U) >> 1)) == known;
}

static inline uint64_t http_load(const char *at, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, at, size);
    return word;
}

/* Equality without case to a known text of lower-case letters, digits and '-', of which only letters have bit 0x40. */
static inline bool http_equals(struct slice text, struct slice known)
{
    size_t len = known.len;
    if (text.len != len) {
        return false;
    }
    if (len >= 8) {
        for (size_t at = 0; at + 8 < len; at += 8) {
            if (!http_words_equal(http_load(text.ptr + at, 8), http_load(known.ptr + at, 8))) {
                return false;
            }
        }
        return http_words_equal(http_load(text.ptr + len - 8, 8), http_load(known.ptr + len - 8, 8));
    }
    if (len >= 4) {
        return http_words_equal(http_load(text.ptr, 4), http_load(known.ptr, 4)) &&
               http_words_equal(http_load(text.ptr + len - 4, 4), http_load(known.ptr + len - 4, 4));
    }
    for (size_t i = 0; i < len; i++) {
        if (ascii_lower(text.ptr[i]) != known.ptr[i]) {
            return false;
        }
    }
    return true;
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
static inline size_t http_find_control_by_words(const char *data, size_t at, size_t end)
{
    while (end - at >= 8) {
        uint64_t controls = http_word_controls(le64toh(http_load(data + at, 8)));
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
    /* The rest in one look, together with bytes before it: where those have a control or a tab, it is gone through. */
    if (end >= 8 && http_word_controls(http_load(data + end - 8, 8)) == 0) {
        return end;
    }
    return http_skip(data, at, end, HTTP_BYTE_TEXT);
}

/* The same, sixteen bytes a step where the processor can: every byte of every head comes by here. */
static inline size_t http_find_control(const char *data, size_t at, size_t end)
{
#ifdef __SSE2__
    const __m128i highest = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), delete = _mm_set1_epi8(0x7f);
    while (end - at >= 16) {
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)(data + at));
        __m128i below = _mm_cmpeq_epi8(_mm_min_epu8(text, highest), text);
        __m128i control =
            _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(text, tab), below), _mm_cmpeq_epi8(text, delete));
        int found = _mm_movemask_epi8(control);
        if (found != 0) {
            return at + (size_t)__builtin_ctz((unsigned int)found);
        }
        at += 16;
    }
#endif
    return http_find_control_by_words(data, at, end);
}

#endif
