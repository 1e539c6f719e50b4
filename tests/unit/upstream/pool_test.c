#include "upstream/pool_fixture.h"

/* ---- connections ---- */

/* A pool of one service, to which it keeps one connection, of the first user. Returns the service's end of it. */
static int make_pool_with_one_kept(void)
{
    make_pool(fixture->services[0].url, NULL);
    struct user *user = acquire_ready(0);
    int fd = service_accept(&fixture->services[0]);
    exchange(user, fd);
    return fd;
}

static void a_connection_is_used_again(void **state)
{
    (void)state;
    int fd = make_pool_with_one_kept();
    struct user *next = acquire(1);
    assert_true(next->ready);
    exchange(next, fd);
    assert_int_equal(service_accept(&fixture->services[0]), -1);
    assert_int_equal(count("sallyport_upstream_connects_total"), 1);
    assert_int_equal(count("sallyport_upstream_reused_total"), 1);
    assert_slice(upstream_endpoint_of(&next->ticket), fixture->services[0].url);
    close(fd);
}

static void on_client_ready(struct stream *stream, unsigned int ready)
{
    (void)ready;
    ((struct client *)stream)->asked = true;
    (void)acquire(1);
    stream_want(stream, 0);
}

static void on_client_closed(struct stream *stream)
{
    ((struct client *)stream)->closed = true;
}

static void client_open(struct client *client)
{
    int fds[2];
    *client = (struct client){ 0 };
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_ok(stream_open(&client->stream, &fixture->loop, fds[0], on_client_ready));
    client->other = fds[1];
    stream_want(&client->stream, STREAM_READABLE);
    turn();
    assert_int_equal(write(client->other, "x", 1), 1); /* the first to be ready is the first to be told */
}

/* The user whose request it was. */
static struct user *client_asks(struct client *client)
{
    turn_until(&client->asked);
    stream_close(&client->stream, on_client_closed);
    turn_until(&client->closed);
    close(client->other);
    return &fixture->users[1];
}

/* An answer sent in advance must not be taken for the next request's. */
static void a_connection_that_spoke_unasked_is_not_used_again(void **state)
{
    (void)state;
    struct client client;
    int fd = make_pool_with_one_kept();
    client_open(&client);
    static const char evil[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    assert_int_equal(write(fd, evil, sizeof evil - 1), sizeof evil - 1);
    struct user *next = client_asks(&client);
    turn_until(&next->ready);
    int fresh = service_accept(&fixture->services[0]);
    assert_true(fresh >= 0);
    exchange(next, fresh);
    assert_int_equal(count("sallyport_upstream_reused_total"), 0);
    close(fd);
    close(fresh);
}

static void a_connection_that_was_closed_is_not_used_again(void **state)
{
    (void)state;
    struct client client;
    int fd = make_pool_with_one_kept();
    client_open(&client);
    close(fd);
    struct user *next = client_asks(&client);
    turn_until(&next->ready);
    int fresh = service_accept(&fixture->services[0]);
    assert_true(fresh >= 0);
    exchange(next, fresh);
    close(fresh);
}

static void an_idle_connection_that_ends_is_forgotten(void **state)
{
    (void)state;
    int fd = make_pool_with_one_kept();
    assert_int_equal(count("sallyport_upstream_connections_open"), 1);
    close(fd);
    turn();
    assert_int_equal(count("sallyport_upstream_connections_open"), 0);
}

static void an_idle_connection_is_closed_in_time(void **state)
{
    (void)state;
    fixture->settings.idle_timeout = 20 * NS_PER_MS;
    int fd = make_pool_with_one_kept();
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (count("sallyport_upstream_connections_open") > 0 && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(count("sallyport_upstream_connections_open"), 0);
    char byte;
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
}

static void no_more_idle_connections_than_wanted(void **state)
{
    (void)state;
    int fds[3];
    make_pool(fixture->services[0].url, NULL);
    for (size_t i = 0; i < 3; i++) {
        acquire_ready(i);
        fds[i] = service_accept(&fixture->services[0]);
        assert_true(fds[i] >= 0);
    }
    for (size_t i = 0; i < 3; i++) {
        exchange(&fixture->users[i], fds[i]);
    }
    turn();
    assert_int_equal(count("sallyport_upstream_connections_open"), 2);
    for (size_t i = 0; i < 3; i++) {
        close(fds[i]);
    }
}

/* What they were opened with may not hold any more: an idle one ends at once, one with a call with its answer. */
static void a_retired_pool_keeps_no_connection(void **state)
{
    (void)state;
    int fds[2];
    make_pool(fixture->services[0].url, NULL);
    for (size_t i = 0; i < 2; i++) {
        acquire_ready(i);
        fds[i] = service_accept(&fixture->services[0]);
        assert_true(fds[i] >= 0);
    }
    exchange(&fixture->users[0], fds[0]);
    assert_int_equal(count("sallyport_upstream_connections_open"), 2);
    upstream_pool_retire(fixture->pool);
    assert_int_equal(count("sallyport_upstream_connections_open"), 1);
    exchange(&fixture->users[1], fds[1]);
    assert_int_equal(count("sallyport_upstream_connections_open"), 0);
    struct user *late = acquire_ready(0); /* of an exchange that began before */
    int fresh = service_accept(&fixture->services[0]);
    assert_true(fresh >= 0);
    exchange(late, fresh);
    assert_int_equal(count("sallyport_upstream_connections_open"), 0);
    close(fds[0]);
    close(fds[1]);
    close(fresh);
}

static void a_retry_gets_a_fresh_connection(void **state)
{
    (void)state;
    int fd = make_pool_with_one_kept();
    struct user *retry = &fixture->users[1];
    *retry = (struct user){ .ticket = { .on_ready = on_ready, .fresh = true } };
    upstream_acquire(fixture->pool, &retry->ticket);
    assert_false(retry->ready);
    turn_until(&retry->ready);
    int fresh = service_accept(&fixture->services[0]);
    assert_true(fresh >= 0);
    close(fresh);
    close(fd);
}

static void a_release_while_connecting_brings_no_answer(void **state)
{
    (void)state;
    make_pool(fixture->services[0].url, NULL);
    struct user *user = acquire(0);
    assert_false(user->ready);
    upstream_release(&user->ticket);
    turn();
    assert_int_equal(user->answers, 0);
    assert_int_equal(count("sallyport_upstream_connections_open"), 0);
}

static void what_is_no_tls_is_told_apart(void **state)
{
    (void)state;
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%u", fixture->services[0].port);
    make_pool(url, NULL);
    struct user *user = acquire(0);
    int fd = -1;
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (!user->ready && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
        if (fd < 0 && (fd = service_accept(&fixture->services[0])) >= 0) {
            assert_int_equal(write(fd, "HTTP/1.1 200 OK\r\n\r\n", 19), 19);
        }
    }
    assert_int_equal(user->failure.reason, DENY_UPSTREAM_TLS);
    assert_true(strlen(user->detail) > 0);
    close(fd);
}

/* ---- where no endpoint is ---- */

static void guard(enum guard_source source, const struct address *own)
{
    fixture->settings.guard = (struct guard){ .source = source, .own = own, .own_count = 1 };
}

static struct address listener_at(const char *address, uint16_t port)
{
    struct address listener;
    assert_true(address_parse(slice_from_string(address), &listener));
    listener.port = port;
    return listener;
}

static void a_name_does_not_lead_to_a_listener_of_the_gateway(void **state)
{
    (void)state;
    static const enum guard_source sources[] = { GUARD_CONFIGURATION, GUARD_FILE, GUARD_REGISTRY };
    const struct address own = listener_at("127.0.0.1", fixture->services[0].port);
    resolver_says("127.0.0.1", NULL);
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        guard(sources[i], &own);
        make_pool(named_url(own.port), NULL);
        struct user *user = acquire(0);
        turn_until(&user->ready);
        assert_int_equal(user->failure.reason, DENY_UPSTREAM_CONNECT);
        assert_string_equal(user->detail, "it is a listener of the gateway itself");
        assert_int_equal(service_accept(&fixture->services[0]), -1);
        upstream_release(&user->ticket);
        upstream_pool_free(fixture->pool);
        fixture->pool = NULL;
    }
}

static void a_name_leads_to_a_service_beside_that_listener(void **state)
{
    (void)state;
    const struct address own = listener_at("127.0.0.1", fixture->services[1].port);
    resolver_says("127.0.0.1", NULL);
    guard(GUARD_REGISTRY, &own);
    make_pool(named_url(fixture->services[0].port), NULL);
    acquire_ready(0);
    assert_int_equal(count("sallyport_upstream_connect_failures_total"), 0);
}

/* Without a further try of the request. */
static void the_other_addresses_of_such_a_name_serve(void **state)
{
    (void)state;
    const struct address own = listener_at("127.0.0.2", fixture->services[0].port);
    struct sockaddr_storage way;
    socklen_t size = address_to_sockaddr(&own, &way);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&way, size), 0);
    assert_int_equal(listen(listener, 16), 0);
    resolver_says("127.0.0.2", "127.0.0.1");
    guard(GUARD_CONFIGURATION, &own);
    make_pool(named_url(own.port), NULL);
    for (size_t i = 0; i < TICKETS; i++) {
        acquire_ready(i);
    }
    assert_int_equal(accept4(listener, NULL, NULL, SOCK_CLOEXEC), -1);
    close(listener);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_connection_is_used_again),
        TEST(a_connection_that_spoke_unasked_is_not_used_again),
        TEST(a_connection_that_was_closed_is_not_used_again),
        TEST(an_idle_connection_that_ends_is_forgotten),
        TEST(an_idle_connection_is_closed_in_time),
        TEST(no_more_idle_connections_than_wanted),
        TEST(a_retired_pool_keeps_no_connection),
        TEST(a_retry_gets_a_fresh_connection),
        TEST(a_release_while_connecting_brings_no_answer),
        TEST(what_is_no_tls_is_told_apart),
        TEST(a_name_does_not_lead_to_a_listener_of_the_gateway),
        TEST(a_name_leads_to_a_service_beside_that_listener),
        TEST(the_other_addresses_of_such_a_name_serve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
