/* Text as pointer and length. A slice owns nothing and is never NUL-dependent: whoever made it says how long
 * its bytes stay good. All functions are pure and may be called from any thread. */
#ifndef SALLYPORT_BASE_SLICE_H
#define SALLYPORT_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

struct slice {
    const char *ptr;
    size_t len;
};

/* A slice of a string literal, its NUL left out. */
#define SLICE(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })
/* The same for static tables, where a compound literal is no constant. */
#define SLICE_INIT(literal)             \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }
#define SLICE_NONE ((struct slice){ NULL, 0 })

/* printf("%.*s", SLICE_ARG(s)) */
#define SLICE_ARG(s) (int)(s).len, (s).ptr

static inline struct slice slice_of(const char *ptr, size_t len)
{
    return (struct slice){ ptr, len };
}

static inline struct slice slice_from_string(const char *string)
{
    return string != NULL ? (struct slice){ string, strlen(string) } : SLICE_NONE;
}

static inline bool slice_is_empty(struct slice s)
{
    return s.len == 0;
}

/* Byte equality, not constant-time: for secrets use secret_equal() of base/secret.h. */
static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* The part from `from` of at most `len` bytes; both are clamped to the slice. */
static inline struct slice slice_part(struct slice s, size_t from, size_t len)
{
    if (from > s.len) {
        from = s.len;
    }
    if (len > s.len - from) {
        len = s.len - from;
    }
    return s.ptr != NULL ? (struct slice){ s.ptr + from, len } : SLICE_NONE;
}

static inline struct slice slice_from(struct slice s, size_t from)
{
    return slice_part(s, from, s.len);
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && slice_equal(slice_part(s, 0, prefix.len), prefix);
}

static inline bool slice_ends_with(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len && slice_equal(slice_from(s, s.len - suffix.len), suffix);
}

/* ASCII only, whatever the locale. */
static inline char ascii_lower(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char)(c | 0x20) : c;
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(char c)
{
    char lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'z';
}

/* Equality without ASCII case. */
bool slice_equal_nocase(struct slice a, struct slice b);

/* memcmp order, the shorter first where one is the other's prefix. */
int slice_compare(struct slice a, struct slice b);

/* Lists as sets: sorted by slice_compare, nothing twice. Makes one of any list, and returns how many are left; */
size_t slices_sort(struct slice *slices, size_t count);
/* and is this one in it, byte for byte? */
bool slices_hold(const struct slice *sorted, size_t count, struct slice slice);

/* Position of the first `c` (the last one for _last), or -1. */
ssize_t slice_find(struct slice s, char c);
ssize_t slice_find_last(struct slice s, char c);
bool slice_contains(struct slice s, struct slice part);

/* Without leading and trailing SP and HTAB (OWS, RFC 9110 section 5.6.3). */
struct slice slice_trim(struct slice s);

/* Takes the text up to the first `separator` off `*rest`, separator included, into `*ret_part`.
 * False, with nothing written, when `rest->ptr` is NULL: so "a,,b" gives "a", "", "b" and an empty slice gives one "". */
bool slice_next(struct slice *rest, char separator, struct slice *ret_part);

/* Unsigned decimal: 1 to 19 ASCII digits and nothing else. False, with nothing written, otherwise. */
bool slice_to_u64(struct slice s, uint64_t *ret_value);

/* "5" or "5-9": two such numbers, the first one not above the last. False, with nothing written, otherwise. */
bool slice_to_range(struct slice s, uint64_t *ret_first, uint64_t *ret_last);

#endif
