#include "json/tree.h"

#include "json/number.h"

#include "base/hash.h"

/* The hash table of a large object has twice as many places as members at least, a power of two. A place holds a member's
 * number and one, or 0. */
static size_t index_places(const struct json *object)
{
    return (size_t)1 << (65 - __builtin_clzll(object->count));
}

/* The place of that name, or the empty one where it would stand. The hash is keyed, so nobody can choose names that share
 * places. */
static size_t index_locate(const struct json *object, const uint32_t *index, struct slice name)
{
    size_t mask = index_places(object) - 1;
    for (size_t at = hash_bytes(name.ptr, name.len) & mask;; at = (at + 1) & mask) {
        if (index[at] == 0 || slice_equal(object->members[index[at] - 1].name, name)) {
            return at;
        }
    }
}

static enum tree_result make_index(struct json *object, struct arena *arena, size_t *ret_index)
{
    if (object->count >= UINT32_MAX) {
        return TREE_MEMORY;
    }
    uint32_t *index = arena_calloc(arena, index_places(object), sizeof *index);
    if (index == NULL) {
        return TREE_MEMORY;
    }
    for (size_t i = 0; i < object->count; i++) {
        size_t at = index_locate(object, index, object->members[i].name);
        if (index[at] != 0) {
            *ret_index = i;
            return TREE_TWIN;
        }
        index[at] = (uint32_t)i + 1;
    }
    object->index = index;
    return TREE_GOOD;
}

static uint64_t load(const char *at, size_t size)
{
    uint64_t word = 0;
    memcpy(&word, at, size);
    return word;
}

/* A word that equal names share and different ones seldom: of both ends and the length. */
static inline uint64_t name_print(struct slice name)
{
    const char *end = name.ptr + name.len;
    uint64_t word = 0;
    if (name.len >= 8) {
        word = load(name.ptr, 8) + load(end - 8, 8) * 31;
    } else if (name.len >= 4) {
        word = load(name.ptr, 4) | load(end - 4, 4) << 32;
    } else if (name.len > 0) {
        word = load(name.ptr, 1) | load(name.ptr + name.len / 2, 1) << 8 | load(end - 1, 1) << 16;
    }
    return (word ^ name.len << 56) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Names are compared only where a bit of their prints was seen before: in most objects none is. */
static enum tree_result find_twin(const struct json *object, size_t *ret_index)
{
    const struct json_member *members = object->members;
    uint64_t prints[JSON_INDEXED_ABOVE] __attribute__((uninitialized));
    uint64_t seen[4] = { 0 };
    for (size_t i = 0; i < object->count; i++) {
        prints[i] = name_print(members[i].name);
        uint64_t bit = UINT64_C(1) << (prints[i] >> 58);
        uint64_t *word = &seen[(prints[i] >> 56) & 3];
        for (size_t k = (*word & bit) != 0 ? 0 : i; k < i; k++) {
            if (prints[k] == prints[i] && slice_equal(members[k].name, members[i].name)) {
                *ret_index = i;
                return TREE_TWIN;
            }
        }
        *word |= bit;
    }
    return TREE_GOOD;
}

enum tree_result tree_finish_object(struct json *object, struct arena *arena, size_t *ret_index)
{
    return object->count > JSON_INDEXED_ABOVE ? make_index(object, arena, ret_index)
                                              : find_twin(object, ret_index);
}

const struct json *json_get(const struct json *object, struct slice name)
{
    if (object == NULL || object->type != JSON_OBJECT) {
        return NULL;
    }
    if (object->index != NULL) {
        uint32_t number = object->index[index_locate(object, object->index, name)];
        return number != 0 ? &object->members[number - 1].value : NULL;
    }
    for (size_t i = 0; i < object->count; i++) {
        struct slice other = object->members[i].name;
        /* Most names of the same length differ at once. */
        if (other.len == name.len &&
            (name.len == 0 || (other.ptr[0] == name.ptr[0] && memcmp(other.ptr, name.ptr, name.len) == 0))) {
            return &object->members[i].value;
        }
    }
    return NULL;
}

bool json_get_string(const struct json *object, struct slice name, struct slice *ret_text)
{
    const struct json *value = json_get(object, name);
    if (value == NULL || value->type != JSON_STRING) {
        return false;
    }
    *ret_text = value->text;
    return true;
}

bool json_get_integer(const struct json *object, struct slice name, int64_t *ret_value)
{
    const struct json *value = json_get(object, name);
    if (value == NULL || value->type != JSON_NUMBER || !value->is_integer) {
        return false;
    }
    *ret_value = value->integer;
    return true;
}

static bool arrays_equal(const struct json *a, const struct json *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!json_equal(&a->items[i], &b->items[i])) {
            return false;
        }
    }
    return true;
}

/* Names are unique in each, so equal counts and one direction are enough. */
static bool objects_equal(const struct json *a, const struct json *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        const struct json *other = json_get(b, a->members[i].name);
        if (other == NULL || !json_equal(&a->members[i].value, other)) {
            return false;
        }
    }
    return true;
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case JSON_BOOL:
        return a->boolean == b->boolean;
    case JSON_NUMBER:
        return number_equal(a, b);
    case JSON_STRING:
        return slice_equal(a->text, b->text);
    case JSON_ARRAY:
        return arrays_equal(a, b);
    case JSON_OBJECT:
        return objects_equal(a, b);
    default:
        return true;
    }
}

/* Nodes from the front, text behind them: so only the start need be aligned. */
struct flat {
    char *nodes;
    char *text;
};

#define FLAT_ALIGNMENT _Alignof(struct json_member)

static size_t align(size_t size)
{
    return (size + FLAT_ALIGNMENT - 1) & ~(FLAT_ALIGNMENT - 1);
}

static size_t index_size(const struct json *object)
{
    return object->index != NULL ? align(index_places(object) * sizeof *object->index) : 0;
}

static void measure(const struct json *value, size_t *nodes, size_t *text)
{
    *text += value->text.len;
    if (value->type == JSON_ARRAY) {
        *nodes += value->count * sizeof *value->items;
        for (size_t i = 0; i < value->count; i++) {
            measure(&value->items[i], nodes, text);
        }
    } else if (value->type == JSON_OBJECT) {
        *nodes += value->count * sizeof *value->members + index_size(value);
        for (size_t i = 0; i < value->count; i++) {
            *text += value->members[i].name.len;
            measure(&value->members[i].value, nodes, text);
        }
    }
}

size_t json_flat_size(const struct json *value)
{
    size_t nodes = sizeof *value, text = 0;
    measure(value, &nodes, &text);
    return nodes + text;
}

static void *take_nodes(struct flat *flat, size_t size)
{
    void *memory = flat->nodes;
    flat->nodes += size;
    return memory;
}

static struct slice take_text(struct flat *flat, struct slice text)
{
    if (text.len == 0) {
        return SLICE("");
    }
    char *copy = flat->text;
    memcpy(copy, text.ptr, text.len);
    flat->text += text.len;
    return slice_of(copy, text.len);
}

static void copy_value(struct flat *flat, const struct json *from, struct json *to)
{
    *to = *from;
    to->text = take_text(flat, from->text);
    if (from->type == JSON_ARRAY) {
        to->items = take_nodes(flat, from->count * sizeof *to->items);
        for (size_t i = 0; i < from->count; i++) {
            copy_value(flat, &from->items[i], &to->items[i]);
        }
    } else if (from->type == JSON_OBJECT) {
        to->members = take_nodes(flat, from->count * sizeof *to->members);
        if (from->index != NULL) {
            to->index = memcpy(take_nodes(flat, index_size(from)), from->index,
                               index_places(from) * sizeof *from->index);
        }
        for (size_t i = 0; i < from->count; i++) {
            to->members[i].name = take_text(flat, from->members[i].name);
            copy_value(flat, &from->members[i].value, &to->members[i].value);
        }
    }
}

struct json *json_flat_copy(const struct json *value, void *memory)
{
    size_t nodes = sizeof *value, text = 0;
    measure(value, &nodes, &text);
    struct flat flat = { .nodes = memory, .text = (char *)memory + nodes };
    struct json *copy = take_nodes(&flat, sizeof *copy);
    copy_value(&flat, value, copy);
    return copy;
}
