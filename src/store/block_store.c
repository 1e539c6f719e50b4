#include "store/block_store.h"

#include "base/limits.h"
#include "store/block_store_file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE       0640 /* its group may read: the gateway's */
#define FILE_MODE_WRITE 0660

enum statement {
    STATEMENT_LOOK,
    STATEMENT_LIST,
    STATEMENT_LIST_ALL,
    STATEMENT_CHANGES,
    STATEMENT_COUNT,
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_NEXT_SEQUENCE,
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
    [STATEMENT_LOOK] = "SELECT identity, sequence FROM store",
    [STATEMENT_LIST] = "SELECT " COLUMNS " FROM blocks WHERE removed = 0 ORDER BY number",
    [STATEMENT_LIST_ALL] = "SELECT " COLUMNS " FROM blocks ORDER BY number",
    [STATEMENT_CHANGES] = "SELECT " COLUMNS " FROM blocks WHERE sequence > ? ORDER BY sequence",
    [STATEMENT_COUNT] = "SELECT count(*) FROM blocks WHERE removed = 0 AND (expires = 0 OR expires > ?)",
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_NEXT_SEQUENCE] = "UPDATE store SET sequence = sequence + 1 RETURNING sequence",
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

struct block_store {
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENTS]; /* made when first used */
    dev_t device;                         /* of the file that was opened */
    ino_t inode;
    char path[]; /* NUL-terminated */
};

/* ---- opening ---- */

/* Made before SQLite sees it, so that at no time anybody else may read it. */
static struct error make_file(const struct block_store_options *options)
{
    int fd = open(options->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return errno == EEXIST ? OK : FAIL_ERRNO("the block store cannot be made");
    }
    struct error error = OK;
    if (options->group != (gid_t)-1 && fchown(fd, (uid_t)-1, options->group) != 0) {
        error = FAIL_ERRNO("the block store cannot be given to the gateway's group");
    } else if (fchmod(fd, options->group_writes ? FILE_MODE_WRITE : FILE_MODE) != 0) {
        error = FAIL_ERRNO("the block store cannot be made");
    }
    close(fd);
    if (failed(error)) {
        unlink(options->path);
    }
    return error;
}

/* SQLite's own message does not tell "not there" from "not allowed". Not opened: closing it would take the locks away that other
 * connections of this process hold on it (POSIX). */
static struct error look_at_file(const char *path, struct stat *out)
{
    if (stat(path, out) != 0) {
        return errno == ENOENT ? FAIL_ERRNO("there is no block store here: `sallyport block init` makes it")
                               : FAIL_ERRNO("the block store cannot be opened");
    }
    if (!S_ISREG(out->st_mode)) {
        return FAIL_NUMBER(ERROR_SYSTEM, S_ISDIR(out->st_mode) ? EISDIR : EINVAL,
                           "the block store is no regular file");
    }
    return eaccess(path, R_OK) == 0 ? OK : FAIL_ERRNO("the block store cannot be opened");
}

/* The file is not trusted: what stands in it is data and nothing that runs. It has a rollback journal, which a reader needs no right
 * to write for. */
static struct error prepare(struct block_store *store, const struct block_store_options *options)
{
    sqlite3 *database = store->database;
    bool reads = options->access == BLOCK_STORE_READ;
    if (!reads && sqlite3_db_readonly(database, "main") == 1) {
        return FAIL_NUMBER(ERROR_SYSTEM, EACCES, "the block store cannot be written");
    }
    sqlite3_extended_result_codes(database, 1);
    sqlite3_busy_timeout(database, options->busy_ms);
    sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(database, SQLITE_LIMIT_LENGTH, 1024 * 1024);
    TRY(block_store_execute(database, "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON"));
    TRY(block_store_execute(database, reads ? "PRAGMA query_only = ON"
                                            : "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL"));
    return block_store_migrate(database, options->access);
}

struct error block_store_open(const struct block_store_options *options, struct block_store **ret_store)
{
    if (options->access == BLOCK_STORE_CREATE) {
        TRY(make_file(options));
    }
    struct stat status;
    TRY(look_at_file(options->path, &status));
    size_t length = strlen(options->path);
    struct block_store *store = calloc(1, sizeof *store + length + 1);
    if (store == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the block store");
    }
    memcpy(store->path, options->path, length + 1);
    store->device = status.st_dev;
    store->inode = status.st_ino;
    int flags = options->access == BLOCK_STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    int result = sqlite3_open_v2(store->path, &store->database, flags | SQLITE_OPEN_NOMUTEX, NULL);
    struct error error =
        result == SQLITE_OK ? prepare(store, options) : block_store_error(store->database, result);
    if (failed(error)) {
        block_store_close(store);
        return error;
    }
    *ret_store = store;
    return OK;
}

void block_store_close(struct block_store *store)
{
    if (store == NULL) {
        return;
    }
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(store->statements[i]);
    }
    sqlite3_close(store->database);
    free(store);
}

bool block_store_is_current(const struct block_store *store)
{
    struct stat status;
    return stat(store->path, &status) == 0 && status.st_dev == store->device && status.st_ino == store->inode;
}

/* ---- statements ---- */

static struct error statement_of(struct block_store *store, enum statement which,
                                 sqlite3_stmt **ret_statement)
{
    if (store->statements[which] == NULL) {
        int result = sqlite3_prepare_v3(store->database, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                        &store->statements[which], NULL);
        if (result != SQLITE_OK) {
            return block_store_error(store->database, result);
        }
    }
    *ret_statement = store->statements[which];
    return OK;
}

/* Gives the locks back whatever came of it. */
static struct error finish(struct block_store *store, sqlite3_stmt *statement, int result)
{
    struct error error =
        result == SQLITE_DONE || result == SQLITE_ROW ? OK : block_store_error(store->database, result);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return error;
}

static struct error run(struct block_store *store, enum statement which)
{
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, which, &statement));
    return finish(store, statement, sqlite3_step(statement));
}

/* `bound`: to the one parameter, where the statement has one. */
static struct error run_number(struct block_store *store, enum statement which, int64_t bound,
                               uint64_t *ret_number)
{
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, which, &statement));
    sqlite3_bind_int64(statement, 1, bound);
    int result = sqlite3_step(statement);
    uint64_t number = result == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
    TRY(finish(store, statement, result));
    *ret_number = number;
    return OK;
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

static void read_record(sqlite3_stmt *statement, struct block_record *out)
{
    int column = 0;
    out->number = (uint64_t)sqlite3_column_int64(statement, column++);
    out->sequence = (uint64_t)sqlite3_column_int64(statement, column++);
    out->kind = column_text(statement, column++);
    out->issuer = column_text(statement, column++);
    out->value = column_text(statement, column++);
    out->reason = column_text(statement, column++);
    out->by = column_text(statement, column++);
    out->created = sqlite3_column_int64(statement, column++);
    out->expires = sqlite3_column_int64(statement, column++);
    out->removed = sqlite3_column_int64(statement, column++);
    out->removed_by = column_text(statement, column++);
    out->removal_reason = column_text(statement, column);
}

static struct error visit_all(struct block_store *store, sqlite3_stmt *statement, block_store_visit *visit,
                              void *context)
{
    int result;
    bool more = true;
    while (more && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        struct block_record record;
        read_record(statement, &record);
        more = visit(context, &record);
    }
    return finish(store, statement, more ? result : SQLITE_DONE);
}

struct error block_store_look(struct block_store *store, struct block_store_state *out)
{
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, STATEMENT_LOOK, &statement));
    int result = sqlite3_step(statement);
    struct slice identity = result == SQLITE_ROW ? column_text(statement, 0) : SLICE_NONE;
    bool good = identity.len == sizeof out->identity;
    if (good) {
        memcpy(out->identity, identity.ptr, identity.len);
        out->sequence = (uint64_t)sqlite3_column_int64(statement, 1);
    }
    TRY(finish(store, statement, result));
    return good ? OK : FAIL(ERROR_VALUE, "the block store is damaged: restore it from a backup");
}

struct error block_store_list(struct block_store *store, bool all, block_store_visit *visit, void *context)
{
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, all ? STATEMENT_LIST_ALL : STATEMENT_LIST, &statement));
    return visit_all(store, statement, visit, context);
}

struct error block_store_changes(struct block_store *store, uint64_t sequence, block_store_visit *visit,
                                 void *context)
{
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, STATEMENT_CHANGES, &statement));
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)sequence);
    return visit_all(store, statement, visit, context);
}

/* ---- changes ---- */

static struct error tidy(struct block_store *store, int64_t now)
{
    sqlite3_stmt *statement = NULL;
    TRY(statement_of(store, STATEMENT_TIDY, &statement));
    sqlite3_bind_int64(statement, 1, now - BLOCK_STORE_KEEP);
    return finish(store, statement, sqlite3_step(statement));
}

static struct error add(struct block_store *store, const struct block_record *record)
{
    sqlite3_stmt *statement = NULL;
    uint64_t sequence = 0, count = 0;
    TRY(tidy(store, record->created));
    TRY(statement_of(store, STATEMENT_REPLACE, &statement));
    bind_text(statement, 1, record->kind);
    bind_text(statement, 2, record->issuer);
    bind_text(statement, 3, record->value);
    TRY(finish(store, statement, sqlite3_step(statement)));
    TRY(run_number(store, STATEMENT_COUNT, record->created, &count));
    if (count >= BLOCKS_MAX) {
        return FAIL(ERROR_LIMIT, "the block store is full: remove blocks that are needed no longer");
    }
    TRY(run_number(store, STATEMENT_NEXT_SEQUENCE, 0, &sequence));
    TRY(statement_of(store, STATEMENT_ADD, &statement));
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)sequence);
    bind_text(statement, 2, record->kind);
    bind_text(statement, 3, record->issuer);
    bind_text(statement, 4, record->value);
    bind_text(statement, 5, record->reason);
    bind_text(statement, 6, record->by);
    sqlite3_bind_int64(statement, 7, record->created);
    sqlite3_bind_int64(statement, 8, record->expires);
    return finish(store, statement, sqlite3_step(statement));
}

static struct error take_away(struct block_store *store, const struct block_record *record)
{
    sqlite3_stmt *statement = NULL;
    uint64_t sequence = 0;
    TRY(tidy(store, record->removed));
    TRY(run_number(store, STATEMENT_NEXT_SEQUENCE, 0, &sequence));
    TRY(statement_of(store, record->number > 0 ? STATEMENT_REMOVE : STATEMENT_REMOVE_NAMED, &statement));
    sqlite3_bind_int64(statement, 1, (sqlite3_int64)sequence);
    sqlite3_bind_int64(statement, 2, record->removed);
    bind_text(statement, 3, record->removed_by);
    bind_text(statement, 4, record->removal_reason);
    if (record->number > 0) {
        sqlite3_bind_int64(statement, 5, (sqlite3_int64)record->number);
    } else {
        bind_text(statement, 5, record->kind);
        bind_text(statement, 6, record->issuer);
        bind_text(statement, 7, record->value);
    }
    TRY(finish(store, statement, sqlite3_step(statement)));
    return sqlite3_changes(store->database) > 0 ? OK : FAIL(ERROR_VALUE, "there is no such block");
}

static struct error change(struct block_store *store, const struct block_record *record,
                           struct error (*make)(struct block_store *store, const struct block_record *record))
{
    TRY(run(store, STATEMENT_BEGIN));
    struct error error = make(store, record);
    error = failed(error) ? error : run(store, STATEMENT_COMMIT);
    if (failed(error)) {
        struct error undone = run(store, STATEMENT_ROLLBACK);
        (void)undone; /* it may have been rolled back already */
    }
    return error;
}

struct error block_store_add(struct block_store *store, const struct block_record *record,
                             uint64_t *ret_number)
{
    TRY(change(store, record, add));
    *ret_number = (uint64_t)sqlite3_last_insert_rowid(store->database);
    return OK;
}

struct error block_store_remove(struct block_store *store, const struct block_record *record)
{
    return change(store, record, take_away);
}
