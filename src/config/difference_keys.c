/* Who gains and who loses by the API keys that a configuration and its files hold; what a store holds is no matter of theirs. */
#include "base/secret.h"
#include "config/difference.h"
#include "config/units.h"

#define VALUE_MAX 4096

/* By name: a file may hold very many. False: no memory. */
static bool index_keys(const struct api_keys_settings *set, struct map *ret_map)
{
    struct api_key_entry_settings *keys = set->keys.items;
    bool good = true;
    map_init(ret_map);
    for (size_t i = 0; i < set->keys.count && good; i++) {
        good = map_put(ret_map, keys[i].name, &keys[i]);
    }
    return good;
}

static struct slice limit_text(struct difference *difference, struct conf_rate limit)
{
    struct buffer text;
    if (limit.count == 0) {
        return SLICE("none");
    }
    buffer_init(&text, VALUE_MAX);
    units_print_rate(limit, &text);
    struct slice copy = difference_take(difference, &text);
    buffer_done(&text);
    return copy;
}

/* Requests per ns. */
static double speed(struct conf_rate limit)
{
    return limit.count > 0 ? (double)limit.count / (double)limit.window : 1;
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

static struct slice end_text(const struct api_key_entry_settings *key)
{
    return key->expires.len > 0 ? key->expires : SLICE("never");
}

static void compare_end(struct difference *difference, struct slice subject,
                        const struct api_key_entry_settings *was, const struct api_key_entry_settings *is)
{
    int64_t ended = was->record.expires, ends = is->record.expires; /* 0: never */
    if (ended != ends) {
        bool later = ends == 0 || (ended > 0 && ends > ended);
        difference_tell(difference, later ? CHANGE_GAINS : CHANGE_LOSES, subject, "it ends %.*s, was %.*s",
                        SLICE_ARG(end_text(is)), SLICE_ARG(end_text(was)));
    }
}

static void compare_names(struct difference *difference, struct slice subject, const struct conf_strings *was,
                          const struct conf_strings *is, const char *what)
{
    difference_strings(difference, subject, CHANGE_GAINS, is, was, what, "is its own now");
    difference_strings(difference, subject, CHANGE_LOSES, was, is, what, "is not its own any more");
}

/* Whoever has a key with another consumer is somebody else to every rule and limit. */
static void compare_key(struct difference *difference, struct slice subject,
                        const struct api_key_entry_settings *was, const struct api_key_entry_settings *is)
{
    if (!slice_equal(was->consumer, is->consumer)) {
        difference_tell(difference, CHANGE_GAINS, subject, "who has it is %.*s now", SLICE_ARG(is->consumer));
        difference_tell(difference, CHANGE_LOSES, subject, "who has it is not %.*s any more",
                        SLICE_ARG(was->consumer));
    }
    compare_names(difference, subject, &was->scopes, &is->scopes, "the scope");
    compare_names(difference, subject, &was->tags, &is->tags, "the tag");
    compare_limit(difference, subject, was->limit, is->limit);
    compare_end(difference, subject, was, is);
    if (!slice_equal_nocase(was->digest, is->digest) || !slice_equal(was->pepper, is->pepper)) {
        difference_tell(difference, CHANGE_OTHER, subject, "it is another key now");
    }
}

static struct slice subject_of(struct difference *difference, const struct api_keys_settings *set,
                               struct slice key)
{
    return arena_printf(&difference->arena, "API keys %.*s, key %.*s", SLICE_ARG(set->name), SLICE_ARG(key));
}

static void compare_keys(struct difference *difference, const struct map *before,
                         const struct api_keys_settings *after)
{
    const struct api_key_entry_settings *keys = after->keys.items;
    for (size_t i = 0; i < after->keys.count; i++) {
        const struct api_key_entry_settings *is = &keys[i], *was = map_get(before, is->name);
        struct slice subject = subject_of(difference, after, is->name);
        bool was_good = was != NULL && !was->revoked;
        if (!was_good && !is->revoked) {
            difference_tell(difference, CHANGE_GAINS, subject, "is let in now, as %.*s",
                            SLICE_ARG(is->consumer));
        } else if (was_good && is->revoked) {
            difference_tell(difference, CHANGE_LOSES, subject, "is not let in any more");
        } else if (was_good) {
            compare_key(difference, subject, was, is);
        }
    }
}

static void tell_gone(struct difference *difference, const struct api_keys_settings *before,
                      const struct map *after)
{
    const struct api_key_entry_settings *keys = before->keys.items;
    for (size_t i = 0; i < before->keys.count; i++) {
        if (!keys[i].revoked && map_get(after, keys[i].name) == NULL) {
            difference_tell(difference, CHANGE_LOSES, subject_of(difference, before, keys[i].name),
                            "is not let in any more");
        }
    }
}

static void compare_peppers(struct difference *difference, struct slice subject,
                            const struct api_keys_settings *before, const struct api_keys_settings *after)
{
    const struct api_pepper_settings *peppers = before->peppers.items;
    for (size_t i = 0; i < before->peppers.count; i++) {
        const struct api_pepper_settings *is = api_keys_find_pepper(after, peppers[i].name);
        if (is != NULL && !secret_equal(is->secret, peppers[i].secret)) {
            difference_tell(
                difference, CHANGE_LOSES, subject,
                "the pepper %.*s is another one: keys that were made with it are not let in any more",
                SLICE_ARG(is->name));
        }
    }
}

void difference_api_keys(struct difference *difference, const void *before, const void *after)
{
    const struct api_keys_settings *was = before, *is = after;
    struct slice subject = arena_printf(&difference->arena, "API keys %.*s", SLICE_ARG(is->name));
    static const char *const told[] = { "keys", NULL };
    struct map had, has;
    bool complete = index_keys(was, &had);
    complete = index_keys(is, &has) && complete;
    if (complete) {
        compare_keys(difference, &had, is);
        tell_gone(difference, was, &has);
    } else {
        difference_tell(difference, CHANGE_OTHER, subject, "there is no memory to compare its keys");
    }
    map_done(&had);
    map_done(&has);
    compare_peppers(difference, subject, was, is);
    if (api_keys_have_store(was) && !api_keys_have_store(is)) {
        difference_tell(difference, CHANGE_LOSES, subject, "keys of the store are not let in any more");
    } else if (!api_keys_have_store(was) && api_keys_have_store(is)) {
        difference_tell(difference, CHANGE_GAINS, subject, "keys of the store are let in now");
    }
    difference_fields(difference, subject, &api_keys_object, before, after, told);
}
