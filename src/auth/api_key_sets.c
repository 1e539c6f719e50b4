#include "auth/api_key_sets.h"

#include "base/secret.h"

#include <stdlib.h>

void key_sets_init(struct key_sets *sets)
{
    *sets = (struct key_sets){ .first = NULL };
    map_init(&sets->by_name);
}

static void wipe_peppers(struct api_pepper *peppers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        api_pepper_done(&peppers[i]);
    }
}

static void free_set(struct key_set *set)
{
    wipe_peppers(set->peppers, set->pepper_count);
    api_key_source_unref(set->source);
    free(set->records);
    free(set);
}

void key_sets_done(struct key_sets *sets)
{
    while (sets->first != NULL) {
        struct key_set *set = sets->first;
        sets->first = set->next;
        free_set(set);
    }
    map_done(&sets->by_name);
}

/* What new settings bring along, before anything old is touched. */
struct key_change {
    size_t pepper_count;
    struct api_pepper peppers[API_PEPPERS_MAX];
    const struct key_record **records;
    size_t record_count;
};

static int compare_records(const void *a, const void *b)
{
    const struct key_record *const *x = a, *const *y = b;
    return memcmp((*x)->digest, (*y)->digest, KEY_RECORD_DIGEST);
}

static bool sort_records(struct key_change *change, const struct api_keys_settings *settings)
{
    const struct api_key_entry_settings *entries = settings->keys.items;
    size_t count = settings->keys.count;
    change->records = calloc(count + 1, sizeof *change->records);
    if (change->records == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        change->records[i] = &entries[i].record;
    }
    change->record_count = count;
    qsort(change->records, count, sizeof *change->records, compare_records);
    return true;
}

static struct error make_peppers(struct key_change *change, const struct api_keys_settings *settings)
{
    const struct api_pepper_settings *first = api_keys_pepper(settings), *all = settings->peppers.items;
    if (first == NULL || settings->peppers.count > API_PEPPERS_MAX) {
        return FAIL(ERROR_VALUE, "a set of API keys needs a pepper");
    }
    bool good = api_pepper_init(&change->peppers[change->pepper_count++], first->secret);
    for (size_t i = 0; i < settings->peppers.count; i++) {
        if (&all[i] != first) {
            good = good && api_pepper_init(&change->peppers[change->pepper_count++], all[i].secret);
        }
    }
    return good ? OK : FAIL(ERROR_CRYPTO, "OpenSSL cannot make a digest");
}

static struct error add_set(struct key_sets *sets, struct slice name, struct key_set **ret_set)
{
    struct key_set *set = calloc(1, sizeof *set + name.len);
    if (set == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for a set of API keys");
    }
    char *copy = (char *)(set + 1);
    memcpy(copy, name.ptr, name.len);
    set->name = slice_of(copy, name.len);
    if (!map_put(&sets->by_name, set->name, set)) {
        free(set);
        return FAIL(ERROR_MEMORY, "no memory for a set of API keys");
    }
    set->id = ++sets->last_id;
    set->next = sets->first;
    sets->first = set;
    *ret_set = set;
    return OK;
}

/* A pepper that is gone takes its keys along, and those of the settings may all be others. */
static bool is_alike(const struct key_set *set, const struct key_change *change,
                     const struct api_key_source *source)
{
    return source != NULL && api_key_source_is_alike(set->source, source) &&
           set->pepper_count == change->pepper_count &&
           secret_equal(
               slice_of((const char *)set->peppers, set->pepper_count * sizeof set->peppers[0]),
               slice_of((const char *)change->peppers, change->pepper_count * sizeof change->peppers[0]));
}

static void apply(struct key_set *set, struct key_change *change, const struct api_keys_settings *settings,
                  struct api_key_source *source)
{
    struct api_key_source *before = set->source;
    set->source = source != NULL ? api_key_source_ref(source) : NULL;
    api_key_source_unref(before);
    wipe_peppers(set->peppers, set->pepper_count);
    memcpy(set->peppers, change->peppers, sizeof set->peppers);
    set->pepper_count = change->pepper_count;
    free(set->records);
    set->records = change->records;
    set->record_count = change->record_count;
    set->settings = settings;
    set->is_set = true;
}

struct error key_sets_put(struct key_sets *sets, const struct api_keys_settings *settings,
                          struct api_key_source *source, struct key_set **ret_set, bool *ret_changed)
{
    struct key_change change = { .pepper_count = 0 };
    struct key_set *set = key_sets_find(sets, settings->name);
    struct error error = make_peppers(&change, settings);
    if (!failed(error) && !sort_records(&change, settings)) {
        error = FAIL(ERROR_MEMORY, "no memory for API keys");
    }
    if (!failed(error) && set == NULL) {
        error = add_set(sets, settings->name, &set);
    }
    if (failed(error)) {
        free(change.records);
    } else {
        *ret_changed = !is_alike(set, &change, source);
        *ret_set = set;
        apply(set, &change, settings, source);
    }
    wipe_peppers(change.peppers, API_PEPPERS_MAX);
    return error;
}

void key_sets_sweep(struct key_sets *sets, void (*each)(void *context, uint64_t set_id), void *context)
{
    struct key_set **link = &sets->first;
    while (*link != NULL) {
        struct key_set *set = *link;
        if (set->is_set) {
            set->is_set = false;
            link = &set->next;
            continue;
        }
        *link = set->next;
        each(context, set->id);
        map_remove(&sets->by_name, set->name);
        free_set(set);
    }
}

bool key_set_digest(const struct key_set *set, struct slice text, size_t from, struct api_key_digests *out)
{
    bool good = true;
    for (size_t i = from; good && i < set->pepper_count; i++) {
        good = api_key_digest(&set->peppers[i], text, out->items[i]);
    }
    out->count = set->pepper_count;
    return good;
}

const struct key_record *key_set_find_record(const struct key_set *set, const struct api_key_digests *digests)
{
    for (size_t i = 0; i < digests->count; i++) {
        struct key_record wanted = { .number = 0 };
        const struct key_record *key = &wanted;
        memcpy(wanted.digest, digests->items[i], sizeof wanted.digest);
        const struct key_record *const *found =
            bsearch(&key, set->records, set->record_count, sizeof *set->records, compare_records);
        if (found != NULL) {
            return *found;
        }
    }
    return NULL;
}
