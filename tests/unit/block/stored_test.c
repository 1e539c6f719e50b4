/* What a store holds and what a file says become one set. */
#include "block/stored.h"

#include "store_place.h"

#define NOW 1000

static int setup(void **state)
{
    make_directory(state);
    snprintf(the_path, sizeof the_path, "%s/blocks.sqlite", the_directory);
    return 0;
}

static struct block_store *make_store(void)
{
    const struct block_store_options options = {
        .path = the_path, .access = BLOCK_STORE_CREATE, .group = (gid_t)-1, .busy_ms = 200
    };
    struct block_store *store = NULL;
    assert_ok(block_store_open(&options, &store));
    return store;
}

static uint64_t add(struct block_store *store, const char *kind, const char *value, int64_t expires)
{
    const struct block_record record = { .kind = slice_from_string(kind),
                                         .issuer = SLICE(""),
                                         .value = slice_from_string(value),
                                         .reason = SLICE("why"),
                                         .by = SLICE("olga"),
                                         .created = 100,
                                         .expires = expires };
    uint64_t number = 0;
    assert_ok(block_store_add(store, &record, &number));
    return number;
}

static const struct block_entry *find(const struct block_set *set, const char *value)
{
    struct block_mark mark = block_mark_of(BLOCK_CONSUMER, SLICE_NONE, slice_from_string(value));
    return block_set_find(set, &mark, NOW);
}

static void both_are_in_force(void **state)
{
    (void)state;
    struct block_store *store = make_store();
    add(store, "consumer", "stored", 0);
    add(store, "consumer", "expired", NOW - 1);
    uint64_t removed = add(store, "consumer", "removed", 0);
    const struct block_record removal = { .number = removed, .removed = 200, .removed_by = SLICE("piet") };
    assert_ok(block_store_remove(store, &removal));
    struct block_stored *stored = NULL;
    assert_ok(block_stored_read(store, &stored));
    block_store_close(store);
    assert_int_equal(block_stored_count(stored), 2);
    assert_int_equal(block_stored_state(stored)->sequence, 4);
    struct block_entry_settings entry = {
        .name = SLICE("INC-1"),
        .record = { .kind = SLICE("consumer"),
                    .issuer = SLICE(""),
                    .value = SLICE("filed"),
                    .reason = SLICE("why"),
                    .by = SLICE("file") },
    };
    struct blocks_settings settings = { .entries = { &entry, 1 } };
    struct block_set *set = NULL;
    assert_ok(block_set_compile(stored, &settings, NOW, &set));
    block_stored_free(stored); /* the set has its own copies */
    assert_slice(find(set, "stored")->name, "1");
    assert_int_equal(find(set, "stored")->origin, BLOCK_OF_STORE);
    assert_slice(find(set, "filed")->name, "INC-1");
    assert_int_equal(find(set, "filed")->origin, BLOCK_OF_FILE);
    assert_null(find(set, "expired"));
    assert_null(find(set, "removed"));
    block_set_unref(set);
}

static void neither_is_an_empty_set(void **state)
{
    (void)state;
    struct block_set *set = NULL;
    assert_ok(block_set_compile(NULL, NULL, NOW, &set));
    assert_true(block_set_is_empty(set));
    block_set_unref(set);
}

/* Half of the blocks would be a guess. */
static void what_is_not_understood_fails_as_a_whole(void **state)
{
    (void)state;
    struct block_store *store = make_store();
    add(store, "consumer", "stored", 0);
    add(store, "planet", "mars", 0);
    struct block_stored *stored = NULL;
    struct block_set *set = NULL;
    assert_ok(block_stored_read(store, &stored));
    block_store_close(store);
    assert_fails(block_set_compile(stored, NULL, NOW, &set), ERROR_VALUE);
    assert_null(set);
    block_stored_free(stored);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_are_in_force),
        TEST(neither_is_an_empty_set),
        TEST(what_is_not_understood_fails_as_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
