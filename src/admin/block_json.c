#include "admin/block_json.h"

#include "base/clock.h"

#include <stdio.h>

struct slice block_time_text(int64_t seconds, char out[BLOCK_TIME_TEXT])
{
    char text[CLOCK_RFC3339_SIZE];
    if (seconds <= 0 || seconds > INT64_MAX / NS_PER_S) {
        return SLICE("-");
    }
    clock_rfc3339(seconds * NS_PER_S, text);
    int size = snprintf(out, BLOCK_TIME_TEXT, "%.19sZ", text);
    return slice_of(out, (size_t)size);
}

struct slice block_state(const struct block_record *record, int64_t now)
{
    if (record->removed > 0) {
        return SLICE("removed");
    }
    return record->expires > 0 && record->expires <= now ? SLICE("expired") : SLICE("in force");
}

static void write_time(struct json_writer *writer, struct slice name, int64_t seconds)
{
    char text[BLOCK_TIME_TEXT];
    json_name(writer, name);
    if (seconds > 0) {
        json_string(writer, block_time_text(seconds, text));
    } else {
        json_null(writer);
    }
}

static void write_text(struct json_writer *writer, struct slice name, struct slice text)
{
    json_name(writer, name);
    if (text.len > 0) {
        json_string(writer, text);
    } else {
        json_null(writer);
    }
}

void block_write_json(struct json_writer *writer, const struct block_record *record, int64_t now)
{
    json_object_begin(writer);
    json_name(writer, SLICE("number"));
    if (record->number > 0) {
        json_integer(writer, (int64_t)record->number);
    } else {
        json_null(writer); /* of the file */
    }
    json_member_string(writer, SLICE("kind"), record->kind);
    json_member_string(writer, SLICE("value"), record->value);
    write_text(writer, SLICE("issuer"), record->issuer);
    json_member_string(writer, SLICE("state"), block_state(record, now));
    json_member_string(writer, SLICE("reason"), record->reason);
    json_member_string(writer, SLICE("by"), record->by);
    write_time(writer, SLICE("created"), record->created);
    write_time(writer, SLICE("expires"), record->expires);
    write_time(writer, SLICE("removed"), record->removed);
    write_text(writer, SLICE("removed_by"), record->removed_by);
    write_text(writer, SLICE("removal_reason"), record->removal_reason);
    json_object_end(writer);
}
