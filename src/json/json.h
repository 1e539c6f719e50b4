/* Strict JSON (RFC 8259): one reader for claims, key sets and bodies.
 *
 * The tree lives in the caller's arena. Strings without escapes point into the text that was parsed: it must live as
 * long as the tree. Refused, beyond the RFC's grammar: duplicate member names (after unescaping), lone surrogates,
 * invalid UTF-8, a byte order mark, nesting over the limit, bytes behind the value, numbers longer than JSON_NUMBER_MAX
 * or beyond the range of a double: whatever two readers could understand differently. A finished tree is read-only: any
 * thread. */
#ifndef SALLYPORT_JSON_JSON_H
#define SALLYPORT_JSON_JSON_H

#include "base/arena.h"
#include "base/error.h"

enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_member;

struct json {
    enum json_type type;
    bool boolean;      /* JSON_BOOL */
    bool is_integer;   /* JSON_NUMBER: written without fraction and exponent, and fits `integer` */
    int64_t integer;   /* where is_integer */
    double number;     /* JSON_NUMBER */
    struct slice text; /* JSON_STRING: its unescaped value; JSON_NUMBER: as written */
    size_t count;      /* items or members */
    union {
        struct json *items;          /* JSON_ARRAY */
        struct json_member *members; /* JSON_OBJECT, in the order of the text */
    };
    const uint32_t *index; /* of a large object: a hash table of its members' numbers, by name; else NULL */
};

struct json_member {
    struct slice name;
    struct json value;
};

/* Parses one value. `depth_max`: arrays and objects that may stand in each other; 0 allows scalars only. On failure
 * `*ret_offset` (may be NULL) is the byte at which the text went wrong. */
struct error json_parse(struct slice text, unsigned int depth_max, struct arena *arena,
                        struct json **ret_value, size_t *ret_offset) MUST_CHECK;

/* The member of that name; NULL where absent or where `object` is NULL or no object. */
const struct json *json_get(const struct json *object, struct slice name);

/* Convenience over json_get: false, with nothing written, when absent or of another type. */
bool json_get_string(const struct json *object, struct slice name, struct slice *ret_text);
bool json_get_integer(const struct json *object, struct slice name, int64_t *ret_value);

/* Equality of values; numbers by their exact value, however they are written; objects whatever the order. */
bool json_equal(const struct json *a, const struct json *b);

/* Below, equal or above 0, as `a` is below, equal to or above `b`: two JSON_NUMBERs by their exact values, however they are
 * written and however many digits they have. */
int json_compare_numbers(const struct json *a, const struct json *b);

/* A copy of a tree in one piece of memory of json_flat_size bytes, aligned as malloc does: it refers to nothing else, and
 * goes when the memory goes. */
size_t json_flat_size(const struct json *value);
struct json *json_flat_copy(const struct json *value, void *memory);

#endif
