/* Files that are no store, or cannot be used as one: each is told for what it is, and never taken for an empty one. */
#include "store.h"

#include <fcntl.h>
#include <sqlite3.h>

static void fails_with(enum key_store_access access, enum error_kind kind, int number, const char *part)
{
    struct key_store *store = NULL;
    struct error error = open_as(access, 0, &store);
    assert_int_equal(error.kind, kind);
    assert_true(number == 0 || error.number == number);
    if (strstr(error.what, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.what, part);
    }
    assert_null(store);
}

static void write_to(const char *path, const char *text, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, text, size), size);
    close(fd);
    chmod(path, 0644);
}

static void write_file(const char *text, size_t size)
{
    write_to(the_path, text, size);
}

static void make_store(void)
{
    struct key_store *store = open_store(KEY_STORE_CREATE);
    for (uint64_t i = 0; i < 100; i++) {
        add_number(store, i);
    }
    key_store_close(store);
}

static void execute(const char *sql)
{
    sqlite3 *database = NULL;
    assert_int_equal(sqlite3_open(the_path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

static void only_creating_makes_it(void **state)
{
    (void)state;
    fails_with(KEY_STORE_READ, ERROR_SYSTEM, ENOENT, "keys create");
    fails_with(KEY_STORE_WRITE, ERROR_SYSTEM, ENOENT, "keys create");
    struct key_store *store = open_store(KEY_STORE_CREATE);
    key_store_close(store);
    struct stat status;
    assert_int_equal(stat(the_path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    store = open_store(KEY_STORE_READ);
    key_store_close(store);
    /* Made, and never written. */
    write_file("", 0);
    fails_with(KEY_STORE_READ, ERROR_VALUE, 0, "empty");
}

static void no_store_at_all(void **state)
{
    (void)state;
    static const char text[4096] = "keys:\n  one: { digest: ";
    write_file(text, sizeof text);
    fails_with(KEY_STORE_READ, ERROR_VALUE, 0, "no key store");
    fails_with(KEY_STORE_CREATE, ERROR_VALUE, 0, "no key store");
    assert_int_equal(unlink(the_path), 0);
    assert_int_equal(mkdir(the_path, 0755), 0);
    fails_with(KEY_STORE_CREATE, ERROR_SYSTEM, EISDIR, "no regular file");
    assert_int_equal(rmdir(the_path), 0);
    assert_int_equal(mkfifo(the_path, 0644), 0);
    fails_with(KEY_STORE_CREATE, ERROR_SYSTEM, EINVAL, "no regular file");
}

/* Somebody's own data is not written into, whatever it holds. */
static void another_programs_database(void **state)
{
    (void)state;
    execute("CREATE TABLE keys (number INTEGER)");
    fails_with(KEY_STORE_CREATE, ERROR_VALUE, 0, "another program");
    execute("DROP TABLE keys; PRAGMA application_id = 17");
    fails_with(KEY_STORE_CREATE, ERROR_VALUE, 0, "another program");
}

static void a_newer_schema_is_left_alone(void **state)
{
    (void)state;
    make_store();
    execute("PRAGMA user_version = 99");
    fails_with(KEY_STORE_READ, ERROR_VALUE, 0, "newer version");
    fails_with(KEY_STORE_CREATE, ERROR_VALUE, 0, "newer version");
}

static void a_damaged_file_is_told(void **state)
{
    (void)state;
    make_store();
    struct stat status;
    assert_int_equal(stat(the_path, &status), 0);
    int fd = open(the_path, O_WRONLY | O_CLOEXEC);
    static const char rubbish[4096] = "rubbish";
    for (off_t at = 4096; at < status.st_size; at += 4096) {
        assert_int_equal(pwrite(fd, rubbish, sizeof rubbish, at), sizeof rubbish);
    }
    close(fd);
    struct key_store *store = NULL;
    struct error error = open_as(KEY_STORE_READ, 0, &store);
    if (!failed(error)) {
        unsigned char digest[KEY_RECORD_DIGEST];
        struct seen seen = { 0 };
        bool found = false;
        number_digest(3, digest);
        error = key_store_find(store, digest, see, &seen, &found);
        assert_int_equal(seen.count, 0);
        key_store_close(store);
    }
    assert_int_equal(error.kind, ERROR_VALUE);
    assert_non_null(strstr(error.what, "damaged"));
    /* Cut off in the middle. */
    assert_int_equal(truncate(the_path, 5000), 0);
    error = open_as(KEY_STORE_READ, 0, &store);
    assert_int_equal(error.kind, ERROR_VALUE);
}

static void a_lock_is_waited_for_and_told(void **state)
{
    (void)state;
    make_store();
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(the_path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    fails_with(KEY_STORE_READ, ERROR_STATE, 0, "locked");
    fails_with(KEY_STORE_WRITE, ERROR_STATE, 0, "locked");
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    struct key_store *store = NULL;
    assert_ok(open_as(KEY_STORE_READ, 0, &store));
    /* One that was open when it came: the same, and after it all is well again. */
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    unsigned char digest[KEY_RECORD_DIGEST];
    struct seen seen = { 0 };
    bool found = false;
    number_digest(3, digest);
    assert_fails(key_store_find(store, digest, see, &seen, &found), ERROR_STATE);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_true(find_number(store, 3, &seen));
    sqlite3_close(other);
    key_store_close(store);
}

static void as_somebody_else(bool on)
{
    if (getuid() == 0) {
        assert_int_equal(seteuid(on ? 65534 : 0), 0);
    }
}

static void without_the_right_to_it(void **state)
{
    (void)state;
    make_store();
    chmod(the_path, 0000);
    as_somebody_else(true);
    fails_with(KEY_STORE_READ, ERROR_SYSTEM, EACCES, "cannot be opened");
    as_somebody_else(false);
    chmod(the_path, 0444);
    as_somebody_else(true);
    fails_with(KEY_STORE_WRITE, ERROR_SYSTEM, EACCES, "cannot be written");
    struct key_store *store = open_store(KEY_STORE_READ);
    struct seen seen;
    assert_true(find_number(store, 3, &seen));
    key_store_close(store);
    as_somebody_else(false);
    /* The file is writable, and the directory is not: there is no room for a journal. */
    chmod(the_path, 0666);
    chmod(the_directory, 0555);
    as_somebody_else(true);
    assert_ok(open_as(KEY_STORE_WRITE, 0, &store));
    char id[17];
    struct key_record record = number_record(1000, id);
    struct error error = key_store_add(store, &record, 1);
    assert_int_equal(error.kind, ERROR_SYSTEM);
    assert_non_null(strstr(error.what, "directory"));
    assert_false(find_number(store, 1000, &seen));
    key_store_close(store);
    as_somebody_else(false);
    chmod(the_directory, 0755);
}

/* Moved away, replaced, and put back: who has it open is to open it anew. */
static void a_file_that_was_replaced_is_noticed(void **state)
{
    (void)state;
    make_store();
    struct key_store *store = open_store(KEY_STORE_READ);
    assert_true(key_store_is_current(store));
    char aside[160];
    snprintf(aside, sizeof aside, "%s.aside", the_path);
    assert_int_equal(rename(the_path, aside), 0);
    assert_false(key_store_is_current(store));
    make_store();
    assert_false(key_store_is_current(store));
    assert_int_equal(rename(aside, the_path), 0);
    assert_true(key_store_is_current(store));
    key_store_close(store);
}

/* A writer that died in the middle leaves a journal: who may write undoes its change, who may not says so. */
static void an_interrupted_change_is_undone(void **state)
{
    (void)state;
    make_store();
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(the_path, &other), SQLITE_OK);
    /* A cache of one page: what is changed goes to the file before the end. */
    assert_int_equal(sqlite3_exec(other,
                                  "PRAGMA cache_size = 1; PRAGMA synchronous = FULL; BEGIN;"
                                  "UPDATE keys SET revoked = 1, description = hex(randomblob(400))",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    /* As a crash leaves it: the file and its journal, and nobody's locks. */
    char journal_path[160];
    snprintf(journal_path, sizeof journal_path, "%s-journal", the_path);
    size_t size = 0, journal_size = 0;
    char *text = read_file(the_path, &size), *journal = read_file(journal_path, &journal_size);
    assert_non_null(text);
    assert_non_null(journal);
    sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(other);
    write_to(the_path, text, size);
    write_to(journal_path, journal, journal_size);
    free(text);
    free(journal);
    struct key_store *store = NULL;
    if (getuid() == 0) {
        as_somebody_else(true);
        struct error error = open_as(KEY_STORE_READ, 0, &store);
        as_somebody_else(false);
        assert_true(failed(error));
        if (strstr(error.what, "interrupted") == NULL) {
            fail_msg("%s (%d)", error.what, error.number);
        }
    }
    store = open_store(KEY_STORE_WRITE);
    struct seen seen;
    assert_true(find_number(store, 3, &seen));
    assert_int_equal(seen.last.revoked, 0);
    key_store_close(store);
    store = open_store(KEY_STORE_READ);
    key_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_creating_makes_it, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(no_store_at_all, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(another_programs_database, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_newer_schema_is_left_alone, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_told, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_lock_is_waited_for_and_told, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(without_the_right_to_it, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_file_that_was_replaced_is_noticed, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(an_interrupted_change_is_undone, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
