/* Both ends of a connection in one thread, over a socket pair: no loop needs to turn. For tests only. */
#ifndef SALLYPORT_TESTS_TLS_PAIR_H
#define SALLYPORT_TESTS_TLS_PAIR_H

#include "tls/internal.h"
#include "unit.h"

#include <sys/socket.h>
#include <unistd.h>

struct pair {
    struct net_loop loop;
    struct stream server, client;
    enum stream_result server_result, client_result; /* of the handshake */
};

static inline void pair_ignore(struct stream *stream, unsigned int events)
{
    (void)stream;
    (void)events;
}

static inline void pair_open(struct pair *pair)
{
    int fds[2];
    memset(pair, 0, sizeof *pair);
    assert_ok(net_loop_init(&pair->loop));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_ok(stream_open(&pair->server, &pair->loop, fds[0], pair_ignore));
    assert_ok(stream_open(&pair->client, &pair->loop, fds[1], pair_ignore));
}

static inline void pair_done(struct pair *pair)
{
    stream_close(&pair->server, NULL);
    stream_close(&pair->client, NULL);
    net_loop_done(&pair->loop);
}

/* Drives both sides until neither can go on. */
static inline void pair_shake(struct pair *pair)
{
    pair->server_result = pair->client_result = STREAM_AGAIN;
    for (int i = 0; i < 100; i++) {
        if (pair->client_result == STREAM_AGAIN) {
            pair->client_result = pair->client.ops->handshake(&pair->client);
        }
        if (pair->server_result == STREAM_AGAIN) {
            pair->server_result = pair->server.ops->handshake(&pair->server);
        }
    }
}

static inline enum stream_result pair_read(struct stream *stream, char *out, size_t size, size_t *ret_size)
{
    return stream->ops->read(stream, out, size, ret_size);
}

static inline enum stream_result pair_write(struct stream *stream, const char *text, size_t *ret_size)
{
    struct iovec part = { (void *)text, strlen(text) };
    return stream->ops->write(stream, &part, 1, ret_size);
}

/* One line each way proves that the connection works. */
static inline void pair_exchange(struct pair *pair)
{
    char text[64];
    size_t size;
    assert_int_equal(pair_write(&pair->client, "ping", &size), STREAM_OK);
    assert_int_equal(pair_read(&pair->server, text, sizeof text, &size), STREAM_OK);
    assert_slice(slice_of(text, size), "ping");
    assert_int_equal(pair_write(&pair->server, "pong", &size), STREAM_OK);
    assert_int_equal(pair_read(&pair->client, text, sizeof text, &size), STREAM_OK);
    assert_slice(slice_of(text, size), "pong");
}

#endif
