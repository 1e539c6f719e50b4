/* A store shared by threads: many look keys up while one follows the changes and another process writes. */
#include "auth/api_key_source.h"

#include "keys.h"

#include <pthread.h>

#define KEYS    16
#define READERS 3

static struct api_key_source *the_source;
static struct made_key the_keys[KEYS];
static _Atomic bool the_end;

static bool see(void *context, const struct key_record *record)
{
    *(uint64_t *)context = record->number;
    return false;
}

static void *look_up(void *context)
{
    uint64_t *looked = context;
    for (size_t i = 0; !the_end; i++) {
        struct api_key_digests digests = { .count = 1 };
        uint64_t number = 0;
        bool found = false;
        memcpy(digests.items[0], the_keys[i % KEYS].record.digest, API_KEY_DIGEST_SIZE);
        struct error error = api_key_source_find(the_source, &digests, see, &number, &found);
        if (!failed(error)) {
            if (!found || number != i % KEYS + 1) {
                fprintf(stderr, "key %zu is not where it was put\n", i % KEYS);
                abort();
            }
            (*looked)++;
            api_key_source_note_use(the_source, number, digests.items[0], 1);
        }
    }
    return NULL;
}

static void *write_changes(void *context)
{
    struct key_store *store = context;
    for (int64_t i = 1; !the_end; i++) {
        struct error error = key_store_expire(store, the_keys[i % KEYS].record.id, 100000 + i);
        (void)error; /* it may find the store busy */
        usleep(1000);
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    (void)state;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    for (size_t i = 0; i < KEYS; i++) {
        store_key(store, &the_keys[i]);
    }
    assert_ok(api_key_source_new(slice_from_string(the_path), -1, &the_source));
    pthread_t readers[READERS], writer;
    uint64_t looked[READERS] = { 0 }, seen = 0;
    the_end = false;
    pthread_create(&writer, NULL, write_changes, store);
    for (size_t i = 0; i < READERS; i++) {
        pthread_create(&readers[i], NULL, look_up, &looked[i]);
    }
    int64_t until = clock_monotonic_ns() + 20 * NS_PER_S;
    for (unsigned int changes_seen = 0; changes_seen < 20 && clock_monotonic_ns() < until;) {
        struct api_key_changes changes;
        if (!failed(api_key_source_look(the_source, &changes))) {
            changes_seen += changes.count > 0;
            seen += changes.count;
            free(changes.numbers);
        }
        usleep(2000);
    }
    the_end = true;
    pthread_join(writer, NULL);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(readers[i], NULL);
        assert_true(looked[i] > 0);
    }
    assert_true(seen >= 20);
    assert_true(api_key_source_fresh_at(the_source) > 0);
    key_store_close(store);
    api_key_source_unref(the_source);
}

/* One that is not there yet is not left alone: its first key is good at once. */
static void missing_store_is_asked_again(void **state)
{
    (void)state;
    struct api_key_digests digests = { .count = 1 };
    struct api_key_changes changes;
    uint64_t number = 0;
    bool found = false;
    assert_ok(api_key_source_new(slice_from_string(the_path), -1, &the_source));
    assert_fails(api_key_source_look(the_source, &changes), ERROR_SYSTEM);
    struct key_store *store = open_store(KEY_STORE_CREATE);
    store_key(store, &the_keys[0]);
    memcpy(digests.items[0], the_keys[0].record.digest, API_KEY_DIGEST_SIZE);
    assert_ok(api_key_source_find(the_source, &digests, see, &number, &found));
    assert_true(found);
    key_store_close(store);
    api_key_source_unref(the_source);
}

/* More than one would list: then everything may have changed. */
static void many_changes_are_all(void **state)
{
    (void)state;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    struct api_key_changes changes;
    store_key(store, &the_keys[0]);
    assert_ok(api_key_source_new(slice_from_string(the_path), -1, &the_source));
    assert_ok(api_key_source_look(the_source, &changes));
    assert_true(changes.all);
    free(changes.numbers);
    assert_ok(api_key_source_look(the_source, &changes));
    assert_false(changes.all);
    assert_int_equal(changes.count, 0);
    free(changes.numbers);
    static struct made_key made[API_KEY_CHANGES_MAX + 1];
    static struct key_record records[API_KEY_CHANGES_MAX + 1];
    for (size_t i = 0; i <= API_KEY_CHANGES_MAX; i++) {
        make_key(&made[i], PEPPER);
        records[i] = made[i].record;
    }
    assert_ok(key_store_add(store, records, API_KEY_CHANGES_MAX));
    assert_ok(api_key_source_look(the_source, &changes));
    assert_false(changes.all);
    assert_int_equal(changes.count, API_KEY_CHANGES_MAX);
    assert_int_equal(changes.numbers[0], 2);
    free(changes.numbers);
    assert_ok(key_store_add(store, &records[API_KEY_CHANGES_MAX], 1));
    assert_ok(key_store_expire(store, records[0].id, 9000));
    assert_ok(api_key_source_look(the_source, &changes));
    assert_int_equal(changes.count, 2);
    assert_int_equal(changes.numbers[0], 2);
    assert_int_equal(changes.numbers[1], API_KEY_CHANGES_MAX + 2);
    free(changes.numbers);
    for (size_t i = 0; i <= API_KEY_CHANGES_MAX; i++) {
        make_key(&made[i], PEPPER);
        records[i] = made[i].record;
    }
    assert_ok(key_store_add(store, records, API_KEY_CHANGES_MAX + 1));
    assert_ok(api_key_source_look(the_source, &changes));
    assert_true(changes.all);
    free(changes.numbers);
    key_store_close(store);
    api_key_source_unref(the_source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(missing_store_is_asked_again, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(threads_share_it, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(many_changes_are_all, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
