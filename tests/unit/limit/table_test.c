#include "limits.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t start = 1000 * NS_PER_S;

static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(limiter_size(1), limiter_size(16));
    assert_true(limiter_size(17) > limiter_size(16));
    assert_int_equal(limiter_size(65536), 65536 * 144 + 128 + CROWDS * 8);
    assert_int_equal(limiter_size(65535), limiter_size(65536));
    assert_int_equal(limiter_size(0), limiter_size(1));
}

static void test_bad_memory(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    struct limiter *limiter = NULL;
    assert_fails(limiter_open(NULL, table.size, &limiter), ERROR_VALUE);
    assert_fails(limiter_open(table.memory, table.size - 1, &limiter), ERROR_VALUE);
    assert_fails(limiter_open((char *)table.memory + 8, table.size, &limiter), ERROR_VALUE);
    assert_null(limiter);
    table_done(&table);
}

/* Opened again, as after a restart: the counts go on. Of another size or version: made anew. */
static void test_counts_survive(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 64);
    struct limit_settings rule = window_of(5, 60 * NS_PER_S);
    assert_int_equal(drain(&table, &rule, "a", start), 5);
    assert_ok(limiter_open(table.memory, table.size, &table.limiter));
    assert_false(admits(&table, &rule, "a", start));
    assert_true(admits(&table, &rule, "b", start));

    assert_ok(limiter_open(table.memory, table.size - 64, &table.limiter));
    assert_int_equal(drain(&table, &rule, "a", start), 5);
    assert_ok(limiter_open(table.memory, table.size, &table.limiter));
    assert_int_equal(drain(&table, &rule, "a", start), 5);
    atomic_store(&table.limiter->magic, atomic_load(&table.limiter->magic) + 1);
    assert_ok(limiter_open(table.memory, table.size, &table.limiter));
    assert_int_equal(drain(&table, &rule, "a", start), 5);
    table_done(&table);
}

/* What a process may go on with while others use it. */
static void test_what_fits(void **state)
{
    (void)state;
    size_t size = limiter_size(64);
    int fd = memfd_create("limits", MFD_CLOEXEC);
    assert_false(limiter_fits(fd, size)); /* too short */
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_true(limiter_fits(fd, size)); /* none yet */
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(memory != MAP_FAILED);
    struct limiter *limiter;
    assert_ok(limiter_open(memory, size, &limiter));
    assert_true(limiter_fits(fd, size));
    assert_false(limiter_fits(fd, limiter_size(128)));
    atomic_store(&limiter->magic, atomic_load(&limiter->magic) + 1); /* of another version */
    assert_false(limiter_fits(fd, size));
    assert_false(limiter_fits(-1, size));
    munmap(memory, size);
    close(fd);
}

static void test_the_hash_is_keyed(void **state)
{
    (void)state;
    struct table one, two;
    table_init(&one, 16);
    table_init(&two, 16);
    assert_int_not_equal(table_hash(one.limiter, 1, "a", 1), table_hash(two.limiter, 1, "a", 1));
    assert_int_not_equal(table_hash(one.limiter, 1, "a", 1), table_hash(one.limiter, 2, "a", 1));
    assert_int_not_equal(table_hash(one.limiter, 1, "a", 1), table_hash(one.limiter, 1, "b", 1));
    assert_int_equal(table_hash(one.limiter, 1, "a", 1), table_hash(one.limiter, 1, "a", 1));
    table_done(&one);
    table_done(&two);
}

/* Keys of any length, one byte apart anywhere, are different keys; so are a long key and its shortening. */
static void test_keys_of_any_length(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 16);
    static unsigned char key[1000];
    uint64_t hashes[1001];
    for (size_t len = 0; len <= sizeof key; len++) {
        hashes[len] = table_hash(table.limiter, 1, key, len);
        for (size_t other = 0; other < len; other++) {
            assert_int_not_equal(hashes[len], hashes[other]);
        }
    }
    uint64_t plain = table_hash(table.limiter, 1, key, sizeof key);
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] ^= 1;
        assert_int_not_equal(table_hash(table.limiter, 1, key, sizeof key), plain);
        key[i] ^= 1;
    }
    assert_int_equal(table_hash(table.limiter, 1, NULL, 0), hashes[0]);
    table_done(&table);
}

static void test_find_and_take(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 1024);
    uint64_t hash = table_hash(table.limiter, 1, "a", 1);
    struct place place, again;
    table_find(table.limiter, hash, &place);
    assert_null(place.entry);
    assert_int_equal(table_take(table.limiter, hash, NULL, start, &place), TABLE_TAKEN);
    assert_true(place_is_ours(&place));
    table_find(table.limiter, hash, &again);
    assert_ptr_equal(place.cell, again.cell);
    assert_ptr_equal(place.entry, again.entry);
    struct limiter_stats stats;
    limiter_read_stats(table.limiter, &stats);
    assert_int_equal(table_used(table.limiter), 1);
    assert_int_equal(stats.displaced, 0);
    /* A hash whose upper bits are all zero is a key like any other. */
    assert_int_equal(table_take(table.limiter, 3, NULL, start, &place), TABLE_TAKEN);
    table_find(table.limiter, 3, &again);
    assert_ptr_equal(place.cell, again.cell);
    table_done(&table);
}

/* A full set: the newcomer gets in, and what goes is the entry nearest to full allowance. */
static void test_eviction(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, WAYS);
    struct limit_settings rule = window_of(10, 60 * NS_PER_S);
    char key[2] = "a";
    for (int i = 0; i < WAYS; i++) {
        key[0] = (char)('a' + i);
        /* c uses least. */
        for (int k = 0; k < (i == 2 ? 2 : 5 + i % 5); k++) {
            assert_true(admits(&table, &rule, key, start));
        }
    }
    struct limiter_stats stats;
    limiter_read_stats(table.limiter, &stats);
    assert_int_equal(table_used(table.limiter), WAYS);
    assert_int_equal(stats.displaced, 0);
    assert_true(admits(&table, &rule, "new", start));
    limiter_read_stats(table.limiter, &stats);
    assert_int_equal(table_used(table.limiter), WAYS);
    assert_int_equal(stats.displaced, 1);
    struct place place;
    table_find(table.limiter, table_hash(table.limiter, rule.identity, "c", 1), &place);
    assert_null(place.entry);
    table_find(table.limiter, table_hash(table.limiter, rule.identity, "e", 1), &place);
    assert_non_null(place.entry);
    /* The newcomer starts with its full allowance, not with what the cell held. */
    assert_int_equal(drain(&table, &rule, "new", start), 9);
    table_done(&table);
}

/* A crowd of newcomers displaces one another, not the one that has used up its limit. */
static void test_a_spent_entry_outlives_a_crowd(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, WAYS);
    struct limit_settings rule = window_of(100, 60 * NS_PER_S);
    struct limit_settings rate = rate_of(1, NS_PER_S, 100);
    assert_int_equal(drain(&table, &rule, "victim", start), 100);
    assert_int_equal(drain(&table, &rate, "victim", start), 100);
    for (int i = 0; i < 5000; i++) {
        char key[32];
        snprintf(key, sizeof key, "crowd %d", i);
        assert_true(admits(&table, i % 2 ? &rule : &rate, key, start + i));
    }
    assert_false(admits(&table, &rule, "victim", start + 10000));
    assert_false(admits(&table, &rate, "victim", start + 10000));
    struct limiter_stats stats;
    limiter_read_stats(table.limiter, &stats);
    assert_int_equal(table_used(table.limiter), WAYS);
    assert_true(stats.displaced > 4000);
    /* Once they are as good as new, entries go without being counted. */
    assert_true(admits(&table, &rule, "later", start + 1000 * NS_PER_S));
    uint64_t displaced = stats.displaced;
    limiter_read_stats(table.limiter, &stats);
    assert_int_equal(stats.displaced, displaced);
    table_done(&table);
}

/* An entry that a killed process was making does not keep its key out, nor its place. */
static void test_dead_attempts(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, WAYS);
    struct limit_settings rule = window_of(3, 60 * NS_PER_S);
    uint64_t hash = table_hash(table.limiter, rule.identity, "a", 1);
    for (size_t way = 0; way < WAYS; way++) {
        memset((void *)table.limiter->entries, 0, WAYS * sizeof(struct entry));
        atomic_store(&table.limiter->entries[way].word, (hash & ~ATTEMPT_MASK) | 7);
        assert_int_equal(drain(&table, &rule, "a", start + (int64_t)way * 100 * NS_PER_S), 3);
    }
    /* All places in the hands of the dead. */
    for (size_t way = 0; way < WAYS; way++) {
        atomic_store(&table.limiter->entries[way].word, (way + 5) << 32 | 9);
    }
    assert_int_equal(drain(&table, &rule, "b", start), 3);
    assert_ok(limiter_open(table.memory, table.size, &table.limiter));
    assert_int_equal(table_used(table.limiter), 1);
    assert_false(admits(&table, &rule, "b", start));
    table_done(&table);
}

/* Many threads make the same entries at once: each key stands once, and gets its limit once. */
struct birth {
    struct table *table;
    struct limit_settings *rule;
    int round;
    _Atomic uint64_t admitted[64];
};

static void birth_run(void *argument, unsigned int index)
{
    struct birth *birth = argument;
    for (int i = 0; i < 64 * 4; i++) {
        unsigned int which = (unsigned int)(i + (int)index * 5) % 64;
        char key[32];
        snprintf(key, sizeof key, "%d/%u", birth->round, which);
        if (admits(birth->table, birth->rule, key, start)) {
            atomic_fetch_add(&birth->admitted[which], 1);
        }
    }
}

static void test_threads_make_one_entry(void **state)
{
    (void)state;
    struct limit_settings rule = window_of(3, 60 * NS_PER_S);
    for (int round = 0; round < 60; round++) {
        struct table table;
        table_init(&table, 1024);
        struct birth birth = { .table = &table, .rule = &rule, .round = round };
        run_threads(birth_run, &birth);
        for (size_t i = 0; i < 64; i++) {
            assert_int_equal(atomic_load(&birth.admitted[i]), 3);
        }
        assert_int_equal(table_used(table.limiter), 64);
        table_done(&table);
    }
}

/* Many more keys than places, from all sides: nobody new is refused, and what stands is sound. */
struct crowd {
    struct table *table;
    struct limit_settings *rules;
    _Atomic uint64_t refused;
};

static void crowd_run(void *argument, unsigned int index)
{
    struct crowd *crowd = argument;
    for (int i = 0; i < 4000; i++) {
        char key[32];
        snprintf(key, sizeof key, "%u/%d", index, i);
        if (!admits(crowd->table, &crowd->rules[i % 2], key, start + i * NS_PER_US)) {
            atomic_fetch_add(&crowd->refused, 1);
        }
    }
}

static void test_threads_in_a_full_table(void **state)
{
    (void)state;
    struct table table;
    table_init(&table, 64);
    struct limit_settings rules[] = { window_of(5, 60 * NS_PER_S), rate_of(5, 60 * NS_PER_S, 5) };
    struct crowd crowd = { .table = &table, .rules = rules };
    run_threads(crowd_run, &crowd);
    assert_int_equal(atomic_load(&crowd.refused), 0);
    for (size_t i = 0; i < table.limiter->sets * WAYS; i++) {
        uint64_t word = atomic_load(&table.limiter->entries[i].word);
        assert_int_equal(word & ATTEMPT_MASK, 0);
        for (size_t k = 0; k < i; k++) {
            assert_true(word == 0 || atomic_load(&table.limiter->entries[k].word) != word);
        }
    }
    table_done(&table);
}

/* Processes that are killed anywhere leave tables that admit what they should: a large one, in which entries are made all
 * the time, and a small one, in which they displace one another. */
struct killing {
    struct table large, small;
    struct limit_settings rules[2];
    _Atomic uint64_t *admitted;
    unsigned int round;
};

static void hammer(const struct killing *killing)
{
    for (unsigned int i = 0;; i++) {
        char key[32];
        snprintf(key, sizeof key, "%u/%u", killing->round, i % 200);
        admits(&killing->small, &killing->rules[i % 2], key, start + i);
        admits(&killing->large, &killing->rules[i % 2], key, start);
        if (admits(&killing->large, &killing->rules[0], "watched", start)) {
            atomic_fetch_add(killing->admitted, 1);
        }
    }
}

static void kill_a_few(const struct killing *killing, uint64_t *seed)
{
    pid_t children[2];
    for (size_t i = 0; i < 2; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            hammer(killing);
            _exit(0);
        }
    }
    usleep((useconds_t)(1000 + next_random(seed) % 4000));
    for (size_t i = 0; i < 2; i++) {
        kill(children[i], SIGKILL);
        assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
    }
}

static void test_killed_processes(void **state)
{
    (void)state;
    enum {
        ROUNDS = 30
    };
    struct killing killing = { .rules = { window_of(100000, 60 * NS_PER_S),
                                          rate_of(50, 60 * NS_PER_S, 50) } };
    table_init(&killing.large, 65536);
    table_init(&killing.small, 64);
    killing.admitted =
        mmap(NULL, sizeof *killing.admitted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(killing.admitted != MAP_FAILED);
    uint64_t seed = 99;
    for (killing.round = 0; killing.round < ROUNDS; killing.round++) {
        kill_a_few(&killing, &seed);
    }
    uint64_t admitted = atomic_load(killing.admitted);
    assert_true(admitted > 0);
    /* Each child can have been killed between an admission and its counting. */
    uint64_t rest = drain(&killing.large, &killing.rules[0], "watched", start);
    assert_in_range(admitted + rest, 100000 - 2 * ROUNDS, 100000);
    assert_int_equal(drain(&killing.large, &killing.rules[0], "watched", start + 60 * NS_PER_S), 100000);
    int64_t later = start + 1000 * NS_PER_S;
    for (unsigned int i = 0; i < 200; i++) {
        char key[32];
        snprintf(key, sizeof key, "newcomer %u", i);
        assert_int_equal(drain(&killing.small, &killing.rules[1], key, later + i * 100 * NS_PER_S), 50);
    }
    munmap((void *)killing.admitted, sizeof *killing.admitted);
    table_done(&killing.large);
    table_done(&killing.small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_bad_memory),
        cmocka_unit_test(test_counts_survive),
        cmocka_unit_test(test_what_fits),
        cmocka_unit_test(test_the_hash_is_keyed),
        cmocka_unit_test(test_keys_of_any_length),
        cmocka_unit_test(test_find_and_take),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test(test_a_spent_entry_outlives_a_crowd),
        cmocka_unit_test(test_dead_attempts),
        cmocka_unit_test(test_threads_make_one_entry),
        cmocka_unit_test(test_threads_in_a_full_table),
        cmocka_unit_test(test_killed_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
