/* Who blocked what, on its way to the audit log: lines that wait until there is room for them, so that none is lost to a burst. Part
 * of the block follower. */
#ifndef SALLYPORT_GATEWAY_BLOCK_AUDIT_H
#define SALLYPORT_GATEWAY_BLOCK_AUDIT_H

#include "block/set.h"

#define BLOCK_AUDIT_MAX 10000 /* lines that wait; what comes beyond is counted, and told in one */

struct block_audit_line;

struct block_audit {
    struct block_audit_line *first, *last;
    size_t count;
    uint64_t untold;
};

/* Lines that another thread gathers. */
struct block_audit_batch {
    struct block_audit lines;
};

void block_audit_add(struct block_audit *audit, struct slice event, struct slice detail);
void block_audit_add_entry(struct block_audit *audit, struct slice event, const struct block_entry *entry);

/* A visit of block_store_changes: `context` is a batch. */
bool block_audit_take(void *context, const struct block_record *record);
/* Moves them. */
void block_audit_add_batch(struct block_audit *audit, struct block_audit_batch *batch);
void block_audit_batch_clear(struct block_audit_batch *batch);

/* Writes as many as there is room for. */
void block_audit_flush(struct block_audit *audit,
                       bool (*write)(void *context, struct slice event, struct slice detail), void *context);
void block_audit_done(struct block_audit *audit);

#endif
