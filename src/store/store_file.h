/* A file of SQLite that is a store of ours: how it is made, opened, brought up to date and asked, and what its errors mean. What stands in
 * it is its schema's. Private to src/store.
 *
 * The file is written by the commands of this program and read by gateways that can write nothing: they run as another user,
 * and Landlock and seccomp forbid it. So it has a rollback journal, which a reader needs no right to write for; a
 * write-ahead log would need one. A reader takes POSIX locks only.
 *
 * Each change gives its row the next sequence number of the store. One thread at a time. */
#ifndef SALLYPORT_STORE_STORE_FILE_H
#define SALLYPORT_STORE_STORE_FILE_H

#include "base/error.h"
#include "base/slice.h"

#include <sqlite3.h>
#include <sys/stat.h>

enum store_text {
    STORE_TEXT_LOCKED,
    STORE_TEXT_NONE,
    STORE_TEXT_DAMAGED,
    STORE_TEXT_READ_ONLY,
    STORE_TEXT_NOT_OPENED,
    STORE_TEXT_NO_JOURNAL,
    STORE_TEXT_NO_ROOM,
    STORE_TEXT_INPUT_OUTPUT,
    STORE_TEXT_NO_MEMORY,
    STORE_TEXT_CONFLICT,
    STORE_TEXT_TOO_LARGE,
    STORE_TEXT_INTERRUPTED,
    STORE_TEXT_FAILED,
    STORE_TEXT_NOT_MADE,
    STORE_TEXT_NOT_GIVEN,
    STORE_TEXT_MISSING,
    STORE_TEXT_NO_FILE,
    STORE_TEXT_NOT_WRITABLE,
    STORE_TEXT_FOREIGN,
    STORE_TEXT_NEWER,
    STORE_TEXT_EMPTY,
    STORE_TEXT_OLDER,
    STORE_TEXTS,
};

/* What is said of a store that is called so, that the command `maker` makes and any change of which `lister` completes. */
#define STORE_TEXTS_OF(store, maker, lister, conflict)                                                     \
    {                                                                                                      \
        [STORE_TEXT_LOCKED] = "the " store " is locked by another process",                                \
        [STORE_TEXT_NONE] = "the file is no " store ", or is damaged: restore it from a backup",           \
        [STORE_TEXT_DAMAGED] = "the " store " is damaged: restore it from a backup",                       \
        [STORE_TEXT_READ_ONLY] = "the " store " cannot be written: it, or its directory, is read-only",    \
        [STORE_TEXT_NOT_OPENED] = "the " store " cannot be opened",                                        \
        [STORE_TEXT_NO_JOURNAL] = "the " store ", or the journal in its directory, cannot be opened",      \
        [STORE_TEXT_NO_ROOM] = "there is no room for the " store,                                          \
        [STORE_TEXT_INPUT_OUTPUT] = "the " store " cannot be read or written",                             \
        [STORE_TEXT_NO_MEMORY] = "no memory for the " store, [STORE_TEXT_CONFLICT] = conflict,             \
        [STORE_TEXT_TOO_LARGE] = "too large for the " store,                                               \
        [STORE_TEXT_INTERRUPTED] =                                                                         \
            "a change of the " store " was interrupted: `" lister "`, run by who may write it, undoes it", \
        [STORE_TEXT_FAILED] = "the " store " failed",                                                      \
        [STORE_TEXT_NOT_MADE] = "the " store " cannot be made",                                            \
        [STORE_TEXT_NOT_GIVEN] = "the " store " cannot be given to the gateway's group",                   \
        [STORE_TEXT_MISSING] = "there is no " store " here: `" maker "` makes it",                         \
        [STORE_TEXT_NO_FILE] = "the " store " is no regular file",                                         \
        [STORE_TEXT_NOT_WRITABLE] = "the " store " cannot be written",                                     \
        [STORE_TEXT_FOREIGN] = "this is a database of another program, and no " store,                     \
        [STORE_TEXT_NEWER] = "the " store " was written by a newer version of sallyport; use that one",    \
        [STORE_TEXT_EMPTY] = "the " store " is empty: `" maker "` makes it",                               \
        [STORE_TEXT_OLDER] = "the " store " is of an older version: `" lister                              \
                             "`, run by who may write it, brings it up to date",                           \
    }

/* Statements that every store has; those of its own follow. */
enum {
    STORE_LOOK,
    STORE_NEXT_SEQUENCE,
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_OWN,
};

#define STORE_IDENTITY 32 /* characters */

struct store_schema {
    int application; /* its id, in the file's header */
    const char *const
        *steps; /* one per version: that of version N is what the first N made, behind what every store has */
    int version;              /* how many there are */
    const char *settings;     /* PRAGMAs beside those of every store */
    const char *const *texts; /* of its own statements: by number, from STORE_OWN */
    int statement_count;      /* of all */
    const char *problems[STORE_TEXTS];
};

struct store_file_options {
    const char *path;
    bool writes;
    bool creates;      /* and makes it where it is not there */
    gid_t group;       /* of a file that is made, which it may read; (gid_t)-1: this process's */
    bool group_writes; /* and write */
    int busy_ms;       /* how long to wait for another process that writes */
};

struct store_file {
    const struct store_schema *schema;
    sqlite3 *database;
    sqlite3_stmt **statements; /* made when first used */
    dev_t device;              /* of the file that was opened */
    ino_t inode;
    char *path;
};

/* Opens it, checks whose file it is, and makes its schema what this program knows, where it may be written. Whatever comes of it,
 * store_file_close is to be called. */
struct error store_file_open(struct store_file *file, const struct store_schema *schema,
                             const struct store_file_options *options) MUST_CHECK;
void store_file_close(struct store_file *file);

/* Is the file still the one that was opened? */
bool store_file_is_current(const struct store_file *file);

/* What a result of SQLite other than OK, ROW and DONE means for a person. */
struct error store_file_error(const struct store_file *file, int result);
/* What stands in it is nothing that this program wrote. */
struct error store_file_damaged(const struct store_file *file);

/* Any SQL, without parameters and rows. */
struct error store_file_execute(struct store_file *file, const char *sql) MUST_CHECK;
/* store_schema.c: looks whose file it is, and brings it up to date. */
struct error store_file_migrate(struct store_file *file, bool writes) MUST_CHECK;

/* ---- statements ---- */

/* To bind, and then to hand to one of the functions below, which leaves it as new and gives the locks back whatever comes of it. */
struct error store_file_statement(struct store_file *file, int which,
                                  sqlite3_stmt **ret_statement) MUST_CHECK;
struct error store_file_run(struct store_file *file, sqlite3_stmt *statement) MUST_CHECK;
/* The first column of the one row. DAMAGED: there is none. */
struct error store_file_number(struct store_file *file, sqlite3_stmt *statement,
                               int64_t *ret_number) MUST_CHECK;

enum store_row {
    STORE_ROW_MORE,
    STORE_ROW_ENOUGH,
    STORE_ROW_DAMAGED,
};
/* Each row of it. */
struct error store_file_each(struct store_file *file, sqlite3_stmt *statement,
                             enum store_row (*row)(void *context, sqlite3_stmt *statement),
                             void *context) MUST_CHECK;

/* Of a statement that holds to bound texts only until it has run. */
void store_bind_text(sqlite3_stmt *statement, int index, struct slice text);
/* Good until the next row. */
struct slice store_column_text(sqlite3_stmt *statement, int column);

/* ---- changes ---- */

struct error store_file_look(struct store_file *file, char identity[STORE_IDENTITY],
                             uint64_t *ret_sequence) MUST_CHECK;
struct error store_file_begin(struct store_file *file) MUST_CHECK;
struct error store_file_next_sequence(struct store_file *file, uint64_t *ret_sequence) MUST_CHECK;
/* Keeps what was changed since it began; where it has failed, by `error` or now, nothing. */
struct error store_file_end(struct store_file *file, struct error error) MUST_CHECK;

#endif
