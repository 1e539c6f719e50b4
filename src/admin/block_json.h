/* A block as people and programs read it: `sallyport block` and the admin API show the same. Pure; any thread. */
#ifndef SALLYPORT_ADMIN_BLOCK_JSON_H
#define SALLYPORT_ADMIN_BLOCK_JSON_H

#include "store/block_store.h"
#include "json/writer.h"

/* "in force", "expired" or "removed". `now`: seconds since 1970. */
struct slice block_state(const struct block_record *record, int64_t now);

void block_write_json(struct json_writer *writer, const struct block_record *record, int64_t now);

#endif
