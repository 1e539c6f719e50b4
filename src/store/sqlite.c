#include "store/sqlite.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MODE       0640 /* its group may read: the gateway's */
#define FILE_MODE_WRITE 0660 /* and write */
#define CACHE_KIB       "8192"

static const struct problem {
    int result; /* primary result code */
    enum error_kind kind;
    const char *what;
} problems[] = {
    { SQLITE_BUSY, ERROR_STATE, "the key store is locked by another process" },
    { SQLITE_LOCKED, ERROR_STATE, "the key store is locked by another process" },
    { SQLITE_NOTADB, ERROR_VALUE, "the file is no key store, or is damaged: restore it from a backup" },
    { SQLITE_CORRUPT, ERROR_VALUE, "the key store is damaged: restore it from a backup" },
    { SQLITE_READONLY, ERROR_SYSTEM, "the key store cannot be written: it, or its directory, is read-only" },
    { SQLITE_PERM, ERROR_SYSTEM, "the key store cannot be opened" },
    { SQLITE_AUTH, ERROR_SYSTEM, "the key store cannot be opened" },
    { SQLITE_CANTOPEN, ERROR_SYSTEM, "the key store, or the journal in its directory, cannot be opened" },
    { SQLITE_FULL, ERROR_SYSTEM, "there is no room for the key store" },
    { SQLITE_IOERR, ERROR_SYSTEM, "the key store cannot be read or written" },
    { SQLITE_NOMEM, ERROR_MEMORY, "no memory for the key store" },
    { SQLITE_CONSTRAINT, ERROR_VALUE, "a key of this id or digest is there already" },
    { SQLITE_TOOBIG, ERROR_LIMIT, "too large for the key store" },
};

/* Where SQLite does not know why the system refused, the most likely reason stands in. */
static int system_error(sqlite3 *database, int primary)
{
    int number = database != NULL ? sqlite3_system_errno(database) : 0;
    if (number != 0) {
        return number;
    }
    switch (primary) {
    case SQLITE_READONLY:
        return EROFS;
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return EACCES;
    default:
        return EIO;
    }
}

struct error sqlite_error(sqlite3 *database, int result)
{
    int extended = database != NULL ? sqlite3_extended_errcode(database) : result;
    int primary = result & 0xff;
    /* A writer was interrupted, and what it left can only be undone by who may write. */
    if (extended == SQLITE_READONLY_ROLLBACK || extended == SQLITE_READONLY_RECOVERY) {
        return FAIL(ERROR_STATE, "a change of the key store was interrupted: `sallyport keys list`, run by "
                                 "who may write it, undoes it");
    }
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        if (problems[i].result == primary) {
            int number = problems[i].kind == ERROR_SYSTEM ? system_error(database, primary)
                         : primary == SQLITE_CONSTRAINT   ? 0 /* a wish that cannot be met, and no damage */
                                                          : extended;
            return FAIL_NUMBER(problems[i].kind, number, problems[i].what);
        }
    }
    return FAIL_NUMBER(ERROR_STATE, extended, "the key store failed");
}

/* ---- opening ---- */

/* Made before SQLite sees it, so that at no time anybody else may read it. */
static struct error make_file(const struct key_store_options *options)
{
    int fd = open(options->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return errno == EEXIST ? OK : FAIL_ERRNO("the key store cannot be made");
    }
    struct error error = OK;
    if (options->group != (gid_t)-1 && fchown(fd, (uid_t)-1, options->group) != 0) {
        error = FAIL_ERRNO("the key store cannot be given to the gateway's group");
    } else if (fchmod(fd, options->group_writes ? FILE_MODE_WRITE : FILE_MODE) != 0) {
        error = FAIL_ERRNO("the key store cannot be made");
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
        return errno == ENOENT ? FAIL_ERRNO("there is no key store here: `sallyport keys create` makes it")
                               : FAIL_ERRNO("the key store cannot be opened");
    }
    if (!S_ISREG(out->st_mode)) {
        return FAIL_NUMBER(ERROR_SYSTEM, S_ISDIR(out->st_mode) ? EISDIR : EINVAL,
                           "the key store is no regular file");
    }
    return eaccess(path, R_OK) == 0 ? OK : FAIL_ERRNO("the key store cannot be opened");
}

/* The file is not trusted: what stands in it is data and nothing that runs. */
static struct error prepare(struct sqlite_store *store, const struct key_store_options *options)
{
    sqlite3 *database = store->database;
    if (options->access != KEY_STORE_READ && sqlite3_db_readonly(database, "main") == 1) {
        return FAIL_NUMBER(ERROR_SYSTEM, EACCES, "the key store cannot be written");
    }
    sqlite3_extended_result_codes(database, 1);
    sqlite3_busy_timeout(database, options->busy_ms);
    sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    sqlite3_limit(database, SQLITE_LIMIT_LENGTH, 1024 * 1024);
    static const char common[] = "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;"
                                 "PRAGMA cache_size = -" CACHE_KIB ";";
    int result = sqlite3_exec(database, common, NULL, NULL, NULL);
    if (result == SQLITE_OK && options->access == KEY_STORE_READ) {
        result = sqlite3_exec(database, "PRAGMA query_only = ON", NULL, NULL, NULL);
    } else if (result == SQLITE_OK) {
        result = sqlite3_exec(database, "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL", NULL, NULL,
                              NULL);
    }
    return result == SQLITE_OK ? sqlite_migrate(database, options->access) : sqlite_error(database, result);
}

static void open_used(struct sqlite_store *store, const struct key_store_options *options)
{
    store->used_fd = options->used_fd;
    if (options->used_fd < 0) {
        char path[PATH_MAX];
        int size = snprintf(path, sizeof path, "%s" KEY_STORE_USED, options->path);
        /* It comes with the first gateway. */
        store->used_fd = size < (int)sizeof path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
        store->owns_used_fd = store->used_fd >= 0;
    }
}

struct error sqlite_open(const struct key_store_options *options, struct key_store **ret_store)
{
    if (options->access == KEY_STORE_CREATE) {
        TRY(make_file(options));
    }
    struct stat status;
    TRY(look_at_file(options->path, &status));
    size_t length = strlen(options->path);
    struct sqlite_store *store = calloc(1, sizeof *store + length + 1);
    if (store == NULL) {
        return FAIL(ERROR_MEMORY, "no memory for the key store");
    }
    memcpy(store->path, options->path, length + 1);
    store->device = status.st_dev;
    store->inode = status.st_ino;
    open_used(store, options);
    int flags = options->access == KEY_STORE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    int result = sqlite3_open_v2(store->path, &store->database, flags | SQLITE_OPEN_NOMUTEX, NULL);
    struct error error =
        result == SQLITE_OK ? prepare(store, options) : sqlite_error(store->database, result);
    if (failed(error)) {
        sqlite_close(&store->base);
        return error;
    }
    *ret_store = &store->base;
    return OK;
}

void sqlite_close(struct key_store *base)
{
    struct sqlite_store *store = sqlite_store_of(base);
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(store->statements[i]);
    }
    sqlite3_close(store->database);
    if (store->owns_used_fd) {
        close(store->used_fd);
    }
    free(store);
}

bool sqlite_is_current(const struct key_store *base)
{
    const struct sqlite_store *store = (const struct sqlite_store *)base;
    struct stat status;
    return stat(store->path, &status) == 0 && status.st_dev == store->device && status.st_ino == store->inode;
}
