/* The sets of API keys of a configuration, as one worker has them: peppers made ready, keys of the settings in order. Private to
 * src/auth. One thread. */
#ifndef SALLYPORT_AUTH_API_KEY_SETS_H
#define SALLYPORT_AUTH_API_KEY_SETS_H

#include "auth/api_key_settings.h"
#include "auth/api_key_source.h"
#include "base/map.h"

struct key_set {
    struct key_set *next;
    uint64_t id;      /* never used again: the keys of a dropped set fit no later one */
    uint64_t changes; /* that were told; a look-up that began before one is not kept */
    bool is_set;      /* since the last sweep */
    struct slice name;
    const struct api_keys_settings *settings;
    struct api_key_source *source; /* held; NULL: the keys are in the settings */
    size_t pepper_count;
    struct api_pepper peppers[API_PEPPERS_MAX]; /* the one for new keys first */
    const struct key_record **records;          /* of the settings' keys, sorted by digest */
    size_t record_count;
};

struct key_sets {
    struct map by_name; /* struct key_set */
    struct key_set *first;
    uint64_t last_id;
};

void key_sets_init(struct key_sets *sets);
void key_sets_done(struct key_sets *sets);

/* NULL: there is none of this name. */
static inline struct key_set *key_sets_find(const struct key_sets *sets, struct slice name)
{
    return map_get(&sets->by_name, name);
}

/* Adds or updates. `*ret_changed`: keys that were checked may not be good any more. On failure nothing has changed. */
struct error key_sets_put(struct key_sets *sets, const struct api_keys_settings *settings,
                          struct api_key_source *source, struct key_set **ret_set,
                          bool *ret_changed) MUST_CHECK;

/* Drops every set that was not put since the last call of this; `each` is told its id before. */
void key_sets_sweep(struct key_sets *sets, void (*each)(void *context, uint64_t set_id), void *context);

/* The digests of a key under each pepper from the `from`-th on. False: OpenSSL cannot. */
bool key_set_digest(const struct key_set *set, struct slice text, size_t from, struct api_key_digests *out);

/* A key of the settings; NULL: none of these digests is one. */
const struct key_record *key_set_find_record(const struct key_set *set,
                                             const struct api_key_digests *digests);

#endif
