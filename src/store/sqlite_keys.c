/* A key store in a file of SQLite: each of its functions is a prepared statement or a transaction of some. */
#include "store/key_store_kind.h"
#include "store/key_uses.h"
#include "store/store_file.h"

#include <stdlib.h>

#define APPLICATION_ID 0x53504b53 /* "SPKS", in the file's header */

/* Never changed once released; added to. */
static const char *const steps[] = {
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

enum statement {
    STATEMENT_FIND = STORE_OWN,
    STATEMENT_GET,
    STATEMENT_LIST,
    STATEMENT_LIST_CONSUMER,
    STATEMENT_LIST_AFTER,
    STATEMENT_LIST_CONSUMER_AFTER,
    STATEMENT_CHANGES,
    STATEMENT_ADD,
    STATEMENT_SUPERSEDE,
    STATEMENT_REVOKE,
    STATEMENT_EXPIRE,
    STATEMENTS,
};

#define COLUMNS                                                                                   \
    "number, sequence, id, digest, pepper_id, consumer, description, scopes, tags, limit_count, " \
    "limit_window, created, expires, revoked, superseded, replaces"

static const char *const texts[STATEMENTS] = {
    [STATEMENT_FIND] = "SELECT " COLUMNS " FROM keys WHERE digest = ?",
    [STATEMENT_GET] = "SELECT " COLUMNS " FROM keys WHERE id = ?",
    [STATEMENT_LIST] = "SELECT " COLUMNS " FROM keys ORDER BY number",
    [STATEMENT_LIST_CONSUMER] = "SELECT " COLUMNS " FROM keys WHERE consumer = ? ORDER BY number",
    [STATEMENT_LIST_AFTER] = "SELECT " COLUMNS " FROM keys WHERE number > ?1 ORDER BY number",
    [STATEMENT_LIST_CONSUMER_AFTER] =
        "SELECT " COLUMNS " FROM keys WHERE number > ?1 AND consumer = ?2 ORDER BY number",
    [STATEMENT_CHANGES] = "SELECT " COLUMNS " FROM keys WHERE sequence > ? ORDER BY sequence",
    [STATEMENT_ADD] =
        "INSERT INTO keys (sequence, id, digest, pepper_id, consumer, description, scopes, tags, "
        "limit_count, limit_window, created, expires, revoked, superseded, replaces) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [STATEMENT_SUPERSEDE] = "UPDATE keys SET sequence = ?1, superseded = ?3, "
                            "expires = iif(expires > 0 AND expires < ?4, expires, ?4) "
                            "WHERE id = ?2 AND revoked = 0",
    [STATEMENT_REVOKE] =
        "UPDATE keys SET sequence = ?1, revoked = iif(revoked > 0, revoked, ?3) WHERE id = ?2",
    [STATEMENT_EXPIRE] = "UPDATE keys SET sequence = ?1, expires = ?3 WHERE id = ?2",
};

static const struct store_schema schema = {
    .application = APPLICATION_ID,
    .steps = steps,
    .version = sizeof steps / sizeof steps[0],
    .settings = "PRAGMA cache_size = -8192", /* KiB */
    .texts = texts,
    .statement_count = STATEMENTS,
    /* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): the macro joins texts */
    .problems = STORE_TEXTS_OF("key store", "sallyport keys create", "sallyport keys list",
                               "a key of this id or digest is there already"),
};

struct sqlite_store {
    struct key_store base;
    struct store_file file;
    struct key_uses uses;
};

static struct sqlite_store *sqlite_store_of(struct key_store *store)
{
    return (struct sqlite_store *)store;
}

/* ---- opening ---- */

static void sqlite_close(struct key_store *base)
{
    struct sqlite_store *store = sqlite_store_of(base);
    store_file_close(&store->file);
    key_uses_close(&store->uses);
    free(store);
}

static struct error sqlite_open(const struct key_store_options *options, struct key_store **ret_store)
{
    struct sqlite_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the key store");
    }
    const struct store_file_options file = {
        .path = options->path,
        .writes = options->access != KEY_STORE_READ,
        .creates = options->access == KEY_STORE_CREATE,
        .group = options->group,
        .group_writes = options->group_writes,
        .busy_ms = options->busy_ms,
    };
    struct error error = store_file_open(&store->file, &schema, &file);
    key_uses_open(&store->uses, options->path, options->used_fd);
    if (failed(error)) {
        sqlite_close(&store->base);
        return error;
    }
    *ret_store = &store->base;
    return OK;
}

static bool sqlite_is_current(const struct key_store *base)
{
    return store_file_is_current(&((const struct sqlite_store *)base)->file);
}

/* ---- reading ---- */

/* False: no row that this program wrote. */
static bool read_record(const struct sqlite_store *store, sqlite3_stmt *statement, struct key_record *out)
{
    int column = 0;
    out->number = (uint64_t)sqlite3_column_int64(statement, column++);
    out->sequence = (uint64_t)sqlite3_column_int64(statement, column++);
    out->id = store_column_text(statement, column++);
    const void *digest = sqlite3_column_blob(statement, column);
    if (digest == NULL || sqlite3_column_bytes(statement, column++) != KEY_RECORD_DIGEST) {
        return false;
    }
    memcpy(out->digest, digest, KEY_RECORD_DIGEST);
    out->pepper_id = store_column_text(statement, column++);
    out->consumer = store_column_text(statement, column++);
    out->description = store_column_text(statement, column++);
    out->scopes = store_column_text(statement, column++);
    out->tags = store_column_text(statement, column++);
    out->limit_count = sqlite3_column_int64(statement, column++);
    out->limit_window = sqlite3_column_int64(statement, column++);
    out->created = sqlite3_column_int64(statement, column++);
    out->expires = sqlite3_column_int64(statement, column++);
    out->revoked = sqlite3_column_int64(statement, column++);
    out->superseded = sqlite3_column_int64(statement, column++);
    out->replaces = store_column_text(statement, column++);
    out->used = key_uses_last(&store->uses, out);
    return true;
}

struct visit {
    const struct sqlite_store *store;
    key_store_visit *visit;
    void *context;
    bool any;
};

static enum store_row visit_row(void *context, sqlite3_stmt *statement)
{
    struct visit *visit = context;
    struct key_record record;
    if (!read_record(visit->store, statement, &record)) {
        return STORE_ROW_DAMAGED;
    }
    visit->any = true;
    return visit->visit(visit->context, &record) ? STORE_ROW_MORE : STORE_ROW_ENOUGH;
}

/* Visits the rows of a statement that is bound. */
static struct error visit_rows(struct sqlite_store *store, sqlite3_stmt *statement, key_store_visit *visit,
                               void *context, bool *ret_any)
{
    struct visit rows = { store, visit, context, false };
    struct error error = store_file_each(&store->file, statement, visit_row, &rows);
    *ret_any = rows.any;
    return error;
}

static struct error sqlite_find(struct key_store *base, const unsigned char digest[KEY_RECORD_DIGEST],
                                key_store_visit *visit, void *context, bool *ret_found)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite3_stmt *statement = NULL;
    TRY(store_file_statement(&store->file, STATEMENT_FIND, &statement));
    sqlite3_bind_blob(statement, 1, digest, KEY_RECORD_DIGEST, SQLITE_STATIC);
    return visit_rows(store, statement, visit, context, ret_found);
}

static struct error sqlite_get(struct key_store *base, struct slice id, key_store_visit *visit, void *context,
                               bool *ret_found)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite3_stmt *statement = NULL;
    TRY(store_file_statement(&store->file, STATEMENT_GET, &statement));
    store_bind_text(statement, 1, id);
    return visit_rows(store, statement, visit, context, ret_found);
}

static struct error sqlite_list(struct key_store *base, struct slice consumer, key_store_visit *visit,
                                void *context)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite3_stmt *statement = NULL;
    bool any;
    if (slice_is_empty(consumer)) {
        TRY(store_file_statement(&store->file, STATEMENT_LIST, &statement));
    } else {
        TRY(store_file_statement(&store->file, STATEMENT_LIST_CONSUMER, &statement));
        store_bind_text(statement, 1, consumer);
    }
    return visit_rows(store, statement, visit, context, &any);
}

static struct error sqlite_list_after(struct key_store *base, struct slice consumer, uint64_t after,
                                      key_store_visit *visit, void *context)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite3_stmt *statement = NULL;
    bool any, of_one = !slice_is_empty(consumer);
    TRY(store_file_statement(&store->file, of_one ? STATEMENT_LIST_CONSUMER_AFTER : STATEMENT_LIST_AFTER,
                             &statement));
    sqlite3_bind_int64(statement, 1, after < INT64_MAX ? (sqlite3_int64)after : INT64_MAX);
    if (of_one) {
        store_bind_text(statement, 2, consumer);
    }
    return visit_rows(store, statement, visit, context, &any);
}

static struct error sqlite_look(struct key_store *base, struct key_store_state *out)
{
    return store_file_look(&sqlite_store_of(base)->file, out->identity, &out->sequence);
}

static struct error sqlite_changes(struct key_store *base, uint64_t sequence, key_store_visit *visit,
                                   void *context)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite3_stmt *statement = NULL;
    bool any;
    TRY(store_file_statement(&store->file, STATEMENT_CHANGES, &statement));
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)sequence);
    return visit_rows(store, statement, visit, context, &any);
}

/* ---- writing ---- */

static struct error add_one(struct sqlite_store *store, const struct key_record *record)
{
    uint64_t sequence = 0;
    TRY(store_file_next_sequence(&store->file, &sequence));
    sqlite3_stmt *statement = NULL;
    TRY(store_file_statement(&store->file, STATEMENT_ADD, &statement));
    int index = 0;
    sqlite3_bind_int64(statement, ++index, (sqlite3_int64)sequence);
    store_bind_text(statement, ++index, record->id);
    sqlite3_bind_blob(statement, ++index, record->digest, KEY_RECORD_DIGEST, SQLITE_STATIC);
    store_bind_text(statement, ++index, record->pepper_id);
    store_bind_text(statement, ++index, record->consumer);
    store_bind_text(statement, ++index, record->description);
    store_bind_text(statement, ++index, record->scopes);
    store_bind_text(statement, ++index, record->tags);
    sqlite3_bind_int64(statement, ++index, record->limit_count);
    sqlite3_bind_int64(statement, ++index, record->limit_window);
    sqlite3_bind_int64(statement, ++index, record->created);
    sqlite3_bind_int64(statement, ++index, record->expires);
    sqlite3_bind_int64(statement, ++index, record->revoked);
    sqlite3_bind_int64(statement, ++index, record->superseded);
    store_bind_text(statement, ++index, record->replaces);
    return store_file_run(&store->file, statement);
}

static struct error sqlite_add(struct key_store *base, const struct key_record *records, size_t count)
{
    struct sqlite_store *store = sqlite_store_of(base);
    TRY(store_file_begin(&store->file));
    struct error error = OK;
    for (size_t i = 0; !failed(error) && i < count; i++) {
        error = add_one(store, &records[i]);
    }
    return store_file_end(&store->file, error);
}

/* Changes one key: ?1 is its next sequence number, ?2 its id, ?3 and ?4 what the statement wants. */
static struct error change_one(struct sqlite_store *store, enum statement which, struct slice id,
                               int64_t first, int64_t second)
{
    uint64_t sequence = 0;
    TRY(store_file_next_sequence(&store->file, &sequence));
    sqlite3_stmt *statement = NULL;
    TRY(store_file_statement(&store->file, which, &statement));
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)sequence);
    store_bind_text(statement, 2, id);
    sqlite3_bind_int64(statement, 3, first);
    if (sqlite3_bind_parameter_count(statement) > 3) {
        sqlite3_bind_int64(statement, 4, second);
    }
    TRY(store_file_run(&store->file, statement));
    return sqlite3_changes(store->file.database) == 1 ? OK : FAIL(ERROR_VALUE, "there is no such key");
}

static struct error change(struct sqlite_store *store, enum statement which, struct slice id, int64_t when)
{
    TRY(store_file_begin(&store->file));
    return store_file_end(&store->file, change_one(store, which, id, when, 0));
}

static struct error sqlite_rotate(struct key_store *base, struct slice id, int64_t now, int64_t expires,
                                  const struct key_record *successor)
{
    struct sqlite_store *store = sqlite_store_of(base);
    TRY(store_file_begin(&store->file));
    struct error error = change_one(store, STATEMENT_SUPERSEDE, id, now, expires);
    if (error.kind == ERROR_VALUE) {
        error.what = "there is no such key, or it is revoked";
    }
    if (!failed(error)) {
        error = add_one(store, successor);
    }
    return store_file_end(&store->file, error);
}

static struct error sqlite_revoke(struct key_store *base, struct slice id, int64_t when)
{
    return change(sqlite_store_of(base), STATEMENT_REVOKE, id, when);
}

static struct error sqlite_expire(struct key_store *base, struct slice id, int64_t when)
{
    return change(sqlite_store_of(base), STATEMENT_EXPIRE, id, when);
}

static void sqlite_touch(struct key_store *base, uint64_t number,
                         const unsigned char digest[KEY_RECORD_DIGEST], int64_t when)
{
    key_uses_note(&sqlite_store_of(base)->uses, number, digest, when);
}

const struct key_store_kind sqlite_key_store = {
    .name = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .is_current = sqlite_is_current,
    .find = sqlite_find,
    .get = sqlite_get,
    .list = sqlite_list,
    .list_after = sqlite_list_after,
    .look = sqlite_look,
    .changes = sqlite_changes,
    .add = sqlite_add,
    .rotate = sqlite_rotate,
    .revoke = sqlite_revoke,
    .expire = sqlite_expire,
    .touch = sqlite_touch,
};
