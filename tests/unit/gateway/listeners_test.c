#include "unit.h"

#include "base/clock.h"
#include "gateway/hand_on.h"
#include "gateway/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* A worker without its thread: the test turns its loop. */
struct fixture {
    struct gateway_worker gateway;
    struct metrics *metrics;
    struct logs *logs;
    int kept[2]; /* the supervisor's descriptors of two sockets */
    struct sockaddr_in addresses[2];
    int peers[16];
    size_t peer_count;
};

static struct fixture *fixture;

static struct timeout_settings timeouts = { .proxy_header = 10 * NS_PER_S,
                                            .handshake = 10 * NS_PER_S,
                                            .head = 10 * NS_PER_S,
                                            .body = 10 * NS_PER_S,
                                            .idle = 10 * NS_PER_S,
                                            .write = 10 * NS_PER_S,
                                            .drain = 10 * NS_PER_S };

static struct worker_snapshot *snapshot_of(const char *name, bool status, int64_t max_connections)
{
    struct config *config = calloc(1, sizeof *config);
    arena_init(&config->arena, CONFIG_ARENA_MAX);
    struct listener_settings *listener = arena_calloc(&config->arena, 1, sizeof *listener);
    *listener = (struct listener_settings){ .name = slice_from_string(name),
                                            .status = status,
                                            .timeouts = &timeouts,
                                            .max_head = 8192,
                                            .max_connections = max_connections };
    config->settings.listeners = listener;
    config->settings.listener_count = 1;
    struct snapshot *snapshot;
    struct worker_snapshot *made;
    assert_ok(snapshot_new(config, &snapshot));
    assert_ok(worker_snapshot_new(&fixture->gateway.worker, snapshot, NULL, &made));
    snapshot_unref(snapshot);
    return made;
}

/* As a commit does it. */
static bool take_up(struct worker_snapshot *made, const struct worker_socket *sockets, size_t count)
{
    struct worker_snapshot *old = fixture->gateway.worker.current;
    fixture->gateway.worker.current = made;
    bool complete = worker_listeners_update(&fixture->gateway, sockets, count);
    if (old != NULL) {
        worker_snapshot_give(old);
    }
    return complete;
}

static struct worker_socket socket_of(const char *name, size_t index)
{
    return (struct worker_socket){ slice_from_string(name), fcntl(fixture->kept[index], F_DUPFD_CLOEXEC, 3) };
}

static void take_up_one(const char *name, size_t index)
{
    struct worker_socket socket = socket_of(name, index);
    assert_true(take_up(snapshot_of(name, false, 10), &socket, 1));
}

static void turn(void)
{
    for (int i = 0; i < 10; i++) {
        uv_run(&fixture->gateway.worker.loop.uv, UV_RUN_NOWAIT);
    }
}

static void start_logs(void)
{
    struct logs_options options = {
        .instance = SLICE_INIT("test"),
        .access_fd = memfd_create("access", MFD_CLOEXEC),
        .audit_fd = memfd_create("audit", MFD_CLOEXEC),
        .access_queue = 64 * 1024,
        .audit_queue = 64 * 1024,
        .producers = 1,
    };
    assert_ok(logs_new(&options, &fixture->logs));
    fixture->gateway.worker.logs = logs_queue(fixture->logs, 0);
}

static int setup(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    struct worker *worker = &fixture->gateway.worker;
    assert_ok(net_loop_init(&worker->loop));
    http_connections_init(&worker->connections);
    assert_ok(peers_new(&fixture->gateway.peers));
    assert_ok(metrics_new(1, &fixture->metrics));
    worker->metrics = metrics_writer(fixture->metrics, 0);
    start_logs();
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof address;
        fixture->kept[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(fixture->kept[i], (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(fixture->kept[i], 16), 0);
        assert_int_equal(getsockname(fixture->kept[i], (struct sockaddr *)&address, &size), 0);
        fixture->addresses[i] = address;
    }
    return 0;
}

static int64_t counter(const char *name)
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

static int teardown(void **state)
{
    (void)state;
    struct worker *worker = &fixture->gateway.worker;
    for (size_t i = 0; i < fixture->peer_count; i++) {
        close(fixture->peers[i]);
    }
    worker_listeners_close(&fixture->gateway);
    announcements_end(&fixture->gateway.announcements, NULL);
    http_connections_close_all(&worker->connections);
    assert_int_equal(counter("sallyport_connections_open"), 0);
    worker_snapshot_give(worker->current);
    turn();
    worker_listeners_free(&fixture->gateway);
    exchange_free_spares(worker);
    net_loop_done(&worker->loop);
    http_connections_done(&worker->connections);
    peers_free(fixture->gateway.peers);
    logs_free(fixture->logs);
    metrics_free(fixture->metrics);
    for (size_t i = 0; i < 2; i++) {
        close(fixture->kept[i]);
    }
    free(fixture);
    return 0;
}

static int connect_to(size_t index)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in *address = &fixture->addresses[index];
    assert_int_equal(connect(fd, (struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    fixture->peers[fixture->peer_count++] = fd;
    turn();
    return fd;
}

static bool is_served(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    char answer[2048];
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0) {
        return false;
    }
    turn();
    ssize_t got = recv(fd, answer, sizeof answer, 0);
    return got > 12 && memcmp(answer, "HTTP/1.1 404", 12) == 0;
}

/* A connection of the socket itself: this worker does not accept there. */
static bool is_left_alone(size_t index)
{
    (void)connect_to(index);
    int fd = accept4(fixture->kept[index], NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static void a_socket_is_served(void **state)
{
    (void)state;
    take_up_one("public", 0);
    int fd = connect_to(0);
    assert_true(is_served(fd));
    assert_true(is_served(fd));
    assert_int_equal(counter("sallyport_connections_open"), 1);
    assert_int_equal(counter("sallyport_connections_accepted_total"), 1);
}

static void the_same_socket_goes_on(void **state)
{
    (void)state;
    take_up_one("public", 0);
    int before = connect_to(0);
    assert_true(is_served(before));
    take_up_one("public", 0);
    assert_true(is_served(before));
    assert_true(is_served(connect_to(0)));
}

/* With fewer workers than sockets, one serves several. */
static void several_sockets_of_one_listener_are_all_served(void **state)
{
    (void)state;
    struct worker_socket sockets[] = { socket_of("public", 0), socket_of("public", 1) };
    assert_true(take_up(snapshot_of("public", false, 10), sockets, 2));
    assert_true(is_served(connect_to(0)));
    assert_true(is_served(connect_to(1)));
    struct worker_socket again[] = { socket_of("public", 1), socket_of("public", 0) };
    assert_true(take_up(snapshot_of("public", false, 10), again, 2));
    assert_true(is_served(connect_to(0)));
    assert_true(is_served(connect_to(1)));
}

/* The listener's address has changed: who came by the former one is still served, also after the next change. */
static void another_socket_replaces_the_first(void **state)
{
    (void)state;
    take_up_one("public", 0);
    int before = connect_to(0);
    assert_true(is_served(before));
    take_up_one("public", 1);
    turn();
    assert_true(is_left_alone(0));
    assert_true(is_served(connect_to(1)));
    take_up_one("public", 1);
    assert_true(is_served(before));
}

static void a_listener_that_goes_takes_its_connections_along(void **state)
{
    (void)state;
    take_up_one("public", 0);
    int fd = connect_to(0);
    assert_true(is_served(fd));
    take_up_one("other", 1);
    turn();
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    assert_true(is_left_alone(0));
    /* And comes back. */
    take_up_one("public", 0);
    assert_true(is_served(connect_to(0)));
}

static void a_status_listener_is_not_the_workers(void **state)
{
    (void)state;
    take_up_one("public", 0);
    int fd = connect_to(0);
    assert_true(is_served(fd));
    assert_true(take_up(snapshot_of("public", true, 10), NULL, 0));
    turn();
    assert_false(is_served(fd));
    assert_true(is_left_alone(0));
}

static void as_many_connections_as_allowed(void **state)
{
    (void)state;
    struct worker_socket socket = socket_of("public", 0);
    assert_true(take_up(snapshot_of("public", false, 2), &socket, 1));
    int first = connect_to(0);
    int second = connect_to(0);
    assert_true(is_served(first));
    assert_true(is_served(second));
    assert_false(is_served(connect_to(0)));
    assert_int_equal(counter("sallyport_connections_refused_total{reason=\"listener_connections\"}"), 1);
    assert_int_equal(counter("sallyport_connections_open"), 2);
    close(first);
    fixture->peers[0] = -1;
    turn();
    assert_true(is_served(connect_to(0)));
}

/* A second worker, whose turn comes when the test says so. */
static void an_overloaded_worker_hands_connections_on(void **state)
{
    (void)state;
    struct gateway_worker *worker = &fixture->gateway;
    struct gateway_worker other = { .peers = worker->peers };
    struct gateway_worker *workers[] = { worker, &other };
    worker->workers = workers;
    worker->worker_count = 2;
    assert_ok(net_loop_init(&other.worker.loop));
    other.worker.index = 1;
    other.worker.draining = true; /* takes nothing itself: that it was asked is enough */
    other.worker.metrics = worker->worker.metrics;
    take_up_one("public", 0);
    worker->worker.overload.deadline = 1;
    worker->worker.loop.long_turn = 0; /* every turn is long */
    worker->worker.overload.alert_until = INT64_MAX;
    int fd = connect_to(0);
    assert_int_equal(counter("sallyport_connections_handed_on_total"), 1);
    assert_int_equal(counter("sallyport_connections_accepted_total"), 0);
    uv_run(&other.worker.loop.uv, UV_RUN_NOWAIT);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    /* Where all have too much to do, nobody is better off elsewhere; and without too much to do, neither. */
    other.worker.overload.alert_until = INT64_MAX;
    connect_to(0);
    other.worker.overload.alert_until = 0;
    worker->worker.overload.alert_until = 0;
    connect_to(0);
    assert_int_equal(counter("sallyport_connections_handed_on_total"), 1);
    assert_int_equal(counter("sallyport_connections_accepted_total"), 2);
    net_loop_done(&other.worker.loop);
}

static void take_up_inner(const char *name, size_t index)
{
    struct worker_socket socket = socket_of(name, index);
    struct worker_snapshot *made = snapshot_of(name, false, 10);
    ((struct listener_settings *)made->snapshot->settings->listeners)[0].exposure = EXPOSURE_INTERNAL;
    assert_true(take_up(made, &socket, 1));
}

/* By an outer listener, and it is an inner one now. */
static void who_came_from_outside_is_let_go_where_it_is_inside(void **state)
{
    (void)state;
    take_up_one("public", 0);
    int fd = connect_to(0);
    assert_true(is_served(fd));
    take_up_inner("public", 0);
    turn();
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    fd = connect_to(0);
    assert_true(is_served(fd));
    take_up_inner("public", 0);
    assert_true(is_served(fd));
}

static void what_was_handed_on_is_taken(void **state)
{
    (void)state;
    take_up_one("public", 0);
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    fixture->peers[fixture->peer_count++] = ends[1];
    struct arrival arrival = { .fd = ends[0], .client = { .port = 1 } };
    worker_take_connection(&fixture->gateway, SLICE("public"), &arrival);
    assert_true(is_served(ends[1]));
    /* Of a listener that is gone meanwhile, or an inner one by now. */
    take_up_inner("public", 0);
    static const struct slice names[] = { SLICE_INIT("other"), SLICE_INIT("public") };
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        fixture->peers[fixture->peer_count++] = ends[1];
        arrival.fd = ends[0];
        worker_take_connection(&fixture->gateway, names[i], &arrival);
        char byte;
        assert_int_equal(recv(ends[1], &byte, 1, 0), 0);
    }
}

static void an_address_has_as_many_as_allowed(void **state)
{
    (void)state;
    struct worker_socket socket = socket_of("public", 0);
    struct worker_snapshot *made = snapshot_of("public", false, 10);
    ((struct listener_settings *)made->snapshot->settings->listeners)[0].max_connections_per_address = 1;
    assert_true(take_up(made, &socket, 1));
    int first = connect_to(0);
    assert_true(is_served(first));
    assert_false(is_served(connect_to(0)));
    assert_int_equal(counter("sallyport_connections_refused_total{reason=\"address_connections\"}"), 1);
    close(first);
    fixture->peers[0] = -1;
    turn();
    assert_true(is_served(connect_to(0)));
}

/* ---- the PROXY protocol ---- */

#define HEADER "PROXY TCP4 192.0.2.7 127.0.0.1 40000 443\r\n"

static void take_up_proxied(int64_t max_connections)
{
    static struct slice text = SLICE_INIT("127.0.0.1");
    struct worker_socket socket = socket_of("public", 0);
    struct worker_snapshot *made = snapshot_of("public", false, max_connections);
    struct listener_settings *listener =
        &((struct listener_settings *)made->snapshot->settings->listeners)[0];
    listener->proxy_protocol = PROXY_PROTOCOL_REQUIRED;
    listener->max_connections_per_address = 1;
    listener->trusted_proxies = (struct conf_strings){ &text, 1 };
    listener->trusted = arena_calloc(&made->snapshot->config->arena, 1, sizeof *listener->trusted);
    assert_true(address_prefix_parse(text, listener->trusted));
    assert_true(take_up(made, &socket, 1));
}

static void announce(int fd, const char *header)
{
    assert_int_equal(send(fd, header, strlen(header), MSG_NOSIGNAL), strlen(header));
    turn();
}

static bool has_ended(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

static void a_proxy_announces_who_the_client_is(void **state)
{
    (void)state;
    take_up_proxied(10);
    int first = connect_to(0);
    announce(first, HEADER);
    assert_true(is_served(first));
    /* One connection per address: this client's, not the proxy's. */
    int again = connect_to(0);
    announce(again, HEADER);
    assert_true(has_ended(again));
    assert_int_equal(counter("sallyport_connections_refused_total{reason=\"address_connections\"}"), 1);
    int other = connect_to(0);
    announce(other, "PROXY TCP4 192.0.2.8 127.0.0.1 40000 443\r\n");
    assert_true(is_served(other));
    assert_int_equal(counter("sallyport_connections_accepted_total"), 2);
    assert_int_equal(counter("sallyport_connections_open"), 2);
}

static void who_announces_nothing_is_not_served(void **state)
{
    (void)state;
    take_up_proxied(10);
    int fd = connect_to(0);
    assert_false(is_served(fd));
    assert_true(has_ended(fd));
    assert_int_equal(counter("sallyport_connections_refused_total{reason=\"proxy_header_bad\"}"), 1);
    assert_int_equal(counter("sallyport_connections_open"), 0);
}

static void waiting_for_a_header_takes_a_place(void **state)
{
    (void)state;
    take_up_proxied(1);
    int first = connect_to(0);
    assert_int_equal(counter("sallyport_connections_open"), 1);
    assert_true(has_ended(connect_to(0)));
    assert_int_equal(counter("sallyport_connections_refused_total{reason=\"listener_connections\"}"), 1);
    announce(first, HEADER);
    assert_true(is_served(first));
}

static void a_listener_that_goes_waits_for_no_header(void **state)
{
    (void)state;
    take_up_proxied(10);
    int fd = connect_to(0);
    take_up_one("other", 1);
    turn();
    assert_true(has_ended(fd));
    assert_int_equal(counter("sallyport_connections_open"), 0);
    assert_int_equal(counter("sallyport_connections_refused_total{reason=\"proxy_header_missing\"}"), 0);
}

static void a_worker_that_drains_takes_no_socket(void **state)
{
    (void)state;
    take_up_one("public", 0);
    fixture->gateway.worker.draining = true;
    take_up_one("public", 1);
    assert_true(is_left_alone(1));
}

static void closed_is_closed(void **state)
{
    (void)state;
    take_up_one("public", 0);
    worker_listeners_close(&fixture->gateway);
    turn();
    assert_true(is_left_alone(0));
}

static void what_is_no_socket_is_told(void **state)
{
    (void)state;
    struct worker_socket file = { SLICE_INIT("public"), open("/dev/null", O_RDONLY | O_CLOEXEC) };
    assert_false(take_up(snapshot_of("public", false, 10), &file, 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_socket_is_served),
        TEST(the_same_socket_goes_on),
        TEST(several_sockets_of_one_listener_are_all_served),
        TEST(another_socket_replaces_the_first),
        TEST(a_listener_that_goes_takes_its_connections_along),
        TEST(a_status_listener_is_not_the_workers),
        TEST(as_many_connections_as_allowed),
        TEST(an_address_has_as_many_as_allowed),
        TEST(an_overloaded_worker_hands_connections_on),
        TEST(what_was_handed_on_is_taken),
        TEST(who_came_from_outside_is_let_go_where_it_is_inside),
        TEST(a_proxy_announces_who_the_client_is),
        TEST(who_announces_nothing_is_not_served),
        TEST(waiting_for_a_header_takes_a_place),
        TEST(a_listener_that_goes_waits_for_no_header),
        TEST(a_worker_that_drains_takes_no_socket),
        TEST(closed_is_closed),
        TEST(what_is_no_socket_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
