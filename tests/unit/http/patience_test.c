#include "unit.h"

#include "http/patience.h"

#define LIMIT (30 * NS_PER_S)
#define RATE  500

static struct patience fresh(void)
{
    struct patience patience;
    patience_reset(&patience, LIMIT);
    return patience;
}

/* Bytes every `gap` for as long as patience lasts, ten minutes at the most; how long it lasted. */
static int64_t last(struct patience *patience, int64_t gap, size_t bytes)
{
    int64_t now = NS_PER_S;
    int64_t start = now;
    while (now - start < 600 * NS_PER_S) {
        patience_wait(patience, now);
        now += gap;
        if (!patience_progress(patience, now, bytes, LIMIT, RATE)) {
            return now - start;
        }
    }
    return INT64_MAX;
}

static void a_trickle_ends_after_about_one_limit(void **state)
{
    (void)state;
    struct patience patience = fresh();
    int64_t lasted = last(&patience, NS_PER_S, 1);
    assert_true(lasted >= LIMIT && lasted <= LIMIT + 2 * NS_PER_S);
}

static void short_gaps_do_not_help(void **state)
{
    (void)state;
    struct patience patience = fresh();
    int64_t lasted = last(&patience, 10 * NS_PER_MS, 1); /* 100 bytes a second, where 500 are wanted */
    assert_true(lasted > LIMIT && lasted < 2 * LIMIT);
}

static void a_flow_at_the_rate_goes_on(void **state)
{
    (void)state;
    struct patience patience = fresh();
    assert_true(last(&patience, NS_PER_S, RATE) == INT64_MAX);
    patience = fresh();
    assert_true(last(&patience, 20 * NS_PER_S, 20 * RATE) == INT64_MAX);
}

static void one_wait_longer_than_the_limit_ends_it(void **state)
{
    (void)state;
    struct patience patience = fresh();
    patience_wait(&patience, NS_PER_S);
    assert_false(patience_progress(&patience, NS_PER_S + LIMIT + 1, 1 << 20, LIMIT, RATE));
}

static void what_was_sent_before_is_not_saved_up(void **state)
{
    (void)state;
    struct patience patience = fresh();
    patience_wait(&patience, NS_PER_S);
    assert_true(patience_progress(&patience, NS_PER_S, (size_t)1 << 30, LIMIT, RATE));
    patience_wait(&patience, NS_PER_S);
    assert_false(patience_progress(&patience, NS_PER_S + LIMIT + 1, 1, LIMIT, RATE));
}

static void our_own_pauses_cost_nothing(void **state)
{
    (void)state;
    struct patience patience = fresh();
    patience_wait(&patience, NS_PER_S);
    patience_pause(&patience, 2 * NS_PER_S);
    patience_wait(&patience, 1000 * NS_PER_S);
    assert_true(patience_progress(&patience, 1001 * NS_PER_S, 1, LIMIT, RATE));
}

static void waiting_twice_is_waiting_once(void **state)
{
    (void)state;
    struct patience patience = fresh();
    patience_wait(&patience, NS_PER_S);
    patience_wait(&patience, NS_PER_S + LIMIT);
    assert_false(patience_progress(&patience, NS_PER_S + LIMIT + 1, 1, LIMIT, RATE));
}

static void without_a_limit_or_a_rate_it_never_ends(void **state)
{
    (void)state;
    struct patience patience = fresh();
    patience_wait(&patience, NS_PER_S);
    assert_true(patience_progress(&patience, 1000 * NS_PER_S, 1, 0, RATE));
    assert_true(patience_progress(&patience, 2000 * NS_PER_S, 1, LIMIT, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trickle_ends_after_about_one_limit),
        cmocka_unit_test(short_gaps_do_not_help),
        cmocka_unit_test(a_flow_at_the_rate_goes_on),
        cmocka_unit_test(one_wait_longer_than_the_limit_ends_it),
        cmocka_unit_test(what_was_sent_before_is_not_saved_up),
        cmocka_unit_test(our_own_pauses_cost_nothing),
        cmocka_unit_test(waiting_twice_is_waiting_once),
        cmocka_unit_test(without_a_limit_or_a_rate_it_never_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
