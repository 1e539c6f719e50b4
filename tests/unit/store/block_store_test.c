#include "store/block_store.h"

#include "base/limits.h"
#include "store_place.h"

#include <sqlite3.h>

static int setup(void **state)
{
    make_directory(state);
    snprintf(the_path, sizeof the_path, "%s/blocks.sqlite", the_directory);
    return 0;
}

static struct error open_blocks(enum block_store_access access, struct block_store **ret_store)
{
    const struct block_store_options options = {
        .path = the_path, .access = access, .group = (gid_t)-1, .busy_ms = 200
    };
    return block_store_open(&options, ret_store);
}

static struct block_store *opened(enum block_store_access access)
{
    struct block_store *store = NULL;
    assert_ok(open_blocks(access, &store));
    return store;
}

static struct block_record record_of(const char *value, int64_t created, int64_t expires)
{
    return (struct block_record){
        .kind = SLICE("consumer"),
        .issuer = SLICE(""),
        .value = slice_from_string(value),
        .reason = SLICE("why"),
        .by = SLICE("olga"),
        .created = created,
        .expires = expires,
    };
}

static uint64_t add(struct block_store *store, const char *value, int64_t created, int64_t expires)
{
    uint64_t number = 0;
    const struct block_record record = record_of(value, created, expires);
    assert_ok(block_store_add(store, &record, &number));
    return number;
}

static struct error take_away(struct block_store *store, uint64_t number, const char *value, int64_t when)
{
    struct block_record record = record_of(value, 0, 0);
    record.number = number;
    record.removed = when;
    record.removed_by = SLICE("piet");
    record.removal_reason = SLICE("over");
    return block_store_remove(store, &record);
}

struct gathered {
    char values[512]; /* "a b c-" with "-" behind what is removed */
    size_t count, most;
    uint64_t last_sequence;
    char by[32];
};

static bool gather(void *context, const struct block_record *record)
{
    struct gathered *gathered = context;
    size_t at = strlen(gathered->values);
    snprintf(gathered->values + at, sizeof gathered->values - at, "%s%.*s%s", at > 0 ? " " : "",
             SLICE_ARG(record->value), record->removed > 0 ? "-" : "");
    snprintf(gathered->by, sizeof gathered->by, "%.*s", SLICE_ARG(record->removed_by));
    gathered->last_sequence = record->sequence;
    return ++gathered->count != gathered->most;
}

static void assert_list(struct block_store *store, bool all, const char *values)
{
    struct gathered gathered = { .count = 0 };
    assert_ok(block_store_list(store, all, gather, &gathered));
    assert_string_equal(gathered.values, values);
}

static void keeps_what_is_added(void **state)
{
    (void)state;
    struct block_store *store = opened(BLOCK_STORE_CREATE);
    assert_int_equal(add(store, "a", 100, 0), 1);
    assert_int_equal(add(store, "b", 100, 200), 2);
    block_store_close(store);
    store = opened(BLOCK_STORE_READ);
    assert_list(store, false, "a b");
    struct gathered first = { .most = 1 };
    assert_ok(block_store_list(store, false, gather, &first));
    assert_string_equal(first.values, "a");
    assert_true(block_store_is_current(store));
    const struct block_record record = record_of("c", 100, 0);
    uint64_t number;
    assert_true(failed(block_store_add(store, &record, &number)));
    block_store_close(store);
}

static void the_same_again_gives_way(void **state)
{
    (void)state;
    struct block_store *store = opened(BLOCK_STORE_CREATE);
    add(store, "a", 100, 0);
    assert_int_equal(add(store, "a", 200, 300), 2);
    assert_list(store, true, "a");
    block_store_close(store);
}

static void what_is_removed_stays_to_be_told(void **state)
{
    (void)state;
    struct block_store *store = opened(BLOCK_STORE_CREATE);
    uint64_t a = add(store, "a", 100, 0);
    add(store, "b", 100, 0);
    assert_fails(take_away(store, 99, "", 150), ERROR_VALUE);
    assert_fails(take_away(store, 0, "c", 150), ERROR_VALUE);
    assert_ok(take_away(store, a, "", 150));
    assert_fails(take_away(store, a, "", 150), ERROR_VALUE);
    assert_ok(take_away(store, 0, "b", 151));
    assert_list(store, false, "");
    assert_list(store, true, "a- b-");
    /* It can be blocked again, by a new number. */
    assert_int_equal(add(store, "a", 160, 0), 3);
    assert_list(store, true, "a- b- a");
    /* And is forgotten in the end. */
    add(store, "d", 151 + BLOCK_STORE_KEEP, 0);
    assert_list(store, true, "b- a d");
    block_store_close(store);
}

static void what_expired_goes_in_the_end(void **state)
{
    (void)state;
    struct block_store *store = opened(BLOCK_STORE_CREATE);
    add(store, "a", 100, 200);
    add(store, "b", 200 + BLOCK_STORE_KEEP, 0);
    assert_list(store, false, "a b");
    add(store, "c", 201 + BLOCK_STORE_KEEP, 0);
    assert_list(store, true, "b c");
    block_store_close(store);
}

static void changes_come_in_their_order(void **state)
{
    (void)state;
    struct block_store *store = opened(BLOCK_STORE_CREATE);
    struct block_store_state before, after;
    assert_ok(block_store_look(store, &before));
    assert_int_equal(before.sequence, 0);
    uint64_t a = add(store, "a", 100, 0);
    add(store, "b", 100, 0);
    assert_ok(take_away(store, a, "", 150));
    assert_ok(block_store_look(store, &after));
    assert_int_equal(after.sequence, 3);
    assert_memory_equal(before.identity, after.identity, sizeof before.identity);
    struct gathered gathered = { .count = 0 };
    assert_ok(block_store_changes(store, 0, gather, &gathered));
    assert_string_equal(gathered.values, "b a-");
    assert_string_equal(gathered.by, "piet");
    assert_int_equal(gathered.last_sequence, 3);
    gathered = (struct gathered){ .count = 0 };
    assert_ok(block_store_changes(store, 2, gather, &gathered));
    assert_string_equal(gathered.values, "a-");
    block_store_close(store);
}

/* A change that fails leaves nothing half done. */
static void a_failed_removal_changes_nothing(void **state)
{
    (void)state;
    struct block_store *store = opened(BLOCK_STORE_CREATE);
    struct block_store_state state_of;
    add(store, "a", 100, 0);
    assert_fails(take_away(store, 7, "", 150), ERROR_VALUE);
    assert_ok(block_store_look(store, &state_of));
    assert_int_equal(state_of.sequence, 1);
    assert_int_equal(add(store, "b", 100, 0), 2);
    block_store_close(store);
}

static void execute(const char *sql)
{
    sqlite3 *database;
    assert_int_equal(sqlite3_open(the_path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

static void assert_problem(enum block_store_access access, const char *part)
{
    struct block_store *store = NULL;
    struct error error = open_blocks(access, &store);
    assert_true(failed(error));
    assert_null(store);
    if (strstr(error.what, part) == NULL) {
        fail_msg("\"%s\" does not tell \"%s\"", error.what, part);
    }
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    assert_problem(BLOCK_STORE_READ, "there is no block store here");
    assert_problem(BLOCK_STORE_WRITE, "there is no block store here");
    assert_int_equal(mkdir(the_path, 0755), 0);
    assert_problem(BLOCK_STORE_READ, "is no regular file");
    rmdir(the_path);
    FILE *file = fopen(the_path, "w");
    assert_non_null(file);
    fclose(file);
    assert_problem(BLOCK_STORE_READ, "is empty");
    execute("CREATE TABLE other (a)");
    assert_problem(BLOCK_STORE_WRITE, "database of another program");
    unlink(the_path);
    block_store_close(opened(BLOCK_STORE_CREATE));
    execute("PRAGMA user_version = 99");
    assert_problem(BLOCK_STORE_READ, "newer version");
    file = fopen(the_path, "w");
    for (int i = 0; i < 500; i++) {
        fputs("this is no database ", file);
    }
    fclose(file);
    assert_problem(BLOCK_STORE_READ, "damaged");
}

static void a_writer_is_waited_for_and_told(void **state)
{
    (void)state;
    struct block_store *store = opened(BLOCK_STORE_CREATE);
    sqlite3 *database;
    assert_int_equal(sqlite3_open(the_path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    const struct block_record record = record_of("a", 100, 0);
    uint64_t number;
    assert_fails(block_store_add(store, &record, &number), ERROR_STATE);
    struct block_store_state look;
    assert_fails(block_store_look(store, &look), ERROR_STATE);
    sqlite3_close(database);
    assert_ok(block_store_add(store, &record, &number));
    block_store_close(store);
}

static void is_not_current_once_it_is_replaced(void **state)
{
    (void)state;
    struct block_store *store = opened(BLOCK_STORE_CREATE);
    char moved[160];
    snprintf(moved, sizeof moved, "%s.old", the_path);
    assert_int_equal(rename(the_path, moved), 0);
    assert_false(block_store_is_current(store));
    block_store_close(opened(BLOCK_STORE_CREATE));
    assert_false(block_store_is_current(store));
    block_store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeps_what_is_added),
        TEST(the_same_again_gives_way),
        TEST(what_is_removed_stays_to_be_told),
        TEST(what_expired_goes_in_the_end),
        TEST(changes_come_in_their_order),
        TEST(a_failed_removal_changes_nothing),
        TEST(says_what_is_wrong),
        TEST(a_writer_is_waited_for_and_told),
        TEST(is_not_current_once_it_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
