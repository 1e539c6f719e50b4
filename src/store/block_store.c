#include "store/block_store.h"

#include "base/limits.h"
#include "store/store_file.h"

#include <stdlib.h>

#define APPLICATION_ID 0x5350424c /* "SPBL", in the file's header */

/* Never changed once released; added to. */
static const char *const steps[] = {
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

enum statement {
    STATEMENT_LIST = STORE_OWN,
    STATEMENT_LIST_ALL,
    STATEMENT_CHANGES,
    STATEMENT_COUNT,
    STATEMENT_TIDY,
    STATEMENT_REPLACE,
    STATEMENT_ADD,
    STATEMENT_REMOVE,
    STATEMENT_REMOVE_NAMED,
    STATEMENTS,
};

#define COLUMNS                                                                                  \
    "number, sequence, kind, issuer, value, reason, by, created, expires, removed, removed_by, " \
    "removal_reason"

static const char *const texts[STATEMENTS] = {
    [STATEMENT_LIST] = "SELECT " COLUMNS " FROM blocks WHERE removed = 0 ORDER BY number",
    [STATEMENT_LIST_ALL] = "SELECT " COLUMNS " FROM blocks ORDER BY number",
    [STATEMENT_CHANGES] = "SELECT " COLUMNS " FROM blocks WHERE sequence > ? ORDER BY sequence",
    [STATEMENT_COUNT] = "SELECT count(*) FROM blocks WHERE removed = 0 AND (expires = 0 OR expires > ?)",
    [STATEMENT_TIDY] = "DELETE FROM blocks WHERE (removed > 0 AND removed < ?1) OR "
                       "(expires > 0 AND expires < ?1)",
    [STATEMENT_REPLACE] = "DELETE FROM blocks WHERE kind = ? AND issuer = ? AND value = ? AND removed = 0",
    [STATEMENT_ADD] = "INSERT INTO blocks (sequence, kind, issuer, value, reason, by, created, expires) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_REMOVE] = "UPDATE blocks SET sequence = ?1, removed = ?2, removed_by = ?3, "
                         "removal_reason = ?4 WHERE number = ?5 AND removed = 0",
    [STATEMENT_REMOVE_NAMED] = "UPDATE blocks SET sequence = ?1, removed = ?2, removed_by = ?3, "
                               "removal_reason = ?4 WHERE kind = ?5 AND issuer = ?6 AND value = ?7 AND "
                               "removed = 0",
};

static const struct store_schema schema = {
    .application = APPLICATION_ID,
    .steps = steps,
    .version = sizeof steps / sizeof steps[0],
    .settings = "",
    .texts = texts,
    .statement_count = STATEMENTS,
    /* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): the macro joins texts */
    .problems = STORE_TEXTS_OF("block store", "sallyport block init", "sallyport block list",
                               "a block of this kind, issuer and value is there already"),
};

struct block_store {
    struct store_file file;
};

/* ---- opening ---- */

struct error block_store_open(const struct block_store_options *options, struct block_store **ret_store)
{
    struct block_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the block store");
    }
    const struct store_file_options file = {
        .path = options->path,
        .writes = options->access != BLOCK_STORE_READ,
        .creates = options->access == BLOCK_STORE_CREATE,
        .group = options->group,
        .group_writes = options->group_writes,
        .busy_ms = options->busy_ms,
    };
    struct error error = store_file_open(&store->file, &schema, &file);
    if (failed(error)) {
        block_store_close(store);
        return error;
    }
    *ret_store = store;
    return OK;
}

void block_store_close(struct block_store *store)
{
    if (store != NULL) {
        store_file_close(&store->file);
        free(store);
    }
}

bool block_store_is_current(const struct block_store *store)
{
    return store_file_is_current(&store->file);
}

/* ---- reading ---- */

static void read_record(sqlite3_stmt *statement, struct block_record *out)
{
    int column = 0;
    out->number = (uint64_t)sqlite3_column_int64(statement, column++);
    out->sequence = (uint64_t)sqlite3_column_int64(statement, column++);
    out->kind = store_column_text(statement, column++);
    out->issuer = store_column_text(statement, column++);
    out->value = store_column_text(statement, column++);
    out->reason = store_column_text(statement, column++);
    out->by = store_column_text(statement, column++);
    out->created = sqlite3_column_int64(statement, column++);
    out->expires = sqlite3_column_int64(statement, column++);
    out->removed = sqlite3_column_int64(statement, column++);
    out->removed_by = store_column_text(statement, column++);
    out->removal_reason = store_column_text(statement, column);
}

struct visit {
    block_store_visit *visit;
    void *context;
};

static enum store_row visit_row(void *context, sqlite3_stmt *statement)
{
    const struct visit *visit = context;
    struct block_record record;
    read_record(statement, &record);
    return visit->visit(visit->context, &record) ? STORE_ROW_MORE : STORE_ROW_ENOUGH;
}

static struct error visit_rows(struct block_store *store, sqlite3_stmt *statement, block_store_visit *visit,
                               void *context)
{
    struct visit rows = { visit, context };
    return store_file_each(&store->file, statement, visit_row, &rows);
}

struct error block_store_look(struct block_store *store, struct block_store_state *out)
{
    return store_file_look(&store->file, out->identity, &out->sequence);
}

struct error block_store_list(struct block_store *store, bool all, block_store_visit *visit, void *context)
{
    sqlite3_stmt *statement = NULL;
    TRY(store_file_statement(&store->file, all ? STATEMENT_LIST_ALL : STATEMENT_LIST, &statement));
    return visit_rows(store, statement, visit, context);
}

struct error block_store_changes(struct block_store *store, uint64_t sequence, block_store_visit *visit,
                                 void *context)
{
    sqlite3_stmt *statement = NULL;
    TRY(store_file_statement(&store->file, STATEMENT_CHANGES, &statement));
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)sequence);
    return visit_rows(store, statement, visit, context);
}

/* ---- changes ---- */

static struct error tidy(struct block_store *store, int64_t now)
{
    sqlite3_stmt *statement = NULL;
    TRY(store_file_statement(&store->file, STATEMENT_TIDY, &statement));
    sqlite3_bind_int64(statement, 1, now - BLOCK_STORE_KEEP);
    return store_file_run(&store->file, statement);
}

static struct error add(struct block_store *store, const struct block_record *record)
{
    sqlite3_stmt *statement = NULL;
    uint64_t sequence = 0;
    int64_t count = 0;
    TRY(tidy(store, record->created));
    TRY(store_file_statement(&store->file, STATEMENT_REPLACE, &statement));
    store_bind_text(statement, 1, record->kind);
    store_bind_text(statement, 2, record->issuer);
    store_bind_text(statement, 3, record->value);
    TRY(store_file_run(&store->file, statement));
    TRY(store_file_statement(&store->file, STATEMENT_COUNT, &statement));
    sqlite3_bind_int64(statement, 1, record->created);
    TRY(store_file_number(&store->file, statement, &count));
    if (count >= BLOCKS_MAX) {
        return FAIL(ERROR_LIMIT, "the block store is full: remove blocks that are needed no longer");
    }
    TRY(store_file_next_sequence(&store->file, &sequence));
    TRY(store_file_statement(&store->file, STATEMENT_ADD, &statement));
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)sequence);
    store_bind_text(statement, 2, record->kind);
    store_bind_text(statement, 3, record->issuer);
    store_bind_text(statement, 4, record->value);
    store_bind_text(statement, 5, record->reason);
    store_bind_text(statement, 6, record->by);
    sqlite3_bind_int64(statement, 7, record->created);
    sqlite3_bind_int64(statement, 8, record->expires);
    return store_file_run(&store->file, statement);
}

static struct error take_away(struct block_store *store, const struct block_record *record)
{
    sqlite3_stmt *statement = NULL;
    uint64_t sequence = 0;
    TRY(tidy(store, record->removed));
    TRY(store_file_next_sequence(&store->file, &sequence));
    TRY(store_file_statement(&store->file, record->number > 0 ? STATEMENT_REMOVE : STATEMENT_REMOVE_NAMED,
                             &statement));
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)sequence);
    sqlite3_bind_int64(statement, 2, record->removed);
    store_bind_text(statement, 3, record->removed_by);
    store_bind_text(statement, 4, record->removal_reason);
    if (record->number > 0) {
        sqlite3_bind_int64(statement, 5, (sqlite3_int64)record->number);
    } else {
        store_bind_text(statement, 5, record->kind);
        store_bind_text(statement, 6, record->issuer);
        store_bind_text(statement, 7, record->value);
    }
    TRY(store_file_run(&store->file, statement));
    return sqlite3_changes(store->file.database) > 0 ? OK : FAIL(ERROR_VALUE, "there is no such block");
}

static struct error change(struct block_store *store, const struct block_record *record,
                           struct error (*make)(struct block_store *store, const struct block_record *record))
{
    TRY(store_file_begin(&store->file));
    return store_file_end(&store->file, make(store, record));
}

struct error block_store_add(struct block_store *store, const struct block_record *record,
                             uint64_t *ret_number)
{
    TRY(change(store, record, add));
    *ret_number = (uint64_t)sqlite3_last_insert_rowid(store->file.database);
    return OK;
}

struct error block_store_remove(struct block_store *store, const struct block_record *record)
{
    return change(store, record, take_away);
}
