/* A known API key as a worker uses it: a copy of its record in one piece of memory, immutable but for when its use was last noted
 * and reported. Made on any thread; from then on counted by one worker only. */
#ifndef SALLYPORT_AUTH_API_KEY_ENTRY_H
#define SALLYPORT_AUTH_API_KEY_ENTRY_H

#include "auth/principal.h"
#include "limit/limit.h"
#include "store/key_store.h"

struct api_key {
    unsigned int references;
    struct key_record record;
    struct slice set_name;
    const struct slice *scopes; /* sorted by slice_compare, no duplicates */
    size_t scope_count;
    struct limit_settings limit; /* of record.limit_count; 0: none */
    const struct json *claims;   /* sub, consumer, key_id, scope, tags: what rules and headers may read */
    unsigned char caller_key[PRINCIPAL_KEY_SIZE];
    int64_t checked_at;  /* monotonic ns: its look-up */
    int64_t noted_at;    /* monotonic ns: its use; 0: not yet */
    int64_t reported_at; /* monotonic ns: that it is superseded or ends soon; 0: not yet */
};

/* One hold, the caller's. NULL without memory, or where the record has a limit that is none. */
struct api_key *api_key_new(struct slice set_name, const struct key_record *record);
struct api_key *api_key_ref(struct api_key *key);
void api_key_unref(struct api_key *key);

/* Fills in the principal, which takes over the caller's hold. */
void api_key_principal(struct api_key *key, struct principal *out);

#endif
