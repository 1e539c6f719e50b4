/* The file of a block store: what stands in it, how that of an older version becomes that of this one, and what its errors mean. */
#include "store/block_store_file.h"

#include <stdio.h>

#define APPLICATION_ID 0x5350424c /* "SPBL", in the file's header */

/* One step per version: the schema of version N is what the first N made. Never changed once released; added to. */
static const char *const steps[] = {
    "CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL, "
    "  identity TEXT NOT NULL CHECK (length(identity) = 32)) STRICT;"
    "INSERT INTO store VALUES (1, 0, lower(hex(randomblob(16))));"
    "CREATE TABLE blocks ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  sequence INTEGER NOT NULL UNIQUE,"
    "  kind TEXT NOT NULL,"
    "  issuer TEXT NOT NULL,"
    "  value TEXT NOT NULL,"
    "  reason TEXT NOT NULL,"
    "  by TEXT NOT NULL,"
    "  created INTEGER NOT NULL,"
    "  expires INTEGER NOT NULL,"
    "  removed INTEGER NOT NULL DEFAULT 0,"
    "  removed_by TEXT NOT NULL DEFAULT '',"
    "  removal_reason TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "CREATE UNIQUE INDEX blocks_in_force ON blocks (kind, issuer, value) WHERE removed = 0;",
};

#define VERSION ((int)(sizeof steps / sizeof steps[0]))

/* ---- what went wrong ---- */

static const struct problem {
    int result; /* primary result code */
    enum error_kind kind;
    int number; /* errno where SQLite does not know why the system refused */
    const char *what;
} problems[] = {
    { SQLITE_BUSY, ERROR_STATE, 0, "the block store is locked by another process" },
    { SQLITE_LOCKED, ERROR_STATE, 0, "the block store is locked by another process" },
    { SQLITE_NOTADB, ERROR_VALUE, 0, "the file is no block store, or is damaged: restore it from a backup" },
    { SQLITE_CORRUPT, ERROR_VALUE, 0, "the block store is damaged: restore it from a backup" },
    { SQLITE_READONLY, ERROR_SYSTEM, EROFS,
      "the block store cannot be written: it, or its directory, is read-only" },
    { SQLITE_PERM, ERROR_SYSTEM, EACCES, "the block store cannot be opened" },
    { SQLITE_AUTH, ERROR_SYSTEM, EACCES, "the block store cannot be opened" },
    { SQLITE_CANTOPEN, ERROR_SYSTEM, EIO,
      "the block store, or the journal in its directory, cannot be opened" },
    { SQLITE_FULL, ERROR_SYSTEM, ENOSPC, "there is no room for the block store" },
    { SQLITE_IOERR, ERROR_SYSTEM, EIO, "the block store cannot be read or written" },
    { SQLITE_NOMEM, ERROR_MEMORY, 0, "no memory for the block store" },
    { SQLITE_TOOBIG, ERROR_LIMIT, 0, "too large for the block store" },
};

struct error block_store_error(sqlite3 *database, int result)
{
    int extended = database != NULL ? sqlite3_extended_errcode(database) : result;
    /* A writer was interrupted, and what it left can only be undone by who may write. */
    if (extended == SQLITE_READONLY_ROLLBACK || extended == SQLITE_READONLY_RECOVERY) {
        return FAIL(ERROR_STATE,
                    "a change of the block store was interrupted: `sallyport block list`, run by "
                    "who may write it, undoes it");
    }
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        const struct problem *problem = &problems[i];
        if (problem->result != (result & 0xff)) {
            continue;
        }
        int number = database != NULL ? sqlite3_system_errno(database) : 0;
        number = number != 0 ? number : problem->number;
        return FAIL_NUMBER(problem->kind, problem->kind == ERROR_SYSTEM ? number : extended, problem->what);
    }
    return FAIL_NUMBER(ERROR_STATE, extended, "the block store failed");
}

/* ---- the schema ---- */

struct error block_store_execute(sqlite3 *database, const char *sql)
{
    int result = sqlite3_exec(database, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? OK : block_store_error(database, result);
}

static struct error read_number(sqlite3 *database, const char *sql, int *ret_number)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);
    result = result == SQLITE_OK ? sqlite3_step(statement) : result;
    struct error error = result == SQLITE_ROW ? OK : block_store_error(database, result);
    if (!failed(error)) {
        *ret_number = sqlite3_column_int(statement, 0);
    }
    sqlite3_finalize(statement);
    return error;
}

/* Whose file it is, and of which version: 0 where it is empty. */
static struct error look_at_version(sqlite3 *database, int *ret_version)
{
    int tables = 0, application = 0, version = 0;
    TRY(read_number(database, "SELECT count(*) FROM sqlite_schema", &tables));
    TRY(read_number(database, "PRAGMA application_id", &application));
    TRY(read_number(database, "PRAGMA user_version", &version));
    bool is_new = tables == 0 && application == 0 && version == 0;
    if (!is_new && application != APPLICATION_ID) {
        return FAIL(ERROR_VALUE, "this is a database of another program, and no block store");
    }
    if (version > VERSION || version < 0) {
        return FAIL(ERROR_VALUE, "the block store was written by a newer version of sallyport; use that one");
    }
    *ret_version = version;
    return OK;
}

static struct error bring_up(sqlite3 *database)
{
    /* Looked at again under the lock: another process may have done it meanwhile. */
    int version = 0;
    TRY(look_at_version(database, &version));
    for (int i = version; i < VERSION; i++) {
        TRY(block_store_execute(database, steps[i]));
    }
    char text[96];
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
             VERSION);
    return block_store_execute(database, text);
}

struct error block_store_migrate(sqlite3 *database, enum block_store_access access)
{
    int version = 0;
    TRY(look_at_version(database, &version));
    if (version == VERSION) {
        return OK;
    }
    if (access == BLOCK_STORE_READ) {
        return version == 0 ? FAIL(ERROR_VALUE, "the block store is empty: `sallyport block init` makes it")
                            : FAIL(ERROR_VALUE, "the block store is of an older version: `sallyport block "
                                                "list`, run by who may write it, brings it up to date");
    }
    TRY(block_store_execute(database, "BEGIN IMMEDIATE"));
    struct error error = bring_up(database);
    error = failed(error) ? error : block_store_execute(database, "COMMIT");
    if (failed(error)) {
        struct error undone = block_store_execute(database, "ROLLBACK");
        (void)undone; /* it may have been rolled back already */
    }
    return error;
}
