/* A key store in a file of SQLite. Private to src/store.
 *
 * The file is written by the commands of this program and read by gateways that can write nothing: they run as another user,
 * and Landlock and seccomp forbid it. So it has a rollback journal, which a reader needs no right to write for; a
 * write-ahead log would need one. A reader takes POSIX locks only.
 *
 * Last uses stand beside it in FILE-used, a slot for each key's number: the gateway is handed that file open, and a use
 * costs one pwrite and no transaction. */
#ifndef SALLYPORT_STORE_SQLITE_H
#define SALLYPORT_STORE_SQLITE_H

#include "store/key_store_kind.h"

#include <sqlite3.h>
#include <sys/stat.h>

enum sqlite_statement {
    STATEMENT_FIND,
    STATEMENT_GET,
    STATEMENT_LIST,
    STATEMENT_LIST_CONSUMER,
    STATEMENT_LIST_AFTER,
    STATEMENT_LIST_CONSUMER_AFTER,
    STATEMENT_LOOK,
    STATEMENT_CHANGES,
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_NEXT_SEQUENCE,
    STATEMENT_ADD,
    STATEMENT_SUPERSEDE,
    STATEMENT_REVOKE,
    STATEMENT_EXPIRE,
    STATEMENTS,
};

struct sqlite_store {
    struct key_store base;
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENTS]; /* made when first used */
    dev_t device;                         /* of the file that was opened */
    ino_t inode;
    int used_fd; /* -1: there are no uses */
    bool owns_used_fd;
    char path[]; /* NUL-terminated */
};

static inline struct sqlite_store *sqlite_store_of(struct key_store *store)
{
    return (struct sqlite_store *)store;
}

/* What a result of SQLite other than OK, ROW and DONE means for a person. */
struct error sqlite_error(sqlite3 *database, int result);

/* Opens, checks whose file it is, and brings its schema up to date where it may be written. */
struct error sqlite_open(const struct key_store_options *options, struct key_store **ret_store) MUST_CHECK;
void sqlite_close(struct key_store *store);
bool sqlite_is_current(const struct key_store *store);

/* Makes the schema what this program knows. */
struct error sqlite_migrate(sqlite3 *database, enum key_store_access access) MUST_CHECK;

#endif
