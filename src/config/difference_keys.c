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

/* Requests per ns. */
static double speed(struct conf_rate limit)
{
    return limit.count > 0 ? (double)limit.count / (double)limit.window : 1e300;
}

static struct slice limit_text(struct difference *difference, struct conf_rate limit)
{
    struct buffer text;
    if (limit.count == 0) {
        return SLICE("none");
    }
    buffer_init(&text, DIFFERENCE_TEXT_MAX);
    units_print_rate(limit, &text);
    struct slice copy = difference_take(difference, &text);
    buffer_done(&text);
    return copy;
}

static void compare_limit(struct difference *difference, struct slice subject, struct conf_rate was,
                          struct conf_rate is)
{
    if (was.count != is.count || (was.count > 0 && was.window != is.window)) {
        enum change kind = speed(is) > speed(was)   ? CHANGE_GAINS
                           : speed(is) < speed(was) ? CHANGE_LOSES
                                                    : CHANGE_OTHER;
        difference_tell(difference, kind, subject, "its limit is %.*s, was %.*s",
                        SLICE_ARG(limit_text(difference, is)), SLICE_ARG(limit_text(difference, was)));
    }
}

static int64_t end_of(const struct api_key_entry_settings *key)
{
    return key->record.expires > 0 ? key->record.expires : INT64_MAX;
}

static struct slice date_text(const struct api_key_entry_settings *key)
{
    return key->expires.len > 0 ? key->expires : SLICE("never");
}

/* Of a key that was accepted and still is. Whoever has it with another consumer is somebody else to every rule and limit. */
static void compare_key(struct difference *difference, struct slice subject,
                        const struct api_key_entry_settings *was, const struct api_key_entry_settings *is)
{
    if (!slice_equal(was->consumer, is->consumer)) {
        difference_tell(difference, CHANGE_GAINS, subject, "who has it is %.*s now", SLICE_ARG(is->consumer));
        difference_tell(difference, CHANGE_LOSES, subject, "who has it is not %.*s any more",
                        SLICE_ARG(was->consumer));
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
    compare_limit(difference, subject, was->limit, is->limit);
    /* Who gains by a tag is for rules to say. */
    static const char *const told[] = { "digest", "consumer", "scopes", "expires", "revoked", "limit", NULL };
    difference_fields(difference, subject, "", conf_field_find(&api_keys_object, SLICE("keys"))->object, was,
                      is, told);
}

/* NULL: there is no such key. One that is revoked is nobody's, whatever else is said of it. */
static void compare_one(const struct sets *sets, const struct api_key_entry_settings *was,
                        const struct api_key_entry_settings *is)
{
    bool was_good = was != NULL && !was->revoked, is_good = is != NULL && !is->revoked;
    const struct api_key_entry_settings *named = is_good ? is : was;
    if (!was_good && !is_good) {
        return;
    }
    struct slice subject = arena_printf(&sets->difference->arena, "%.*s, key %.*s", SLICE_ARG(sets->subject),
                                        SLICE_ARG(named->name));
    if (was_good && is_good) {
        compare_key(sets->difference, subject, was, is);
    } else {
        difference_tell(sets->difference, is_good ? CHANGE_GAINS : CHANGE_LOSES, subject,
                        is_good ? "is accepted now, as %.*s" : "is not accepted any more, as %.*s",
                        SLICE_ARG(named->consumer));
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
        compare_one(sets, map_get(before, keys[i].name), &keys[i]);
    }
    for (size_t i = 0; i < sets->was->keys.count; i++) {
        if (map_get(after, gone[i].name) == NULL) {
            compare_one(sets, &gone[i], NULL);
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
