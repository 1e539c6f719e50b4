/* Sets of API keys: which keys of the configuration are accepted, and where the others are kept. */
#include "base/map.h"
#include "base/secret.h"
#include "config/difference.h"
#include "config/units.h"

struct sets {
    struct difference *difference;
    const struct api_keys_settings *was, *is;
    struct slice subject;
};

/* ---- keys of the configuration ---- */

/* Requests per time. */
static double speed(struct conf_rate rate)
{
    return rate.count > 0 ? (double)rate.count / (double)rate.window : 1e300;
}

static struct slice rate_text(struct difference *difference, struct conf_rate rate)
{
    struct buffer text;
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    if (rate.count > 0) {
        units_print_rate(rate, &text);
    } else {
        buffer_append(&text, SLICE("any number"));
    }
    struct slice copy = difference_take(difference, &text);
    buffer_done(&text);
    return copy;
}

static int64_t end_of(const struct api_key_entry_settings *key)
{
    return key->record.expires > 0 ? key->record.expires : INT64_MAX;
}

static struct slice date_text(const struct api_key_entry_settings *key)
{
    return key->expires.len > 0 ? key->expires : SLICE("never");
}

static void compare_key(struct difference *difference, struct slice subject,
                        const struct api_key_entry_settings *was, const struct api_key_entry_settings *is)
{
    if (was->revoked != is->revoked) {
        difference_tell(difference, is->revoked ? CHANGE_LOSES : CHANGE_GAINS, subject,
                        is->revoked ? "is not accepted any more" : "is accepted now");
    }
    if (!slice_equal_nocase(was->digest, is->digest)) {
        difference_tell(difference, CHANGE_OTHER, subject, "is another key now");
    }
    difference_strings(difference, subject, CHANGE_GAINS, &is->scopes, &was->scopes, "the scope",
                       "is its own now");
    difference_strings(difference, subject, CHANGE_LOSES, &was->scopes, &is->scopes, "the scope",
                       "is not its own any more");
    if (end_of(was) != end_of(is)) {
        difference_tell(difference, end_of(is) > end_of(was) ? CHANGE_GAINS : CHANGE_LOSES, subject,
                        "expires %.*s, was %.*s", SLICE_ARG(date_text(is)), SLICE_ARG(date_text(was)));
    }
    struct slice limited = rate_text(difference, was->limit), limits = rate_text(difference, is->limit);
    if (!slice_equal(limited, limits)) {
        difference_tell(difference, speed(is->limit) < speed(was->limit) ? CHANGE_LOSES : CHANGE_GAINS,
                        subject, "its consumer may make %.*s requests, was %.*s", SLICE_ARG(limits),
                        SLICE_ARG(limited));
    }
    /* Who gains by a tag is for rules to say. */
    static const char *const told[] = { "digest", "scopes", "expires", "revoked", "limit", NULL };
    difference_fields(difference, subject, "", conf_field_find(&api_keys_object, SLICE("keys"))->object, was,
                      is, told);
}

static struct slice subject_of_key(const struct sets *sets, const struct api_key_entry_settings *key)
{
    return arena_printf(&sets->difference->arena, "%.*s, key %.*s", SLICE_ARG(sets->subject),
                        SLICE_ARG(key->name));
}

/* Of one side alone. */
static void tell_key(const struct sets *sets, const struct api_key_entry_settings *key, bool is_new)
{
    if (!key->revoked) {
        difference_tell(sets->difference, is_new ? CHANGE_GAINS : CHANGE_LOSES, subject_of_key(sets, key),
                        is_new ? "is accepted now, as %.*s" : "is not accepted any more, as %.*s",
                        SLICE_ARG(key->consumer));
    }
}

static bool collect(struct map *map, const struct conf_list *keys)
{
    const struct api_key_entry_settings *entries = keys->items;
    for (size_t i = 0; i < keys->count; i++) {
        if (!map_put(map, entries[i].name, (void *)(uintptr_t)&entries[i])) {
            return false;
        }
    }
    return true;
}

static void compare_with(const struct sets *sets, const struct map *before, const struct map *after)
{
    const struct api_key_entry_settings *keys = sets->is->keys.items, *gone = sets->was->keys.items;
    for (size_t i = 0; i < sets->is->keys.count; i++) {
        const struct api_key_entry_settings *known = map_get(before, keys[i].name);
        if (known == NULL) {
            tell_key(sets, &keys[i], true);
        } else {
            compare_key(sets->difference, subject_of_key(sets, &keys[i]), known, &keys[i]);
        }
    }
    for (size_t i = 0; i < sets->was->keys.count; i++) {
        if (map_get(after, gone[i].name) == NULL) {
            tell_key(sets, &gone[i], false);
        }
    }
}

static void compare_keys(const struct sets *sets)
{
    struct map before, after;
    map_init(&before);
    map_init(&after);
    if (!collect(&before, &sets->was->keys) || !collect(&after, &sets->is->keys)) {
        sets->difference->too_much = true;
    } else {
        compare_with(sets, &before, &after);
    }
    map_done(&before);
    map_done(&after);
}

/* ---- what they are made with ---- */

static void compare_peppers(const struct sets *sets)
{
    const struct api_pepper_settings *was = sets->was->peppers.items, *is = sets->is->peppers.items;
    for (size_t i = 0; i < sets->is->peppers.count; i++) {
        if (api_keys_find_pepper(sets->was, is[i].name) == NULL) {
            difference_tell(sets->difference, CHANGE_GAINS, sets->subject,
                            "keys that were made with the pepper %.*s are accepted now",
                            SLICE_ARG(is[i].name));
        }
    }
    for (size_t i = 0; i < sets->was->peppers.count; i++) {
        const struct api_pepper_settings *now = api_keys_find_pepper(sets->is, was[i].name);
        if (now == NULL || !secret_equal(now->secret, was[i].secret)) {
            difference_tell(sets->difference, CHANGE_LOSES, sets->subject,
                            "keys that were made with the pepper %.*s are not accepted any more%s",
                            SLICE_ARG(was[i].name), now != NULL ? ": its secret is another one" : "");
        }
    }
}

static void compare_prefixes(const struct sets *sets)
{
    if (!slice_equal(sets->was->prefix, sets->is->prefix)) {
        difference_tell(sets->difference, CHANGE_GAINS, sets->subject,
                        "keys that begin with %.*s_ are accepted now", SLICE_ARG(sets->is->prefix));
        difference_tell(sets->difference, CHANGE_LOSES, sets->subject,
                        "keys that begin with %.*s_ are not accepted any more", SLICE_ARG(sets->was->prefix));
    }
}

/* ---- stores ---- */

/* Where keys are kept that the configuration does not name; empty: nowhere. */
static struct slice store_text(struct difference *difference, const struct api_keys_settings *settings)
{
    const struct postgres_settings *postgres = settings->postgres;
    if (postgres == NULL) {
        return settings->store;
    }
    return arena_printf(&difference->arena, "the database %.*s of %.*s, port %lld, schema %.*s",
                        SLICE_ARG(postgres->database), SLICE_ARG(postgres->host), (long long)postgres->port,
                        SLICE_ARG(postgres->schema));
}

static void compare_databases(const struct sets *sets)
{
    const struct postgres_settings *was = sets->was->postgres, *is = sets->is->postgres;
    if (was == NULL || is == NULL) {
        return;
    }
    if (!secret_equal(was->password, is->password)) {
        difference_tell(sets->difference, CHANGE_OTHER, sets->subject,
                        "the database is asked with another password now");
    }
    if (!slice_equal(was->root_pem, is->root_pem)) {
        difference_tell(sets->difference, CHANGE_OTHER, sets->subject,
                        "the database's certificate is verified against other CAs now");
    }
    static const char *const told[] = { "url",    "host",     "port",        "database",
                                        "schema", "password", "sslrootcert", NULL };
    difference_fields(sets->difference, sets->subject, "", &postgres_object, was, is, told);
}

static void compare_stores(const struct sets *sets)
{
    struct slice was = store_text(sets->difference, sets->was), is = store_text(sets->difference, sets->is);
    if (!slice_equal(was, is) && is.len > 0) {
        difference_tell(sets->difference, CHANGE_GAINS, sets->subject,
                        "keys that %.*s holds are accepted now", SLICE_ARG(is));
    }
    if (!slice_equal(was, is) && was.len > 0) {
        difference_tell(sets->difference, CHANGE_LOSES, sets->subject,
                        "keys that %.*s holds are not accepted any more", SLICE_ARG(was));
    }
    compare_databases(sets);
}

void difference_keys(struct difference *difference, const void *before, const void *after)
{
    struct sets sets = { .difference = difference, .was = before, .is = after };
    sets.subject = arena_printf(&difference->arena, "API keys %.*s", SLICE_ARG(sets.is->name));
    compare_keys(&sets);
    compare_peppers(&sets);
    compare_prefixes(&sets);
    compare_stores(&sets);
    difference_longer(difference, sets.subject, "the time that keys are accepted without their store",
                      sets.was->stale, sets.is->stale);
    static const char *const told[] = { "store", "postgres", "keys", "peppers", "prefix", "stale", NULL };
    difference_fields(difference, sets.subject, "", &api_keys_object, before, after, told);
}
