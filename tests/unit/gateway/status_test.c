#include "unit.h"

#include "base/clock.h"
#include "gateway/status.h"

#include "tls/pki.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct net_loop loop;
    struct metrics *metrics;
    struct status_server *status;
    struct snapshot *snapshot;
    int kept; /* the supervisor's descriptor of the socket */
    struct sockaddr_in address;
    int peer;
    char printed[16 << 20];
    size_t printed_size;
    unsigned int routes;
};

static struct fixture *fixture;

static struct timeout_settings timeouts = { .handshake = 10 * NS_PER_S,
                                            .head = 10 * NS_PER_S,
                                            .body = 10 * NS_PER_S,
                                            .idle = 10 * NS_PER_S,
                                            .write = 10 * NS_PER_S,
                                            .drain = 10 * NS_PER_S,
                                            .min_rate = 500 };

/* A configuration of one listener. */
static struct snapshot *snapshot_of(const char *name, bool status, struct tls_server_settings *tls)
{
    struct config *config = calloc(1, sizeof *config);
    arena_init(&config->arena, CONFIG_ARENA_MAX);
    struct listener_settings *listener = arena_calloc(&config->arena, 1, sizeof *listener);
    *listener = (struct listener_settings){ .name = slice_from_string(name),
                                            .status = status,
                                            .tls = tls,
                                            .timeouts = &timeouts,
                                            .max_head = 8192,
                                            .max_connections = 10 };
    config->settings.listeners = listener;
    config->settings.listener_count = 1;
    struct snapshot *snapshot;
    assert_ok(snapshot_new(config, &snapshot));
    return snapshot;
}

/* As the control thread does it. */
static void take_up(const char *name, bool status, int fd)
{
    struct snapshot *snapshot = snapshot_of(name, status, NULL);
    struct status_change *change;
    assert_ok(status_prepare(snapshot, NULL, &change));
    snapshot_unref(snapshot);
    status_commit(fixture->status, change);
    if (fd >= 0) {
        assert_true(status_add_socket(fixture->status, slice_from_string(name), fd));
    }
    status_settle(fixture->status);
}

static int copy_of(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int listening_socket(struct sockaddr_in *ret_address)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_address = address;
    return fd;
}

static void connect_peer(void)
{
    fixture->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fixture->peer, (struct sockaddr *)&fixture->address, sizeof fixture->address),
                     0);
    assert_int_equal(fcntl(fixture->peer, F_SETFL, O_NONBLOCK), 0);
}

static int setup(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->loop));
    assert_ok(metrics_new(1, &fixture->metrics));
    assert_ok(status_new(&fixture->loop, fixture->metrics, &fixture->status));
    fixture->kept = listening_socket(&fixture->address);
    take_up("ops", true, copy_of(fixture->kept));
    connect_peer();
    return 0;
}

static void turn(void)
{
    for (int i = 0; i < 10; i++) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
}

static int teardown(void **state)
{
    (void)state;
    status_free(fixture->status);
    turn();
    net_loop_done(&fixture->loop);
    metrics_free(fixture->metrics);
    close(fixture->kept);
    close(fixture->peer);
    free(fixture);
    return 0;
}

static void say(const char *text)
{
    fixture->printed_size = 0;
    fixture->printed[0] = '\0';
    assert_int_equal(send(fixture->peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads until `text` is there, or the connection ends. */
static bool see(const char *text)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (clock_monotonic_ns() < limit) {
        turn();
        ssize_t got = recv(fixture->peer, fixture->printed + fixture->printed_size,
                           sizeof fixture->printed - fixture->printed_size - 1, 0);
        fixture->printed_size += got > 0 ? (size_t)got : 0;
        fixture->printed[fixture->printed_size] = '\0';
        if (strstr(fixture->printed, text) != NULL) {
            return true;
        }
        if (got == 0) {
            return false;
        }
    }
    return false;
}

static bool sees_end(void)
{
    return !see("no text at all") && recv(fixture->peer, fixture->printed, 1, 0) == 0;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: ops\r\n\r\n"

static void says_that_it_lives(void **state)
{
    (void)state;
    say(GET("/healthz"));
    assert_true(see("\r\n\r\nok\n"));
    assert_non_null(strstr(fixture->printed, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(fixture->printed, "cache-control: no-store\r\n"));
}

static void says_whether_it_is_ready(void **state)
{
    (void)state;
    say(GET("/readyz"));
    assert_true(see("starting\n"));
    assert_non_null(strstr(fixture->printed, "HTTP/1.1 503 "));
    status_set_ready(fixture->status, NULL);
    say(GET("/readyz"));
    assert_true(see("ready\n"));
    assert_non_null(strstr(fixture->printed, "HTTP/1.1 200 "));
    status_set_ready(fixture->status, "draining\n");
    say(GET("/readyz"));
    assert_true(see("draining\n"));
    assert_non_null(strstr(fixture->printed, "HTTP/1.1 503 "));
}

static void says_nothing_else(void **state)
{
    (void)state;
    say(GET("/"));
    assert_true(see("HTTP/1.1 404 "));
    say(GET("/metrics/../healthz"));
    assert_true(see("HTTP/1.1 404 "));
    say("POST /metrics HTTP/1.1\r\nHost: ops\r\nContent-Length: 1\r\n\r\nx");
    assert_true(see("HTTP/1.1 405 "));
    assert_true(see("allow: GET, HEAD\r\n"));
}

static void rubbish_is_refused(void **state)
{
    (void)state;
    say("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n");
    assert_true(see("HTTP/1.1 400 "));
    assert_true(sees_end());
}

static void counters_are_told(void **state)
{
    (void)state;
    metrics_add(metrics_writer(fixture->metrics, 0), METRIC_RELOADS, 7);
    say(GET("/metrics"));
    assert_true(see("sallyport_reloads_total 7\n"));
    assert_non_null(strstr(fixture->printed, "content-type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    say("HEAD /metrics HTTP/1.1\r\nHost: ops\r\n\r\n");
    assert_true(see("\r\n\r\n"));
    assert_null(strstr(fixture->printed, "sallyport_reloads_total"));
    say(GET("/healthz"));
    assert_true(see("\r\n\r\nok\n"));
}

static void count_many_requests(void)
{
    struct metrics_worker *writer = metrics_writer(fixture->metrics, 0);
    for (unsigned int i = 0; i < 4000; i++) {
        char name[64];
        snprintf(name, sizeof name, "a-group-with-a-name.and-a-route-%u", i);
        unsigned int slot = metrics_route_slot(fixture->metrics, slice_from_string(name));
        metrics_request(writer, slot, 200, DENY_NONE, NS_PER_MS);
    }
}

/* More than a connection buffers: it goes out as the peer takes it, whole. */
static void many_counters_are_told_whole(void **state)
{
    (void)state;
    count_many_requests();
    say(GET("/metrics") GET("/healthz"));
    assert_true(see("\r\n\r\nok\n"));
    assert_true(fixture->printed_size > (1 << 20));
    const char *body = strstr(fixture->printed, "\r\n\r\n") + 4;
    const char *length = strstr(fixture->printed, "ontent-Length: ");
    assert_non_null(length);
    const char *next = body + strtoull(length + strlen("ontent-Length: "), NULL, 10);
    assert_int_equal(strncmp(next, "HTTP/1.1 200 OK\r\n", 17), 0);
}

static void a_peer_that_goes_while_it_is_told(void **state)
{
    (void)state;
    count_many_requests();
    say(GET("/metrics"));
    turn();
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    assert_int_equal(setsockopt(fixture->peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fixture->peer);
    turn();
    connect_peer();
    say(GET("/healthz"));
    assert_true(see("\r\n\r\nok\n"));
}

/* ---- configurations ---- */

static void the_same_socket_goes_on(void **state)
{
    (void)state;
    say(GET("/healthz"));
    assert_true(see("ok\n"));
    take_up("ops", true, copy_of(fixture->kept));
    say(GET("/healthz"));
    assert_true(see("ok\n"));
    close(fixture->peer);
    connect_peer();
    say(GET("/healthz"));
    assert_true(see("ok\n"));
}

/* What was told to the connection's owner must not be gone when it asks again. */
static void a_listener_that_goes_takes_its_connections_along(void **state)
{
    (void)state;
    say(GET("/healthz"));
    assert_true(see("ok\n"));
    take_up("other", false, -1);
    turn();
    assert_int_equal(send(fixture->peer, GET("/readyz"), strlen(GET("/readyz")), MSG_NOSIGNAL),
                     (ssize_t)strlen(GET("/readyz")));
    assert_true(sees_end());
    int fd = accept(fixture->kept, NULL, NULL);
    assert_int_equal(fd, -1);
    close(fixture->peer);
    connect_peer();
    turn();
    fd = accept(fixture->kept, NULL, NULL); /* nobody else takes it */
    assert_true(fd >= 0);
    close(fd);
}

static void another_socket_replaces_the_first(void **state)
{
    (void)state;
    struct sockaddr_in address;
    int fresh = listening_socket(&address);
    take_up("ops", true, fresh);
    turn();
    close(fixture->peer);
    connect_peer(); /* to the former one */
    turn();
    int fd = accept(fixture->kept, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
    close(fixture->peer);
    fixture->address = address;
    connect_peer();
    say(GET("/healthz"));
    assert_true(see("ok\n"));
}

static void a_socket_for_no_status_listener_is_refused(void **state)
{
    (void)state;
    struct sockaddr_in address;
    assert_false(status_add_socket(fixture->status, SLICE("public"), listening_socket(&address)));
}

/* Half taken up, a listener with TLS would have been served without. */
static void what_cannot_be_prepared_changes_nothing(void **state)
{
    (void)state;
    struct tls_certificate_settings broken = { .cert_pem = SLICE_INIT("no PEM"), .key_pem = SLICE_INIT("") };
    struct tls_server_settings tls = { .certificates = { &broken, 1 } };
    struct snapshot *snapshot = snapshot_of("ops", true, &tls);
    struct status_change *change = NULL;
    assert_true(failed(status_prepare(snapshot, NULL, &change)));
    assert_null(change);
    assert_int_equal(snapshot->references, 1);
    snapshot_unref(snapshot);
    say(GET("/healthz"));
    assert_true(see("ok\n"));
}

static void a_tls_listener_speaks_no_plain_text(void **state)
{
    (void)state;
    struct pki site;
    pki_make(&site, "ops", "DNS:ops.example.com", NULL, false, 30);
    struct tls_certificate_settings certificate = { .cert_pem = pki_cert(&site), .key_pem = pki_key(&site) };
    struct tls_server_settings tls = { .certificates = { &certificate, 1 } };
    struct snapshot *snapshot = snapshot_of("ops", true, &tls);
    struct status_change *change;
    assert_ok(status_prepare(snapshot, NULL, &change));
    snapshot_unref(snapshot);
    status_commit(fixture->status, change);
    assert_true(status_add_socket(fixture->status, SLICE("ops"), copy_of(fixture->kept)));
    status_settle(fixture->status);
    turn();
    close(fixture->peer);
    connect_peer();
    say(GET("/healthz"));
    assert_false(see("ok\n"));
    /* The settings are the test's, and end here. */
    take_up("ops", true, copy_of(fixture->kept));
    pki_done(&site);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(says_that_it_lives),
        TEST(says_whether_it_is_ready),
        TEST(says_nothing_else),
        TEST(rubbish_is_refused),
        TEST(counters_are_told),
        TEST(many_counters_are_told_whole),
        TEST(a_peer_that_goes_while_it_is_told),
        TEST(the_same_socket_goes_on),
        TEST(a_listener_that_goes_takes_its_connections_along),
        TEST(another_socket_replaces_the_first),
        TEST(a_socket_for_no_status_listener_is_refused),
        TEST(what_cannot_be_prepared_changes_nothing),
        TEST(a_tls_listener_speaks_no_plain_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
