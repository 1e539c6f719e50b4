#include "admin/block_json.h"

#include "admin/when.h"

struct slice block_state(const struct block_record *record, int64_t now)
{
    if (record->removed > 0) {
        return SLICE("removed");
    }
    return record->expires > 0 && record->expires <= now ? SLICE("expired") : SLICE("in force");
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
    when_write_json(writer, SLICE("created"), record->created);
    when_write_json(writer, SLICE("expires"), record->expires);
    when_write_json(writer, SLICE("removed"), record->removed);
    write_text(writer, SLICE("removed_by"), record->removed_by);
    write_text(writer, SLICE("removal_reason"), record->removal_reason);
    json_object_end(writer);
}
