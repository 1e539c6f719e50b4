/* What one that asks a database is made of, and what its thread does: connects, asks, looks for changes, notes uses. Private to the
 * asker's two files. */
#ifndef SALLYPORT_AUTH_API_KEY_ASKER_THREAD_H
#define SALLYPORT_AUTH_API_KEY_ASKER_THREAD_H

#include "auth/api_key_asker.h"

#include <pthread.h>
#include <stdatomic.h>

#define ASKER_PAUSE_MIN (100 * NS_PER_MS) /* before the first try after one that failed */

struct api_key_asker {
    struct api_key_asker *next; /* of all; under `all_lock` */
    bool has_ended;             /* the same: it is to be joined */
    pthread_t thread;
    struct postgres_place *place;
    int wake; /* an eventfd */
    atomic_bool stop;
    _Atomic int64_t fresh_at;
    pthread_mutex_t lock; /* of what follows; never held while anything waits */
    struct api_key_question *first, **last;
    struct api_key_news *news; /* that somebody waits for */
    bool is_down;              /* nothing is asked: `failure` says why */
    struct error failure;
    struct key_store_state state; /* of the last look; changed by the thread alone */
    struct key_use uses[KEY_STORE_USES];
    size_t use_count;
    /* The thread's own. */
    struct key_store *store; /* NULL: not connected */
    struct key_use flushing[KEY_STORE_USES];
    int64_t look_at, flush_at, try_at, pause;
    bool was_told;  /* that keys have changed */
    bool is_proven; /* the connection: it has answered once at least */
};

/* On its own thread, until `stop`. */
void api_key_asker_work(struct api_key_asker *asker);

#endif
