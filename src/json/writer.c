#include "json/writer.h"

#include "base/encoding.h"
#include "json/json.h"

#include <math.h>
#include <stdio.h>

static void put(struct json_writer *writer, struct slice text)
{
    if (!writer->failed && !buffer_append(writer->out, text)) {
        writer->failed = true;
    }
}

static void put_comma(struct json_writer *writer)
{
    if (writer->comma) {
        put(writer, SLICE(","));
    }
    writer->comma = true;
}

void json_writer_init(struct json_writer *writer, struct buffer *out)
{
    *writer = (struct json_writer){ .out = out };
}

static void begin(struct json_writer *writer, struct slice bracket)
{
    put_comma(writer);
    put(writer, bracket);
    writer->comma = false;
}

static void end(struct json_writer *writer, struct slice bracket)
{
    put(writer, bracket);
    writer->comma = true;
}

void json_object_begin(struct json_writer *writer)
{
    begin(writer, SLICE("{"));
}

void json_object_end(struct json_writer *writer)
{
    end(writer, SLICE("}"));
}

void json_array_begin(struct json_writer *writer)
{
    begin(writer, SLICE("["));
}

void json_array_end(struct json_writer *writer)
{
    end(writer, SLICE("]"));
}

/* What a control character, a quote or a backslash is written as. */
static void put_escape(struct json_writer *writer, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *found = memchr(from, c, sizeof from - 1);
    if (found != NULL) {
        put(writer, slice_of((const char[]){ '\\', to[found - from] }, 2));
        return;
    }
    char digits[2];
    hex_encode(&c, 1, digits);
    put(writer, slice_of((const char[]){ '\\', 'u', '0', '0', digits[0], digits[1] }, 6));
}

static void put_string(struct json_writer *writer, struct slice text)
{
    put(writer, SLICE("\""));
    size_t from = 0, at = 0;
    while (at < text.len) {
        unsigned char c = (unsigned char)text.ptr[at];
        uint32_t point;
        size_t length = utf8_sequence(slice_from(text, at), &point);
        if (length > 0 && c >= 0x20 && c != '"' && c != '\\') {
            at += length;
            continue;
        }
        put(writer, slice_part(text, from, at - from));
        if (length == 0) {
            put(writer, SLICE("\xef\xbf\xbd"));
        } else {
            put_escape(writer, c);
        }
        from = ++at;
    }
    put(writer, slice_part(text, from, at - from));
    put(writer, SLICE("\""));
}

void json_name(struct json_writer *writer, struct slice name)
{
    put_comma(writer);
    put_string(writer, name);
    put(writer, SLICE(":"));
    writer->comma = false;
}

void json_string(struct json_writer *writer, struct slice text)
{
    put_comma(writer);
    put_string(writer, text);
}

void json_integer(struct json_writer *writer, int64_t value)
{
    put_comma(writer);
    if (value < 0) {
        put(writer, SLICE("-"));
    }
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    if (!writer->failed && !buffer_append_u64(writer->out, magnitude)) {
        writer->failed = true;
    }
}

void json_unsigned(struct json_writer *writer, uint64_t value)
{
    put_comma(writer);
    if (!writer->failed && !buffer_append_u64(writer->out, value)) {
        writer->failed = true;
    }
}

void json_bool(struct json_writer *writer, bool value)
{
    json_raw(writer, value ? SLICE("true") : SLICE("false"));
}

void json_null(struct json_writer *writer)
{
    json_raw(writer, SLICE("null"));
}

void json_raw(struct json_writer *writer, struct slice text)
{
    put_comma(writer);
    put(writer, text);
}

/* As it was read; a number that was made by a program has no text. */
static void put_number(struct json_writer *writer, const struct json *value)
{
    if (!slice_is_empty(value->text)) {
        json_raw(writer, value->text);
    } else if (value->is_integer) {
        json_integer(writer, value->integer);
    } else if (!isfinite(value->number)) {
        json_null(writer);
    } else {
        char text[32];
        int length = snprintf(text, sizeof text, "%.17g", value->number);
        json_raw(writer, slice_of(text, (size_t)length));
    }
}

void json_value(struct json_writer *writer, const struct json *value)
{
    switch (value->type) {
    case JSON_NULL:
        json_null(writer);
        break;
    case JSON_BOOL:
        json_bool(writer, value->boolean);
        break;
    case JSON_NUMBER:
        put_number(writer, value);
        break;
    case JSON_STRING:
        json_string(writer, value->text);
        break;
    case JSON_ARRAY:
        json_array_begin(writer);
        for (size_t i = 0; i < value->count; i++) {
            json_value(writer, &value->items[i]);
        }
        json_array_end(writer);
        break;
    case JSON_OBJECT:
        json_object_begin(writer);
        for (size_t i = 0; i < value->count; i++) {
            json_name(writer, value->members[i].name);
            json_value(writer, &value->members[i].value);
        }
        json_object_end(writer);
        break;
    }
}

void json_member_string(struct json_writer *writer, struct slice name, struct slice text)
{
    json_name(writer, name);
    json_string(writer, text);
}

void json_member_integer(struct json_writer *writer, struct slice name, int64_t value)
{
    json_name(writer, name);
    json_integer(writer, value);
}

void json_member_bool(struct json_writer *writer, struct slice name, bool value)
{
    json_name(writer, name);
    json_bool(writer, value);
}
