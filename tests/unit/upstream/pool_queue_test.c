#include "upstream/pool_fixture.h"

static void all_connections_in_use_is_busy(void **state)
{
    (void)state;
    fixture->settings.max_connections = 2;
    make_pool(fixture->services[0].url, NULL);
    acquire_ready(0);
    acquire_ready(1);
    struct user *third = acquire(2);
    assert_int_equal(third->answers, 1);
    assert_int_equal(third->failure.reason, DENY_UPSTREAM_BUSY);
    upstream_release(&fixture->users[0].ticket);
    acquire_ready(3);
}

static void allow(int64_t connections, int64_t pending, int64_t patience)
{
    fixture->settings.max_connections = connections;
    fixture->settings.max_pending = pending;
    fixture->settings.pending_timeout = patience;
    make_pool(fixture->services[0].url, NULL);
}

static void who_waits_for_a_connection_gets_it_in_order(void **state)
{
    (void)state;
    allow(1, 2, 60 * NS_PER_S);
    acquire_ready(0);
    struct user *second = acquire(1);
    struct user *third = acquire(2);
    turn();
    assert_int_equal(second->answers + third->answers, 0);
    assert_int_equal(count("sallyport_upstream_pending"), 2);
    /* No more than that: the next one is told at once. */
    assert_int_equal(acquire(3)->failure.reason, DENY_UPSTREAM_BUSY);
    upstream_release(&fixture->users[0].ticket);
    assert_int_equal(second->answers, 0); /* not from within the end of another */
    turn_until(&second->ready);
    assert_int_equal(second->failure.reason, DENY_NONE);
    assert_int_equal(third->answers, 0);
    upstream_release(&second->ticket);
    turn_until(&third->ready);
    assert_int_equal(third->failure.reason, DENY_NONE);
    assert_int_equal(count("sallyport_upstream_pending"), 0);
    assert_int_equal(count("sallyport_upstream_connections_open"), 1);
}

static void nobody_overtakes_who_waits(void **state)
{
    (void)state;
    allow(1, 2, 60 * NS_PER_S);
    acquire_ready(0);
    struct user *second = acquire(1);
    upstream_release(&fixture->users[0].ticket);
    struct user *third = acquire(2);
    assert_int_equal(third->answers, 0);
    turn_until(&second->ready);
    assert_int_equal(third->answers, 0);
    upstream_release(&second->ticket);
    turn_until(&third->ready);
}

static enum deny_reason shortage(void)
{
    int64_t wait;
    return upstream_shortage(fixture->pool, &wait);
}

static void who_waits_too_long_is_told(void **state)
{
    (void)state;
    allow(1, 2, 20 * NS_PER_MS);
    acquire_ready(0);
    struct user *second = acquire(1);
    turn_until(&second->ready);
    assert_int_equal(second->failure.reason, DENY_UPSTREAM_PENDING);
    assert_int_equal(second->answers, 1);
    assert_int_equal(count("sallyport_upstream_pending"), 0);
    upstream_release(&second->ticket);
    upstream_release(&fixture->users[0].ticket);
    acquire_ready(2);
}

static void no_place_in_the_queue_is_known_beforehand(void **state)
{
    (void)state;
    allow(1, 1, 60 * NS_PER_S);
    assert_int_equal(shortage(), DENY_NONE);
    acquire_ready(0);
    assert_int_equal(shortage(), DENY_NONE); /* it may wait */
    struct user *second = acquire(1);
    assert_int_equal(shortage(), DENY_UPSTREAM_BUSY);
    upstream_release(&fixture->users[0].ticket);
    /* The place is free, and is the other one's: nobody overtakes it. */
    assert_int_equal(shortage(), DENY_UPSTREAM_BUSY);
    assert_int_equal(acquire(2)->failure.reason, DENY_UPSTREAM_BUSY);
    turn_until(&second->ready);
    assert_int_equal(shortage(), DENY_NONE);
}

static void no_connection_and_no_queue_is_known_beforehand(void **state)
{
    (void)state;
    allow(1, 0, 60 * NS_PER_S);
    assert_int_equal(shortage(), DENY_NONE);
    acquire_ready(0);
    assert_int_equal(shortage(), DENY_UPSTREAM_BUSY);
    upstream_release(&fixture->users[0].ticket);
    assert_int_equal(shortage(), DENY_NONE);
}

/* The clock stands still between turns: the test moves it. */
static void who_would_wait_in_vain_is_told_beforehand(void **state)
{
    (void)state;
    const int64_t patience = 60 * NS_PER_S;
    allow(1, 100, patience);
    acquire_ready(0);
    int64_t began = fixture->loop.now;
    for (size_t i = 1; i <= 4; i++) {
        acquire(i);
    }
    /* The head has waited for its place, and four behind it wait for theirs: five times as long, with the newcomer. */
    fixture->loop.now = began + patience / 10;
    assert_int_equal(shortage(), DENY_NONE); /* too early to tell */
    fixture->loop.now = began + patience / 4 + 1;
    assert_int_equal(shortage(), DENY_UPSTREAM_PENDING);
    /* Two places became free in that time: the next one's wait was for three, and three wait with the newcomer. */
    upstream_release(&fixture->users[1].ticket);
    upstream_release(&fixture->users[2].ticket);
    assert_int_equal(shortage(), DENY_NONE);
    fixture->loop.now = began + patience / 2 + 1;
    assert_int_equal(shortage(), DENY_UPSTREAM_PENDING);
    /* Whatever was waited before: nobody waits now. */
    upstream_release(&fixture->users[3].ticket);
    upstream_release(&fixture->users[4].ticket);
    assert_int_equal(shortage(), DENY_NONE);
}

static void who_goes_while_it_waits_leaves_the_others_in_order(void **state)
{
    (void)state;
    allow(1, 3, 60 * NS_PER_S);
    acquire_ready(0);
    struct user *second = acquire(1), *third = acquire(2), *fourth = acquire(3);
    upstream_release(&third->ticket);
    upstream_release(&fixture->users[0].ticket);
    turn_until(&second->ready);
    upstream_release(&second->ticket);
    turn_until(&fourth->ready);
    assert_int_equal(third->answers, 0);
    upstream_release(&fourth->ticket);
    assert_int_equal(count("sallyport_upstream_pending"), 0);
}

/* A connection that could not be opened leaves its place to the next. */
static void a_failure_makes_room_too(void **state)
{
    (void)state;
    allow(1, 1, 60 * NS_PER_S);
    service_close(&fixture->services[0]);
    struct user *first = acquire(0), *second = acquire(1);
    turn_until(&first->ready);
    turn_until(&second->ready);
    assert_int_equal(first->failure.reason, DENY_UPSTREAM_CONNECT);
    assert_int_equal(second->failure.reason, DENY_UPSTREAM_CONNECT);
}

static void a_pool_may_go_while_places_are_being_given(void **state)
{
    (void)state;
    allow(1, 1, 60 * NS_PER_S);
    acquire_ready(0);
    struct user *second = acquire(1);
    upstream_release(&fixture->users[0].ticket);
    upstream_release(&second->ticket);
    upstream_pool_free(fixture->pool); /* its task is still posted */
    fixture->pool = NULL;
    turn();
    assert_int_equal(second->answers, 0);
}

/* The healthy one is at its maximum: who comes waits for it. */
static void who_waits_does_not_get_an_unhealthy_endpoint(void **state)
{
    (void)state;
    fixture->settings.max_connections = 1;
    fixture->settings.max_pending = 2;
    fixture->settings.pending_timeout = 60 * NS_PER_S;
    make_pool(fixture->services[0].url, fixture->services[1].url);
    struct health_mark *first = mark(0);
    health_mark_set(first, true);
    struct user *user = acquire_ready(0);
    assert_true(slice_equal(user->ticket.url, fixture->urls[1]));
    struct user *waiting = acquire(1);
    turn();
    assert_false(waiting->ready);
    upstream_release(&user->ticket);
    turn_until(&waiting->ready);
    assert_true(slice_equal(waiting->ticket.url, fixture->urls[1]));
}

/* Of which nobody tells the pool: the next one that comes sees it, and those before it are served first. */
static void who_waits_gets_an_endpoint_that_is_healthy_again(void **state)
{
    (void)state;
    fixture->settings.max_connections = 1;
    fixture->settings.max_pending = 2;
    fixture->settings.pending_timeout = 60 * NS_PER_S;
    make_pool(fixture->services[0].url, fixture->services[1].url);
    struct health_mark *first = mark(0);
    health_mark_set(first, true);
    acquire_ready(0);
    struct user *waiting = acquire(1);
    turn();
    assert_false(waiting->ready);
    health_mark_set(first, false);
    struct user *next = acquire(2);
    turn_until(&waiting->ready);
    assert_true(slice_equal(waiting->ticket.url, fixture->urls[0]));
    assert_false(next->ready);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_connections_in_use_is_busy),
        TEST(who_waits_for_a_connection_gets_it_in_order),
        TEST(nobody_overtakes_who_waits),
        TEST(who_waits_too_long_is_told),
        TEST(no_place_in_the_queue_is_known_beforehand),
        TEST(no_connection_and_no_queue_is_known_beforehand),
        TEST(who_would_wait_in_vain_is_told_beforehand),
        TEST(who_goes_while_it_waits_leaves_the_others_in_order),
        TEST(a_failure_makes_room_too),
        TEST(a_pool_may_go_while_places_are_being_given),
        TEST(who_waits_does_not_get_an_unhealthy_endpoint),
        TEST(who_waits_gets_an_endpoint_that_is_healthy_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
