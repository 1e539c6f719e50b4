#include "unit.h"

#include "base/arena.h"
#include "base/clock.h"
#include "upstream/health/checker.h"

#include "upstream/resolver.h"

#include <fcntl.h>
#include <unistd.h>

#define SERVERS 2

/* Servers that the test plays: listening sockets, which is all that a `connect` check asks for. */
struct server {
    int listener;
    uint16_t port;
    char url[64];
};

struct fixture {
    struct net_loop loop;
    struct metrics *metrics;
    struct arena arena;
    struct health_checker *checker;
    struct server servers[SERVERS];
    struct health_settings health;
    struct upstream_settings upstream;
    struct upstream_endpoint endpoints[SERVERS];
    struct slice urls[SERVERS];
    unsigned int events, service_events;
    bool unhealthy;
    char endpoint[64], outcome[32], detail[64];
};

static struct fixture *fixture;

static void on_event(void *context, const struct health_event *event)
{
    (void)context;
    fixture->events++;
    fixture->service_events += event->service_changed ? 1 : 0;
    fixture->unhealthy = event->unhealthy;
    snprintf(fixture->endpoint, sizeof fixture->endpoint, "%.*s", SLICE_ARG(event->endpoint));
    snprintf(fixture->outcome, sizeof fixture->outcome, "%s", event->outcome);
    snprintf(fixture->detail, sizeof fixture->detail, "%s", event->detail);
}

static void server_open(struct server *server)
{
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(server->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int yes = 1;
    assert_int_equal(setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->listener, 128), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", server->port);
}

static void server_close(struct server *server)
{
    if (server->listener >= 0) {
        close(server->listener);
        server->listener = -1;
    }
}

/* How many have connected since it was asked last. */
static unsigned int server_accept(struct server *server)
{
    unsigned int count = 0;
    for (int fd; (fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0; count++) {
        close(fd);
    }
    return count;
}

static void turn_for(int64_t duration)
{
    int64_t limit = clock_monotonic_ns() + duration;
    while (clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
}

static void turn_until_asked(void)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (server_accept(&fixture->servers[0]) == 0) {
        assert_true(clock_monotonic_ns() < limit);
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
}

static void turn_until_health(bool wanted)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (fixture->unhealthy == wanted) {
        assert_true(clock_monotonic_ns() < limit);
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
}

static void turn_until_events(unsigned int count)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (fixture->events < count && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(fixture->events, count);
}

static void drop_marks(void)
{
    for (size_t i = 0; i < fixture->upstream.endpoints.count; i++) {
        health_mark_unref(fixture->endpoints[i].mark);
        fixture->endpoints[i].mark = NULL;
    }
}

/* Endpoints as a configuration has them; their marks go with it. */
static void configure(size_t count)
{
    fixture->upstream.endpoints = (struct conf_list){ fixture->urls, count };
    for (size_t i = 0; i < count; i++) {
        fixture->urls[i] = slice_from_string(fixture->servers[i].url);
        assert_null(upstream_parse_endpoint(fixture->urls[i], &fixture->arena, &fixture->endpoints[i]));
    }
    assert_ok(health_checker_mark(fixture->checker, &fixture->upstream, 1));
}

/* In place of an address. */
static void name_endpoint(const char *url)
{
    drop_marks();
    fixture->urls[0] = slice_from_string(url);
    assert_null(upstream_parse_endpoint(fixture->urls[0], &fixture->arena, &fixture->endpoints[0]));
    assert_ok(health_checker_mark(fixture->checker, &fixture->upstream, 1));
}

static void take_up(void)
{
    assert_ok(health_checker_set(fixture->checker, &fixture->upstream, 1));
}

static int set_up(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->loop));
    assert_ok(metrics_new(1, &fixture->metrics));
    arena_init(&fixture->arena, 1 << 20);
    assert_ok(health_checker_new(&fixture->loop, metrics_writer(fixture->metrics, 0), on_event, NULL,
                                 &fixture->checker));
    for (size_t i = 0; i < SERVERS; i++) {
        server_open(&fixture->servers[i]);
    }
    fixture->health = (struct health_settings){ .connect = true,
                                                .interval = 10 * NS_PER_MS,
                                                .timeout = 1 * NS_PER_S,
                                                .unhealthy_after = 3,
                                                .healthy_after = 2 };
    fixture->upstream = (struct upstream_settings){ .name = SLICE_INIT("orders"),
                                                    .parsed = fixture->endpoints,
                                                    .health = &fixture->health };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    drop_marks();
    health_checker_free(fixture->checker);
    net_loop_done(&fixture->loop);
    metrics_free(fixture->metrics);
    arena_done(&fixture->arena);
    for (size_t i = 0; i < SERVERS; i++) {
        server_close(&fixture->servers[i]);
    }
    free(fixture);
    return 0;
}

static void test_changes(void **state)
{
    (void)state;
    configure(2);
    take_up();
    turn_for(50 * NS_PER_MS);
    assert_int_equal(fixture->events, 0);
    assert_false(health_mark_is_unhealthy(fixture->endpoints[0].mark));
    server_close(&fixture->servers[0]);
    turn_until_events(1);
    assert_true(fixture->unhealthy);
    assert_string_equal(fixture->endpoint, fixture->servers[0].url);
    assert_string_equal(fixture->outcome, "connect");
    assert_true(health_mark_is_unhealthy(fixture->endpoints[0].mark));
    assert_false(health_mark_is_unhealthy(fixture->endpoints[1].mark));
    assert_int_equal(fixture->service_events, 0);
    server_close(&fixture->servers[1]);
    turn_until_events(2);
    assert_int_equal(fixture->service_events, 1);
    server_open(&fixture->servers[0]);
    turn_until_events(3);
    assert_false(fixture->unhealthy);
    assert_int_equal(fixture->service_events, 2);
    assert_false(health_mark_is_unhealthy(fixture->endpoints[0].mark));
}

static void test_reload(void **state)
{
    (void)state;
    configure(1);
    take_up();
    turn_for(30 * NS_PER_MS);
    server_close(&fixture->servers[0]);
    turn_until_events(1);
    struct health_mark *before = health_mark_ref(fixture->endpoints[0].mark);
    drop_marks();
    /* The same question, in other numbers, and one more to ask: the state stays. */
    fixture->health.interval = 20 * NS_PER_MS;
    configure(2);
    assert_ptr_equal(fixture->endpoints[0].mark, before);
    take_up();
    turn_for(50 * NS_PER_MS);
    assert_int_equal(fixture->events, 1);
    assert_true(health_mark_is_unhealthy(before));
    /* One that was prepared and not taken up changes nothing. */
    drop_marks();
    fixture->upstream.host_header = SLICE("other");
    configure(2);
    assert_ptr_not_equal(fixture->endpoints[0].mark, before);
    assert_false(health_mark_is_unhealthy(fixture->endpoints[0].mark));
    turn_for(30 * NS_PER_MS);
    assert_false(health_mark_is_unhealthy(fixture->endpoints[0].mark));
    /* Another question: it begins anew, and its first check decides. */
    take_up();
    turn_until_events(2);
    assert_true(health_mark_is_unhealthy(fixture->endpoints[0].mark));
    /* None is asked any more. */
    drop_marks();
    fixture->upstream.health = NULL;
    configure(2);
    assert_null(fixture->endpoints[1].mark);
    take_up();
    turn_for(20 * NS_PER_MS);
    server_accept(&fixture->servers[1]);
    turn_for(60 * NS_PER_MS);
    assert_int_equal(server_accept(&fixture->servers[1]), 0);
    health_mark_unref(before);
}

/* The service is known by a name, and comes to be a listener of the gateway itself: it is asked no longer, and is not well. */
static void test_guard(void **state)
{
    (void)state;
    char url[64];
    struct address own;
    resolver_says("127.0.0.1", NULL);
    configure(1);
    snprintf(url, sizeof url, "http://orders.example.com:%u", fixture->servers[0].port);
    name_endpoint(url);
    fixture->upstream.guard = (struct guard){ .own = &own };
    take_up();
    turn_until_asked();
    turn_until_health(true);
    assert_true(address_parse(SLICE("127.0.0.1"), &own));
    own.port = fixture->servers[0].port;
    fixture->upstream.guard.own_count = 1;
    take_up();
    turn_until_health(false);
    assert_string_equal(fixture->outcome, "connect");
    assert_string_equal(fixture->detail, "it is a listener of the gateway itself");
    server_accept(&fixture->servers[0]); /* of before */
    turn_for(60 * NS_PER_MS);
    assert_int_equal(server_accept(&fixture->servers[0]), 0);
    /* And back: what is no listener any more is asked again. */
    own.port = fixture->servers[1].port;
    take_up();
    turn_until_health(true);
    turn_until_asked();
}

static void test_stop(void **state)
{
    (void)state;
    configure(2);
    take_up();
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    for (unsigned int checks = 0; checks < 2;) {
        assert_true(clock_monotonic_ns() < limit);
        turn_for(10 * NS_PER_MS);
        checks += server_accept(&fixture->servers[0]);
    }
    health_checker_stop(fixture->checker);
    turn_for(10 * NS_PER_MS);
    server_accept(&fixture->servers[0]);
    turn_for(60 * NS_PER_MS);
    assert_int_equal(server_accept(&fixture->servers[0]), 0);
}

static void test_metrics(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 1 << 16);
    assert_true(health_checker_render(fixture->checker, &text));
    assert_int_equal(buffer_length(&text), 0);
    configure(1);
    take_up();
    turn_for(30 * NS_PER_MS);
    server_close(&fixture->servers[0]);
    turn_until_events(1);
    assert_true(health_checker_render(fixture->checker, &text));
    char expected[256];
    snprintf(expected, sizeof expected, "sallyport_upstream_healthy{service=\"orders\",endpoint=\"%s\"} 0\n",
             fixture->servers[0].url);
    assert_true(slice_contains(buffer_slice(&text), slice_from_string(expected)));
    snprintf(expected, sizeof expected,
             "sallyport_health_checks_total{service=\"orders\",endpoint=\"%s\",outcome=\"connect\"} ",
             fixture->servers[0].url);
    assert_true(slice_contains(buffer_slice(&text), slice_from_string(expected)));
    buffer_done(&text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_changes), TEST(test_reload), TEST(test_guard), TEST(test_stop), TEST(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
