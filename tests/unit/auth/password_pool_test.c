#include "auth/password_pool.h"

#include "unit.h"

#define JOBS 200

static const char *const hash = "$y$j75$abcdefghijkl$/OYQ6YM2aN7OGxkif7YLK2VAPn5jV0nW8YSYU/CFM61";

static struct net_loop loop;
static struct password_job jobs[JOBS];
static size_t taken, done, matched;

static void on_done(struct net_task *task)
{
    const struct password_job *job = (const struct password_job *)task;
    /* On a machine that is busy with other tests some may wait for too long. */
    assert_true(!failed(job->error) || (job->error.kind == ERROR_LIMIT && !job->matches));
    matched += job->matches;
    if (++done == taken) {
        net_loop_stop(&loop);
    }
}

static bool submit(struct password_pool *pool, size_t number, const char *password, uint64_t source)
{
    jobs[number] = (struct password_job){ .task = { .run = on_done },
                                          .loop = &loop,
                                          .hash = slice_from_string(hash),
                                          .password = slice_from_string(password),
                                          .source = source };
    bool good = password_pool_submit(pool, &jobs[number]);
    taken += good;
    return good;
}

static struct password_pool *begin(unsigned int threads)
{
    struct password_pool *pool = NULL;
    taken = done = matched = 0;
    assert_ok(net_loop_init(&loop));
    assert_ok(password_pool_new(threads, &pool));
    return pool;
}

static void end(struct password_pool *pool)
{
    net_loop_run(&loop);
    password_pool_free(pool);
    net_loop_done(&loop);
}

static void verifies_elsewhere(void **state)
{
    (void)state;
    struct password_pool *pool = begin(3);
    for (size_t i = 0; i < 12; i++) {
        assert_true(submit(pool, i, i % 3 == 0 ? "open sesame" : "wrong", i));
    }
    end(pool);
    assert_int_equal(done, 12);
    for (size_t i = 0; i < 12; i++) {
        assert_true(failed(jobs[i].error) || jobs[i].matches == (i % 3 == 0));
    }
}

/* What a thread has taken does not wait any more: so there may be some more than the places. */
static void its_queue_has_an_end(void **state)
{
    (void)state;
    struct password_pool *pool = begin(1);
    for (size_t i = 0; i < JOBS; i++) {
        submit(pool, i, "wrong", i);
    }
    assert_in_range(taken, PASSWORD_WAITING_MAX, JOBS - 1);
    end(pool);
    assert_int_equal(done, taken);
}

static void one_source_has_a_part_of_it(void **state)
{
    (void)state;
    struct password_pool *pool = begin(1);
    for (size_t i = 0; i < PASSWORD_WAITING_MAX; i++) {
        submit(pool, i, "wrong", 1);
    }
    assert_in_range(taken, PASSWORD_PER_SOURCE, PASSWORD_WAITING_MAX - 1);
    assert_true(submit(pool, PASSWORD_WAITING_MAX, "open sesame", 2)); /* the honest twin */
    end(pool);
    assert_true(matched == 1 || failed(jobs[PASSWORD_WAITING_MAX].error));
}

static void ends_without_having_begun(void **state)
{
    (void)state;
    struct password_pool *pool = NULL;
    assert_ok(password_pool_new(8, &pool));
    password_pool_free(pool);
    password_pool_free(NULL);
    assert_int_equal(password_pool_threads(0), 1);
    assert_int_equal(password_pool_threads(2), 1);
    assert_int_equal(password_pool_threads(8), 4);
    assert_int_equal(password_pool_threads(200), PASSWORD_THREADS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_elsewhere),
        cmocka_unit_test(its_queue_has_an_end),
        cmocka_unit_test(one_source_has_a_part_of_it),
        cmocka_unit_test(ends_without_having_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
