/* The file of a block store, beneath its functions. Private to src/store. */
#ifndef SALLYPORT_STORE_BLOCK_STORE_FILE_H
#define SALLYPORT_STORE_BLOCK_STORE_FILE_H

#include "store/block_store.h"

#include <sqlite3.h>

/* What a result of SQLite other than OK, ROW and DONE means for a person. */
struct error block_store_error(sqlite3 *database, int result);

struct error block_store_execute(sqlite3 *database, const char *sql) MUST_CHECK;

/* Checks whose file it is, and makes its schema what this program knows, where it may be written. */
struct error block_store_migrate(sqlite3 *database, enum block_store_access access) MUST_CHECK;

#endif
