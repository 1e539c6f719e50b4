/* The floor: what it costs to pass a request on at all. One thread, epoll, pooled keep-alive connections upstream, and
 * nothing looked at beyond the end of a head: two recv, two send per request. It trusts both sides: a measure, no proxy.
 * With CONNECTIONS it opens so many to the upstream and takes the one that has rested longest, as who balances does: what the
 * caches hold of the last used one is of no use to it.
 *
 * usage: relay PORT UPSTREAM_PORT BODY_SIZE [CONNECTIONS] */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER (64 * 1024)
#define EVENTS 256

struct peer {
    int fd;
    bool is_upstream;
    struct peer *other; /* the exchange's other side; NULL: idle */
    struct peer *next;  /* in the pool */
    size_t size;
    char data[BUFFER];
};

static int poll_fd, listen_fd;
static struct sockaddr_in upstream_address;
static struct peer *pool, *pool_last;
static bool in_turn;
static size_t body_size;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct peer *peer_new(int fd, bool is_upstream)
{
    struct peer *peer = calloc(1, sizeof *peer);
    int on = 1;
    if (peer == NULL || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        die("peer");
    }
    peer->fd = fd;
    peer->is_upstream = is_upstream;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("epoll_ctl");
    }
    return peer;
}

static struct peer *connect_upstream(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&upstream_address, sizeof upstream_address) != 0) {
        die("connect");
    }
    return peer_new(fd, true);
}

static struct peer *take_upstream(void)
{
    struct peer *peer = pool;
    if (peer == NULL) {
        return connect_upstream();
    }
    pool = peer->next;
    return peer;
}

static void give_upstream(struct peer *peer)
{
    if (in_turn && pool != NULL) {
        peer->next = NULL;
        pool_last = pool_last->next = peer;
        return;
    }
    peer->next = pool;
    pool_last = peer->next == NULL ? peer : pool_last;
    pool = peer;
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return; /* gone: the next read tells */
        }
        if (sent > 0) {
            data += sent;
            size -= (size_t)sent;
        }
    }
}

static void drop(struct peer *peer)
{
    close(peer->fd);
    if (peer->other != NULL) {
        peer->other->other = NULL;
    }
    free(peer);
}

static void on_client(struct peer *client)
{
    if (client->other != NULL || memmem(client->data, client->size, "\r\n\r\n", 4) == NULL) {
        return;
    }
    struct peer *upstream = take_upstream();
    client->other = upstream;
    upstream->other = client;
    send_all(upstream->fd, client->data, client->size);
    client->size = 0;
}

static void on_upstream(struct peer *upstream)
{
    const char *end = memmem(upstream->data, upstream->size, "\r\n\r\n", 4);
    if (end == NULL || upstream->size < (size_t)(end - upstream->data) + 4 + body_size) {
        return;
    }
    if (upstream->other != NULL) {
        send_all(upstream->other->fd, upstream->data, upstream->size);
        upstream->other->other = NULL;
    }
    upstream->other = NULL;
    upstream->size = 0;
    give_upstream(upstream);
}

static void on_readable(struct peer *peer)
{
    ssize_t got = recv(peer->fd, peer->data + peer->size, BUFFER - peer->size, 0);
    if (got <= 0) {
        if (peer->is_upstream) {
            die("upstream closed");
        }
        drop(peer);
        return;
    }
    peer->size += (size_t)got;
    if (peer->is_upstream) {
        on_upstream(peer);
    } else {
        on_client(peer);
    }
}

int main(int count, char **arguments)
{
    if (count != 4 && count != 5) {
        fprintf(stderr, "usage: relay PORT UPSTREAM_PORT BODY_SIZE [CONNECTIONS]\n");
        return 2;
    }
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)strtoul(arguments[1], NULL, 10)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    upstream_address = address;
    upstream_address.sin_port = htons((uint16_t)strtoul(arguments[2], NULL, 10));
    body_size = strtoul(arguments[3], NULL, 10);
    int on = 1;
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (poll_fd < 0 || listen_fd < 0 ||
        setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listen_fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(listen_fd, 1024) != 0) {
        die("listen");
    }
    in_turn = count == 5;
    for (unsigned long i = in_turn ? strtoul(arguments[4], NULL, 10) : 0; i > 0; i--) {
        give_upstream(connect_upstream());
    }
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, listen_fd, &event) != 0) {
        die("epoll_ctl");
    }
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr != NULL) {
                on_readable(events[i].data.ptr);
                continue;
            }
            int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) {
                peer_new(fd, false);
            }
        }
    }
}
