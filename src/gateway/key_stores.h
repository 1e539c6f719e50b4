/* The stores of API keys that a configuration names, on the control thread: who has them open, and what has changed in them.
 *
 * A file is looked at every KEY_STORES_LOOK_MS, in the thread pool; a database tells by itself. One that does not answer holds up
 * nothing. */
#ifndef SALLYPORT_GATEWAY_KEY_STORES_H
#define SALLYPORT_GATEWAY_KEY_STORES_H

#include "auth/api_key_source.h"
#include "config/settings.h"
#include "net/loop.h"

#define KEY_STORES_LOOK_MS 500

struct key_stores;

/* Keys of the store at `path` have changed; good during the call. */
typedef void key_stores_callback(void *context, struct slice path, const struct api_key_changes *changes);

struct error key_stores_new(struct net_loop *loop, key_stores_callback *callback, void *context,
                            struct key_stores **ret_stores) MUST_CHECK;
/* The loop must run until what is under way in the pool is done. */
void key_stores_free(struct key_stores *stores);

/* The source of each set of a configuration, held for the caller; NULL where it has none. A store that is followed already is the
 * same. `used_fds`: one for each set that has a store in a file; those that are wanted are taken, and -1 instead. */
struct error key_stores_open(struct key_stores *stores, const struct settings *settings, int *used_fds,
                             struct api_key_source ***ret_sources) MUST_CHECK;
void key_stores_release(struct api_key_source **sources, size_t count);

/* Follows these from now on, and no others. Fails for want of memory only: then some are not followed. */
bool key_stores_follow(struct key_stores *stores, struct api_key_source *const *sources, size_t count);

#endif
