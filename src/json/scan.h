/* Scans of the JSON reader, many bytes a step: private to src/json. Nothing outside of [at, end) is read. Pure; any thread.
 *
 * The three forms of scan_plain are one function: the reader calls the one that suits the processor, the others stand below
 * it for what is left at the end. */
#ifndef SALLYPORT_JSON_SCAN_H
#define SALLYPORT_JSON_SCAN_H

#include <endian.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/slice.h"

static inline const char *scan_plain_by_bytes(const char *at, const char *end, bool *high)
{
    unsigned char seen = 0;
    while (at < end && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\') {
        seen |= (unsigned char)*at++;
    }
    *high |= (seen & 0x80) != 0;
    return at;
}

/* Eight bytes a step. A bit trick finds, in each byte, what is below 0x20 or equal to either mark: a borrow may report too
 * much behind the first hit, never too little before it. */
static inline const char *scan_plain_by_words(const char *at, const char *end, bool *high)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        word = le64toh(word);
        uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        uint64_t hit = ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
        hit &= tops;
        if (hit != 0) {
            /* Below the lowest set bit stand the bytes before the hit. */
            *high |= (word & tops & (hit ^ (hit - 1)) & ~hit) != 0;
            return at + __builtin_ctzll(hit) / 8;
        }
        *high |= (word & tops) != 0;
        at += 8;
    }
    return scan_plain_by_bytes(at, end, high);
}

/* The first byte that ends a run of plain string bytes: a quote, a backslash, or a control character; `end` where there is
 * none. `*high` becomes true where a byte of the run is not ASCII. */
static inline const char *scan_plain(const char *at, const char *end, bool *high)
{
#ifdef __SSE2__
    const __m128i control = _mm_set1_epi8(0x1f), quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    while (end - at >= 16) {
        __m128i text = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(text, quote), _mm_cmpeq_epi8(text, slash));
        marks = _mm_or_si128(marks, _mm_cmpeq_epi8(_mm_min_epu8(text, control), text));
        unsigned int hit = (unsigned int)_mm_movemask_epi8(marks);
        unsigned int tops = (unsigned int)_mm_movemask_epi8(text);
        if (hit != 0) {
            *high |= (tops & (hit - 1) & ~hit) != 0;
            return at + __builtin_ctz(hit);
        }
        *high |= tops != 0;
        at += 16;
    }
#endif
    return scan_plain_by_words(at, end, high);
}

/* Behind white space (RFC 8259 section 2). */
static inline const char *scan_space(const char *at, const char *end)
{
    while (at < end && (unsigned char)*at <= ' ' &&
           (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) {
        at++;
    }
    return at;
}

#endif
