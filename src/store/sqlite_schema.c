/* What stands in the file, and how that of an older version becomes that of this one. */
#include "store/sqlite.h"

#include <stdio.h>

#define APPLICATION_ID 0x53504b53 /* "SPKS", in the file's header */

/* One step per version: the schema of version N is what the first N made. Never changed once released; added to. */
static const char *const steps[] = {
    "CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL, "
    "  identity TEXT NOT NULL CHECK (length(identity) = 32)) STRICT;"
    "INSERT INTO store VALUES (1, 0, lower(hex(randomblob(16))));"
    "CREATE TABLE keys ("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  sequence INTEGER NOT NULL UNIQUE,"
    "  id TEXT NOT NULL UNIQUE,"
    "  digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),"
    "  pepper_id TEXT NOT NULL,"
    "  consumer TEXT NOT NULL,"
    "  description TEXT NOT NULL,"
    "  scopes TEXT NOT NULL,"
    "  tags TEXT NOT NULL,"
    "  limit_count INTEGER NOT NULL CHECK (limit_count >= 0),"
    "  limit_window INTEGER NOT NULL CHECK (limit_window >= 0),"
    "  created INTEGER NOT NULL,"
    "  expires INTEGER NOT NULL,"
    "  revoked INTEGER NOT NULL,"
    "  superseded INTEGER NOT NULL,"
    "  replaces TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX keys_by_consumer ON keys (consumer, number);",
};

#define VERSION ((int)(sizeof steps / sizeof steps[0]))

static struct error read_number(sqlite3 *database, const char *pragma, int *ret_number)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(database, pragma, -1, &statement, NULL);
    result = result == SQLITE_OK ? sqlite3_step(statement) : result;
    int number = result == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
    struct error error = result == SQLITE_ROW ? OK : sqlite_error(database, result);
    sqlite3_finalize(statement);
    *ret_number = failed(error) ? *ret_number : number;
    return error;
}

static struct error execute(sqlite3 *database, const char *sql)
{
    int result = sqlite3_exec(database, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? OK : sqlite_error(database, result);
}

struct state {
    int application, version, tables;
};

static struct error look(sqlite3 *database, struct state *out)
{
    TRY(read_number(database, "SELECT count(*) FROM sqlite_schema", &out->tables));
    TRY(read_number(database, "PRAGMA application_id", &out->application));
    return read_number(database, "PRAGMA user_version", &out->version);
}

static struct error check(const struct state *state)
{
    bool is_new = state->tables == 0 && state->application == 0 && state->version == 0;
    if (!is_new && state->application != APPLICATION_ID) {
        return FAIL(ERROR_VALUE, "this is a database of another program, and no key store");
    }
    if (state->version > VERSION || state->version < 0) {
        return FAIL(ERROR_VALUE, "the key store was written by a newer version of sallyport; use that one");
    }
    return OK;
}

static struct error bring_up(sqlite3 *database)
{
    /* Looked at again under the lock: another process may have done it meanwhile. */
    struct state state = { 0 };
    TRY(look(database, &state));
    TRY(check(&state));
    for (int i = state.version; i < VERSION; i++) {
        TRY(execute(database, steps[i]));
    }
    char text[96];
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d", APPLICATION_ID,
             VERSION);
    return execute(database, text);
}

struct error sqlite_migrate(sqlite3 *database, enum key_store_access access)
{
    struct state state = { 0 };
    TRY(look(database, &state));
    TRY(check(&state));
    if (state.version == VERSION) {
        return OK;
    }
    if (access == KEY_STORE_READ) {
        return state.version == 0
                   ? FAIL(ERROR_VALUE, "the key store is empty: `sallyport keys create` makes it")
                   : FAIL(ERROR_VALUE, "the key store is of an older version: `sallyport keys list`, run by "
                                       "who may write it, brings it up to date");
    }
    TRY(execute(database, "BEGIN IMMEDIATE"));
    struct error error = bring_up(database);
    if (!failed(error)) {
        error = execute(database, "COMMIT");
    }
    if (failed(error)) {
        struct error undone = execute(database, "ROLLBACK");
        (void)undone; /* it may have been rolled back already */
    }
    return error;
}
