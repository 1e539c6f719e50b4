/* JSON: a text that is accepted has one meaning. Written and read again it is the same tree and the same text, a flat copy is
 * equal, and a refusal names a place inside the text. */
#include <stdlib.h>

#include "base/encoding.h"
#include "base/limits.h"
#include "json/json.h"
#include "json/writer.h"

#define CHECK(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static void check_text(struct slice text)
{
    CHECK(utf8_valid(text));
}

/* What the contract says of every tree: names are unique and found, strings are UTF-8, numbers are finite. */
static void check_tree(const struct json *value, unsigned int depth)
{
    CHECK(depth <= JSON_DEPTH_MAX);
    if (value->type == JSON_STRING) {
        check_text(value->text);
    } else if (value->type == JSON_NUMBER) {
        CHECK(value->number - value->number == 0 && value->text.len > 0 &&
              value->text.len <= JSON_NUMBER_MAX);
        CHECK(!value->is_integer || (double)value->integer == value->number);
    } else if (value->type == JSON_ARRAY) {
        for (size_t i = 0; i < value->count; i++) {
            check_tree(&value->items[i], depth + 1);
        }
    } else if (value->type == JSON_OBJECT) {
        for (size_t i = 0; i < value->count; i++) {
            check_text(value->members[i].name);
            CHECK(json_get(value, value->members[i].name) == &value->members[i].value);
            check_tree(&value->members[i].value, depth + 1);
        }
    }
}

static void write(const struct json *value, struct buffer *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_value(&writer, value);
    CHECK(!writer.failed);
}

static void check_value(const struct json *value, struct arena *arena)
{
    check_tree(value, 0);
    struct buffer first, second;
    buffer_init(&first, 8 * 1024 * 1024);
    buffer_init(&second, 8 * 1024 * 1024);
    write(value, &first);
    struct json *again = NULL;
    CHECK(!failed(json_parse(buffer_slice(&first), JSON_DEPTH_MAX, arena, &again, NULL)));
    CHECK(json_equal(value, again) && json_equal(again, value));
    void *memory = malloc(json_flat_size(value));
    CHECK(memory != NULL);
    const struct json *flat = json_flat_copy(value, memory);
    check_tree(flat, 0);
    CHECK(json_equal(flat, again));
    write(flat, &second);
    CHECK(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    free(memory);
    buffer_done(&first);
    buffer_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, 64 * 1024 * 1024);
    char *text = malloc(size > 0 ? size : 1);
    CHECK(text != NULL);
    if (size > 0) {
        memcpy(text, data, size);
    }
    struct json *value = NULL;
    size_t offset = size + 1;
    if (failed(json_parse(slice_of(text, size), JSON_DEPTH_MAX, &arena, &value, &offset))) {
        CHECK(value == NULL && offset <= size);
    } else {
        check_value(value, &arena);
    }
    arena_done(&arena);
    free(text);
    return 0;
}
