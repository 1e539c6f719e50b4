/* Whose a file is, and how that of an older version becomes that of this one. */
#include "store/store_file.h"

#include <stdio.h>

/* Its identity, drawn when it is made, and the last sequence number that was given. */
static const char common[] =
    "CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL, "
    "  identity TEXT NOT NULL CHECK (length(identity) = 32)) STRICT;"
    "INSERT INTO store VALUES (1, 0, lower(hex(randomblob(16))));";

static struct error read_number(struct store_file *file, const char *sql, int *ret_number)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(file->database, sql, -1, &statement, NULL);
    result = result == SQLITE_OK ? sqlite3_step(statement) : result;
    struct error error = result == SQLITE_ROW ? OK : store_file_error(file, result);
    if (!failed(error)) {
        *ret_number = sqlite3_column_int(statement, 0);
    }
    sqlite3_finalize(statement);
    return error;
}

/* 0 where it is empty. */
static struct error look_at_version(struct store_file *file, int *ret_version)
{
    const struct store_schema *schema = file->schema;
    int tables = 0, application = 0, version = 0;
    TRY(read_number(file, "SELECT count(*) FROM sqlite_schema", &tables));
    TRY(read_number(file, "PRAGMA application_id", &application));
    TRY(read_number(file, "PRAGMA user_version", &version));
    bool is_new = tables == 0 && application == 0 && version == 0;
    if (!is_new && application != schema->application) {
        return FAIL(ERROR_VALUE, schema->problems[STORE_TEXT_FOREIGN]);
    }
    if (version > schema->version || version < 0) {
        return FAIL(ERROR_VALUE, schema->problems[STORE_TEXT_NEWER]);
    }
    *ret_version = version;
    return OK;
}

static struct error bring_up(struct store_file *file)
{
    const struct store_schema *schema = file->schema;
    /* Looked at again under the lock: another process may have done it meanwhile. */
    int version = 0;
    TRY(look_at_version(file, &version));
    if (version == 0) {
        TRY(store_file_execute(file, common));
    }
    for (int i = version; i < schema->version; i++) {
        TRY(store_file_execute(file, schema->steps[i]));
    }
    char text[96];
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d", schema->application,
             schema->version);
    return store_file_execute(file, text);
}

struct error store_file_migrate(struct store_file *file, bool writes)
{
    const struct store_schema *schema = file->schema;
    int version = 0;
    TRY(look_at_version(file, &version));
    if (version == schema->version) {
        return OK;
    }
    if (!writes) {
        return FAIL(ERROR_VALUE, schema->problems[version == 0 ? STORE_TEXT_EMPTY : STORE_TEXT_OLDER]);
    }
    TRY(store_file_begin(file));
    return store_file_end(file, bring_up(file));
}
