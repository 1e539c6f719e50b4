#include "json/json.h"

#include "base/encoding.h"
#include "base/limits.h"
#include "json/escape.h"
#include "json/number.h"
#include "json/scan.h"
#include "json/tree.h"

#include <stdlib.h>

#define SLOTS_INLINE 64 /* enough for a token without touching the heap */

/* An item or member of a container that is not closed yet. */
struct slot {
    struct json_member member;
    const char *at; /* where its name or value starts */
};

/* Recursive descent. Items of all open containers stand on one stack of slots; a container that closes copies its own
 * into the arena, exactly as many as there are.
 * Where the text goes on is handed from function to function and not kept here, so that it stays in a register: each takes
 * where it begins and returns where it ended; NULL: refused, and `error` and `refused_at` say why and where. */
struct reader {
    const char *end;
    struct arena *arena;
    unsigned int depth_left;
    struct slot *slots;
    struct slot *heap; /* what to free */
    size_t used, capacity, maximum;
    struct error error;
    const char *refused_at;
};

static const char *refuse(struct reader *reader, const char *at, struct error error)
{
    reader->error = error;
    reader->refused_at = at;
    return NULL;
}

static const char *refuse_syntax(struct reader *reader, const char *at, const char *what)
{
    return refuse(reader, at, FAIL(ERROR_SYNTAX, what));
}

static const char *refuse_memory(struct reader *reader, const char *at)
{
    return refuse(reader, at, FAIL(ERROR_MEMORY, "the JSON text needs too much memory"));
}

static inline bool is_at(const struct reader *reader, const char *at, char c)
{
    return at < reader->end && *at == c;
}

static bool grow_slots(struct reader *reader)
{
    size_t capacity = reader->capacity * 2;
    if (reader->used >= reader->maximum) {
        return false;
    }
    struct slot *slots = malloc(capacity * sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    memcpy(slots, reader->slots, reader->used * sizeof *slots);
    free(reader->heap);
    reader->heap = reader->slots = slots;
    reader->capacity = capacity;
    return true;
}

/* Good until the next one. NULL: refused. */
static inline struct slot *push_slot(struct reader *reader, const char *at)
{
    if (reader->used == reader->capacity && !grow_slots(reader)) {
        refuse_memory(reader, at);
        return NULL;
    }
    return &reader->slots[reader->used++];
}

/* The end of a string with escapes: its closing quote. */
static const char *find_quote(struct reader *reader, const char *at, bool *high)
{
    for (;;) {
        at = scan_plain(at, reader->end, high);
        if (is_at(reader, at, '"')) {
            return at;
        }
        if (reader->end - at < 2 || *at != '\\') {
            return refuse_syntax(reader, at, "a string does not end, or holds a control character");
        }
        at += 2;
    }
}

/* What follows a backslash is skipped unseen: a byte that is not ASCII there is no escape, and is refused here. */
static bool unescape(struct reader *reader, struct slice raw, struct slice *ret_text)
{
    char *text = arena_alloc(reader->arena, raw.len);
    if (text == NULL) {
        refuse_memory(reader, raw.ptr);
        return false;
    }
    size_t length;
    const char *bad = escape_decode(raw, text, &length);
    if (bad != NULL) {
        refuse_syntax(reader, bad, "a string holds an escape that JSON does not have");
        return false;
    }
    *ret_text = slice_of(text, length);
    return true;
}

/* A string that is not all plain ASCII up to `at`, where it stopped being plain. */
static const char *finish_string(struct reader *reader, const char *from, const char *at, bool high,
                                 struct slice *ret_text)
{
    bool escaped = is_at(reader, at, '\\');
    at = find_quote(reader, at, &high);
    if (at == NULL) {
        return NULL;
    }
    struct slice raw = slice_of(from, (size_t)(at - from));
    if (high && !utf8_valid(raw)) {
        return refuse_syntax(reader, from, "a string is not UTF-8");
    }
    if (escaped && !unescape(reader, raw, &raw)) {
        return NULL;
    }
    *ret_text = raw;
    return at + 1;
}

/* `from` stands behind the opening quote. */
static inline const char *parse_string(struct reader *reader, const char *from, struct slice *ret_text)
{
    bool high = false;
    const char *at = scan_plain(from, reader->end, &high);
    if (is_at(reader, at, '"') && !high) {
        *ret_text = slice_of(from, (size_t)(at - from));
        return at + 1;
    }
    return finish_string(reader, from, at, high, ret_text);
}

static const char *parse_literal(struct reader *reader, const char *at, struct slice word, struct json value,
                                 struct json *out)
{
    if ((size_t)(reader->end - at) < word.len || memcmp(at, word.ptr, word.len) != 0) {
        return refuse_syntax(reader, at, "a value was expected");
    }
    *out = value;
    return at + word.len;
}

static const char *parse_number(struct reader *reader, const char *at, struct json *out)
{
    struct slice rest = slice_of(at, (size_t)(reader->end - at));
    size_t len = number_short(rest, out);
    if (len > 0) {
        return at + len;
    }
    bool plain = false;
    len = number_scan(rest, &plain);
    if (len == 0) {
        return refuse_syntax(reader, at, "a value was expected");
    }
    if (!number_convert(slice_part(rest, 0, len), plain, out)) {
        return refuse(reader, at, FAIL(ERROR_VALUE, "a number is out of range"));
    }
    return at + len;
}

static inline const char *parse_scalar(struct reader *reader, const char *at, struct json *out)
{
    switch (at < reader->end ? *at : '\0') {
    case '"':
        *out = (struct json){ .type = JSON_STRING };
        return parse_string(reader, at + 1, &out->text);
    case 't':
        return parse_literal(reader, at, SLICE("true"), (struct json){ .type = JSON_BOOL, .boolean = true },
                             out);
    case 'f':
        return parse_literal(reader, at, SLICE("false"), (struct json){ .type = JSON_BOOL }, out);
    case 'n':
        return parse_literal(reader, at, SLICE("null"), (struct json){ .type = JSON_NULL }, out);
    default:
        return parse_number(reader, at, out);
    }
}

/* Moves the slots from `base` on into an array of the arena. False: refused. */
static bool close_array(struct reader *reader, const char *at, size_t base, struct json *out)
{
    size_t count = reader->used - base;
    struct json array = { .type = JSON_ARRAY, .count = count };
    if (count > 0) {
        array.items = arena_alloc(reader->arena, count * sizeof *array.items);
        if (array.items == NULL) {
            refuse_memory(reader, at);
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        array.items[i] = reader->slots[base + i].member.value;
    }
    reader->used = base;
    *out = array;
    return true;
}

static bool close_object(struct reader *reader, const char *at, size_t base, struct json *out)
{
    size_t count = reader->used - base;
    struct json object = { .type = JSON_OBJECT, .count = count };
    if (count > 0) {
        object.members = arena_alloc(reader->arena, count * sizeof *object.members);
        if (object.members == NULL) {
            refuse_memory(reader, at);
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        object.members[i] = reader->slots[base + i].member;
    }
    size_t twin;
    switch (tree_finish_object(&object, reader->arena, &twin)) {
    case TREE_MEMORY:
        refuse_memory(reader, at);
        return false;
    case TREE_TWIN:
        /* One name with two values means to each reader what it likes. */
        refuse(reader, reader->slots[base + twin].at, FAIL(ERROR_VALUE, "a member name stands twice"));
        return false;
    case TREE_GOOD:
        break;
    }
    reader->used = base;
    *out = object;
    return true;
}

static const char *parse_container(struct reader *reader, const char *at, struct json *out);

/* A value, with its name in an object; `place` is where both start. A container takes its slot only when it is whole: until
 * then its own items stand there. */
static inline const char *parse_element(struct reader *reader, const char *at, const char *place,
                                        struct slice name)
{
    struct json container __attribute__((uninitialized));
    bool nested = is_at(reader, at, '{') || is_at(reader, at, '[');
    if (nested) {
        at = parse_container(reader, at, &container);
        if (at == NULL) {
            return NULL;
        }
    }
    struct slot *slot = push_slot(reader, place);
    if (slot == NULL) {
        return NULL;
    }
    slot->at = place;
    slot->member.name = name;
    if (nested) {
        slot->member.value = container;
        return at;
    }
    return parse_scalar(reader, at, &slot->member.value);
}

static inline const char *parse_member(struct reader *reader, const char *place)
{
    struct slice name = SLICE_NONE;
    if (!is_at(reader, place, '"')) {
        return refuse_syntax(reader, place, "a member name was expected");
    }
    const char *at = parse_string(reader, place + 1, &name);
    if (at == NULL) {
        return NULL;
    }
    at = scan_space(at, reader->end);
    if (!is_at(reader, at, ':')) {
        return refuse_syntax(reader, at, "a colon was expected");
    }
    return parse_element(reader, scan_space(at + 1, reader->end), place, name);
}

/* What stands between the brackets; returns where the closing one must be. */
static const char *parse_contents(struct reader *reader, const char *at, bool is_object)
{
    for (;;) {
        at = is_object ? parse_member(reader, at) : parse_element(reader, at, at, SLICE_NONE);
        if (at == NULL) {
            return NULL;
        }
        at = scan_space(at, reader->end);
        if (!is_at(reader, at, ',')) {
            return at;
        }
        at = scan_space(at + 1, reader->end);
    }
}

/* `at` stands on the opening bracket. */
static const char *parse_container(struct reader *reader, const char *at, struct json *out)
{
    const bool is_object = *at == '{';
    const char closing = is_object ? '}' : ']';
    if (reader->depth_left == 0) {
        return refuse(reader, at, FAIL(ERROR_LIMIT, "the JSON text is nested too deep"));
    }
    reader->depth_left--;
    size_t base = reader->used;
    at = scan_space(at + 1, reader->end);
    if (!is_at(reader, at, closing)) {
        at = parse_contents(reader, at, is_object);
        if (at == NULL) {
            return NULL;
        }
    }
    if (!is_at(reader, at, closing)) {
        return refuse_syntax(reader, at, "a comma or a closing bracket was expected");
    }
    if (!(is_object ? close_object(reader, at, base, out) : close_array(reader, at, base, out))) {
        return NULL;
    }
    reader->depth_left++;
    return at + 1;
}

static bool parse_document(struct reader *reader, const char *at, struct json **ret_value)
{
    struct json *value = arena_alloc(reader->arena, sizeof *value);
    if (value == NULL) {
        return refuse_memory(reader, at) != NULL;
    }
    at = scan_space(at, reader->end);
    at = is_at(reader, at, '{') || is_at(reader, at, '[') ? parse_container(reader, at, value)
                                                          : parse_scalar(reader, at, value);
    if (at == NULL) {
        return false;
    }
    at = scan_space(at, reader->end);
    if (at != reader->end) {
        return refuse_syntax(reader, at, "there is more behind the value") != NULL;
    }
    *ret_value = value;
    return true;
}

struct error json_parse(struct slice text, unsigned int depth_max, struct arena *arena,
                        struct json **ret_value, size_t *ret_offset)
{
    struct slot inline_slots[SLOTS_INLINE] __attribute__((uninitialized));
    const char *start = text.ptr != NULL ? text.ptr : "";
    struct reader reader = {
        .end = start + text.len,
        .arena = arena,
        .depth_left = depth_max,
        .slots = inline_slots,
        .capacity = SLOTS_INLINE,
        /* Every slot becomes an item in the arena: more than fit there need not be gathered. */
        .maximum = (arena->maximum - arena->used) / sizeof(struct json),
        .error = OK,
    };
    bool parsed = parse_document(&reader, start, ret_value);
    free(reader.heap);
    if (!parsed && ret_offset != NULL) {
        *ret_offset = (size_t)(reader.refused_at - start);
    }
    return reader.error;
}
