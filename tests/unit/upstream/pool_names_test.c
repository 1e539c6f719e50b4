#include "upstream/pool_fixture.h"

/* ---- names ---- */

static void a_name_is_looked_up_once(void **state)
{
    (void)state;
    unsigned int before = resolver_asked();
    resolver_says("127.0.0.1", NULL);
    make_pool(named_url(fixture->services[0].port), NULL);
    acquire_ready(0);
    acquire_ready(1);
    assert_int_equal(resolver_asked(), before + 1);
}

static void a_name_without_address_is_a_failure(void **state)
{
    (void)state;
    resolver_says(NULL, NULL);
    make_pool(named_url(fixture->services[0].port), NULL);
    struct user *user = acquire(0);
    turn_until(&user->ready);
    assert_int_equal(user->failure.reason, DENY_UPSTREAM_CONNECT);
    assert_int_equal(count("sallyport_upstream_connect_failures_total"), 1);
}

/* Nobody listens at 127.0.0.2: without a further try of the request, whichever of the addresses comes first. */
static void all_addresses_of_a_name_are_tried(void **state)
{
    (void)state;
    resolver_says("127.0.0.2", "127.0.0.1");
    make_pool(named_url(fixture->services[0].port), NULL);
    for (size_t i = 0; i < TICKETS; i++) {
        acquire_ready(i);
    }
}

static uint64_t key_of(const char *text)
{
    struct address address;
    assert_true(address_parse(slice_from_string(text), &address));
    return health_key_of(&address);
}

/* Nobody listens at the first one: that it is passed over shows by what did not fail. */
static void an_unhealthy_address_is_passed_over(void **state)
{
    (void)state;
    resolver_says("127.0.0.2", "127.0.0.1");
    make_pool(named_url(fixture->services[0].port), NULL);
    struct health_mark *made = mark(0);
    health_mark_set_address(made, key_of("127.0.0.2"), true);
    for (size_t i = 0; i < 3; i++) {
        acquire_ready(i);
    }
    assert_int_equal(count("sallyport_upstream_connect_failures_total"), 0);
    /* All are: the endpoint is, and all are tried. */
    health_mark_set_address(made, key_of("127.0.0.1"), true);
    health_mark_set(made, true);
    acquire_ready(3);
    acquire_ready(4);
    assert_true(count("sallyport_upstream_connect_failures_total") >= 1);
}

static void a_kept_connection_to_an_unhealthy_address_is_not_used_again(void **state)
{
    (void)state;
    resolver_says("127.0.0.1", "127.0.0.2");
    make_pool(named_url(fixture->services[0].port), NULL);
    struct health_mark *made = mark(0);
    struct user *user = acquire_ready(0);
    int fd = service_accept(&fixture->services[0]);
    exchange(user, fd);
    health_mark_set_address(made, key_of("127.0.0.1"), true);
    struct user *next = acquire(1);
    turn_until(&next->ready);
    assert_int_equal(next->failure.reason,
                     DENY_UPSTREAM_CONNECT); /* the other address, where nobody listens */
    char byte;
    assert_int_equal(read(fd, &byte, 1), 0); /* it was closed */
    assert_int_equal(count("sallyport_upstream_reused_total"), 0);
    close(fd);
}

static void each_address_is_tried_once(void **state)
{
    (void)state;
    resolver_says("127.0.0.2", "127.0.0.3");
    make_pool(named_url(fixture->services[0].port), NULL);
    struct user *user = acquire(0);
    turn_until(&user->ready);
    assert_int_equal(user->failure.reason, DENY_UPSTREAM_CONNECT);
    assert_int_equal(count("sallyport_upstream_connect_failures_total"), 2);
}

static void a_look_up_that_hangs_is_given_up(void **state)
{
    (void)state;
    fixture->settings.connect_timeout = 30 * NS_PER_MS;
    resolver_hangs();
    make_pool(named_url(fixture->services[0].port), NULL);
    struct user *user = acquire(0);
    turn_until(&user->ready);
    assert_int_equal(user->failure.reason, DENY_UPSTREAM_CONNECT);
    assert_string_equal(user->detail, "looking up the host took too long");
}

/* What worked before goes on while the resolver hangs. */
static void old_addresses_serve_while_new_ones_are_looked_up(void **state)
{
    (void)state;
    resolver_says("127.0.0.1", NULL);
    make_pool(named_url(fixture->services[0].port), NULL);
    acquire_ready(0);
    unsigned int before = resolver_asked();
    resolver_hangs();
    fixture->pool->endpoints[0].addresses.until = fixture->loop.now - RESOLVE_LIFETIME / 2;
    acquire_ready(1);
    acquire_ready(2);
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (resolver_asked() == before && clock_monotonic_ns() < limit) {
        turn();
    }
    assert_int_equal(resolver_asked(), before + 1);
}

static void make_outdated(void)
{
    fixture->pool->endpoints[0].addresses.until = fixture->loop.now - RESOLVE_LIFETIME;
}

/* Nobody listens at the new one. */
static void very_old_addresses_wait_for_new_ones(void **state)
{
    (void)state;
    resolver_says("127.0.0.1", NULL);
    make_pool(named_url(fixture->services[0].port), NULL);
    acquire_ready(0);
    resolver_says("127.0.0.2", NULL);
    make_outdated();
    struct user *user = acquire(1);
    turn_until(&user->ready);
    assert_int_equal(user->failure.reason, DENY_UPSTREAM_CONNECT);
}

static void very_old_addresses_serve_where_there_are_no_new_ones(void **state)
{
    (void)state;
    resolver_says("127.0.0.1", NULL);
    make_pool(named_url(fixture->services[0].port), NULL);
    acquire_ready(0);
    resolver_says(NULL, NULL);
    make_outdated();
    acquire_ready(1);
}

/* The first one waits as long as connecting may take, and the others not at all. */
static void very_old_addresses_serve_while_the_resolver_hangs(void **state)
{
    (void)state;
    resolver_says("127.0.0.1", NULL);
    make_pool(named_url(fixture->services[0].port), NULL);
    acquire_ready(0);
    resolver_hangs();
    make_outdated();
    fixture->settings.connect_timeout = NS_PER_S;
    struct user *first = acquire(1);
    acquire_ready(2);
    assert_false(first->ready);
    turn_until(&first->ready);
    assert_int_equal(first->failure.reason, DENY_NONE);
}

static void a_release_while_waiting_for_a_name_brings_no_answer(void **state)
{
    (void)state;
    resolver_hangs();
    make_pool(named_url(fixture->services[0].port), NULL);
    struct user *gone = acquire(0);
    struct user *stays = acquire(1);
    upstream_release(&gone->ticket);
    memset(&gone->ticket, 0xa5, sizeof gone->ticket); /* its exchange has been recycled */
    resolver_says("127.0.0.1", NULL);
    turn_until(&stays->ready);
    assert_int_equal(gone->answers, 0);
    assert_int_equal(stays->failure.reason, DENY_NONE);
    memset(gone, 0, sizeof *gone);
}

static void tickets_that_wait_for_a_name_count_as_connections(void **state)
{
    (void)state;
    fixture->settings.max_connections = 2;
    resolver_hangs();
    make_pool(named_url(fixture->services[0].port), NULL);
    acquire(0);
    acquire(1);
    assert_int_equal(acquire(2)->failure.reason, DENY_UPSTREAM_BUSY);
}

/* The last exchange of a former configuration takes the pool along, from within the pool's own call. */
static void a_pool_may_go_with_its_last_answer(void **state)
{
    (void)state;
    resolver_hangs();
    make_pool(named_url(fixture->services[0].port), NULL);
    struct user *first = acquire(0);
    struct user *second = acquire(1);
    fixture->free_pool_in_answer = true;
    resolver_says(NULL, NULL);
    turn_until(&first->ready);
    turn_until(&second->ready);
    assert_null(fixture->pool);
}

static void a_pool_may_go_while_a_name_is_looked_up(void **state)
{
    (void)state;
    resolver_hangs();
    make_pool(named_url(fixture->services[0].port), NULL);
    struct user *user = acquire(0);
    upstream_release(&user->ticket);
    upstream_pool_free(fixture->pool);
    fixture->pool = NULL;
    resolver_says("127.0.0.1", NULL);
    while (fixture->loop.uv.active_reqs.count > 0) {
        turn();
    }
    assert_int_equal(user->answers, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_looked_up_once),
        TEST(a_name_without_address_is_a_failure),
        TEST(all_addresses_of_a_name_are_tried),
        TEST(an_unhealthy_address_is_passed_over),
        TEST(a_kept_connection_to_an_unhealthy_address_is_not_used_again),
        TEST(each_address_is_tried_once),
        TEST(a_look_up_that_hangs_is_given_up),
        TEST(old_addresses_serve_while_new_ones_are_looked_up),
        TEST(very_old_addresses_wait_for_new_ones),
        TEST(very_old_addresses_serve_where_there_are_no_new_ones),
        TEST(very_old_addresses_serve_while_the_resolver_hangs),
        TEST(a_release_while_waiting_for_a_name_brings_no_answer),
        TEST(tickets_that_wait_for_a_name_count_as_connections),
        TEST(a_pool_may_go_with_its_last_answer),
        TEST(a_pool_may_go_while_a_name_is_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
