#include "json/json.h"

#include "base/encoding.h"
#include "base/limits.h"
#include "json/escape.h"
#include "json/number.h"
#include "json/tree.h"

#include <stdlib.h>

#define SLOTS_INLINE 64 /* enough for a token without touching the heap */

/* An item or member of a container that is not closed yet. */
struct slot {
    struct json_member member;
    const char *at; /* where its name or value starts */
};

/* Recursive descent. Items of all open containers stand on one stack of slots; a container that closes copies its own
 * into the arena, exactly as many as there are. */
struct reader {
    const char *start, *at, *end;
    struct arena *arena;
    unsigned int depth_left;
    struct slot *slots;
    struct slot *heap; /* what to free */
    size_t used, capacity, maximum;
    struct error error;
};

static bool refuse(struct reader *reader, const char *at, struct error error)
{
    reader->error = error;
    reader->at = at;
    return false;
}

static bool refuse_syntax(struct reader *reader, const char *what)
{
    return refuse(reader, reader->at, FAIL(ERROR_SYNTAX, what));
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end &&
           (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\r' || *reader->at == '\t')) {
        reader->at++;
    }
}

static bool next_is(const struct reader *reader, char c)
{
    return reader->at < reader->end && *reader->at == c;
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

static bool push_slot(struct reader *reader, const struct slot *slot)
{
    if (reader->used == reader->capacity && !grow_slots(reader)) {
        return refuse(reader, slot->at, FAIL(ERROR_MEMORY, "the JSON text needs too much memory"));
    }
    reader->slots[reader->used++] = *slot;
    return true;
}

/* The first byte that ends a run of plain string bytes: a quote, a backslash, or a control character. `*high` becomes
 * true where a byte of the run is not ASCII. Eight bytes at a time: a bit trick finds, in each byte, what is below 0x20
 * or equal to either mark; it may report too much behind a hit, never too little. */
static const char *scan_plain(const char *at, const char *end, bool *high)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    uint64_t seen = 0, word;
    while ((size_t)(end - at) >= sizeof word) {
        memcpy(&word, at, sizeof word);
        uint64_t quote = word ^ (ones * '"'), slash = word ^ (ones * '\\');
        uint64_t hit = ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
        if ((hit & tops) != 0) {
            break;
        }
        seen |= word & tops;
        at += sizeof word;
    }
    while (at < end && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\') {
        seen |= (unsigned char)*at & 0x80U;
        at++;
    }
    *high |= seen != 0;
    return at;
}

/* The end of a string with escapes: its closing quote. NULL: there is none. */
static const char *find_quote(struct reader *reader, const char *at, bool *high)
{
    for (;;) {
        at = scan_plain(at, reader->end, high);
        if (at < reader->end && *at == '"') {
            return at;
        }
        if (reader->end - at < 2 || *at != '\\') {
            reader->at = at;
            return NULL;
        }
        at += 2;
    }
}

static bool unescape(struct reader *reader, struct slice raw, struct slice *ret_text)
{
    char *text = arena_alloc(reader->arena, raw.len);
    if (text == NULL) {
        return refuse(reader, raw.ptr, FAIL(ERROR_MEMORY, "the JSON text needs too much memory"));
    }
    size_t length;
    const char *bad = escape_decode(raw, text, &length);
    if (bad != NULL) {
        return refuse(reader, bad, FAIL(ERROR_SYNTAX, "a string holds an escape that JSON does not have"));
    }
    *ret_text = slice_of(text, length);
    return true;
}

static bool parse_string(struct reader *reader, struct slice *ret_text)
{
    bool high = false;
    const char *from = reader->at + 1;
    const char *at = scan_plain(from, reader->end, &high);
    bool escaped = at < reader->end && *at == '\\';
    at = find_quote(reader, at, &high);
    if (at == NULL) {
        return refuse_syntax(reader, "a string does not end, or holds a control character");
    }
    struct slice raw = slice_of(from, (size_t)(at - from));
    if (high && !utf8_valid(raw)) {
        return refuse(reader, from, FAIL(ERROR_SYNTAX, "a string is not UTF-8"));
    }
    if (escaped && !unescape(reader, raw, &raw)) {
        return false;
    }
    reader->at = at + 1;
    *ret_text = raw;
    return true;
}

static bool parse_value(struct reader *reader, struct json *out);

static bool close_array(struct reader *reader, size_t base, struct json *out)
{
    size_t count = reader->used - base;
    struct json array = { .type = JSON_ARRAY, .count = count };
    if (count > 0) {
        array.items = arena_alloc(reader->arena, count * sizeof *array.items);
        if (array.items == NULL) {
            return refuse(reader, reader->at, FAIL(ERROR_MEMORY, "the JSON text needs too much memory"));
        }
    }
    for (size_t i = 0; i < count; i++) {
        array.items[i] = reader->slots[base + i].member.value;
    }
    reader->used = base;
    *out = array;
    return true;
}

static bool close_object(struct reader *reader, size_t base, struct json *out)
{
    size_t count = reader->used - base;
    struct json object = { .type = JSON_OBJECT, .count = count };
    if (count > 0) {
        object.members = arena_alloc(reader->arena, count * sizeof *object.members);
        if (object.members == NULL) {
            return refuse(reader, reader->at, FAIL(ERROR_MEMORY, "the JSON text needs too much memory"));
        }
    }
    for (size_t i = 0; i < count; i++) {
        object.members[i] = reader->slots[base + i].member;
    }
    size_t twin;
    if (!tree_order(&object, reader->arena)) {
        return refuse(reader, reader->at, FAIL(ERROR_MEMORY, "the JSON text needs too much memory"));
    }
    if (tree_has_twin(&object, &twin)) {
        /* One name with two values means to each reader what it likes. */
        return refuse(reader, reader->slots[base + twin].at, FAIL(ERROR_VALUE, "a member name stands twice"));
    }
    reader->used = base;
    *out = object;
    return true;
}

static bool parse_member(struct reader *reader)
{
    struct slot slot = { .at = reader->at };
    if (!next_is(reader, '"')) {
        return refuse_syntax(reader, "a member name was expected");
    }
    if (!parse_string(reader, &slot.member.name)) {
        return false;
    }
    skip_space(reader);
    if (!next_is(reader, ':')) {
        return refuse_syntax(reader, "a colon was expected");
    }
    reader->at++;
    skip_space(reader);
    return parse_value(reader, &slot.member.value) && push_slot(reader, &slot);
}

static bool parse_item(struct reader *reader)
{
    struct slot slot = { .at = reader->at };
    return parse_value(reader, &slot.member.value) && push_slot(reader, &slot);
}

/* `reader->at` stands on the opening bracket. */
static bool parse_container(struct reader *reader, char closing, bool (*parse_one)(struct reader *),
                            bool (*close)(struct reader *, size_t, struct json *), struct json *out)
{
    if (reader->depth_left == 0) {
        return refuse(reader, reader->at, FAIL(ERROR_LIMIT, "the JSON text is nested too deep"));
    }
    reader->depth_left--;
    size_t base = reader->used;
    reader->at++;
    skip_space(reader);
    if (!next_is(reader, closing)) {
        for (;;) {
            if (!parse_one(reader)) {
                return false;
            }
            skip_space(reader);
            if (!next_is(reader, ',')) {
                break;
            }
            reader->at++;
            skip_space(reader);
        }
    }
    if (!next_is(reader, closing)) {
        return refuse_syntax(reader, "a comma or a closing bracket was expected");
    }
    if (!close(reader, base, out)) {
        return false;
    }
    reader->at++;
    reader->depth_left++;
    return true;
}

static bool parse_literal(struct reader *reader, struct slice word, struct json value, struct json *out)
{
    struct slice rest = slice_of(reader->at, (size_t)(reader->end - reader->at));
    if (!slice_starts_with(rest, word)) {
        return refuse_syntax(reader, "a value was expected");
    }
    reader->at += word.len;
    *out = value;
    return true;
}

static bool parse_number(struct reader *reader, struct json *out)
{
    bool plain = false;
    struct slice rest = slice_of(reader->at, (size_t)(reader->end - reader->at));
    size_t len = number_scan(rest, &plain);
    if (len == 0) {
        return refuse_syntax(reader, "a value was expected");
    }
    if (!number_convert(slice_part(rest, 0, len), plain, out)) {
        return refuse(reader, reader->at, FAIL(ERROR_VALUE, "a number is out of range"));
    }
    reader->at += len;
    return true;
}

static bool parse_value(struct reader *reader, struct json *out)
{
    switch (reader->at < reader->end ? *reader->at : '\0') {
    case '{':
        return parse_container(reader, '}', parse_member, close_object, out);
    case '[':
        return parse_container(reader, ']', parse_item, close_array, out);
    case '"':
        *out = (struct json){ .type = JSON_STRING };
        return parse_string(reader, &out->text);
    case 't':
        return parse_literal(reader, SLICE("true"), (struct json){ .type = JSON_BOOL, .boolean = true }, out);
    case 'f':
        return parse_literal(reader, SLICE("false"), (struct json){ .type = JSON_BOOL }, out);
    case 'n':
        return parse_literal(reader, SLICE("null"), (struct json){ .type = JSON_NULL }, out);
    default:
        return parse_number(reader, out);
    }
}

static bool parse_document(struct reader *reader, struct json **ret_value)
{
    struct json *value = arena_alloc(reader->arena, sizeof *value);
    if (value == NULL) {
        return refuse(reader, reader->at, FAIL(ERROR_MEMORY, "the JSON text needs too much memory"));
    }
    skip_space(reader);
    if (!parse_value(reader, value)) {
        return false;
    }
    skip_space(reader);
    if (reader->at != reader->end) {
        return refuse_syntax(reader, "there is more behind the value");
    }
    *ret_value = value;
    return true;
}

struct error json_parse(struct slice text, unsigned int depth_max, struct arena *arena,
                        struct json **ret_value, size_t *ret_offset)
{
    struct slot inline_slots[SLOTS_INLINE];
    const char *start = text.ptr != NULL ? text.ptr : "";
    struct reader reader = {
        .start = start,
        .at = start,
        .end = start + text.len,
        .arena = arena,
        .depth_left = depth_max,
        .slots = inline_slots,
        .capacity = SLOTS_INLINE,
        /* Every slot becomes an item in the arena: more than fit there need not be gathered. */
        .maximum = (arena->maximum - arena->used) / sizeof(struct json),
        .error = OK,
    };
    bool parsed = parse_document(&reader, ret_value);
    free(reader.heap);
    if (!parsed && ret_offset != NULL) {
        *ret_offset = (size_t)(reader.at - start);
    }
    return reader.error;
}
