/* A pool with services that the test plays, and its users: what the tests of pool.h share. */
#ifndef SALLYPORT_TESTS_UNIT_UPSTREAM_POOL_FIXTURE_H
#define SALLYPORT_TESTS_UNIT_UPSTREAM_POOL_FIXTURE_H

#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "http/h1/writer.h"
#include "upstream/pool_internal.h"
#include "upstream/resolver.h"

#define SERVICES 2
#define TICKETS  5

/* A service that the test plays: a listening socket on loopback. */
struct service {
    int listener;
    uint16_t port;
    char url[64];
};

struct user {
    struct upstream_ticket ticket;
    unsigned int answers;
    bool ready, ended;
    struct http_call_failure failure;
    char detail[128];
};

struct fixture {
    struct net_loop loop;
    struct arena arena;
    struct metrics *metrics;
    struct service services[SERVICES];
    struct upstream_settings settings;
    struct upstream_endpoint endpoints[SERVICES];
    struct slice urls[SERVICES];
    struct upstream_pool *pool;
    struct user users[TICKETS];
    bool free_pool_in_answer;
};

static struct fixture *fixture;

static inline void service_open(struct service *service)
{
    service->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    assert_int_equal(bind(service->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(service->listener, 16), 0);
    assert_int_equal(getsockname(service->listener, (struct sockaddr *)&address, &size), 0);
    service->port = ntohs(address.sin_port);
    snprintf(service->url, sizeof service->url, "http://127.0.0.1:%u", service->port);
}

/* Nobody listens there any more: connections are refused. */
static inline void service_close(struct service *service)
{
    if (service->listener >= 0) {
        close(service->listener);
        service->listener = -1;
    }
}

/* The next connection that the pool opened, or -1. */
static inline int service_accept(struct service *service)
{
    return accept4(service->listener, NULL, NULL, SOCK_CLOEXEC);
}

static inline void turn(void)
{
    for (int i = 0; i < 10; i++) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
}

static inline void turn_until(const bool *done)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (!*done && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_true(*done);
}

static inline void on_ready(struct upstream_ticket *ticket, const struct http_call_failure *failure)
{
    struct user *user = (struct user *)ticket;
    user->answers++;
    user->ready = true;
    if (failure != NULL) {
        user->failure = *failure;
        snprintf(user->detail, sizeof user->detail, "%s", failure->detail);
    }
    if (fixture->free_pool_in_answer && user == &fixture->users[0]) {
        upstream_pool_free(fixture->pool);
        fixture->pool = NULL;
    }
}

static inline struct user *acquire(size_t index)
{
    struct user *user = &fixture->users[index];
    *user = (struct user){ .ticket = { .on_ready = on_ready } };
    upstream_acquire(fixture->pool, &user->ticket);
    return user;
}

static inline struct user *acquire_ready(size_t index)
{
    struct user *user = acquire(index);
    turn_until(&user->ready);
    assert_int_equal(user->failure.reason, DENY_NONE);
    assert_non_null(user->ticket.call);
    return user;
}

static inline void on_response(void *call, const struct http_response *response)
{
    (void)call;
    (void)response;
}

static inline void on_body(void *call, struct slice data)
{
    (void)call;
    (void)data;
}

static inline void on_event(void *call)
{
    (void)call;
}

static inline void on_end(void *call, const struct headers *trailers)
{
    struct user *user = call;
    (void)trailers;
    user->ended = true;
    upstream_release(&user->ticket);
}

static inline void on_failed(void *call, const struct http_call_failure *failure)
{
    struct user *user = call;
    user->ended = true;
    user->failure = *failure;
    upstream_release(&user->ticket);
}

static const struct http_call_events events = {
    .on_response = on_response,
    .on_body = on_body,
    .on_pause = on_event,
    .on_end = on_end,
    .on_writable = on_event,
    .on_failed = on_failed,
};

/* One request and its answer over the ticket's connection; `fd` is the service's side of it. */
static inline void exchange(struct user *user, int fd)
{
    struct headers none = { .count = 0 };
    struct http_call_request request = {
        .events = &events,
        .caller = user,
        .method = METHOD_GET,
        .method_text = SLICE("GET"),
        .target = SLICE("/"),
        .host = SLICE("up"),
        .headers = &none,
    };
    assert_true(http_call_begin(user->ticket.call, &request));
    http_call_send_end(user->ticket.call, NULL);
    char seen[1024];
    assert_true(read(fd, seen, sizeof seen) > 0);
    static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";
    assert_int_equal(write(fd, answer, sizeof answer - 1), sizeof answer - 1);
    turn_until(&user->ended);
    assert_int_equal(user->failure.reason, DENY_NONE);
}

static inline int64_t count(const char *name)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    assert_true(metrics_render(fixture->metrics, &text));
    assert_true(buffer_append_char(&text, '\0'));
    char line[128];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(text.data + text.begin, line);
    assert_non_null(at);
    int64_t value = strtoll(at + strlen(line), NULL, 10);
    buffer_done(&text);
    return value;
}

static inline void make_pool(const char *first, const char *second)
{
    fixture->urls[0] = slice_from_string(first);
    fixture->urls[1] = second != NULL ? slice_from_string(second) : SLICE_NONE;
    fixture->settings.endpoints = (struct conf_list){ fixture->urls, second != NULL ? 2 : 1 };
    for (size_t i = 0; i < fixture->settings.endpoints.count; i++) {
        assert_null(upstream_parse_endpoint(fixture->urls[i], &fixture->arena, &fixture->endpoints[i]));
    }
    fixture->settings.parsed = fixture->endpoints;
    assert_ok(upstream_pool_new(&fixture->settings, &fixture->loop, metrics_writer(fixture->metrics, 0),
                                &fixture->pool));
}

static inline int setup(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->loop));
    assert_ok(metrics_new(1, &fixture->metrics));
    arena_init(&fixture->arena, 1 << 20);
    for (size_t i = 0; i < SERVICES; i++) {
        service_open(&fixture->services[i]);
    }
    fixture->settings = (struct upstream_settings){
        .name = SLICE_INIT("orders"),
        .connect_timeout = 5 * NS_PER_S,
        .idle_timeout = 60 * NS_PER_S,
        .max_connections = 8,
        .max_idle = 2,
        .retries = 0,
    };
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    resolver_says(NULL, NULL);
    for (size_t i = 0; i < TICKETS; i++) {
        if (fixture->pool != NULL) {
            upstream_release(&fixture->users[i].ticket);
        }
    }
    upstream_pool_free(fixture->pool);
    turn();
    while (fixture->loop.uv.active_reqs.count > 0) {
        turn(); /* libuv's thread pool still holds the loop */
    }
    if (fixture->metrics != NULL) {
        assert_int_equal(count("sallyport_upstream_connections_open"), 0);
    }
    net_loop_done(&fixture->loop);
    metrics_free(fixture->metrics);
    arena_done(&fixture->arena);
    for (size_t i = 0; i < SERVICES; i++) {
        health_mark_unref(fixture->endpoints[i].mark);
        outlier_mark_unref(fixture->endpoints[i].outlier);
        service_close(&fixture->services[i]);
    }
    free(fixture);
    return 0;
}

/* A client, whose request comes with the same look at the sockets as something else, and before it. */
struct client {
    struct stream stream; /* first */
    int other;            /* the other end */
    bool asked, closed;
};

static inline struct health_mark *mark(size_t index)
{
    struct health_mark *made = health_mark_new();
    assert_non_null(made);
    fixture->endpoints[index].mark = made;
    return made;
}

static inline char *named_url(uint16_t port)
{
    static char url[64];
    snprintf(url, sizeof url, "http://orders.example.com:%u", port);
    return url;
}

#endif
