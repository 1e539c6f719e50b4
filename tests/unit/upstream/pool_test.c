#include "unit.h"

#include "base/arena.h"
#include "base/clock.h"
#include "http/h1/writer.h"
#include "upstream/pool_internal.h"

#include "upstream/resolver.h"

#include <fcntl.h>
#include <unistd.h>

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

/* ---- services ---- */

static void service_open(struct service *service)
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
static void service_close(struct service *service)
{
    if (service->listener >= 0) {
        close(service->listener);
        service->listener = -1;
    }
}

/* The next connection that the pool opened, or -1. */
static int service_accept(struct service *service)
{
    return accept4(service->listener, NULL, NULL, SOCK_CLOEXEC);
}

/* ---- the pool's users ---- */

static void turn(void)
{
    for (int i = 0; i < 10; i++) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
}

static void turn_until(const bool *done)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (!*done && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_true(*done);
}

static void on_ready(struct upstream_ticket *ticket, const struct http_call_failure *failure)
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

static struct user *acquire(size_t index)
{
    struct user *user = &fixture->users[index];
    *user = (struct user){ .ticket = { .on_ready = on_ready } };
    upstream_acquire(fixture->pool, &user->ticket);
    return user;
}

static struct user *acquire_ready(size_t index)
{
    struct user *user = acquire(index);
    turn_until(&user->ready);
    assert_int_equal(user->failure.reason, DENY_NONE);
    assert_non_null(user->ticket.call);
    return user;
}

static void on_response(void *call, const struct http_response *response)
{
    (void)call;
    (void)response;
}

static void on_body(void *call, struct slice data)
{
    (void)call;
    (void)data;
}

static void on_event(void *call)
{
    (void)call;
}

static void on_end(void *call, const struct headers *trailers)
{
    struct user *user = call;
    (void)trailers;
    user->ended = true;
    upstream_release(&user->ticket);
}

static void on_failed(void *call, const struct http_call_failure *failure)
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
static void exchange(struct user *user, int fd)
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

/* ---- the fixture ---- */

static int64_t count(const char *name)
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

static void make_pool(const char *first, const char *second)
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

static int setup(void **state)
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

static int teardown(void **state)
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

/* A client, whose request comes with the same look at the sockets as something else, and before it. */
struct client {
    struct stream stream; /* first */
    int other;            /* the other end */
    bool asked, closed;
};

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

static struct health_mark *mark(size_t index)
{
    struct health_mark *made = health_mark_new();
    assert_non_null(made);
    fixture->endpoints[index].mark = made;
    return made;
}

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

/* ---- names ---- */

static char *named_url(uint16_t port)
{
    static char url[64];
    snprintf(url, sizeof url, "http://orders.example.com:%u", port);
    return url;
}

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
        TEST(a_connection_is_used_again),
        TEST(a_connection_that_spoke_unasked_is_not_used_again),
        TEST(a_connection_that_was_closed_is_not_used_again),
        TEST(an_idle_connection_that_ends_is_forgotten),
        TEST(an_idle_connection_is_closed_in_time),
        TEST(no_more_idle_connections_than_wanted),
        TEST(a_retired_pool_keeps_no_connection),
        TEST(a_retry_gets_a_fresh_connection),
        TEST(a_copy_goes_elsewhere_and_is_paid_for),
        TEST(a_copy_needs_another_server_with_room),
        TEST(the_call_of_a_copy_is_taken_over),
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
        TEST(a_release_while_connecting_brings_no_answer),
        TEST(endpoints_take_turns),
        TEST(the_emptier_endpoint_is_chosen),
        TEST(an_unhealthy_endpoint_is_not_chosen),
        TEST(where_all_are_unhealthy_all_are_chosen),
        TEST(who_waits_does_not_get_an_unhealthy_endpoint),
        TEST(who_waits_gets_an_endpoint_that_is_healthy_again),
        TEST(a_retry_does_not_go_to_an_unhealthy_endpoint),
        TEST(an_ejected_endpoint_is_not_chosen),
        TEST(what_says_that_the_server_failed_is_counted),
        TEST(what_says_nothing_of_the_server_is_not_counted),
        TEST(a_hundred_endpoints_are_all_used),
        TEST(a_refused_connection_is_a_failure),
        TEST(another_endpoint_is_tried_where_one_refuses),
        TEST(what_is_no_tls_is_told_apart),
        TEST(a_name_is_looked_up_once),
        TEST(a_name_without_address_is_a_failure),
        TEST(all_addresses_of_a_name_are_tried),
        TEST(a_name_does_not_lead_to_a_listener_of_the_gateway),
        TEST(a_name_leads_to_a_service_beside_that_listener),
        TEST(the_other_addresses_of_such_a_name_serve),
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
