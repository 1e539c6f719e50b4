#include "store/store_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MODE       0640 /* its group may read: the gateway's */
#define FILE_MODE_WRITE 0660 /* and write */

static const char *const common_texts[STORE_OWN] = {
    [STORE_LOOK] = "SELECT identity, sequence FROM store",
    [STORE_NEXT_SEQUENCE] = "UPDATE store SET sequence = sequence + 1 RETURNING sequence",
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
};

/* ---- what went wrong ---- */

static const struct problem {
    int result; /* primary result code */
    enum error_kind kind;
    enum store_text text;
    int number; /* of ERROR_SYSTEM: errno where SQLite does not know why the system refused */
} problems[] = {
    { SQLITE_BUSY, ERROR_STATE, STORE_TEXT_LOCKED, 0 },
    { SQLITE_LOCKED, ERROR_STATE, STORE_TEXT_LOCKED, 0 },
    { SQLITE_NOTADB, ERROR_VALUE, STORE_TEXT_NONE, 0 },
    { SQLITE_CORRUPT, ERROR_VALUE, STORE_TEXT_DAMAGED, 0 },
    { SQLITE_READONLY, ERROR_SYSTEM, STORE_TEXT_READ_ONLY, EROFS },
    { SQLITE_PERM, ERROR_SYSTEM, STORE_TEXT_NOT_OPENED, EACCES },
    { SQLITE_AUTH, ERROR_SYSTEM, STORE_TEXT_NOT_OPENED, EACCES },
    { SQLITE_CANTOPEN, ERROR_SYSTEM, STORE_TEXT_NO_JOURNAL, EIO },
    { SQLITE_FULL, ERROR_SYSTEM, STORE_TEXT_NO_ROOM, ENOSPC },
    { SQLITE_IOERR, ERROR_SYSTEM, STORE_TEXT_INPUT_OUTPUT, EIO },
    { SQLITE_NOMEM, ERROR_MEMORY, STORE_TEXT_NO_MEMORY, 0 },
    { SQLITE_CONSTRAINT, ERROR_VALUE, STORE_TEXT_CONFLICT, 0 },
    { SQLITE_TOOBIG, ERROR_LIMIT, STORE_TEXT_TOO_LARGE, 0 },
};

static const char *text_of(const struct store_file *file, enum store_text text)
{
    return file->schema->problems[text];
}

struct error store_file_error(const struct store_file *file, int result)
{
    sqlite3 *database = file->database;
    int extended = database != NULL ? sqlite3_extended_errcode(database) : result;
    /* A writer was interrupted, and what it left can only be undone by who may write. */
    if (extended == SQLITE_READONLY_ROLLBACK || extended == SQLITE_READONLY_RECOVERY) {
        return FAIL(ERROR_STATE, text_of(file, STORE_TEXT_INTERRUPTED));
    }
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        const struct problem *problem = &problems[i];
        if (problem->result != (result & 0xff)) {
            continue;
        }
        int number = extended;
        if (problem->kind == ERROR_SYSTEM) {
            int refused = database != NULL ? sqlite3_system_errno(database) : 0;
            number = refused != 0 ? refused : problem->number;
        } else if (problem->result == SQLITE_CONSTRAINT) {
            number = 0; /* a wish that cannot be met, and no damage */
        }
        return FAIL_NUMBER(problem->kind, number, text_of(file, problem->text));
    }
    return FAIL_NUMBER(ERROR_STATE, extended, text_of(file, STORE_TEXT_FAILED));
}

struct error store_file_damaged(const struct store_file *file)
{
    return FAIL_NUMBER(ERROR_VALUE, SQLITE_CORRUPT, text_of(file, STORE_TEXT_DAMAGED));
}

/* ---- opening ---- */

/* Made before SQLite sees it, so that at no time anybody else may read it. */
static struct error make_file(const struct store_file *file, const struct store_file_options *options)
{
    int fd = open(options->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return errno == EEXIST ? OK : FAIL_ERRNO(text_of(file, STORE_TEXT_NOT_MADE));
    }
    struct error error = OK;
    if (options->group != (gid_t)-1 && fchown(fd, (uid_t)-1, options->group) != 0) {
        error = FAIL_ERRNO(text_of(file, STORE_TEXT_NOT_GIVEN));
    } else if (fchmod(fd, options->group_writes ? FILE_MODE_WRITE : FILE_MODE) != 0) {
        error = FAIL_ERRNO(text_of(file, STORE_TEXT_NOT_MADE));
    }
    close(fd);
    if (failed(error)) {
        unlink(options->path);
    }
    return error;
}

/* SQLite's own message does not tell "not there" from "not allowed". Not opened: closing it would take the locks away that other
 * connections of this process hold on it (POSIX). */
static struct error look_at_file(struct store_file *file, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        return FAIL_ERRNO(text_of(file, errno == ENOENT ? STORE_TEXT_MISSING : STORE_TEXT_NOT_OPENED));
    }
    if (!S_ISREG(status.st_mode)) {
        return FAIL_NUMBER(ERROR_SYSTEM, S_ISDIR(status.st_mode) ? EISDIR : EINVAL,
                           text_of(file, STORE_TEXT_NO_FILE));
    }
    file->device = status.st_dev;
    file->inode = status.st_ino;
    return eaccess(path, R_OK) == 0 ? OK : FAIL_ERRNO(text_of(file, STORE_TEXT_NOT_OPENED));
}

/* The file is not trusted: what stands in it is data and nothing that runs. */
static struct error prepare(struct store_file *file, const struct store_file_options *options)
{
    sqlite3 *database = file->database;
    if (options->writes && sqlite3_db_readonly(database, "main") == 1) {
        return FAIL_NUMBER(ERROR_SYSTEM, EACCES, text_of(file, STORE_TEXT_NOT_WRITABLE));
    }
    sqlite3_extended_result_codes(database, 1);
    sqlite3_busy_timeout(database, options->busy_ms);
    sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(database, SQLITE_LIMIT_LENGTH, 1024 * 1024);
    TRY(store_file_execute(file, "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON"));
    TRY(store_file_execute(file, file->schema->settings));
    TRY(store_file_execute(file, options->writes ? "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL"
                                                 : "PRAGMA query_only = ON"));
    return store_file_migrate(file, options->writes);
}

struct error store_file_open(struct store_file *file, const struct store_schema *schema,
                             const struct store_file_options *options)
{
    *file = (struct store_file){ .schema = schema };
    if (options->creates) {
        TRY(make_file(file, options));
    }
    TRY(look_at_file(file, options->path));
    file->path = strdup(options->path);
    file->statements = calloc((size_t)schema->statement_count, sizeof *file->statements);
    if (file->path == NULL || file->statements == NULL) {
        return FAIL(ERROR_MEMORY, text_of(file, STORE_TEXT_NO_MEMORY));
    }
    int flags = options->writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    int result = sqlite3_open_v2(file->path, &file->database, flags | SQLITE_OPEN_NOMUTEX, NULL);
    return result == SQLITE_OK ? prepare(file, options) : store_file_error(file, result);
}

void store_file_close(struct store_file *file)
{
    for (int i = 0; file->statements != NULL && i < file->schema->statement_count; i++) {
        sqlite3_finalize(file->statements[i]);
    }
    sqlite3_close(file->database);
    free(file->statements);
    free(file->path);
    *file = (struct store_file){ .schema = file->schema };
}

bool store_file_is_current(const struct store_file *file)
{
    struct stat status;
    return stat(file->path, &status) == 0 && status.st_dev == file->device && status.st_ino == file->inode;
}

/* ---- statements ---- */

struct error store_file_execute(struct store_file *file, const char *sql)
{
    int result = sqlite3_exec(file->database, sql, NULL, NULL, NULL);
    return result == SQLITE_OK ? OK : store_file_error(file, result);
}

struct error store_file_statement(struct store_file *file, int which, sqlite3_stmt **ret_statement)
{
    if (file->statements[which] == NULL) {
        const char *text = which < STORE_OWN ? common_texts[which] : file->schema->texts[which];
        int result = sqlite3_prepare_v3(file->database, text, -1, SQLITE_PREPARE_PERSISTENT,
                                        &file->statements[which], NULL);
        if (result != SQLITE_OK) {
            return store_file_error(file, result);
        }
    }
    *ret_statement = file->statements[which];
    return OK;
}

struct error store_file_each(struct store_file *file, sqlite3_stmt *statement,
                             enum store_row (*row)(void *context, sqlite3_stmt *statement), void *context)
{
    enum store_row verdict = STORE_ROW_MORE;
    int result = SQLITE_ROW;
    while (verdict == STORE_ROW_MORE && (result = sqlite3_step(statement)) == SQLITE_ROW) {
        verdict = row(context, statement);
    }
    struct error error = OK;
    if (verdict == STORE_ROW_DAMAGED) {
        error = store_file_damaged(file);
    } else if (result != SQLITE_ROW && result != SQLITE_DONE) {
        error = store_file_error(file, result);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return error;
}

/* To its end: a statement that changes and returns is done only then. */
static enum store_row pass_over(void *context, sqlite3_stmt *statement)
{
    (void)context;
    (void)statement;
    return STORE_ROW_MORE;
}

struct error store_file_run(struct store_file *file, sqlite3_stmt *statement)
{
    return store_file_each(file, statement, pass_over, NULL);
}

struct number {
    bool is_there;
    int64_t value;
};

static enum store_row read_number(void *context, sqlite3_stmt *statement)
{
    *(struct number *)context = (struct number){ true, sqlite3_column_int64(statement, 0) };
    return STORE_ROW_MORE;
}

struct error store_file_number(struct store_file *file, sqlite3_stmt *statement, int64_t *ret_number)
{
    struct number number = { .is_there = false };
    TRY(store_file_each(file, statement, read_number, &number));
    if (!number.is_there) {
        return store_file_damaged(file);
    }
    *ret_number = number.value;
    return OK;
}

void store_bind_text(sqlite3_stmt *statement, int index, struct slice text)
{
    sqlite3_bind_text(statement, index, text.len > 0 ? text.ptr : "", (int)text.len, SQLITE_STATIC);
}

struct slice store_column_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text != NULL ? slice_of((const char *)text, (size_t)sqlite3_column_bytes(statement, column))
                        : SLICE("");
}

/* ---- changes ---- */

struct place {
    bool is_known;
    char *identity;
    uint64_t sequence;
};

static enum store_row read_place(void *context, sqlite3_stmt *statement)
{
    struct place *place = context;
    struct slice identity = store_column_text(statement, 0);
    if (identity.len != STORE_IDENTITY) {
        return STORE_ROW_DAMAGED;
    }
    memcpy(place->identity, identity.ptr, identity.len);
    place->sequence = (uint64_t)sqlite3_column_int64(statement, 1);
    place->is_known = true;
    return STORE_ROW_MORE;
}

struct error store_file_look(struct store_file *file, char identity[STORE_IDENTITY], uint64_t *ret_sequence)
{
    sqlite3_stmt *statement = NULL;
    struct place place = { .identity = identity };
    TRY(store_file_statement(file, STORE_LOOK, &statement));
    TRY(store_file_each(file, statement, read_place, &place));
    if (!place.is_known) {
        return store_file_damaged(file);
    }
    *ret_sequence = place.sequence;
    return OK;
}

static struct error run_common(struct store_file *file, int which)
{
    sqlite3_stmt *statement = NULL;
    TRY(store_file_statement(file, which, &statement));
    return store_file_run(file, statement);
}

struct error store_file_begin(struct store_file *file)
{
    return run_common(file, STORE_BEGIN);
}

struct error store_file_next_sequence(struct store_file *file, uint64_t *ret_sequence)
{
    sqlite3_stmt *statement = NULL;
    int64_t sequence = 0;
    TRY(store_file_statement(file, STORE_NEXT_SEQUENCE, &statement));
    TRY(store_file_number(file, statement, &sequence));
    *ret_sequence = (uint64_t)sequence;
    return OK;
}

struct error store_file_end(struct store_file *file, struct error error)
{
    error = failed(error) ? error : run_common(file, STORE_COMMIT);
    if (failed(error) && sqlite3_get_autocommit(file->database) == 0) {
        struct error undone = run_common(file, STORE_ROLLBACK);
        (void)undone;
    }
    return error;
}
