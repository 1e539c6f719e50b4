#include "admin/key_change.h"

#include "base/clock.h"
#include "base/secret.h"
#include "config/config.h"
#include "config/units.h"

#include <stdlib.h>

#define GOOD               ((struct key_fault){ KEY_FAULT_NONE, NULL, NULL, OK })
#define WRONG(member, why) ((struct key_fault){ KEY_FAULT_WISH, (member), (why), OK })

/* ---- faults ---- */

/* What a store says about a key that is to be added or changed. */
static struct key_fault fault_of(struct error error, int value_means)
{
    if (!failed(error)) {
        return GOOD;
    }
    struct key_fault fault = { KEY_FAULT_STORE, NULL, error.what, error };
    if (error.kind == ERROR_VALUE && error.number == 0) {
        fault.kind = value_means;
    } else if (error.kind == ERROR_MEMORY) {
        fault.kind = KEY_FAULT_OURS;
    }
    return fault;
}

/* ---- what is asked for ---- */

/* "a b c"; false where a name is none, or there are too many. */
static bool join(const struct slice *names, size_t count, char out[KEY_RECORD_TEXT + 1],
                 struct slice *ret_text)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        if (!api_key_name_valid(names[i]) || len + names[i].len + 1 > KEY_RECORD_TEXT) {
            return false;
        }
        memcpy(out + len, names[i].ptr, names[i].len);
        len += names[i].len;
        out[len++] = ' ';
    }
    *ret_text = slice_of(out, len > 0 ? len - 1 : 0);
    return true;
}

static bool is_line(struct slice text)
{
    bool good = text.len <= KEY_RECORD_TEXT;
    for (size_t i = 0; good && i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        good = c >= ' ' && c != 0x7f;
    }
    return good;
}

static bool is_id(struct slice id)
{
    bool good = id.len <= KEY_CHANGE_ID_MAX;
    for (size_t i = 0; good && i < id.len; i++) {
        char c = id.ptr[i];
        good = ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_';
    }
    return good;
}

static struct key_fault read_wish(const struct key_wish *wish, int64_t now, struct key_made *made)
{
    struct key_record *record = &made->record;
    if (wish->consumer.ptr == NULL) {
        return WRONG("consumer", "is missing: who uses the key?");
    }
    if (!api_key_name_valid(wish->consumer)) {
        return WRONG("consumer", "is a name without spaces, quotes and commas");
    }
    if (!join(wish->scopes, wish->scope_count, made->scopes, &record->scopes) ||
        !join(wish->tags, wish->tag_count, made->tags, &record->tags)) {
        return WRONG(NULL,
                     "scopes and tags are names without spaces, quotes and commas, of 512 bytes in all");
    }
    if (!is_line(wish->description)) {
        return WRONG("description", "is one line of 512 bytes at the most");
    }
    const char *problem = config_own_limit_problem(wish->limit);
    if (problem != NULL) {
        return WRONG("limit", problem);
    }
    if (wish->has_expires && wish->expires > 0 && wish->expires <= now) {
        return WRONG("expires", "is not in the future");
    }
    record->consumer = wish->consumer;
    record->description = wish->description.ptr != NULL ? wish->description : SLICE("");
    record->limit_count = wish->limit.count;
    record->limit_window = wish->limit.window;
    record->expires = wish->has_expires ? wish->expires : 0;
    record->replaces = SLICE("");
    return GOOD;
}

/* Draws the key, and makes its digest with the pepper for new keys. */
static struct key_fault draw(const struct api_keys_settings *set, const struct key_wish *wish, int64_t now,
                             struct key_made *made)
{
    const struct api_pepper_settings *settings = api_keys_pepper(set);
    struct api_pepper pepper;
    if (!is_id(wish->id)) {
        return WRONG("id", "is of 1 to 64 letters, digits, \"-\" and \"_\"");
    }
    if (settings == NULL) {
        return (struct key_fault){ KEY_FAULT_OURS, NULL, "no pepper for new keys", OK };
    }
    key_id_make(made->id);
    made->key_len = api_key_make(set->prefix, made->key);
    made->record.id = wish->id.len > 0 ? wish->id : slice_of(made->id, sizeof made->id);
    made->record.pepper_id = settings->name;
    made->record.created = now;
    bool good = api_pepper_init(&pepper, settings->secret) &&
                api_key_digest(&pepper, slice_of(made->key, made->key_len), made->record.digest);
    api_pepper_done(&pepper);
    return good ? GOOD : (struct key_fault){ KEY_FAULT_OURS, NULL, "OpenSSL cannot make a digest", OK };
}

void key_made_wipe(struct key_made *made)
{
    secret_wipe(made, sizeof *made);
}

/* ---- changes ---- */

struct key_fault key_create(struct key_store *store, const struct api_keys_settings *set,
                            const struct key_wish *wish, int64_t now, struct key_made *made)
{
    struct key_fault fault = read_wish(wish, now, made);
    if (fault.kind == KEY_FAULT_NONE) {
        fault = draw(set, wish, now, made);
    }
    if (fault.kind == KEY_FAULT_NONE && store != NULL) {
        fault = fault_of(key_store_add(store, &made->record, 1), KEY_FAULT_TAKEN);
    }
    return fault;
}

/* What the successor takes over; texts are copied, for they are good during the visit only. */
struct predecessor {
    struct key_made *made;
    int64_t created, expires, revoked;
    bool too_long;
};

static void keep(struct predecessor *before, struct slice text, char *out, struct slice *ret_text)
{
    before->too_long = before->too_long || text.len > KEY_RECORD_TEXT;
    if (!before->too_long) {
        memcpy(out, text.ptr, text.len);
        *ret_text = slice_of(out, text.len);
    }
}

static bool keep_one(void *context, const struct key_record *record)
{
    struct predecessor *before = context;
    struct key_made *made = before->made;
    before->created = record->created;
    before->expires = record->expires;
    before->revoked = record->revoked;
    made->record.limit_count = record->limit_count;
    made->record.limit_window = record->limit_window;
    keep(before, record->consumer, made->consumer, &made->record.consumer);
    keep(before, record->description, made->description, &made->record.description);
    keep(before, record->scopes, made->scopes, &made->record.scopes);
    keep(before, record->tags, made->tags, &made->record.tags);
    return false;
}

static struct key_fault inherit(struct key_store *store, struct slice id, const struct key_wish *wish,
                                int64_t now, struct key_made *made)
{
    struct predecessor before = { .made = made };
    bool found = false;
    struct error error = key_store_get(store, id, keep_one, &before, &found);
    if (failed(error)) {
        return (struct key_fault){ KEY_FAULT_STORE, NULL, error.what, error };
    }
    if (!found || before.revoked > 0) {
        return (struct key_fault){ KEY_FAULT_ABSENT, NULL, "there is no such key, or it is revoked", OK };
    }
    if (before.too_long) {
        error = FAIL(ERROR_VALUE, "the key store is damaged: restore it from a backup");
        return (struct key_fault){ KEY_FAULT_STORE, NULL, error.what, error };
    }
    made->record.replaces = id;
    if (wish->has_expires) {
        made->record.expires = wish->expires;
    } else {
        made->record.expires = before.expires > 0 ? now + (before.expires - before.created) : 0;
    }
    /* A successor that is of no use would be found out when its predecessor ends. */
    if (made->record.expires > 0 && made->record.expires <= now) {
        return WRONG("expires", wish->has_expires
                                    ? "is not in the future"
                                    : "is missing: the key itself was ended before it was made");
    }
    return GOOD;
}

struct key_fault key_rotate(struct key_store *store, const struct api_keys_settings *set, struct slice id,
                            const struct key_wish *wish, int64_t now, struct key_made *made)
{
    struct key_fault fault = inherit(store, id, wish, now, made);
    if (fault.kind == KEY_FAULT_NONE) {
        fault = draw(set, wish, now, made);
    }
    if (fault.kind != KEY_FAULT_NONE) {
        return fault;
    }
    struct error error = key_store_rotate(store, id, now, now + wish->overlap / NS_PER_S, &made->record);
    /* Two things may be in the way; that the key is there has just been seen. */
    return fault_of(error, wish->id.len > 0 ? KEY_FAULT_TAKEN : KEY_FAULT_ABSENT);
}

struct key_fault key_revoke(struct key_store *store, struct slice id, int64_t now)
{
    return fault_of(key_store_revoke(store, id, now), KEY_FAULT_ABSENT);
}

struct key_fault key_expire(struct key_store *store, struct slice id, int64_t when)
{
    return fault_of(key_store_expire(store, id, when), KEY_FAULT_ABSENT);
}

struct key_fault key_import(struct key_store *store, const struct conf_list *entries, int64_t now)
{
    const struct api_key_entry_settings *items = entries->items;
    struct key_record *records = calloc(entries->count + 1, sizeof *records);
    if (records == NULL) {
        return (struct key_fault){ KEY_FAULT_OURS, NULL, "no memory", OK };
    }
    for (size_t i = 0; i < entries->count; i++) {
        records[i] = items[i].record;
        records[i].created = records[i].created > 0 ? records[i].created : now;
        records[i].revoked = records[i].revoked > 0 ? now : 0;
    }
    struct error error = key_store_add(store, records, entries->count);
    free(records);
    return fault_of(error, KEY_FAULT_TAKEN);
}
