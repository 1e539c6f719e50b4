#include "unit.h"

#include "base/clock.h"
#include "gateway/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct net_loop loop;
    struct acceptor acceptor;
    struct sockaddr_in address;
    unsigned int accepted, closed, refused;
    bool go_on;
    int64_t now; /* the loop's, when the last one came */
    int last;
    struct address peer;
    int clients[100];
    size_t client_count;
};

static struct fixture *fixture;

static void on_accept(struct acceptor *acceptor, int fd, const struct address *peer)
{
    fixture->accepted++;
    fixture->peer = *peer;
    fixture->now = acceptor->loop->now;
    if (fixture->last >= 0) {
        close(fixture->last);
    }
    fixture->last = fd;
}

static void on_closed(struct acceptor *acceptor)
{
    (void)acceptor;
    fixture->closed++;
}

static int listening_socket(struct sockaddr_in *ret_address)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_address = address;
    return fd;
}

static int setup(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    fixture->last = -1;
    assert_ok(net_loop_init(&fixture->loop));
    int fd = listening_socket(&fixture->address);
    assert_ok(acceptor_open(&fixture->acceptor, &fixture->loop, fd, on_accept));
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
    if (fixture->closed == 0) {
        acceptor_close(&fixture->acceptor, on_closed);
        turn();
    }
    assert_int_equal(fixture->closed, 1);
    for (size_t i = 0; i < fixture->client_count; i++) {
        close(fixture->clients[i]);
    }
    if (fixture->last >= 0) {
        close(fixture->last);
    }
    net_loop_done(&fixture->loop);
    free(fixture);
    return 0;
}

static void connect_client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&fixture->address, sizeof fixture->address), 0);
    fixture->clients[fixture->client_count++] = fd;
}

static void accepts_what_comes(void **state)
{
    (void)state;
    connect_client();
    connect_client();
    turn();
    assert_int_equal(fixture->accepted, 2);
    struct address loopback;
    assert_true(address_parse(SLICE("127.0.0.1"), &loopback));
    assert_memory_equal(fixture->peer.bytes, loopback.bytes, sizeof loopback.bytes);
    assert_int_not_equal(fixture->peer.port, 0);
    int flags = fcntl(fixture->last, F_GETFL);
    assert_true((flags & O_NONBLOCK) != 0);
    assert_true((fcntl(fixture->last, F_GETFD) & FD_CLOEXEC) != 0);
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    assert_int_equal(getsockopt(fixture->last, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
    assert_int_not_equal(no_delay, 0);
}

static void many_at_once_are_all_accepted(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        connect_client();
    }
    uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    assert_true(fixture->accepted < 100); /* a few a turn: others are served in between */
    turn();
    assert_int_equal(fixture->accepted, 100);
}

/* The loop may have slept for long: time limits of the new connection count from now. */
static void the_clock_is_read_first(void **state)
{
    (void)state;
    connect_client();
    fixture->loop.now = 0;
    fixture->loop.now_is_fresh = false;
    int64_t before = clock_monotonic_ns();
    turn();
    assert_int_equal(fixture->accepted, 1);
    assert_true(fixture->now >= before);
}

static void a_full_table_is_not_looked_at_in_a_busy_loop(void **state)
{
    (void)state;
    connect_client();
    struct rlimit limit, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){ .rlim_cur = 1, .rlim_max = limit.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    turn();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(fixture->accepted, 0);
    assert_true(deadline_is_set(&fixture->acceptor.pause));
    turn();
    assert_int_equal(fixture->accepted, 0); /* paused */
    int64_t end = clock_monotonic_ns() + 5 * NS_PER_S;
    while (fixture->accepted == 0 && clock_monotonic_ns() < end) {
        uv_run(&fixture->loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(fixture->accepted, 1);
}

static void on_refused(struct acceptor *acceptor)
{
    (void)acceptor;
    fixture->refused++;
}

/* Who cannot be taken is told, and the loop does not spin over it. */
static void without_descriptors_clients_are_turned_away(void **state)
{
    (void)state;
    fixture->acceptor.on_refused = on_refused;
    for (int i = 0; i < 3; i++) {
        connect_client();
    }
    /* All that are allowed are in use: the highest one is among them. */
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int highest = dup(0), fillers[256], filled = 0;
    struct rlimit full = { .rlim_cur = (rlim_t)highest + 32, .rlim_max = limit.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &full), 0);
    while (filled < 256 && (fillers[filled] = dup(0)) >= 0) {
        filled++;
    }
    uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(fixture->accepted, 0);
    assert_int_equal(fixture->refused, 3);
    for (int i = 0; i < 3; i++) {
        char byte;
        assert_int_equal(recv(fixture->clients[i], &byte, 1, 0), -1);
        assert_int_equal(errno, ECONNRESET);
    }
    /* Twin: with one that is free, all is as before, and the reserve is there again. */
    close(fillers[--filled]);
    close(fillers[--filled]);
    connect_client();
    turn();
    assert_int_equal(fixture->accepted, 1);
    assert_true(fixture->acceptor.reserve >= 0);
    while (filled > 0) {
        close(fillers[--filled]);
    }
    close(highest);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int64_t wait_for_it(struct acceptor *acceptor)
{
    (void)acceptor;
    return fixture->accepted >= 2 && !fixture->go_on ? 20 * NS_PER_MS : 0;
}

/* Those that wait, wait before they were accepted: they cost nothing. */
static void who_may_not_be_accepted_yet_waits(void **state)
{
    (void)state;
    fixture->acceptor.may_accept = wait_for_it;
    for (int i = 0; i < 4; i++) {
        connect_client();
    }
    turn();
    assert_int_equal(fixture->accepted, 2);
    assert_int_not_equal(fixture->acceptor.behind_since, 0);
    fixture->go_on = true;
    int64_t end = clock_monotonic_ns() + 5 * NS_PER_S;
    while (fixture->accepted < 4 && clock_monotonic_ns() < end) {
        uv_run(&fixture->loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(fixture->accepted, 4);
    turn();
    assert_int_equal(fixture->acceptor.behind_since, 0);
}

static void closing_within_a_pause_ends_it(void **state)
{
    (void)state;
    connect_client();
    struct rlimit limit, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){ .rlim_cur = 1, .rlim_max = limit.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    turn();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    acceptor_close(&fixture->acceptor, on_closed);
    assert_false(deadline_is_set(&fixture->acceptor.pause));
    turn();
    assert_int_equal(fixture->closed, 1);
    assert_int_equal(fixture->accepted, 0);
}

static void sockets_are_told_apart(void **state)
{
    (void)state;
    struct sockaddr_in address;
    int same = dup(fixture->acceptor.fd);
    int other = listening_socket(&address);
    assert_true(acceptor_inode(same) == fixture->acceptor.inode);
    assert_true(acceptor_inode(other) != fixture->acceptor.inode);
    assert_true(acceptor_inode(-1) == 0);
    close(same);
    close(other);
}

/* Our descriptor goes, the socket stays: the supervisor holds it. */
static void the_socket_outlives_the_acceptor(void **state)
{
    (void)state;
    int kept = fcntl(fixture->acceptor.fd, F_DUPFD_CLOEXEC, 3);
    acceptor_close(&fixture->acceptor, on_closed);
    turn();
    connect_client();
    turn();
    assert_int_equal(fixture->accepted, 0);
    int fd = accept(kept, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
    close(kept);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(accepts_what_comes),
        TEST(many_at_once_are_all_accepted),
        TEST(the_clock_is_read_first),
        TEST(a_full_table_is_not_looked_at_in_a_busy_loop),
        TEST(without_descriptors_clients_are_turned_away),
        TEST(who_may_not_be_accepted_yet_waits),
        TEST(closing_within_a_pause_ends_it),
        TEST(sockets_are_told_apart),
        TEST(the_socket_outlives_the_acceptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
