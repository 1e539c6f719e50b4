/* The functions of the store: each a prepared statement or a transaction of some. */
#include "store/sqlite.h"

#include <endian.h>
#include <unistd.h>

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
    [STATEMENT_LOOK] = "SELECT identity, sequence FROM store",
    [STATEMENT_CHANGES] = "SELECT " COLUMNS " FROM keys WHERE sequence > ? ORDER BY sequence",
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_NEXT_SEQUENCE] = "UPDATE store SET sequence = sequence + 1 RETURNING sequence",
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

/* ---- last uses: a slot of 16 bytes for each number ---- */

/* Part of the digest stands beside the time, so that the slots of another store mean nothing to this one. */
struct slot {
    unsigned char tag[8];
    uint64_t when; /* little-endian */
};

static off_t slot_at(uint64_t number)
{
    return (off_t)(number * sizeof(struct slot));
}

static int64_t last_use(const struct sqlite_store *store, const struct key_record *record)
{
    struct slot slot;
    if (store->used_fd < 0 || record->number > INT64_MAX / sizeof slot ||
        pread(store->used_fd, &slot, sizeof slot, slot_at(record->number)) != (ssize_t)sizeof slot ||
        memcmp(slot.tag, record->digest, sizeof slot.tag) != 0) {
        return 0;
    }
    return (int64_t)le64toh(slot.when);
}

static void sqlite_touch(struct key_store *base, uint64_t number,
                         const unsigned char digest[KEY_RECORD_DIGEST], int64_t when)
{
    const struct sqlite_store *store = sqlite_store_of(base);
    if (store->used_fd < 0 || store->owns_used_fd || number > INT64_MAX / sizeof(struct slot)) {
        return;
    }
    struct slot slot = { .when = htole64((uint64_t)when) };
    memcpy(slot.tag, digest, sizeof slot.tag);
    /* One that is lost is a use that is not known: the next one comes. */
    (void)!pwrite(store->used_fd, &slot, sizeof slot, slot_at(number));
}

/* ---- statements ---- */

static struct error statement_of(struct sqlite_store *store, enum sqlite_statement which,
                                 sqlite3_stmt **ret_statement)
{
    if (store->statements[which] == NULL) {
        int result = sqlite3_prepare_v3(store->database, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                        &store->statements[which], NULL);
        if (result != SQLITE_OK) {
            return sqlite_error(store->database, result);
        }
    }
    *ret_statement = store->statements[which];
    return OK;
}

/* Steps to the end; gives the locks back whatever came of it. */
static struct error run(struct sqlite_store *store, sqlite3_stmt *statement)
{
    int result = sqlite3_step(statement);
    struct error error =
        result == SQLITE_DONE || result == SQLITE_ROW ? OK : sqlite_error(store->database, result);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return error;
}

static struct error run_plain(struct sqlite_store *store, enum sqlite_statement which)
{
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, which, &statement));
    return run(store, statement);
}

static void bind_text(sqlite3_stmt *statement, int index, struct slice text)
{
    sqlite3_bind_text(statement, index, text.len > 0 ? text.ptr : "", (int)text.len, SQLITE_STATIC);
}

static struct slice column_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text != NULL ? slice_of((const char *)text, (size_t)sqlite3_column_bytes(statement, column))
                        : SLICE("");
}

/* False: no row that this program wrote. */
static bool read_record(const struct sqlite_store *store, sqlite3_stmt *statement, struct key_record *out)
{
    int column = 0;
    out->number = (uint64_t)sqlite3_column_int64(statement, column++);
    out->sequence = (uint64_t)sqlite3_column_int64(statement, column++);
    out->id = column_text(statement, column++);
    const void *digest = sqlite3_column_blob(statement, column);
    if (digest == NULL || sqlite3_column_bytes(statement, column++) != KEY_RECORD_DIGEST) {
        return false;
    }
    memcpy(out->digest, digest, KEY_RECORD_DIGEST);
    out->pepper_id = column_text(statement, column++);
    out->consumer = column_text(statement, column++);
    out->description = column_text(statement, column++);
    out->scopes = column_text(statement, column++);
    out->tags = column_text(statement, column++);
    out->limit_count = sqlite3_column_int64(statement, column++);
    out->limit_window = sqlite3_column_int64(statement, column++);
    out->created = sqlite3_column_int64(statement, column++);
    out->expires = sqlite3_column_int64(statement, column++);
    out->revoked = sqlite3_column_int64(statement, column++);
    out->superseded = sqlite3_column_int64(statement, column++);
    out->replaces = column_text(statement, column++);
    out->used = last_use(store, out);
    return true;
}

/* Visits the rows of a statement that is bound. */
static struct error visit_rows(struct sqlite_store *store, sqlite3_stmt *statement, key_store_visit *visit,
                               void *context, bool *ret_any)
{
    struct error error = OK;
    bool any = false, more = true;
    while (more) {
        int result = sqlite3_step(statement);
        if (result != SQLITE_ROW) {
            error = result == SQLITE_DONE ? OK : sqlite_error(store->database, result);
            break;
        }
        struct key_record record;
        if (!read_record(store, statement, &record)) {
            error = FAIL_NUMBER(ERROR_VALUE, SQLITE_CORRUPT,
                                "the key store is damaged: restore it from a backup");
            break;
        }
        any = true;
        more = visit(context, &record);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    *ret_any = any;
    return error;
}

/* ---- reading ---- */

static struct error sqlite_find(struct key_store *base, const unsigned char digest[KEY_RECORD_DIGEST],
                                key_store_visit *visit, void *context, bool *ret_found)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, STATEMENT_FIND, &statement));
    sqlite3_bind_blob(statement, 1, digest, KEY_RECORD_DIGEST, SQLITE_STATIC);
    return visit_rows(store, statement, visit, context, ret_found);
}

static struct error sqlite_get(struct key_store *base, struct slice id, key_store_visit *visit, void *context,
                               bool *ret_found)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, STATEMENT_GET, &statement));
    bind_text(statement, 1, id);
    return visit_rows(store, statement, visit, context, ret_found);
}

static struct error sqlite_list(struct key_store *base, struct slice consumer, key_store_visit *visit,
                                void *context)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite3_stmt *statement = NULL;
    bool any;
    if (slice_is_empty(consumer)) {
        TRY(statement_of(store, STATEMENT_LIST, &statement));
    } else {
        TRY(statement_of(store, STATEMENT_LIST_CONSUMER, &statement));
        bind_text(statement, 1, consumer);
    }
    return visit_rows(store, statement, visit, context, &any);
}

static struct error sqlite_list_after(struct key_store *base, struct slice consumer, uint64_t after,
                                      key_store_visit *visit, void *context)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite3_stmt *statement = NULL;
    bool any, of_one = !slice_is_empty(consumer);
    TRY(statement_of(store, of_one ? STATEMENT_LIST_CONSUMER_AFTER : STATEMENT_LIST_AFTER, &statement));
    sqlite3_bind_int64(statement, 1, after < INT64_MAX ? (sqlite3_int64)after : INT64_MAX);
    if (of_one) {
        bind_text(statement, 2, consumer);
    }
    return visit_rows(store, statement, visit, context, &any);
}

static struct error sqlite_look(struct key_store *base, struct key_store_state *out)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, STATEMENT_LOOK, &statement));
    int result = sqlite3_step(statement);
    struct slice identity = result == SQLITE_ROW ? column_text(statement, 0) : SLICE("");
    struct error error = OK;
    if (identity.len == sizeof out->identity) {
        memcpy(out->identity, identity.ptr, sizeof out->identity);
        out->sequence = (uint64_t)sqlite3_column_int64(statement, 1);
    } else {
        error = result == SQLITE_ROW || result == SQLITE_DONE
                    ? FAIL_NUMBER(ERROR_VALUE, SQLITE_CORRUPT,
                                  "the key store is damaged: restore it from a backup")
                    : sqlite_error(store->database, result);
    }
    sqlite3_reset(statement);
    return error;
}

static struct error sqlite_changes(struct key_store *base, uint64_t sequence, key_store_visit *visit,
                                   void *context)
{
    struct sqlite_store *store = sqlite_store_of(base);
    sqlite3_stmt *statement = NULL;
    bool any;
    TRY(statement_of(store, STATEMENT_CHANGES, &statement));
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)sequence);
    return visit_rows(store, statement, visit, context, &any);
}

/* ---- writing ---- */

static struct error next_sequence(struct sqlite_store *store, uint64_t *ret_sequence)
{
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, STATEMENT_NEXT_SEQUENCE, &statement));
    int result = sqlite3_step(statement);
    uint64_t sequence = result == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    /* A statement that changes and returns is done once it was stepped to its end. */
    int end = result == SQLITE_ROW ? sqlite3_step(statement) : result;
    struct error error = OK;
    if (end != SQLITE_DONE) {
        error = sqlite_error(store->database, end);
    } else if (result != SQLITE_ROW) {
        error =
            FAIL_NUMBER(ERROR_VALUE, SQLITE_CORRUPT, "the key store is damaged: restore it from a backup");
    }
    sqlite3_reset(statement);
    *ret_sequence = failed(error) ? *ret_sequence : sequence;
    return error;
}

static struct error end_transaction(struct sqlite_store *store, struct error error)
{
    if (!failed(error)) {
        error = run_plain(store, STATEMENT_COMMIT);
    }
    if (failed(error) && sqlite3_get_autocommit(store->database) == 0) {
        struct error undone = run_plain(store, STATEMENT_ROLLBACK);
        (void)undone;
    }
    return error;
}

static struct error add_one(struct sqlite_store *store, const struct key_record *record)
{
    uint64_t sequence = 0;
    TRY(next_sequence(store, &sequence));
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, STATEMENT_ADD, &statement));
    int index = 0;
    sqlite3_bind_int64(statement, ++index, (sqlite3_int64)sequence);
    bind_text(statement, ++index, record->id);
    sqlite3_bind_blob(statement, ++index, record->digest, KEY_RECORD_DIGEST, SQLITE_STATIC);
    bind_text(statement, ++index, record->pepper_id);
    bind_text(statement, ++index, record->consumer);
    bind_text(statement, ++index, record->description);
    bind_text(statement, ++index, record->scopes);
    bind_text(statement, ++index, record->tags);
    sqlite3_bind_int64(statement, ++index, record->limit_count);
    sqlite3_bind_int64(statement, ++index, record->limit_window);
    sqlite3_bind_int64(statement, ++index, record->created);
    sqlite3_bind_int64(statement, ++index, record->expires);
    sqlite3_bind_int64(statement, ++index, record->revoked);
    sqlite3_bind_int64(statement, ++index, record->superseded);
    bind_text(statement, ++index, record->replaces);
    return run(store, statement);
}

static struct error sqlite_add(struct key_store *base, const struct key_record *records, size_t count)
{
    struct sqlite_store *store = sqlite_store_of(base);
    TRY(run_plain(store, STATEMENT_BEGIN));
    struct error error = OK;
    for (size_t i = 0; !failed(error) && i < count; i++) {
        error = add_one(store, &records[i]);
    }
    return end_transaction(store, error);
}

/* Changes one key: ?1 is its next sequence number, ?2 its id, ?3 and ?4 what the statement wants. */
static struct error change_one(struct sqlite_store *store, enum sqlite_statement which, struct slice id,
                               int64_t first, int64_t second)
{
    uint64_t sequence = 0;
    TRY(next_sequence(store, &sequence));
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, which, &statement));
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)sequence);
    bind_text(statement, 2, id);
    sqlite3_bind_int64(statement, 3, first);
    if (sqlite3_bind_parameter_count(statement) > 3) {
        sqlite3_bind_int64(statement, 4, second);
    }
    TRY(run(store, statement));
    return sqlite3_changes(store->database) == 1 ? OK : FAIL(ERROR_VALUE, "there is no such key");
}

static struct error change(struct sqlite_store *store, enum sqlite_statement which, struct slice id,
                           int64_t when)
{
    TRY(run_plain(store, STATEMENT_BEGIN));
    return end_transaction(store, change_one(store, which, id, when, 0));
}

static struct error sqlite_rotate(struct key_store *base, struct slice id, int64_t now, int64_t expires,
                                  const struct key_record *successor)
{
    struct sqlite_store *store = sqlite_store_of(base);
    TRY(run_plain(store, STATEMENT_BEGIN));
    struct error error = change_one(store, STATEMENT_SUPERSEDE, id, now, expires);
    if (error.kind == ERROR_VALUE) {
        error.what = "there is no such key, or it is revoked";
    }
    if (!failed(error)) {
        error = add_one(store, successor);
    }
    return end_transaction(store, error);
}

static struct error sqlite_revoke(struct key_store *base, struct slice id, int64_t when)
{
    return change(sqlite_store_of(base), STATEMENT_REVOKE, id, when);
}

static struct error sqlite_expire(struct key_store *base, struct slice id, int64_t when)
{
    return change(sqlite_store_of(base), STATEMENT_EXPIRE, id, when);
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
