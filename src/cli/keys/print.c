#include "cli/keys/keys.h"

#include "admin/key_json.h"
#include "admin/when.h"
#include "base/encoding.h"
#include "config/units.h"
#include "json/writer.h"

static struct slice limit_text(const struct key_record *record, struct buffer *out)
{
    if (record->limit_count == 0) {
        return SLICE_NONE;
    }
    units_print_rate((struct conf_rate){ record->limit_count, record->limit_window }, out);
    return buffer_slice(out);
}

/* ---- text ---- */

static void add(struct buffer *out, const char *name, struct slice value)
{
    if (value.len > 0 && !slice_equal(value, SLICE("-"))) {
        buffer_printf(out, "%-12s %.*s\n", name, SLICE_ARG(value));
    }
}

static void print_text(const struct keys_call *call, const struct key_record *record, struct slice key,
                       struct buffer *out)
{
    char text[WHEN_TEXT];
    struct buffer limit;
    size_t from = buffer_length(out);
    buffer_init(&limit, 128);
    add(out, "key", key);
    add(out, "id", record->id);
    add(out, "consumer", record->consumer);
    add(out, "state", key_state(call->settings, record, call->base.now));
    add(out, "description", record->description);
    add(out, "scopes", record->scopes);
    add(out, "tags", record->tags);
    add(out, "limit", limit_text(record, &limit));
    add(out, "pepper", record->pepper_id);
    add(out, "created", when_text(record->created, text));
    add(out, "expires", record->expires > 0 ? when_text(record->expires, text) : SLICE("never"));
    add(out, "revoked", when_text(record->revoked, text));
    add(out, "superseded", when_text(record->superseded, text));
    add(out, "replaces", record->replaces);
    add(out, "last used", when_text(record->used, text));
    buffer_done(&limit);
    cli_mask(out, from);
}

void keys_print(const struct keys_call *call, const struct key_record *record, struct slice key,
                struct buffer *out)
{
    if (call->base.json) {
        struct json_writer writer;
        json_writer_init(&writer, out);
        key_write_json(&writer, call->settings, record, key, call->base.now);
    } else {
        print_text(call, record, key, out);
    }
}

void keys_print_heading(struct buffer *out)
{
    buffer_printf(out, "%-16s  %-20s  %-10s  %-20s  %-20s  %s\n", "ID", "CONSUMER", "STATE", "EXPIRES",
                  "LAST USED", "SCOPES");
}

void keys_print_line(const struct keys_call *call, const struct key_record *record, struct buffer *out)
{
    char expires[WHEN_TEXT], used[WHEN_TEXT];
    size_t from = buffer_length(out);
    buffer_printf(out, "%-16.*s  %-20.*s  %-10.*s  %-20.*s  %-20.*s  %.*s\n", SLICE_ARG(record->id),
                  SLICE_ARG(record->consumer), SLICE_ARG(key_state(call->settings, record, call->base.now)),
                  SLICE_ARG(when_text(record->expires, expires)), SLICE_ARG(when_text(record->used, used)),
                  SLICE_ARG(record->scopes));
    cli_mask(out, from);
}

/* ---- YAML ---- */

/* Names hold nothing that a quoted scalar would have to escape. */
static void add_list(struct buffer *out, const char *name, struct slice names)
{
    if (names.len == 0) {
        return;
    }
    buffer_printf(out, ", %s: [", name);
    struct slice item;
    for (bool first = true; names.len > 0 && slice_next(&names, ' ', &item); first = false) {
        buffer_printf(out, "%s\"%.*s\"", first ? "" : ", ", SLICE_ARG(item));
    }
    buffer_append(out, SLICE("]"));
}

void keys_print_entry(const struct key_record *record, struct buffer *out)
{
    char digest[KEY_RECORD_DIGEST * 2], text[WHEN_TEXT];
    hex_encode(record->digest, KEY_RECORD_DIGEST, digest);
    buffer_printf(out, "  \"%.*s\": { digest: \"%.*s\", pepper: \"%.*s\", consumer: \"%.*s\"",
                  SLICE_ARG(record->id), (int)sizeof digest, digest, SLICE_ARG(record->pepper_id),
                  SLICE_ARG(record->consumer));
    add_list(out, "scopes", record->scopes);
    add_list(out, "tags", record->tags);
    if (record->limit_count > 0) {
        buffer_append(out, SLICE(", limit: "));
        units_print_rate((struct conf_rate){ record->limit_count, record->limit_window }, out);
    }
    buffer_printf(out, ", created: \"%.*s\"", SLICE_ARG(when_text(record->created, text)));
    if (record->expires > 0) {
        buffer_printf(out, ", expires: \"%.*s\"", SLICE_ARG(when_text(record->expires, text)));
    }
    if (record->description.len > 0) {
        struct json_writer writer; /* a JSON string is one of YAML */
        buffer_append(out, SLICE(", description: "));
        json_writer_init(&writer, out);
        json_string(&writer, record->description);
    }
    buffer_append(out, SLICE(" }\n"));
}
