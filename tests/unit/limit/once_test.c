#include "limit/once.h"

#include "base/clock.h"
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOW    (1000 * NS_PER_S)
#define MINUTE (60 * NS_PER_S)

static void *memory;
static size_t size;
static struct once_table *table;

static struct once_table *open_table(size_t uses, int64_t now)
{
    size = once_size(uses);
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    assert_ok(once_open(memory, size, now, &table));
    return table;
}

static int end(void **state)
{
    (void)state;
    munmap(memory, size);
    return 0;
}

static enum once_result use(int number, int64_t now, int64_t until)
{
    return once_use(table, &number, sizeof number, now, until);
}

static void each_may_be_used_once(void **state)
{
    (void)state;
    open_table(1024, NOW);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(use(i, NOW, NOW + MINUTE), ONCE_FIRST);
    }
    for (int i = 0; i < 100; i++) {
        assert_int_equal(use(i, NOW + MINUTE - 1, NOW + 2 * MINUTE), ONCE_AGAIN);
    }
    assert_int_equal(use(100, NOW, NOW + MINUTE), ONCE_FIRST);
}

/* Until its end and a margin; then the place is free. */
static void what_has_ended_is_forgotten(void **state)
{
    (void)state;
    open_table(64, NOW);
    assert_int_equal(use(1, NOW, NOW + NS_PER_S), ONCE_FIRST);
    assert_int_equal(use(1, NOW + 2 * NS_PER_S, NOW + MINUTE), ONCE_AGAIN);
    assert_int_equal(use(1, NOW + 10 * NS_PER_S, NOW + MINUTE), ONCE_FIRST);
    /* ends are counted round: a day, and the time that they take to come round, are far behind */
    for (int64_t days = 1; days < 40; days++) {
        int64_t now = NOW + days * 86400 * NS_PER_S;
        assert_int_equal(use(1, now, now + MINUTE), ONCE_FIRST);
        assert_int_equal(use(1, now + MINUTE - 1, now + 2 * MINUTE), ONCE_AGAIN);
    }
}

static void the_longest_life_is_kept(void **state)
{
    (void)state;
    open_table(64, NOW);
    int64_t until = NOW + ONCE_LIFE_MAX_S * NS_PER_S;
    assert_int_equal(use(1, NOW, until), ONCE_FIRST);
    assert_int_equal(use(1, NOW, until), ONCE_AGAIN);
    assert_int_equal(use(1, until - 1, until + 1), ONCE_AGAIN);
}

static void a_full_set_takes_nothing_and_forgets_nothing(void **state)
{
    (void)state;
    open_table(ONCE_WAYS, NOW);
    for (int i = 0; i < ONCE_WAYS; i++) {
        assert_int_equal(use(i, NOW, NOW + MINUTE), ONCE_FIRST);
    }
    assert_int_equal(use(1000, NOW, NOW + MINUTE), ONCE_FULL);
    for (int i = 0; i < ONCE_WAYS; i++) {
        assert_int_equal(use(i, NOW + 1, NOW + MINUTE), ONCE_AGAIN);
    }
    assert_int_equal(use(1000, NOW + 2 * MINUTE, NOW + 3 * MINUTE), ONCE_FIRST);
}

static void another_process_knows_what_was_used(void **state)
{
    (void)state;
    open_table(4096, NOW);
    unsigned char secret[ONCE_SECRET];
    memcpy(secret, once_secret(table), sizeof secret);
    assert_int_equal(use(1, NOW, NOW + MINUTE), ONCE_FIRST);
    struct once_table *again = NULL;
    assert_ok(once_open(memory, size, NOW + NS_PER_S, &again));
    assert_int_equal(once_since(again), NOW);
    assert_memory_equal(secret, once_secret(again), sizeof secret);
    table = again;
    assert_int_equal(use(1, NOW + NS_PER_S, NOW + MINUTE), ONCE_AGAIN);
    /* of another layout: made anew, with another secret */
    memset(memory, 0xff, 8);
    assert_ok(once_open(memory, size, NOW + NS_PER_S, &table));
    assert_int_equal(once_since(table), NOW + NS_PER_S);
    assert_memory_not_equal(secret, once_secret(table), sizeof secret);
    assert_int_equal(use(1, NOW + NS_PER_S, NOW + MINUTE), ONCE_FIRST);
}

/* What a shorter life has let go could be used again by a longer one. */
static void a_longer_life_begins_anew(void **state)
{
    (void)state;
    open_table(64, NOW);
    once_promise(table, MINUTE, NOW + 1);
    assert_int_equal(once_since(table), NOW);
    once_promise(table, MINUTE, NOW + 2);
    once_promise(table, MINUTE / 2, NOW + 3);
    assert_int_equal(once_since(table), NOW);
    once_promise(table, MINUTE, NOW + 4);
    assert_int_equal(once_since(table), NOW + 4);
}

static void memory_that_does_not_do(void **state)
{
    (void)state;
    open_table(64, NOW);
    struct once_table *none;
    assert_fails(once_open(NULL, size, NOW, &none), ERROR_VALUE);
    assert_fails(once_open((char *)memory + 8, size - 8, NOW, &none), ERROR_VALUE);
    assert_fails(once_open(memory, 64, NOW, &none), ERROR_VALUE);
    char path[] = "/tmp/sallyport-once-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    assert_int_equal(ftruncate(fd, (off_t)once_size(1024)), 0);
    assert_true(once_fits(fd, once_size(1024)));
    assert_false(once_fits(fd, once_size(1024 * 1024)));
    assert_int_equal(pwrite(fd, "another", 7, 0), 7);
    assert_false(once_fits(fd, once_size(1024)));
    close(fd);
}

#define THREADS 8
#define NAMES   20000

static _Atomic int firsts[NAMES];

static void *use_all(void *argument)
{
    (void)argument;
    for (int i = 0; i < NAMES; i++) {
        if (use(i, NOW, NOW + MINUTE) == ONCE_FIRST) {
            firsts[i]++;
        }
    }
    return NULL;
}

static void of_many_threads_one_is_the_first(void **state)
{
    (void)state;
    open_table(16 * NAMES, NOW);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_all, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    int none = 0;
    for (int i = 0; i < NAMES; i++) {
        assert_true(firsts[i] <= 1);
        none += firsts[i] == 0;
    }
    assert_true(none < NAMES / 100); /* two at the same moment may refuse each other */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_may_be_used_once, end),
        cmocka_unit_test_teardown(what_has_ended_is_forgotten, end),
        cmocka_unit_test_teardown(the_longest_life_is_kept, end),
        cmocka_unit_test_teardown(a_full_set_takes_nothing_and_forgets_nothing, end),
        cmocka_unit_test_teardown(another_process_knows_what_was_used, end),
        cmocka_unit_test_teardown(a_longer_life_begins_anew, end),
        cmocka_unit_test_teardown(memory_that_does_not_do, end),
        cmocka_unit_test_teardown(of_many_threads_one_is_the_first, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
