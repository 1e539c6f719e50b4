#include "base/log_text.h"

#include "base/encoding.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define CUT_MARK "\xe2\x80\xa6"

static inline bool plain_byte(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* What makes a terminal or a reader of lines act, or shows a text in another order than it has: C0, DEL and C1, the line
 * and paragraph separators, and the controls of direction (Bidi_Control, Unicode Standard Annex #9). */
static bool acts(uint32_t point)
{
    static const struct {
        uint16_t from, to;
    } ranges[] = {
        { 0x0000, 0x001f }, { 0x007f, 0x009f }, { 0x061c, 0x061c },
        { 0x200e, 0x200f }, { 0x2028, 0x202e }, { 0x2066, 0x2069 },
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (point >= ranges[i].from && point <= ranges[i].to) {
            return true;
        }
    }
    return false;
}

static size_t escape_code(char out[8], uint32_t code)
{
    unsigned char bytes[2] = { (unsigned char)(code >> 8), (unsigned char)code };
    memcpy(out, "\\u", 2);
    hex_encode(bytes, sizeof bytes, out + 2);
    return 6;
}

/* One character of the input, escaped. Returns the bytes taken. */
static size_t escape_one(struct slice text, char out[8], size_t *ret_size)
{
    uint32_t point;
    size_t taken = utf8_sequence(text, &point);
    if (taken == 0) {
        *ret_size = escape_code(out, 0xfffd);
        return 1;
    }
    if (acts(point)) {
        *ret_size = escape_code(out, point);
        return taken;
    }
    size_t mark = point == '"' || point == '\\' ? 1 : 0;
    out[0] = '\\';
    memcpy(out + mark, text.ptr, taken);
    *ret_size = mark + taken;
    return taken;
}

void log_text_mask(char *text, size_t size)
{
    size_t taken;
    for (size_t i = 0; i < size; i += taken) {
        uint32_t point;
        taken = utf8_sequence(slice_of(text + i, size - i), &point);
        if (taken == 0 || (acts(point) && point != '\n')) {
            taken = taken > 0 ? taken : 1;
            memset(text + i, '?', taken);
        }
    }
}

#ifdef __SSE2__
/* Does nothing in these sixteen bytes need a look? They are printable ASCII then, and neither quote nor backslash. */
static inline bool plain_pair(uint64_t a, uint64_t b)
{
    __m128i text = _mm_set_epi64x((long long)b, (long long)a);
    __m128i found = _mm_cmplt_epi8(text, _mm_set1_epi8(0x20)); /* signed: what is not ASCII is below, too */
    found = _mm_or_si128(found, _mm_cmpeq_epi8(text, _mm_set1_epi8('"')));
    found = _mm_or_si128(found, _mm_cmpeq_epi8(text, _mm_set1_epi8('\\')));
    found = _mm_or_si128(found, _mm_cmpeq_epi8(text, _mm_set1_epi8(0x7f)));
    return _mm_movemask_epi8(found) == 0;
}
#else
#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static inline uint64_t has_zero_byte(uint64_t word)
{
    return (word - ONES) & ~word & HIGHS;
}

static inline bool plain_word(uint64_t word)
{
    uint64_t control = (word - ONES * 0x20) & ~word & HIGHS;
    return ((word & HIGHS) | control | has_zero_byte(word ^ ONES * '"') | has_zero_byte(word ^ ONES * '\\') |
            has_zero_byte(word ^ ONES * 0x7f)) == 0;
}

/* The same, eight bytes at a time. */
static inline bool plain_pair(uint64_t a, uint64_t b)
{
    return plain_word(a) && plain_word(b);
}
#endif

static inline uint64_t load(const unsigned char *bytes, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, bytes, size);
    return word;
}

/* Copies two pieces of a text, which may overlap, if nothing in them needs a look. `size`: 2, 4 or 8, known when it is compiled. */
static inline bool put_pieces(char *at, const unsigned char *bytes, size_t second, size_t size)
{
    uint64_t a = load(bytes, size), b = load(bytes + second, size);
    uint64_t both = size == 2 ? (a | b << 16) * (UINT64_C(1) + (UINT64_C(1) << 32)) : a | b << 32;
    if (size < sizeof a ? !plain_pair(both, both) : !plain_pair(a, b)) {
        return false;
    }
    memcpy(at, &a, size);
    memcpy(at + second, &b, size);
    return true;
}

/* Copies from the front what needs no look. Returns how many bytes, perhaps fewer than there are: then the one behind them
 * is to be looked at. */
static size_t put_plain(char *at, const unsigned char *bytes, size_t size)
{
    size_t i = 0;
    while (size - i >= 16 && put_pieces(at + i, bytes + i, 8, 8)) {
        i += 16;
    }
    size_t rest = size - i;
    if ((rest >= 8 && rest < 16 && put_pieces(at + i, bytes + i, rest - 8, 8)) ||
        (rest >= 4 && rest < 8 && put_pieces(at + i, bytes + i, rest - 4, 4)) ||
        (rest >= 2 && rest < 4 && put_pieces(at + i, bytes + i, rest - 2, 2))) {
        return size;
    }
    while (i < size && plain_byte(bytes[i])) {
        at[i] = (char)bytes[i];
        i++;
    }
    return i;
}

/* All that stands before `limit`; behind it there is room for the mark. By itself, so that who writes a plain text sets up nothing
 * of it. */
__attribute__((noinline)) static char *escape(char *at, struct slice text, const char *limit)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    size_t i = 0;
    while (i < text.len) {
        size_t plain = put_plain(at, bytes + i,
                                 text.len - i < (size_t)(limit - at) ? text.len - i : (size_t)(limit - at));
        at += plain;
        i += plain;
        if (i == text.len) {
            break;
        }
        char escaped[8];
        size_t size;
        size_t taken = escape_one(slice_from(text, i), escaped, &size);
        if (limit - at < (ptrdiff_t)size) {
            return (char *)memcpy(at, CUT_MARK, sizeof(CUT_MARK) - 1) + sizeof(CUT_MARK) - 1;
        }
        for (size_t k = 0; k < size; k++) {
            *at++ = escaped[k];
        }
        i += taken;
    }
    return at;
}

char *log_text_escape(char *at, struct slice text, size_t maximum)
{
    const size_t room = maximum - (sizeof CUT_MARK - 1);
    size_t plain = text.len <= room ? put_plain(at, (const unsigned char *)text.ptr, text.len) : 0;
    return plain == text.len ? at + plain : escape(at + plain, slice_from(text, plain), at + room);
}
