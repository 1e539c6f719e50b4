#include "upstream/split.h"

#include "unit.h"
#include "upstream/balance/balance.h"

#include <pthread.h>

static struct split *make(struct arena *arena, const int64_t *weights, size_t count)
{
    static struct split_share shares[SPLIT_SHARES_MAX];
    unsigned int upstreams[SPLIT_SHARES_MAX];
    for (size_t i = 0; i < count; i++) {
        shares[i] = (struct split_share){ .weight = weights[i] };
        upstreams[i] = (unsigned int)i + 10;
    }
    const struct split_settings settings = { .weights = { shares, count } };
    struct split *split;
    arena_init(arena, 1 << 16);
    assert_ok(split_new(&settings, upstreams, arena, &split));
    return split;
}

#define WEIGHTS(...) \
    ((const int64_t[]){ __VA_ARGS__ }), sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)

static void test_shares_are_exact(void **state)
{
    (void)state;
    static const int64_t cases[][3] = { { 95, 5, 0 }, { 1, 1, 1 },     { 1, 0, 0 },
                                        { 7, 3, 90 }, { 10000, 1, 0 }, { 0, 0, 3 } };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct arena arena;
        struct split *split = make(&arena, cases[c], 3);
        int64_t total = cases[c][0] + cases[c][1] + cases[c][2], counts[3] = { 0 };
        for (int64_t i = 0; i < 3 * total; i++) {
            counts[split_next(split) - 10]++;
        }
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(counts[i], 3 * cases[c][i]);
        }
        arena_done(&arena);
    }
}

/* 5 of 100: no run of more than 30 without one, where chance would make such runs all the time. */
static void test_shares_are_spread(void **state)
{
    (void)state;
    struct arena arena;
    struct split *split = make(&arena, WEIGHTS(95, 5));
    int since = 0;
    for (int i = 0; i < 1000; i++) {
        since = split_next(split) == 11 ? 0 : since + 1;
        assert_true(since <= 40);
    }
    arena_done(&arena);
}

static void *take_2500(void *argument)
{
    static uint64_t counts[4]; /* what each thread gave to the canary */
    static int threads;
    uint64_t *count = &counts[__atomic_fetch_add(&threads, 1, __ATOMIC_RELAXED)];
    for (int i = 0; i < 2500; i++) {
        *count += split_next(argument) == 11;
    }
    return count;
}

static void test_workers_share_one_count(void **state)
{
    (void)state;
    struct arena arena;
    struct split *split = make(&arena, WEIGHTS(95, 5));
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_2500, split), 0);
    }
    uint64_t canary = 0;
    for (size_t i = 0; i < 4; i++) {
        void *count;
        assert_int_equal(pthread_join(threads[i], &count), 0);
        canary += *(uint64_t *)count;
    }
    assert_int_equal(canary, 500);
    arena_done(&arena);
}

static void test_keys_stay(void **state)
{
    (void)state;
    struct arena arena;
    struct split *split = make(&arena, WEIGHTS(80, 20));
    size_t canary = 0;
    for (int i = 0; i < 10000; i++) {
        char text[16];
        snprintf(text, sizeof text, "user-%d", i);
        uint64_t key = balance_key(slice_from_string(text));
        unsigned int one = split_of(split, key);
        split_next(split);
        assert_int_equal(split_of(split, key), one);
        canary += one == 11;
    }
    assert_true(canary > 1800 &&
                canary < 2200); /* 2000, with a standard deviation of 40: always the same keys */
    arena_done(&arena);
}

static void test_checks(void **state)
{
    (void)state;
    struct split_share shares[SPLIT_SHARES_MAX + 1] = { { .weight = 0 } };
    struct split_settings settings = { .weights = { shares, 2 } };
    const void *where;
    assert_non_null(strstr(split_check(&settings, &where), "all weights are 0"));
    assert_ptr_equal(where, &settings.weights);
    shares[1].weight = 1;
    assert_null(split_check(&settings, &where));
    settings.weights.count = SPLIT_SHARES_MAX + 1;
    assert_non_null(split_check(&settings, &where));
    settings.weights.count = 2;
    settings.sticky = SLICE("weather");
    assert_non_null(split_check(&settings, &where));
    assert_ptr_equal(where, &settings.sticky);
    settings.sticky = SLICE("cookie:session");
    assert_null(split_check(&settings, &where));
    assert_int_equal(settings.source.by, BALANCE_BY_COOKIE);
    assert_slice(settings.source.name, "session");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_are_exact),
        cmocka_unit_test(test_shares_are_spread),
        cmocka_unit_test(test_workers_share_one_count),
        cmocka_unit_test(test_keys_stay),
        cmocka_unit_test(test_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
