#include "unit.h"

#include "base/clock.h"
#include "base/limits.h"
#include "gateway/announcement.h"
#include "net/loop.h"

#include <sys/socket.h>
#include <unistd.h>

#define HEADER "PROXY TCP4 192.0.2.7 127.0.0.1 40000 443\r\n"

static struct net_loop loop;
static struct announcement_list list;
static int proxy; /* the proxy's end of the connection */
static struct arrival arrival;

/* What on_end was told. */
static int ends;
static struct arrival ended;
static enum announcement_end how;
static const char *problem;
static int owner;

static void on_end(void *owner_, const struct arrival *arrival_, enum announcement_end how_,
                   const char *problem_)
{
    assert_ptr_equal(owner_, &owner);
    ends++;
    ended = *arrival_;
    how = how_;
    problem = problem_;
}

static int setup(void **state)
{
    (void)state;
    int pair[2];
    assert_ok(net_loop_init(&loop));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    proxy = pair[0];
    arrival = (struct arrival){ .fd = pair[1], .behind = 7 };
    assert_true(address_parse(SLICE("10.0.0.1"), &arrival.client));
    list = (struct announcement_list){ 0 };
    ends = 0;
    ended = (struct arrival){ .fd = -1 };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(proxy);
    close(arrival.fd);
    announcements_end(&list, NULL);
    net_loop_done(&loop);
    return 0;
}

static void await(int64_t patience)
{
    assert_true(announcement_await(&list, &loop, &arrival, patience, on_end, &owner));
    assert_int_equal(list.count, 1);
}

static void turn(void)
{
    uv_run(&loop.uv, UV_RUN_NOWAIT);
}

static void put(const void *data, size_t size)
{
    assert_int_equal(send(proxy, data, size, MSG_NOSIGNAL), size);
    turn();
}

static void assert_ended(enum announcement_end expected)
{
    assert_int_equal(ends, 1);
    assert_int_equal(how, expected);
    assert_int_equal(ended.fd, arrival.fd);
    assert_int_equal(ended.behind, 7);
    assert_int_equal(list.count, 0);
    assert_true((problem != NULL) == (expected == ANNOUNCEMENT_BAD || expected == ANNOUNCEMENT_MISSING));
}

static void assert_client(const char *expected)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(&ended.client, text);
    assert_string_equal(text, expected);
}

/* What the connection still holds. */
static void assert_left(const char *expected)
{
    char rest[64];
    ssize_t got = recv(arrival.fd, rest, sizeof rest, 0);
    assert_int_equal(got, strlen(expected));
    assert_memory_equal(rest, expected, strlen(expected));
}

static void not_one_byte_more_is_read(void **state)
{
    (void)state;
    await(NS_PER_S);
    put(HEADER "GET /", strlen(HEADER "GET /"));
    assert_ended(ANNOUNCEMENT_MADE);
    assert_true(ended.announced);
    assert_client("192.0.2.7");
    assert_left("GET /");
}

static void byte_by_byte_wakes_once_each(void **state)
{
    (void)state;
    await(NS_PER_S);
    for (size_t i = 0; i < strlen(HEADER); i++) {
        assert_int_equal(ends, 0);
        put(&HEADER[i], 1);
        /* What was looked at lies in the connection no longer, to wake us again. */
        char byte;
        assert_int_equal(recv(arrival.fd, &byte, 1, MSG_PEEK), -1);
    }
    assert_ended(ANNOUNCEMENT_MADE);
    assert_client("192.0.2.7");
    put("GET /", 5);
    assert_left("GET /");
}

static void the_largest_header_fits(void **state)
{
    (void)state;
    unsigned char header[PROXY_HEADER_MAX] = "\r\n\r\n\0\r\nQUIT\n\x21\x11";
    size_t rest = sizeof header - 16 - 12 - 3;
    header[14] = (PROXY_HEADER_MAX - 16) >> 8;
    header[15] = (PROXY_HEADER_MAX - 16) & 0xff;
    memcpy(header + 16, "\xc0\0\2\x7\x7f\0\0\1\0\1\0\2\xee", 13);
    header[29] = (unsigned char)(rest >> 8);
    header[30] = (unsigned char)rest;
    await(NS_PER_S);
    put(header, 1000);
    put(header + 1000, sizeof header - 1000);
    assert_ended(ANNOUNCEMENT_MADE);
    assert_client("192.0.2.7");
}

static void a_local_connection_keeps_its_peer(void **state)
{
    (void)state;
    await(NS_PER_S);
    put("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
    assert_ended(ANNOUNCEMENT_MADE);
    assert_false(ended.announced);
    assert_client("10.0.0.1");
}

static void rubbish(void **state)
{
    (void)state;
    await(NS_PER_S);
    put("PROXY TCP4 ", 11);
    put("nonsense\r\n", 10);
    assert_ended(ANNOUNCEMENT_BAD);
    assert_false(ended.announced);
    assert_client("10.0.0.1");
}

static void an_early_end(void **state)
{
    (void)state;
    await(NS_PER_S);
    put(HEADER, strlen(HEADER) - 1);
    shutdown(proxy, SHUT_WR);
    turn();
    assert_ended(ANNOUNCEMENT_MISSING);
}

static void too_late(void **state)
{
    (void)state;
    await(NS_PER_MS);
    put("PROXY", 5);
    while (ends == 0) {
        uv_run(&loop.uv, UV_RUN_ONCE);
    }
    assert_ended(ANNOUNCEMENT_MISSING);
}

static void called_off(void **state)
{
    (void)state;
    int other;
    await(NS_PER_S);
    announcements_end(&list, &other);
    assert_int_equal(ends, 0);
    announcements_end(&list, &owner);
    assert_ended(ANNOUNCEMENT_CALLED_OFF);
    put(HEADER, strlen(HEADER));
    assert_int_equal(ends, 1);
}

static void what_cannot_be_watched_is_refused(void **state)
{
    (void)state;
    struct arrival none = { .fd = -1 };
    assert_false(announcement_await(&list, &loop, &none, NS_PER_S, on_end, &owner));
    assert_int_equal(list.count, 0);
    assert_int_equal(ends, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(not_one_byte_more_is_read),
        TEST(byte_by_byte_wakes_once_each),
        TEST(the_largest_header_fits),
        TEST(a_local_connection_keeps_its_peer),
        TEST(rubbish),
        TEST(an_early_end),
        TEST(too_late),
        TEST(called_off),
        TEST(what_cannot_be_watched_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
