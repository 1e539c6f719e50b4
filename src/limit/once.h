/* What may be used once: a table of what was, which all workers and processes share.
 *
 * It holds a keyed fingerprint and an end for each use, eight bytes in all, and no name. It lives in shared memory, so that it
 * survives reload and restart of the gateway process. A place is free again when its use has ended; where a name finds none of its
 * ONCE_WAYS places free, it cannot be used: nothing is forgotten before its time. Two names have one fingerprint once in 2^38.
 * Lock-free: a thread or process that stops or dies anywhere leaves a table that is good. Any thread, any process that maps it.
 * Times are ns of the monotonic clock, which all of them share. */
#ifndef SALLYPORT_LIMIT_ONCE_H
#define SALLYPORT_LIMIT_ONCE_H

#include <stdint.h>

#include "base/error.h"

#define ONCE_WAYS       64
#define ONCE_ALIGNMENT  64 /* of the memory, bytes */
#define ONCE_LIFE_MAX_S 14400
#define ONCE_SECRET     32 /* bytes */

struct once_table;

/* Bytes for at least this many uses at a time; a multiple of ONCE_ALIGNMENT. */
size_t once_size(size_t uses);

/* Is the file a table of this size and of this layout, or empty memory for one? */
bool once_fits(int fd, size_t size);

/* Memory of once_size bytes: all zero, or what another process had opened. */
struct error once_open(void *memory, size_t size, int64_t now, struct once_table **ret_table) MUST_CHECK;

enum once_result {
    ONCE_FIRST, /* and nobody else will hear that before `until` */
    ONCE_AGAIN,
    ONCE_FULL,
};

/* `until`: later than `now`, by ONCE_LIFE_MAX_S at the most. Two uses of one name at the same moment may both hear ONCE_AGAIN. */
enum once_result once_use(struct once_table *table, const void *name, size_t size, int64_t now,
                          int64_t until);

/* Since when whatever is used is remembered for as long as it could be used again: the table's own beginning, or that of a longer
 * `life` (ns) which once_promise was told. */
int64_t once_since(const struct once_table *table);
void once_promise(struct once_table *table, int64_t life, int64_t now);

/* Random bytes as old as the table: what was made with them is no older. ONCE_SECRET of them. */
const unsigned char *once_secret(const struct once_table *table);

#endif
