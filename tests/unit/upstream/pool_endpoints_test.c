#include "upstream/pool_fixture.h"

static enum upstream_copy copy(struct user *first, size_t index)
{
    struct user *user = &fixture->users[index];
    *user = (struct user){ .ticket = { .on_ready = on_ready } };
    return upstream_copy(&first->ticket, &user->ticket);
}

static void a_copy_goes_elsewhere_and_is_paid_for(void **state)
{
    (void)state;
    make_pool(fixture->services[0].url, fixture->services[1].url);
    fixture->pool->line->retries.left = 150;
    struct user *first = acquire_ready(0), *second = &fixture->users[1];
    assert_int_equal(copy(first, 1), UPSTREAM_COPIED);
    turn_until(&second->ready);
    assert_non_null(second->ticket.call);
    assert_ptr_not_equal(second->ticket.endpoint, first->ticket.endpoint);
    assert_int_equal(fixture->pool->balancer.active, 2);
    upstream_release(&second->ticket);
    assert_int_equal(fixture->pool->balancer.active, 1);
    assert_int_equal(copy(first, 1), UPSTREAM_NO_BUDGET);
    assert_false(second->ready);
    assert_int_equal(fixture->pool->balancer.active, 1);
}

static void a_copy_needs_another_server_with_room(void **state)
{
    (void)state;
    make_pool(fixture->services[0].url, NULL);
    fixture->pool->line->retries.left = 1000;
    assert_int_equal(copy(acquire_ready(0), 1), UPSTREAM_NO_OTHER);
    upstream_release(&fixture->users[0].ticket);
    assert_int_equal(copy(&fixture->users[0], 1), UPSTREAM_NO_OTHER); /* it has no call any more */
    upstream_pool_free(fixture->pool);

    fixture->settings.max_connections = 1;
    make_pool(fixture->services[0].url, fixture->services[1].url);
    fixture->pool->line->retries.left = 1000;
    acquire_ready(0);
    acquire_ready(2);
    assert_int_equal(copy(&fixture->users[0], 1), UPSTREAM_NO_OTHER);
    upstream_release(&fixture->users[2].ticket);
    assert_int_equal(copy(&fixture->users[0], 1), UPSTREAM_COPIED);
    upstream_release(&fixture->users[1].ticket);
    assert_int_equal(fixture->pool->line->retries.left, 900);
}

static void the_call_of_a_copy_is_taken_over(void **state)
{
    (void)state;
    make_pool(fixture->services[0].url, fixture->services[1].url);
    fixture->pool->line->retries.left = 1000;
    struct user *first = acquire_ready(0), *second = &fixture->users[1];
    assert_int_equal(copy(first, 1), UPSTREAM_COPIED);
    turn_until(&second->ready);
    upstream_release(&first->ticket);
    upstream_take_over(&first->ticket, &second->ticket);
    upstream_release(&second->ticket); /* nothing is its any more */
    int fd = service_accept(&fixture->services[1]);
    assert_true(fd >= 0);
    exchange(first, fd);
    assert_int_equal(fixture->pool->balancer.active, 0);
    close(fd);
}

/* ---- endpoints ---- */

static void endpoints_take_turns(void **state)
{
    (void)state;
    make_pool(fixture->services[0].url, fixture->services[1].url);
    for (size_t i = 0; i < 4; i++) {
        acquire_ready(i);
    }
    for (size_t i = 0; i < SERVICES; i++) {
        int one = service_accept(&fixture->services[i]);
        int two = service_accept(&fixture->services[i]);
        assert_true(one >= 0 && two >= 0);
        close(one);
        close(two);
    }
}

static void the_emptier_endpoint_is_chosen(void **state)
{
    (void)state;
    fixture->settings.balance = BALANCE_LEAST_REQUESTS;
    make_pool(fixture->services[0].url, fixture->services[1].url);
    struct user *first = acquire_ready(0);
    struct user *second = acquire_ready(1);
    assert_false(slice_equal(first->ticket.url, second->ticket.url));
    struct slice freed = first->ticket.url;
    upstream_release(&first->ticket);
    struct user *third = acquire_ready(2);
    assert_true(slice_equal(third->ticket.url, freed));
}

/* ---- health ---- */

static void an_unhealthy_endpoint_is_not_chosen(void **state)
{
    (void)state;
    make_pool(fixture->services[0].url, fixture->services[1].url);
    struct health_mark *first = mark(0), *second = mark(1);
    /* With a connection that is kept, too. */
    struct user *user = acquire_ready(0);
    size_t chosen = slice_equal(user->ticket.url, fixture->urls[0]) ? 0 : 1;
    int fd = service_accept(&fixture->services[chosen]);
    exchange(user, fd);
    health_mark_set(chosen == 0 ? first : second, true);
    for (size_t i = 1; i < TICKETS; i++) {
        user = acquire_ready(i);
        assert_true(slice_equal(user->ticket.url, fixture->urls[1 - chosen]));
    }
    assert_int_equal(count("sallyport_upstream_unhealthy_used_total"), 0);
    close(fd);
}

static void where_all_are_unhealthy_all_are_chosen(void **state)
{
    (void)state;
    make_pool(fixture->services[0].url, fixture->services[1].url);
    struct health_mark *first = mark(0), *second = mark(1);
    health_mark_set(first, true);
    health_mark_set(second, true);
    struct user *one = acquire_ready(0), *two = acquire_ready(1);
    assert_false(slice_equal(one->ticket.url, two->ticket.url));
    assert_int_equal(count("sallyport_upstream_unhealthy_used_total"), 2);
}

/* A retry has tried the healthy one: it may be tried again, the other is not. */
static void a_retry_does_not_go_to_an_unhealthy_endpoint(void **state)
{
    (void)state;
    fixture->settings.retries = 2;
    service_close(&fixture->services[1]);
    make_pool(fixture->services[0].url, fixture->services[1].url);
    struct health_mark *first = mark(0);
    health_mark_set(first, true);
    struct user *user = acquire(0);
    turn_until(&user->ready);
    assert_int_equal(user->failure.reason, DENY_UPSTREAM_CONNECT);
    assert_slice(upstream_endpoint_of(&user->ticket), fixture->services[1].url);
    assert_int_equal(count("sallyport_upstream_connect_failures_total"), 3);
    assert_int_equal(service_accept(&fixture->services[0]), -1);
}

/* ---- outliers ---- */

static struct outlier_bell bell; /* that nobody hears */
static struct outlier_settings outliers = { .failures = 5 };

static struct outlier_mark *outlier_mark(size_t index)
{
    struct outlier_mark *made = outlier_mark_new(&bell, 0);
    assert_non_null(made);
    fixture->endpoints[index].outlier = made;
    fixture->settings.outliers = &outliers;
    return made;
}

static void an_ejected_endpoint_is_not_chosen(void **state)
{
    (void)state;
    make_pool(fixture->services[0].url, fixture->services[1].url);
    struct outlier_mark *first = outlier_mark(0);
    outlier_mark_eject(first);
    for (size_t i = 0; i < 2; i++) {
        assert_slice(acquire_ready(i)->ticket.url, fixture->services[1].url);
    }
    outlier_mark_return(first, fixture->loop.now);
    struct slice one = acquire_ready(2)->ticket.url, other = acquire_ready(3)->ticket.url;
    assert_false(slice_equal(one, other));
}

static uint64_t failures_of(const struct outlier_mark *made)
{
    return atomic_load(&made->failed);
}

static void what_says_that_the_server_failed_is_counted(void **state)
{
    (void)state;
    service_close(&fixture->services[1]);
    make_pool(fixture->services[0].url, fixture->services[1].url);
    struct outlier_mark *alive = outlier_mark(0), *gone = outlier_mark(1);
    struct user *first = acquire(0), *second = acquire(1);
    turn_until(&first->ready);
    turn_until(&second->ready);
    assert_int_equal(failures_of(gone), 1);
    assert_int_equal(atomic_load(&gone->streak), 1);
    assert_int_equal(failures_of(alive), 0);
    struct upstream_ticket *ticket = first->ticket.call != NULL ? &first->ticket : &second->ticket;
    upstream_note_outcome(ticket, false);
    assert_int_equal(failures_of(alive), 1);
    upstream_note_outcome(ticket, true);
    assert_int_equal(failures_of(alive), 1);
    assert_int_equal(atomic_load(&alive->streak), 0);
}

static void what_says_nothing_of_the_server_is_not_counted(void **state)
{
    (void)state;
    static const struct http_call_failure none[] = {
        { .reason = DENY_OVERLOADED, .detail = "" },
        { .reason = DENY_UPSTREAM_CLOSED, .detail = "", .reused = true },
        { .reason = DENY_UPSTREAM_CLOSED, .detail = "", .refused = true },
    };
    static const struct http_call_failure own = { .reason = DENY_UPSTREAM_CLOSED, .detail = "" };
    make_pool(fixture->services[0].url, NULL);
    struct outlier_mark *made = outlier_mark(0);
    struct user *user = acquire_ready(0);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        upstream_note_failure(&user->ticket, &none[i]);
    }
    assert_int_equal(failures_of(made), 0);
    upstream_note_failure(&user->ticket, &own);
    assert_int_equal(failures_of(made), 1);
    upstream_release(&user->ticket); /* the client went away */
    assert_int_equal(failures_of(made), 1);
}

/* There were 64 once, and nobody was told. */
static void a_hundred_endpoints_are_all_used(void **state)
{
    (void)state;
    enum {
        MANY = 100
    };
    static struct upstream_endpoint endpoints[MANY];
    static struct user users[MANY];
    static bool seen[MANY];
    for (unsigned int i = 0; i < MANY; i++) {
        struct slice url =
            arena_printf(&fixture->arena, "http://127.0.0.%u:%u", i + 1, fixture->services[0].port);
        assert_null(upstream_parse_endpoint(url, &fixture->arena, &endpoints[i]));
        endpoints[i].weight = 1;
    }
    fixture->settings.endpoints.count = MANY;
    fixture->settings.parsed = endpoints;
    assert_ok(upstream_pool_new(&fixture->settings, &fixture->loop, metrics_writer(fixture->metrics, 0),
                                &fixture->pool));
    for (size_t i = 0; i < MANY; i++) {
        users[i] = (struct user){ .ticket = { .on_ready = on_ready } };
        upstream_acquire(fixture->pool, &users[i].ticket);
        for (size_t k = 0; k < MANY; k++) {
            seen[k] = seen[k] || slice_equal(users[i].ticket.url, endpoints[k].url);
        }
    }
    for (size_t i = 0; i < MANY; i++) {
        upstream_release(&users[i].ticket);
        assert_true(seen[i]);
    }
}

static void a_refused_connection_is_a_failure(void **state)
{
    (void)state;
    service_close(&fixture->services[0]);
    make_pool(fixture->services[0].url, NULL);
    struct user *user = acquire(0);
    turn_until(&user->ready);
    assert_int_equal(user->failure.reason, DENY_UPSTREAM_CONNECT);
    assert_slice(upstream_endpoint_of(&user->ticket), fixture->services[0].url);
    assert_int_equal(count("sallyport_upstream_connect_failures_total"), 1);
}

static void another_endpoint_is_tried_where_one_refuses(void **state)
{
    (void)state;
    fixture->settings.retries = 1;
    service_close(&fixture->services[0]);
    make_pool(fixture->services[0].url, fixture->services[1].url);
    for (size_t i = 0; i < 2; i++) {
        struct user *user = acquire_ready(i);
        assert_slice(user->ticket.url, fixture->services[1].url);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_copy_goes_elsewhere_and_is_paid_for),
        TEST(a_copy_needs_another_server_with_room),
        TEST(the_call_of_a_copy_is_taken_over),
        TEST(endpoints_take_turns),
        TEST(the_emptier_endpoint_is_chosen),
        TEST(an_unhealthy_endpoint_is_not_chosen),
        TEST(where_all_are_unhealthy_all_are_chosen),
        TEST(a_retry_does_not_go_to_an_unhealthy_endpoint),
        TEST(an_ejected_endpoint_is_not_chosen),
        TEST(what_says_that_the_server_failed_is_counted),
        TEST(what_says_nothing_of_the_server_is_not_counted),
        TEST(a_hundred_endpoints_are_all_used),
        TEST(a_refused_connection_is_a_failure),
        TEST(another_endpoint_is_tried_where_one_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
