#include "unit.h"

#include "net/stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

static struct net_loop loop;

struct peer {
    struct stream stream; /* first */
    unsigned int events;  /* of the last on_ready */
    unsigned int calls;
    bool closed;
};

static struct peer left, right;

static void on_ready(struct stream *stream, unsigned int events)
{
    struct peer *peer = (struct peer *)stream;
    peer->events = events;
    peer->calls++;
}

static void on_closed(struct stream *stream)
{
    ((struct peer *)stream)->closed = true;
}

static void open_pair(const int fds[2])
{
    memset(&left, 0, sizeof left);
    memset(&right, 0, sizeof right);
    assert_ok(net_loop_init(&loop));
    assert_ok(stream_open(&left.stream, &loop, fds[0], on_ready));
    assert_ok(stream_open(&right.stream, &loop, fds[1], on_ready));
}

static int set_up(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    open_pair(fds);
    return 0;
}

static int listening(struct sockaddr_in *address)
{
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    *address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(bind(fd, (struct sockaddr *)address, size), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

static int set_up_tcp(void **state)
{
    (void)state;
    struct sockaddr_in address;
    struct address peer;
    int listener = listening(&address), fds[2];
    assert_ok(stream_connect((struct sockaddr *)&address, sizeof address, &fds[0]));
    fds[1] = -EAGAIN;
    while (fds[1] == -EAGAIN) {
        fds[1] = stream_accept(listener, &peer);
    }
    assert_true(fds[1] >= 0);
    assert_true(address_is_v4(&peer) && peer.port != 0);
    close(listener);
    assert_int_equal(stream_connected(fds[0]), 0);
    for (int i = 0; i < 2; i++) {
        int on = 0;
        socklen_t size = sizeof on;
        getsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, &size);
        assert_int_not_equal(on, 0);
        assert_true((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0);
        assert_true((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
    }
    open_pair(fds);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stream_close(&left.stream, on_closed);
    stream_close(&right.stream, on_closed);
    net_loop_done(&loop);
    assert_true(left.closed && right.closed);
    return 0;
}

static void turn(void)
{
    uv_run(&loop.uv, UV_RUN_NOWAIT);
}

static void turns_until_called(struct peer *peer)
{
    unsigned int before = peer->calls;
    for (int i = 0; i < 1000000 && peer->calls == before; i++) {
        turn();
    }
    assert_int_not_equal(peer->calls, before);
}

static void send_text(struct peer *peer, const char *text)
{
    struct iovec part = { (void *)text, strlen(text) };
    size_t size;
    assert_int_equal(peer->stream.ops->write(&peer->stream, &part, 1, &size), STREAM_OK);
    assert_int_equal(size, strlen(text));
}

static void test_reads_and_writes(void **state)
{
    (void)state;
    char text[16];
    size_t size = 99;
    assert_int_equal(left.stream.ops->handshake(&left.stream), STREAM_OK);
    assert_int_equal(left.stream.ops->read(&left.stream, text, sizeof text, &size), STREAM_AGAIN);
    assert_int_equal(size, 99);
    struct iovec parts[] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
    assert_int_equal(right.stream.ops->write(&right.stream, parts, 3, &size), STREAM_OK);
    assert_int_equal(size, 5);
    stream_want(&left.stream, STREAM_READABLE);
    turn();
    assert_int_equal(left.events, STREAM_READABLE);
    assert_int_equal(left.stream.ops->read(&left.stream, text, 3, &size), STREAM_OK);
    assert_memory_equal(text, "abc", 3);
    assert_false(left.stream.ops->pending(&left.stream));
    turn(); /* level-triggered: the rest makes it ready again */
    assert_int_equal(left.calls, 2);
    assert_int_equal(left.stream.ops->read(&left.stream, text, sizeof text, &size), STREAM_OK);
    assert_int_equal(size, 2);
    turn();
    assert_int_equal(left.calls, 2);
}

static void test_orderly_end(void **state)
{
    (void)state;
    char text[16];
    size_t size;
    send_text(&right, "bye");
    assert_int_equal(right.stream.ops->shutdown(&right.stream), STREAM_OK);
    stream_want(&left.stream, STREAM_READABLE);
    turns_until_called(&left);
    assert_int_equal(left.events, STREAM_READABLE);
    assert_int_equal(left.stream.ops->read(&left.stream, text, sizeof text, &size), STREAM_OK);
    assert_int_equal(left.stream.ops->read(&left.stream, text, sizeof text, &size), STREAM_END);
    send_text(&left, "still"); /* half-closed: our direction goes on */
    assert_int_equal(right.stream.ops->read(&right.stream, text, sizeof text, &size), STREAM_OK);
}

/* The end of the peer's direction is no cancel: whoever wants nothing, or only to write, hears nothing of it. */
static void test_a_half_close_disturbs_no_writer(void **state)
{
    (void)state;
    assert_int_equal(right.stream.ops->shutdown(&right.stream), STREAM_OK);
    stream_want(&left.stream, 0);
    turn();
    turn();
    assert_int_equal(left.calls, 0);
    stream_want(&left.stream, STREAM_WRITABLE);
    turns_until_called(&left);
    assert_int_equal(left.events, STREAM_WRITABLE);
}

static void test_back_pressure(void **state)
{
    (void)state;
    static char block[65536], out[65536];
    struct iovec part = { block, sizeof block };
    size_t size, sent = 0, got = 0;
    enum stream_result result;
    for (size_t i = 0; i < sizeof block; i++) {
        block[i] = (char)(i * 7);
    }
    while ((result = left.stream.ops->write(&left.stream, &part, 1, &size)) == STREAM_OK) {
        sent += size;
    }
    assert_int_equal(result, STREAM_AGAIN);
    stream_want(&left.stream, STREAM_WRITABLE);
    turn();
    assert_int_equal(left.calls, 0);
    while (right.stream.ops->read(&right.stream, out, sizeof out, &size) == STREAM_OK) {
        got += size;
    }
    assert_int_equal(got, sent);
    turns_until_called(&left);
    assert_int_equal(left.events, STREAM_WRITABLE);
}

static void test_a_reset_is_broken(void **state)
{
    (void)state;
    char text[16];
    size_t size;
    stream_want(&left.stream, STREAM_READABLE);
    stream_reset_on_close(&right.stream);
    stream_close(&right.stream, on_closed);
    turns_until_called(&left);
    assert_int_equal(left.events & STREAM_BROKEN, STREAM_BROKEN);
    assert_int_equal(left.events & STREAM_READABLE, STREAM_READABLE);
    unsigned int calls = left.calls;
    turn();
    assert_int_equal(left.calls, calls); /* nothing is watched until asked for again */
    assert_int_equal(left.stream.watched, 0);
    stream_want(&left.stream, STREAM_READABLE);
    turns_until_called(&left);
    assert_int_equal(left.stream.ops->read(&left.stream, text, sizeof text, &size), STREAM_FAILED);
    assert_int_equal(left.stream.ops->write(&left.stream, &(struct iovec){ "x", 1 }, 1, &size),
                     STREAM_FAILED);
}

static void test_mapped_readiness(void **state)
{
    (void)state;
    left.stream.read_needs_write = true;
    stream_want(&left.stream, STREAM_READABLE);
    assert_int_equal(left.stream.watched, UV_WRITABLE);
    turn();
    assert_int_equal(left.events, STREAM_READABLE);
    left.stream.read_needs_write = false;
    left.stream.write_needs_read = true;
    stream_want(&left.stream, STREAM_WRITABLE);
    assert_int_equal(left.stream.watched, UV_READABLE);
    left.calls = 0;
    turn();
    assert_int_equal(left.calls, 0);
    send_text(&right, "x");
    turn();
    assert_int_equal(left.events, STREAM_WRITABLE);
}

static void on_ready_closes(struct stream *stream, unsigned int events)
{
    (void)events;
    stream_close(&left.stream, on_closed);
    stream_close(&right.stream, on_closed);
    ((struct peer *)stream)->calls++;
}

/* Both are ready in one turn; the first closes the second, which must not be called then. */
static void test_no_callback_after_close(void **state)
{
    (void)state;
    left.stream.on_ready = right.stream.on_ready = on_ready_closes;
    stream_want(&left.stream, STREAM_WRITABLE);
    stream_want(&right.stream, STREAM_WRITABLE);
    turn();
    turn();
    assert_int_equal(left.calls + right.calls, 1);
    assert_int_equal(left.stream.fd, -1);
    stream_want(&left.stream, STREAM_READABLE); /* harmless */
}

/* A descriptor's number that is used again at once must not bring events to the old owner. */
static void test_descriptor_reuse(void **state)
{
    (void)state;
    stream_want(&left.stream, STREAM_READABLE);
    turn();
    int fd = left.stream.fd, fds[2];
    stream_close(&left.stream, on_closed);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_int_equal(fds[0], fd);
    struct peer other = { .calls = 0 };
    assert_ok(stream_open(&other.stream, &loop, fds[0], on_ready));
    stream_want(&other.stream, STREAM_READABLE);
    assert_int_equal(write(fds[1], "x", 1), 1);
    turns_until_called(&other);
    assert_int_equal(left.calls, 0);
    assert_true(left.closed);
    stream_close(&other.stream, on_closed);
    turn();
    close(fds[1]);
}

static void test_a_refused_connection(void **state)
{
    (void)state;
    struct sockaddr_in address;
    int listener = listening(&address), fd;
    close(listener);
    struct error error = stream_connect((struct sockaddr *)&address, sizeof address, &fd);
    if (!failed(error)) {
        struct peer peer = { .calls = 0 };
        assert_ok(stream_open(&peer.stream, &loop, fd, on_ready));
        stream_want(&peer.stream, STREAM_WRITABLE);
        turns_until_called(&peer);
        assert_int_equal(stream_connected(fd), ECONNREFUSED);
        stream_close(&peer.stream, on_closed);
        turn();
    } else {
        assert_int_equal(error.number, ECONNREFUSED);
    }
}

static void test_accept_without_anybody(void **state)
{
    (void)state;
    struct sockaddr_in address;
    int listener = listening(&address);
    assert_int_equal(stream_accept(listener, NULL), -EAGAIN);
    close(listener);
    assert_int_equal(stream_accept(listener, NULL), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reads_and_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_orderly_end, set_up_tcp, tear_down),
        cmocka_unit_test_setup_teardown(test_a_half_close_disturbs_no_writer, set_up_tcp, tear_down),
        cmocka_unit_test_setup_teardown(test_back_pressure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_reset_is_broken, set_up_tcp, tear_down),
        cmocka_unit_test_setup_teardown(test_mapped_readiness, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_callback_after_close, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descriptor_reuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_refused_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_accept_without_anybody, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
