#include "json/tree.h"

#include "json/number.h"

#include <stdlib.h>

/* By name, then by place, so that the later of two twins comes second. */
static int compare_members(const void *left, const void *right, void *context)
{
    const struct json_member *members = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = slice_compare(members[a].name, members[b].name);
    return order != 0 ? order : (a > b) - (a < b);
}

bool tree_order(struct json *object, struct arena *arena)
{
    if (object->count <= JSON_ORDERED_ABOVE) {
        return true;
    }
    if (object->count > UINT32_MAX) {
        return false;
    }
    uint32_t *order = arena_alloc(arena, object->count * sizeof *order);
    if (order == NULL) {
        return false;
    }
    for (size_t i = 0; i < object->count; i++) {
        order[i] = (uint32_t)i;
    }
    qsort_r(order, object->count, sizeof *order, compare_members, object->members);
    object->order = order;
    return true;
}

bool tree_has_twin(const struct json *object, size_t *ret_index)
{
    const struct json_member *members = object->members;
    if (object->order != NULL) {
        for (size_t i = 1; i < object->count; i++) {
            if (slice_equal(members[object->order[i - 1]].name, members[object->order[i]].name)) {
                *ret_index = object->order[i];
                return true;
            }
        }
        return false;
    }
    for (size_t i = 1; i < object->count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (slice_equal(members[i].name, members[k].name)) {
                *ret_index = i;
                return true;
            }
        }
    }
    return false;
}

static const struct json *search(const struct json *object, struct slice name)
{
    size_t low = 0, high = object->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct json_member *member = &object->members[object->order[middle]];
        int order = slice_compare(name, member->name);
        if (order == 0) {
            return &member->value;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct json *json_get(const struct json *object, struct slice name)
{
    if (object == NULL || object->type != JSON_OBJECT) {
        return NULL;
    }
    if (object->order != NULL) {
        return search(object, name);
    }
    for (size_t i = 0; i < object->count; i++) {
        if (slice_equal(object->members[i].name, name)) {
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

static size_t order_size(const struct json *object)
{
    return object->order != NULL ? align(object->count * sizeof *object->order) : 0;
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
        *nodes += value->count * sizeof *value->members + order_size(value);
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
        if (from->order != NULL) {
            to->order =
                memcpy(take_nodes(flat, order_size(from)), from->order, from->count * sizeof *from->order);
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
