/* What a call about API keys works on: a set that the configuration lets the API change, and its store, a file or a database.
 *
 * A database is connected to for one call, as its set's `user`, and left again: nothing stands open to it that may write. No more
 * than KEY_WORK_DATABASES calls of a process are at databases at once, since each holds a thread of the pool: while one hangs,
 * others are refused soon, and the rest of the pool is there for what workers want of it.
 *
 * In the pool: blocks, to the call's deadline at the latest, and while a host's name is looked up. Private to src/admin. */
#ifndef SALLYPORT_ADMIN_KEY_WORK_H
#define SALLYPORT_ADMIN_KEY_WORK_H

#include "admin/internal.h"

#include "auth/api_key_settings.h"
#include "store/postgres_place.h"

#define KEY_WORK_DATABASES 2   /* of the pool's 4 threads */
#define KEY_WORK_TURN_MS   100 /* how long one more waits for its turn */

struct key_work {
    struct admin_call *call;
    const struct api_keys_settings *set;
    struct key_store *store;
    struct postgres_place *place; /* NULL: a file */
};

/* `name` empty: the only one. NULL: told. */
const struct api_keys_settings *key_work_choose_set(struct admin_call *call, struct slice name);

/* The set that the query names, and its store. False: told. */
bool key_work_begin(struct admin_call *call, enum key_store_access access, struct key_work *out);
void key_work_end(struct key_work *work);

#endif
