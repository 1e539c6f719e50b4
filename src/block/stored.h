/* What a store of blocks holds, in memory: read on one thread, then handed on. */
#ifndef SALLYPORT_BLOCK_STORED_H
#define SALLYPORT_BLOCK_STORED_H

#include "block/set.h"
#include "block/settings.h"

struct block_stored;

/* Those in force; blocks, never on a worker. */
struct error block_stored_read(struct block_store *store, struct block_stored **ret_stored) MUST_CHECK;
void block_stored_free(struct block_stored *stored);
const struct block_store_state *block_stored_state(const struct block_stored *stored);
size_t block_stored_count(const struct block_stored *stored);

/* The set of both: of a store (NULL: there is none) and of what the configuration says (NULL: nothing). Sealed, held once. What has
 * expired by `now` (seconds since 1970) is left out. ERROR_VALUE: the store holds what this version does not know. */
struct error block_set_compile(const struct block_stored *stored, const struct blocks_settings *settings,
                               int64_t now, struct block_set **ret_set) MUST_CHECK;

#endif
