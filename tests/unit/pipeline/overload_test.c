#include "unit.h"

#include "base/clock.h"
#include "pipeline/overload.h"

#define MS       NS_PER_MS
#define DEADLINE (200 * MS)
#define NOW      (1000 * NS_PER_S)

/* Only what the policy looks at. */
static struct net_loop loop;
static struct overload overload;
static int64_t known; /* what the kernel says */
static int64_t held_off;

static int64_t stream_knows(struct http_stream *stream)
{
    (void)stream;
    return known;
}

static void stream_is_held_off(struct http_stream *stream, int64_t duration)
{
    (void)stream;
    held_off = duration;
}

static const struct http_stream_ops ops = { .waited = stream_knows,
                                            .unread = stream_knows,
                                            .hold_off = stream_is_held_off };

static bool is_refused(struct http_stream stream)
{
    stream.ops = &ops;
    held_off = 0;
    int64_t retry_after = overload_refuses(&overload, &loop, &stream, NOW);
    assert_true(held_off == 0 || held_off == retry_after); /* who waits as told does not wait in vain */
    return retry_after > 0;
}

static bool refused(bool after_hold_off)
{
    return is_refused((struct http_stream){ .held_off = after_hold_off });
}

static int setup(void **state)
{
    (void)state;
    const struct overload_settings settings = { .queue_deadline = DEADLINE, .retry_after = 3 * NS_PER_S };
    loop = (struct net_loop){ .long_since = INT64_MAX };
    overload = (struct overload){ 0 };
    overload_set(&overload, &loop, &settings);
    known = 10 * NS_PER_S;
    return 0;
}

static void nothing_is_refused_while_turns_are_short(void **state)
{
    (void)state;
    assert_int_equal(loop.long_turn, DEADLINE / 4);
    assert_false(refused(false));
}

static void one_long_turn_is_no_queue_that_stands(void **state)
{
    (void)state;
    loop.long_since = NOW - DEADLINE + 1;
    assert_false(refused(false));
    loop.long_since = NOW - DEADLINE;
    assert_true(refused(false));
    assert_true(held_off >= 3 * NS_PER_S && held_off < 6 * NS_PER_S);
}

static void a_moment_after_a_denial_one_long_turn_is_enough(void **state)
{
    (void)state;
    loop.long_since = NOW - DEADLINE;
    assert_true(refused(false));
    loop.long_since = NOW;
    assert_true(refused(false));
    overload.alert_until = NOW;
    assert_false(refused(false));
    /* And none is none. */
    overload.alert_until = NOW + NS_PER_S;
    loop.long_since = INT64_MAX;
    assert_false(refused(false));
}

static void who_is_held_off_in_one_moment_comes_back_in_many(void **state)
{
    (void)state;
    loop.long_since = NOW - DEADLINE;
    int64_t seen[16];
    for (size_t i = 0; i < 16; i++) {
        assert_true(refused(false));
        seen[i] = held_off;
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(seen[i], seen[j]);
        }
    }
}

static void what_came_just_now_is_taken_even_then(void **state)
{
    (void)state;
    loop.long_since = NOW - NS_PER_S;
    known = DEADLINE / 4;
    for (int i = 0; i < 100; i++) {
        assert_false(refused(false));
    }
    assert_int_equal(held_off, 0);
}

static void between_a_quarter_and_half_a_part_goes_evenly(void **state)
{
    (void)state;
    loop.long_since = NOW - NS_PER_S;
    known = DEADLINE * 3 / 8; /* half of the way: a quarter of a quarter of them */
    int denied = 0;
    for (int i = 1; i <= 100; i++) {
        denied += refused(false);
        assert_int_equal(denied, i / 16);
    }
    known = DEADLINE / 2;
    for (int i = 1; i <= 100; i++) {
        assert_true(refused(false));
    }
}

static void where_the_kernel_does_not_tell_the_turns_do(void **state)
{
    (void)state;
    known = -1;
    loop.long_since = NOW - NS_PER_S;
    loop.turn_began = NOW - 10 * MS;
    loop.last_turn = 150 * MS;
    assert_true(refused(false));
    loop.last_turn = 10 * MS;
    assert_false(refused(false));
    loop.turn_began = NOW - 150 * MS;
    assert_true(refused(false));
}

/* It came while nobody listened, and has waited. When all is calm again it costs the client one more answer, and no more
 * waiting. */
static void who_did_not_wait_for_retry_after_has_waited_all_the_same(void **state)
{
    (void)state;
    assert_true(refused(true));
    assert_int_equal(held_off, 0);
    known = 0;
    assert_false(refused(true));
    known = 10 * NS_PER_S;
    loop.long_since = NOW - NS_PER_S;
    overload.waited = DEADLINE / 4; /* others are served soon: there is room */
    assert_true(refused(true));
    assert_int_equal(held_off, 0);
    overload.waited++;
    assert_true(refused(true));
    assert_true(held_off >= 3 * NS_PER_S); /* again */
}

/* Turns are short, but connections have waited for each other before accept: whose request is too old by then is told so for
 * the first time, and does as it was told as anyone. */
static void who_waited_to_be_accepted_is_held_off_as_well(void **state)
{
    (void)state;
    const struct http_stream late = { .late = true };
    known = DEADLINE / 2 - 1;
    assert_false(is_refused(late));
    assert_int_equal(held_off, 0);
    known = DEADLINE / 2;
    assert_true(is_refused(late));
    assert_true(held_off >= 3 * NS_PER_S);
    assert_int_equal(overload.alert_until, NOW + 4 * NS_PER_S);
    assert_false(refused(false));
}

static int64_t again(unsigned int holds)
{
    struct http_stream stream = { .ops = &ops, .holds = holds };
    int64_t more = overload_holds_again(&overload, &loop, &stream, NOW);
    assert_int_equal(stream.holds, holds + (more > 0));
    assert_true(more == 0 || more >= overload.retry_after);
    return more;
}

/* Requests are being denied. */
static void crowd(void)
{
    loop.long_since = NOW - NS_PER_S;
    overload.alert_until = NOW + NS_PER_S;
    overload.waited = DEADLINE / 2;
}

static void who_waited_as_told_is_listened_to(void **state)
{
    (void)state;
    crowd();
    known = -1; /* it has sent nothing */
    assert_int_equal(again(0), 0);
    known = 10 * MS; /* or just now */
    assert_int_equal(again(0), 0);
}

static void who_did_not_is_left_where_it_is_a_few_times(void **state)
{
    (void)state;
    crowd();
    for (unsigned int i = 0; i < 5; i++) {
        assert_true(again(i) > 0);
    }
    assert_int_equal(again(5), 0);
}

/* Not all come back in the moment in which there is room. */
static void every_second_one_for_a_while_after(void **state)
{
    (void)state;
    crowd();
    overload.waited = DEADLINE / 4;
    int held = 0;
    for (int i = 0; i < 10; i++) {
        held += again(0) > 0;
    }
    assert_int_equal(held, 5);
    overload.alert_until = NOW;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(again(0), 0);
    }
}

static void without_a_deadline_everything_is_taken(void **state)
{
    (void)state;
    const struct overload_settings settings = { .queue_deadline = 0, .retry_after = NS_PER_S };
    crowd();
    overload_set(&overload, &loop, &settings);
    assert_int_equal(loop.long_turn, INT64_MAX);
    assert_false(refused(false));
    assert_false(refused(true));
    assert_int_equal(again(0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_refused_while_turns_are_short),
        TEST(one_long_turn_is_no_queue_that_stands),
        TEST(a_moment_after_a_denial_one_long_turn_is_enough),
        TEST(who_is_held_off_in_one_moment_comes_back_in_many),
        TEST(what_came_just_now_is_taken_even_then),
        TEST(between_a_quarter_and_half_a_part_goes_evenly),
        TEST(where_the_kernel_does_not_tell_the_turns_do),
        TEST(who_did_not_wait_for_retry_after_has_waited_all_the_same),
        TEST(who_waited_to_be_accepted_is_held_off_as_well),
        TEST(who_waited_as_told_is_listened_to),
        TEST(who_did_not_is_left_where_it_is_a_few_times),
        TEST(every_second_one_for_a_while_after),
        TEST(without_a_deadline_everything_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
