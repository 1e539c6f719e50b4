#include "admin/key_json.h"

#include "admin/when.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "config/units.h"

bool key_is_expiring(const struct key_record *record, int64_t now, int64_t within)
{
    return record->revoked == 0 && record->expires > now && record->expires - now <= within;
}

struct slice key_state(const struct api_keys_settings *set, const struct key_record *record, int64_t now)
{
    if (record->revoked > 0) {
        return SLICE("revoked");
    }
    if (record->expires > 0 && record->expires <= now) {
        return SLICE("expired");
    }
    if (record->superseded > 0) {
        return SLICE("superseded");
    }
    return key_is_expiring(record, now, set->warn_before / NS_PER_S) ? SLICE("expiring") : SLICE("active");
}

static void write_names(struct json_writer *writer, struct slice name, struct slice names)
{
    json_name(writer, name);
    json_array_begin(writer);
    struct slice item;
    while (names.len > 0 && slice_next(&names, ' ', &item)) {
        json_string(writer, item);
    }
    json_array_end(writer);
}

static void write_digest(struct json_writer *writer, const struct key_record *record)
{
    char digest[KEY_RECORD_DIGEST * 2];
    hex_encode(record->digest, KEY_RECORD_DIGEST, digest);
    json_member_string(writer, SLICE("digest"), slice_of(digest, sizeof digest));
}

static void write_limit(struct json_writer *writer, const struct key_record *record)
{
    struct buffer text;
    json_name(writer, SLICE("limit"));
    if (record->limit_count == 0) {
        json_null(writer);
        return;
    }
    buffer_init(&text, 128);
    units_print_rate((struct conf_rate){ record->limit_count, record->limit_window }, &text);
    json_string(writer, buffer_slice(&text));
    buffer_done(&text);
}

void key_write_json(struct json_writer *writer, const struct api_keys_settings *set,
                    const struct key_record *record, struct slice key, int64_t now)
{
    json_object_begin(writer);
    if (key.len > 0) {
        json_member_string(writer, SLICE("key"), key);
        write_digest(writer, record);
    }
    json_member_string(writer, SLICE("id"), record->id);
    json_member_string(writer, SLICE("set"), set->name);
    json_member_string(writer, SLICE("consumer"), record->consumer);
    json_member_string(writer, SLICE("state"), key_state(set, record, now));
    json_member_string(writer, SLICE("description"), record->description);
    write_names(writer, SLICE("scopes"), record->scopes);
    write_names(writer, SLICE("tags"), record->tags);
    write_limit(writer, record);
    json_member_string(writer, SLICE("pepper"), record->pepper_id);
    when_write_json(writer, SLICE("created"), record->created);
    when_write_json(writer, SLICE("expires"), record->expires);
    when_write_json(writer, SLICE("revoked"), record->revoked);
    when_write_json(writer, SLICE("superseded"), record->superseded);
    json_name(writer, SLICE("replaces"));
    if (record->replaces.len > 0) {
        json_string(writer, record->replaces);
    } else {
        json_null(writer);
    }
    when_write_json(writer, SLICE("last_used"), record->used);
    json_object_end(writer);
}
