#include "admin/key_json.h"

#include "base/clock.h"
#include "base/encoding.h"
#include "config/units.h"

#include <stdio.h>

struct slice key_time_text(int64_t seconds, char out[KEY_TIME_TEXT])
{
    if (seconds <= 0 || seconds > INT64_C(253402300799)) {
        return SLICE("-");
    }
    char full[CLOCK_RFC3339_SIZE];
    clock_rfc3339(seconds * NS_PER_S, full);
    int size = snprintf(out, KEY_TIME_TEXT, "%.19sZ", full);
    return slice_of(out, (size_t)size);
}

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

static void write_time(struct json_writer *writer, struct slice name, int64_t seconds)
{
    char text[KEY_TIME_TEXT];
    json_name(writer, name);
    if (seconds > 0) {
        json_string(writer, key_time_text(seconds, text));
    } else {
        json_null(writer);
    }
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
    write_time(writer, SLICE("created"), record->created);
    write_time(writer, SLICE("expires"), record->expires);
    write_time(writer, SLICE("revoked"), record->revoked);
    write_time(writer, SLICE("superseded"), record->superseded);
    json_name(writer, SLICE("replaces"));
    if (record->replaces.len > 0) {
        json_string(writer, record->replaces);
    } else {
        json_null(writer);
    }
    write_time(writer, SLICE("last_used"), record->used);
    json_object_end(writer);
}
