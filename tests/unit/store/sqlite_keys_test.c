/* What a store gives back, and what it tells of changes. */
#include "store.h"

#include "base/clock.h"

#include <fcntl.h>

static bool see_all(void *context, const struct key_record *record)
{
    *(bool *)context =
        slice_equal(record->pepper_id, SLICE("p1")) && slice_equal(record->consumer, SLICE("orders-batch")) &&
        slice_equal(record->description, SLICE("nightly")) &&
        slice_equal(record->scopes, SLICE("read write")) && slice_equal(record->tags, SLICE("gold")) &&
        slice_is_empty(record->replaces) && record->limit_count == 100 &&
        record->limit_window == 60000000000 && record->created == 1000 && record->expires == 0 &&
        record->revoked == 0 && record->superseded == 0 && record->number == 1 && record->sequence == 1;
    return true;
}

static void a_key_comes_back_whole(void **state)
{
    (void)state;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    add_number(store, 7);
    key_store_close(store);
    store = open_store(KEY_STORE_READ);
    unsigned char digest[KEY_RECORD_DIGEST];
    bool found = false, whole = false;
    number_digest(7, digest);
    assert_ok(key_store_find(store, digest, see_all, &whole, &found));
    assert_true(found && whole);
    whole = false;
    assert_ok(key_store_get(store, SLICE("0000000000000007"), see_all, &whole, &found));
    assert_true(found && whole);
    struct seen seen;
    assert_false(find_number(store, 8, &seen));
    assert_ok(key_store_get(store, SLICE("0000000000000008"), see, &seen, &found));
    assert_false(found);
    key_store_close(store);
}

/* A digest or an id stands for one key: none of a batch is added where one of it is there. */
static void a_key_is_added_once(void **state)
{
    (void)state;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    add_number(store, 1);
    char ids[2][17];
    struct key_record batch[2] = { number_record(2, ids[0]), number_record(1, ids[1]) };
    assert_fails(key_store_add(store, batch, 2), ERROR_VALUE);
    struct seen seen;
    assert_false(find_number(store, 2, &seen));
    batch[1] = number_record(3, ids[1]);
    assert_ok(key_store_add(store, batch, 2));
    assert_true(find_number(store, 2, &seen));
    assert_true(find_number(store, 3, &seen));
    key_store_close(store);
}

static void lists_by_consumer(void **state)
{
    (void)state;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    for (uint64_t i = 0; i < 5; i++) {
        char id[17];
        struct key_record record = number_record(i, id);
        record.consumer = i % 2 == 0 ? SLICE("even") : SLICE("odd");
        assert_ok(key_store_add(store, &record, 1));
    }
    struct seen seen = { 0 };
    assert_ok(key_store_list(store, SLICE(""), see, &seen));
    assert_int_equal(seen.count, 5);
    seen = (struct seen){ 0 };
    assert_ok(key_store_list(store, SLICE("odd"), see, &seen));
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.id, "0000000000000003");
    /* From a place on: numbers are given from 1. */
    seen = (struct seen){ 0 };
    assert_ok(key_store_list_after(store, SLICE(""), 3, see, &seen));
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.last.number, 5);
    seen = (struct seen){ 0 };
    assert_ok(key_store_list_after(store, SLICE("odd"), 2, see, &seen));
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.id, "0000000000000003");
    seen = (struct seen){ 0 };
    assert_ok(key_store_list_after(store, SLICE(""), UINT64_MAX, see, &seen));
    assert_int_equal(seen.count, 0);
    seen = (struct seen){ 0 };
    assert_ok(key_store_list(store, SLICE("nobody"), see, &seen));
    assert_int_equal(seen.count, 0);
    key_store_close(store);
}

/* Another connection, as another process has it, sees each change once by its sequence number. */
static void changes_are_seen_in_order(void **state)
{
    (void)state;
    struct key_store *writer = open_store(KEY_STORE_CREATE), *reader = open_store(KEY_STORE_READ);
    struct key_store_state first, later;
    assert_ok(key_store_look(reader, &first));
    assert_int_equal(first.sequence, 0);
    add_number(writer, 1);
    add_number(writer, 2);
    add_number(writer, 3);
    assert_ok(key_store_look(reader, &later));
    assert_int_equal(later.sequence, 3);
    assert_memory_equal(later.identity, first.identity, sizeof first.identity);
    assert_ok(key_store_revoke(writer, SLICE("0000000000000001"), 2000));
    assert_ok(key_store_expire(writer, SLICE("0000000000000002"), 3000));
    struct seen seen = { 0 };
    assert_ok(key_store_changes(reader, later.sequence, see, &seen));
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.id, "0000000000000002");
    assert_int_equal(seen.last.expires, 3000);
    assert_int_equal(seen.last.sequence, 5);
    seen = (struct seen){ 0 };
    assert_ok(key_store_changes(reader, 5, see, &seen));
    assert_int_equal(seen.count, 0);
    key_store_close(reader);
    key_store_close(writer);
}

static void what_is_revoked_stays_revoked(void **state)
{
    (void)state;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    struct seen seen;
    add_number(store, 1);
    assert_ok(key_store_revoke(store, SLICE("0000000000000001"), 2000));
    assert_ok(key_store_revoke(store, SLICE("0000000000000001"), 9000));
    assert_true(find_number(store, 1, &seen));
    assert_int_equal(seen.last.revoked, 2000);
    assert_fails(key_store_revoke(store, SLICE("0000000000000009"), 2000), ERROR_VALUE);
    assert_fails(key_store_expire(store, SLICE("0000000000000009"), 2000), ERROR_VALUE);
    /* What failed has taken no sequence number. */
    struct key_store_state last;
    assert_ok(key_store_look(store, &last));
    assert_int_equal(last.sequence, 3);
    key_store_close(store);
}

static void rotation_overlaps(void **state)
{
    (void)state;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    struct seen seen;
    char id[17];
    add_number(store, 1);
    struct key_record successor = number_record(2, id);
    successor.replaces = SLICE("0000000000000001");
    assert_ok(key_store_rotate(store, SLICE("0000000000000001"), 5000, 8000, &successor));
    assert_true(find_number(store, 1, &seen));
    assert_int_equal(seen.last.superseded, 5000);
    assert_int_equal(seen.last.expires, 8000);
    assert_true(find_number(store, 2, &seen));
    assert_string_equal(seen.replaces, "0000000000000001");
    assert_int_equal(seen.last.superseded, 0);
    /* One that ends sooner by itself does not live longer for it. */
    assert_ok(key_store_expire(store, SLICE("0000000000000002"), 6000));
    successor = number_record(3, id);
    assert_ok(key_store_rotate(store, SLICE("0000000000000002"), 5500, 9000, &successor));
    assert_true(find_number(store, 2, &seen));
    assert_int_equal(seen.last.expires, 6000);
    /* Neither half happens where the other cannot: no such key, a revoked one, a successor that is there. */
    successor = number_record(4, id);
    assert_fails(key_store_rotate(store, SLICE("0000000000000009"), 1, 2, &successor), ERROR_VALUE);
    assert_false(find_number(store, 4, &seen));
    assert_ok(key_store_revoke(store, SLICE("0000000000000003"), 1));
    assert_fails(key_store_rotate(store, SLICE("0000000000000003"), 1, 2, &successor), ERROR_VALUE);
    assert_false(find_number(store, 4, &seen));
    add_number(store, 5);
    successor = number_record(1, id);
    assert_fails(key_store_rotate(store, SLICE("0000000000000005"), 1, 2, &successor), ERROR_VALUE);
    assert_true(find_number(store, 5, &seen));
    assert_int_equal(seen.last.superseded, 0);
    key_store_close(store);
}

/* Who may only read notes uses in the file that it was handed. */
static void last_uses_are_noted(void **state)
{
    (void)state;
    struct key_store *store = open_store(KEY_STORE_CREATE);
    struct seen seen;
    add_number(store, 1);
    add_number(store, 2);
    key_store_close(store);
    char used[160];
    snprintf(used, sizeof used, "%s-used", the_path);
    int fd = open(used, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    struct key_store_options options = { .path = the_path, .access = KEY_STORE_READ, .used_fd = fd };
    assert_ok(key_store_open(&options, &store));
    assert_true(find_number(store, 2, &seen));
    assert_int_equal(seen.last.used, 0);
    key_store_touch(store, 2, seen.last.digest, 7777);
    assert_true(find_number(store, 2, &seen));
    assert_int_equal(seen.last.used, 7777);
    assert_true(find_number(store, 1, &seen));
    assert_int_equal(seen.last.used, 0);
    key_store_close(store);
    close(fd);
    store = open_store(KEY_STORE_WRITE);
    assert_true(find_number(store, 2, &seen));
    assert_int_equal(seen.last.used, 7777);
    /* Another key of that number, in another store: no use of it is known. */
    key_store_close(store);
    assert_int_equal(unlink(the_path), 0);
    store = open_store(KEY_STORE_CREATE);
    add_number(store, 11);
    add_number(store, 12);
    assert_true(find_number(store, 12, &seen));
    assert_int_equal(seen.last.used, 0);
    key_store_close(store);
}

#define BATCH 20000

/* SALLYPORT_KEYS=1000000 takes most of a minute. */
static uint64_t how_many(void)
{
    uint64_t count = 0;
    return slice_to_u64(slice_from_string(getenv("SALLYPORT_KEYS")), &count) && count > 10 ? count : 100000;
}

static int64_t cost_of_lookups(struct key_store *store, uint64_t keys)
{
    enum {
        ROUNDS = 5,
        LOOKUPS = 4000
    };
    int64_t best = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t began = clock_monotonic_ns();
        for (uint64_t i = 0; i < LOOKUPS; i++) {
            struct seen seen;
            assert_true(find_number(store, i * 7919 % keys, &seen));
        }
        int64_t took = (clock_monotonic_ns() - began) / LOOKUPS;
        best = took < best ? took : best;
    }
    return best;
}

/* A tree of a few levels and not of one: a look-up reads a few pages more, and never all. */
static void many_keys_cost_a_few_pages_more(void **state)
{
    (void)state;
    const uint64_t keys = how_many();
    struct key_store *store = open_store(KEY_STORE_CREATE);
    static char ids[BATCH][17];
    static struct key_record batch[BATCH];
    for (uint64_t i = 0; i < 10; i++) {
        add_number(store, i);
    }
    int64_t few = cost_of_lookups(store, 10);
    for (uint64_t done = 10; done < keys;) {
        size_t count = 0;
        for (; count < BATCH && done < keys; count++, done++) {
            batch[count] = number_record(done, ids[count]);
        }
        assert_ok(key_store_add(store, batch, count));
    }
    int64_t many = cost_of_lookups(store, keys);
    printf("# a look-up among 10 keys: %lld ns, among %llu: %lld ns\n", (long long)few,
           (unsigned long long)keys, (long long)many);
    /* A search through all would cost 10,000 times as much; a busy machine stays far below. */
    assert_true(many < few * 16);
    key_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_comes_back_whole, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_key_is_added_once, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(lists_by_consumer, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(changes_are_seen_in_order, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(what_is_revoked_stays_revoked, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(rotation_overlaps, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(last_uses_are_noted, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(many_keys_cost_a_few_pages_more, make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
