/* What `api_keys` may hold. */
#include "auth/api_key_settings.h"

#include "auth/api_key.h"
#include "auth/place.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "http/headers.h"

#define OF(type, member) .offset = offsetof(struct type, member)
#define DAYS_MAX(days)   (INT64_C(days) * 86400 * NS_PER_S)
#define ENTRY(member)    OF(api_key_entry_settings, member)
#define SET(member)      OF(api_keys_settings, member)

static const struct conf_field pepper_fields[] = {
    { "secret", CONF_SECRET, CONF_REQUIRED | CONF_NON_EMPTY, OF(api_pepper_settings, secret),
      .help = "At least 32 random bytes; as in `openssl rand -hex 32`." },
    { 0 },
};

static const struct conf_object pepper_object = {
    .name = "pepper",
    .size = sizeof(struct api_pepper_settings),
    .fields = pepper_fields,
    .scalar = "secret",
    .help = "A secret that digests of API keys are made with, so that who has the store alone has nothing.",
};

static const struct conf_field entry_fields[] = {
    { "digest", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, ENTRY(digest),
      .help = "HMAC-SHA-256 of the key under its pepper, 64 hexadecimal characters." },
    { "pepper", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, ENTRY(pepper),
      .help = "The id of the pepper that the digest was made with." },
    { "consumer", CONF_STRING, CONF_REQUIRED | CONF_NON_EMPTY, ENTRY(consumer),
      .help = "Who uses the key; limits by caller count by it." },
    { "description", CONF_STRING, ENTRY(description), .help = "What it is for." },
    { "scopes", CONF_STRINGS, ENTRY(scopes), .help = "What it may do." },
    { "tags", CONF_STRINGS, ENTRY(tags), .help = "What its consumer is; read as claims.tags." },
    { "limit", CONF_RATE, ENTRY(limit), .minimum = 1, .maximum = INT64_C(1000000000),
      .help = "Requests that its consumer may make in a window, over all routes." },
    { "created", CONF_STRING, ENTRY(created), .help = "When it was made, as in 2026-01-31." },
    { "expires", CONF_STRING, ENTRY(expires),
      .help = "From when on it is not accepted, as in 2027-01-31 or 2027-01-31T12:00:00Z; default: never." },
    { "revoked", CONF_BOOL, ENTRY(revoked), .standard = "false", .help = "It is not accepted." },
    { 0 },
};

static const struct conf_object entry_object = {
    .name = "API key",
    .size = sizeof(struct api_key_entry_settings),
    .fields = entry_fields,
    .help = "An API key by its digest, under its id. `sallyport keys create` prints one.",
};

static const struct conf_field api_keys_fields[] = {
    { "store", CONF_FILE, CONF_NON_EMPTY, SET(store),
      .help = "A file of SQLite that `sallyport keys` writes. The gateway's user must be able to read it." },
    { "postgres", CONF_OBJECT, SET(postgres), .object = &postgres_object,
      .help = "A database of PostgreSQL, instead, which many gateways share." },
    { "file", CONF_FILE, CONF_NON_EMPTY, SET(file),
      .help = "A YAML file with a map `keys`, instead; read again when it changes." },
    { "keys", CONF_MAP, SET(keys), .object = &entry_object, .help = "Keys by their ids, instead." },
    { "peppers", CONF_MAP, CONF_REQUIRED | CONF_NON_EMPTY, SET(peppers), .object = &pepper_object,
      .help = "Secrets by their ids, as in { p1: \"${file:/run/secrets/pepper}\" }; at most 4. One is kept "
              "for as long as keys of it are in use." },
    { "pepper", CONF_STRING, CONF_NON_EMPTY, SET(pepper),
      .help = "The id of the pepper for new keys; default: the only one." },
    { "prefix", CONF_STRING, CONF_NON_EMPTY, SET(prefix), .standard = "sallyport",
      .help = "What every key begins with, before \"_\": for scanners of secrets. a-z, 0-9, _; up to 24." },
    { "header", CONF_STRING, CONF_NON_EMPTY | CONF_NAMES, SET(header), .standard = "X-API-Key",
      .help = "The request header that holds the key. Never forwarded." },
    { "stale", CONF_DURATION, SET(stale), .standard = "1h", .minimum = 0, .maximum = DAYS_MAX(30),
      .help = "How long keys that were checked go on being accepted while the store cannot be read." },
    { "warn_before", CONF_DURATION, SET(warn_before), .standard = "14d", .minimum = 0,
      .maximum = DAYS_MAX(366), .help = "How long before its end the use of a key is reported." },
    { 0 },
};

const struct conf_object api_keys_object = {
    .name = "API keys",
    .size = sizeof(struct api_keys_settings),
    .fields = api_keys_fields,
    .help =
        "A set of API keys: where their digests are kept (store, postgres, file or keys), and what they look "
        "like.",
};

static const struct conf_field file_fields[] = {
    { "keys", CONF_MAP, OF(api_key_file_settings, keys), .object = &entry_object,
      .help = "Keys by their ids." },
    { 0 },
};

const struct conf_object api_key_file_object = {
    .name = "file of API keys",
    .size = sizeof(struct api_key_file_settings),
    .fields = file_fields,
    .help = "Keys by their digests.",
};

/* ---- checks ---- */

bool api_key_name_valid(struct slice name)
{
    bool good = name.len > 0 && name.len <= KEY_RECORD_TEXT;
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        good = c > ' ' && c <= '~' && c != '"' && c != '\\' && c != ',';
    }
    return good;
}

const struct api_pepper_settings *api_keys_find_pepper(const struct api_keys_settings *settings,
                                                       struct slice id)
{
    const struct api_pepper_settings *peppers = settings->peppers.items;
    for (size_t i = 0; i < settings->peppers.count; i++) {
        if (slice_equal(peppers[i].name, id)) {
            return &peppers[i];
        }
    }
    return NULL;
}

const struct api_pepper_settings *api_keys_pepper(const struct api_keys_settings *settings)
{
    if (!slice_is_empty(settings->pepper)) {
        return api_keys_find_pepper(settings, settings->pepper);
    }
    return settings->peppers.count == 1 ? settings->peppers.items : NULL;
}

static const char *check_peppers(const struct api_keys_settings *settings)
{
    const struct api_pepper_settings *peppers = settings->peppers.items;
    if (settings->peppers.count > API_PEPPERS_MAX) {
        return "more than 4 peppers: revoke the keys of the oldest, and drop it";
    }
    for (size_t i = 0; i < settings->peppers.count; i++) {
        if (peppers[i].secret.len > 0 && peppers[i].secret.len < API_PEPPER_MIN) {
            return "a pepper is shorter than 32 bytes: make one with `openssl rand -hex 32`";
        }
    }
    if (settings->peppers.count == 0 || api_keys_pepper(settings) != NULL) {
        return NULL;
    }
    return slice_is_empty(settings->pepper) ? "there are several peppers: `pepper` names the one for new keys"
                                            : "`pepper` names none of the peppers";
}

const char *api_keys_check_settings(const struct api_keys_settings *settings)
{
    int places = !slice_is_empty(settings->store) + !slice_is_empty(settings->file);
    places += settings->postgres != NULL;
    places += slice_is_empty(settings->file) && settings->keys.count > 0;
    if (places == 0) {
        return "no keys: store, postgres, file or keys is missing";
    }
    if (places > 1) {
        return "store, postgres, file and keys exclude each other";
    }
    if (!api_key_prefix_valid(settings->prefix)) {
        return "prefix is 2 to 24 of a-z, 0-9 and _, begins with a letter and does not end with _";
    }
    if (!http_token_valid(settings->header) || slice_find(settings->header, '_') >= 0) {
        return "header is no name of a header";
    }
    if (auth_place_header_is_taken(settings->header)) {
        return "header is one that means something else";
    }
    return check_peppers(settings);
}

/* ---- keys in the configuration ---- */

static bool parse_digest(struct slice text, unsigned char out[KEY_RECORD_DIGEST])
{
    bool good = text.len == KEY_RECORD_DIGEST * 2;
    for (size_t i = 0; good && i < KEY_RECORD_DIGEST; i++) {
        int high = hex_digit(text.ptr[2 * i]), low = hex_digit(text.ptr[2 * i + 1]);
        good = high >= 0 && low >= 0;
        out[i] = good ? (unsigned char)(high << 4 | low) : 0;
    }
    return good;
}

/* One text with a space between; ptr NULL where a name is none, or there is no room. */
static struct slice join(const struct conf_strings *names, struct arena *arena)
{
    size_t len = 0;
    for (size_t i = 0; i < names->count; i++) {
        if (!api_key_name_valid(names->items[i])) {
            return SLICE_NONE;
        }
        len += names->items[i].len + 1;
    }
    char *text = len <= KEY_RECORD_TEXT ? arena_alloc(arena, len + 1) : NULL;
    size_t at = 0;
    for (size_t i = 0; text != NULL && i < names->count; i++) {
        memcpy(text + at, names->items[i].ptr, names->items[i].len);
        at += names->items[i].len;
        text[at++] = ' ';
    }
    return text != NULL ? slice_of(text, at > 0 ? at - 1 : 0) : SLICE_NONE;
}

static bool parse_date(struct slice text, int64_t *ret_seconds)
{
    return slice_is_empty(text) || clock_parse_date(text, ret_seconds);
}

const char *api_key_entry_check(const struct api_keys_settings *settings,
                                struct api_key_entry_settings *entry, struct arena *arena)
{
    struct key_record *record = &entry->record;
    *record = (struct key_record){
        .id = entry->name,
        .pepper_id = entry->pepper,
        .consumer = entry->consumer,
        .description = entry->description,
        .scopes = join(&entry->scopes, arena),
        .tags = join(&entry->tags, arena),
        .limit_count = entry->limit.count,
        .limit_window = entry->limit.window,
        .revoked = entry->revoked ? 1 : 0,
    };
    if (!parse_digest(entry->digest, record->digest)) {
        return "digest is not of 64 hexadecimal characters";
    }
    if (api_keys_find_pepper(settings, entry->pepper) == NULL) {
        return "pepper names none of the peppers";
    }
    if (!api_key_name_valid(entry->consumer)) {
        return "consumer is a name without spaces, quotes and commas";
    }
    if (record->scopes.ptr == NULL || record->tags.ptr == NULL) {
        return "scopes and tags are names without spaces, quotes and commas, of 512 bytes in all";
    }
    if (!parse_date(entry->created, &record->created) || !parse_date(entry->expires, &record->expires)) {
        return "a date is written 2027-01-31 or 2027-01-31T12:00:00Z";
    }
    return NULL;
}
