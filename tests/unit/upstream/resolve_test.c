#include "unit.h"

#include "base/clock.h"
#include "upstream/resolve.h"

#include "upstream/resolver.h"

struct fixture {
    struct net_loop loop;
    struct resolved resolved;
    unsigned int calls;
    bool done, found;
};

static struct fixture *fixture;

static void on_done(struct resolved *resolved, bool found)
{
    (void)resolved;
    fixture->calls++;
    fixture->done = true;
    fixture->found = found;
}

static int setup(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->loop));
    resolved_init(&fixture->resolved, &fixture->loop);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    resolver_says(NULL, NULL);
    resolved_done(&fixture->resolved);
    net_loop_done(&fixture->loop);
    free(fixture);
    return 0;
}

static void wait_until_done(void)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (!fixture->done && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_ONCE);
    }
    assert_true(fixture->done);
}

/* libuv's thread pool may still hold the loop: only when nothing of it is under way may the memory go. */
static void run_to_the_end(void)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (fixture->loop.uv.active_reqs.count > 0 && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
}

static void look_up(void)
{
    fixture->done = false;
    assert_true(resolved_start(&fixture->resolved, SLICE("orders.example.com"), on_done));
    assert_false(fixture->done);
    wait_until_done();
}

static void assert_address(size_t index, const char *text)
{
    struct address expected;
    assert_true(address_parse(slice_from_string(text), &expected));
    struct address address = resolved_at(&fixture->resolved, index);
    assert_memory_equal(address.bytes, expected.bytes, sizeof address.bytes);
}

static void finds_all_addresses(void **state)
{
    (void)state;
    resolver_says("192.0.2.1", "192.0.2.2");
    look_up();
    assert_true(fixture->found);
    assert_true(resolved_known(&fixture->resolved));
    assert_address(0, "192.0.2.1");
    assert_address(1, "192.0.2.2");
    assert_address(2, "192.0.2.1");
}

static void is_stale_after_its_lifetime_and_not_before(void **state)
{
    (void)state;
    resolver_says("192.0.2.1", NULL);
    look_up();
    assert_false(resolved_stale(&fixture->resolved, fixture->loop.now + RESOLVE_LIFETIME - NS_PER_S));
    assert_true(resolved_stale(&fixture->resolved, fixture->loop.now + RESOLVE_LIFETIME + NS_PER_S));
}

static void is_outdated_after_twice_its_lifetime_unless_somebody_looks(void **state)
{
    (void)state;
    resolver_says("192.0.2.1", NULL);
    look_up();
    int64_t then = fixture->loop.now + 2 * RESOLVE_LIFETIME;
    assert_false(resolved_outdated(&fixture->resolved, then - NS_PER_S));
    assert_true(resolved_outdated(&fixture->resolved, then + NS_PER_S));
    fixture->done = false;
    assert_true(resolved_start(&fixture->resolved, SLICE("orders.example.com"), on_done));
    assert_false(resolved_outdated(&fixture->resolved, then + NS_PER_S));
    wait_until_done();
}

static void nothing_found_is_told(void **state)
{
    (void)state;
    resolver_says(NULL, NULL);
    look_up();
    assert_false(fixture->found);
    assert_false(resolved_known(&fixture->resolved));
}

static void old_addresses_go_on_when_a_later_look_up_fails(void **state)
{
    (void)state;
    resolver_says("192.0.2.1", NULL);
    look_up();
    resolver_says(NULL, NULL);
    look_up();
    assert_true(fixture->found);
    assert_address(0, "192.0.2.1");
}

static void new_addresses_replace_old_ones(void **state)
{
    (void)state;
    resolver_says("192.0.2.1", "192.0.2.2");
    look_up();
    resolver_says("192.0.2.3", NULL);
    look_up();
    assert_address(0, "192.0.2.3");
    assert_address(1, "192.0.2.3");
}

static void a_second_question_joins_the_first(void **state)
{
    (void)state;
    unsigned int before = resolver_asked();
    resolver_hangs();
    assert_true(resolved_start(&fixture->resolved, SLICE("orders.example.com"), on_done));
    assert_true(resolved_start(&fixture->resolved, SLICE("orders.example.com"), on_done));
    resolver_says("192.0.2.1", NULL);
    wait_until_done();
    assert_int_equal(resolver_asked(), before + 1);
    assert_int_equal(fixture->calls, 1);
}

static void an_address_is_never_looked_up(void **state)
{
    (void)state;
    struct address address;
    assert_true(address_parse(SLICE("127.0.0.1"), &address));
    resolved_set(&fixture->resolved, &address);
    assert_true(resolved_known(&fixture->resolved));
    assert_false(resolved_stale(&fixture->resolved, INT64_MAX - 1));
}

static void a_look_up_that_nobody_waits_for_is_forgotten(void **state)
{
    (void)state;
    resolver_hangs();
    assert_true(resolved_start(&fixture->resolved, SLICE("orders.example.com"), on_done));
    resolved_done(&fixture->resolved);
    memset(&fixture->resolved, 0xa5, sizeof fixture->resolved); /* as if it were freed */
    resolver_says("192.0.2.1", NULL);
    run_to_the_end();
    assert_int_equal(fixture->calls, 0);
    resolved_init(&fixture->resolved, &fixture->loop);
}

/* The answer may come after a long sleep: the lifetime counts from now, not from when the loop went to sleep. */
static void the_lifetime_counts_from_the_answer(void **state)
{
    (void)state;
    resolver_says("192.0.2.1", NULL);
    assert_true(resolved_start(&fixture->resolved, SLICE("orders.example.com"), on_done));
    fixture->loop.now = 0;
    fixture->loop.now_is_fresh = false;
    int64_t before = clock_monotonic_ns();
    wait_until_done();
    assert_false(resolved_stale(&fixture->resolved, before + RESOLVE_LIFETIME - NS_PER_S));
}

/* Nothing of that shape can be asked for: the failure comes in a later turn all the same. */
static void a_name_that_cannot_be_asked_for_fails_later(void **state)
{
    (void)state;
    char name[400];
    memset(name, 'a', sizeof name);
    assert_true(resolved_start(&fixture->resolved, slice_of(name, sizeof name), on_done));
    assert_int_equal(fixture->calls, 0);
    wait_until_done();
    assert_false(fixture->found);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(finds_all_addresses),
        TEST(is_stale_after_its_lifetime_and_not_before),
        TEST(is_outdated_after_twice_its_lifetime_unless_somebody_looks),
        TEST(nothing_found_is_told),
        TEST(old_addresses_go_on_when_a_later_look_up_fails),
        TEST(new_addresses_replace_old_ones),
        TEST(a_second_question_joins_the_first),
        TEST(an_address_is_never_looked_up),
        TEST(a_look_up_that_nobody_waits_for_is_forgotten),
        TEST(the_lifetime_counts_from_the_answer),
        TEST(a_name_that_cannot_be_asked_for_fails_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
