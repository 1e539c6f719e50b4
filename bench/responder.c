/* The upstream of the benchmarks: answers every request with the same response. One thread, epoll, keep-alive.
 * GET /bytes/N gets N bytes instead of 1 KiB, and GET /json/N as many of what looks like an API's answer; a request body, by Content-Length or chunked, is read and dropped.
 *
 * usage: responder PORT */
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

#define BUFFER     (256 * 1024)
#define BODY       1024
#define BODY_MAX   (16 * 1024 * 1024)
#define EVENTS     256
#define ADDRESSES  100
#define LAST_CHUNK "0\r\n\r\n"

struct peer {
    int fd;
    size_t size;
    char data[BUFFER];
    size_t body_left; /* of the request, to be dropped */
    bool chunked;     /* dropped up to the last chunk */
    bool answering;   /* the request is whole */
    char *answer;
    char head[256];
    size_t head_size, head_sent, answer_size, answer_sent;
    bool waits_to_write;
};

static int poll_fd;
static int listeners[ADDRESSES];
static char body[BODY_MAX], orders[BODY_MAX];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void want(struct peer *peer, bool write)
{
    if (peer->waits_to_write != write) {
        struct epoll_event event = { .events = write ? EPOLLOUT : EPOLLIN, .data.ptr = peer };
        peer->waits_to_write = write;
        if (epoll_ctl(poll_fd, EPOLL_CTL_MOD, peer->fd, &event) != 0) {
            die("epoll_ctl");
        }
    }
}

/* False: the peer is gone. Small answers go out in one write. */
static bool go_on_answering(struct peer *peer)
{
    while (peer->head_sent < peer->head_size || peer->answer_sent < peer->answer_size) {
        struct iovec parts[2] = {
            { peer->head + peer->head_sent, peer->head_size - peer->head_sent },
            { peer->answer + peer->answer_sent, peer->answer_size - peer->answer_sent },
        };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
        ssize_t sent = sendmsg(peer->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            want(peer, true);
            return errno == EAGAIN || errno == EINTR;
        }
        size_t of_head = parts[0].iov_len < (size_t)sent ? parts[0].iov_len : (size_t)sent;
        peer->head_sent += of_head;
        peer->answer_sent += (size_t)sent - of_head;
    }
    peer->answering = false;
    want(peer, false);
    return true;
}

static void consume(struct peer *peer, size_t size)
{
    memmove(peer->data, peer->data + size, peer->size - size);
    peer->size -= size;
}

/* Drops what there is of the request's body; true when it has ended. */
static bool body_ended(struct peer *peer)
{
    if (peer->chunked) {
        char *end = memmem(peer->data, peer->size, LAST_CHUNK, strlen(LAST_CHUNK));
        if (end == NULL) {
            size_t keep = peer->size < strlen(LAST_CHUNK) ? peer->size : strlen(LAST_CHUNK) - 1;
            consume(peer, peer->size - keep);
            return false;
        }
        consume(peer, (size_t)(end - peer->data) + strlen(LAST_CHUNK));
        peer->chunked = false;
        return true;
    }
    size_t now = peer->body_left < peer->size ? peer->body_left : peer->size;
    consume(peer, now);
    peer->body_left -= now;
    return peer->body_left == 0;
}

static void prepare(struct peer *peer, size_t head_end)
{
    peer->data[head_end - 1] = '\0';
    bool is_json = strncmp(peer->data, "GET /json/", 10) == 0;
    const char *bytes = is_json                                       ? peer->data + 10
                        : strncmp(peer->data, "GET /bytes/", 11) == 0 ? peer->data + 11
                                                                      : NULL;
    peer->answer = is_json ? orders : body;
    const char *length = strcasestr(peer->data, "\nContent-Length:");
    peer->chunked = strcasestr(peer->data, "\nTransfer-Encoding: chunked") != NULL;
    peer->body_left = length != NULL ? strtoul(length + 16, NULL, 10) : 0;
    peer->answer_size = bytes != NULL ? strtoul(bytes, NULL, 10) : BODY;
    peer->answer_size = peer->answer_size < BODY_MAX ? peer->answer_size : BODY_MAX;
    peer->head_size = (size_t)snprintf(peer->head, sizeof peer->head,
                                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                       "Content-Length: %zu\r\n\r\n",
                                       peer->answer_size);
    peer->head_sent = peer->answer_sent = 0;
    peer->answering = true;
    consume(peer, head_end);
}

/* False: the peer is gone. */
static bool advance(struct peer *peer)
{
    for (;;) {
        if (!peer->answering) {
            char *end = memmem(peer->data, peer->size, "\r\n\r\n", 4);
            if (end == NULL) {
                return true;
            }
            prepare(peer, (size_t)(end - peer->data) + 4);
        }
        if (!body_ended(peer)) {
            return true;
        }
        if (!go_on_answering(peer)) {
            return false;
        }
        if (peer->answering) {
            return true;
        }
    }
}

static void on_event(struct peer *peer)
{
    bool alive = true;
    if (!peer->waits_to_write) {
        ssize_t got = recv(peer->fd, peer->data + peer->size, BUFFER - peer->size, 0);
        alive = got > 0;
        peer->size += alive ? (size_t)got : 0;
    }
    if (!alive || !advance(peer)) {
        close(peer->fd);
        free(peer);
    }
}

static void on_accept(int listen_fd)
{
    int on = 1;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    struct peer *peer = fd >= 0 ? calloc(1, sizeof *peer) : NULL;
    if (peer == NULL) {
        return;
    }
    peer->fd = fd;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("accept");
    }
}

/* On 127.0.0.1 and the addresses behind it, for services of many endpoints. */
static void listen_on(size_t index, uint16_t port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)index) };
    int on = 1;
    int fd = listeners[index] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &listeners[index] };
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1024) != 0 ||
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("listen");
    }
}

static bool is_listener(const void *pointer)
{
    return (const int *)pointer >= listeners && (const int *)pointer < listeners + ADDRESSES;
}

/* Names that repeat and numbers that do not; always the same. */
static void write_orders(void)
{
    static const char *const states[] = { "open", "paid", "sent", "returned" };
    uint32_t lot = 1;
    char one[256];
    for (size_t at = 0; at < sizeof orders;) {
        lot = lot * 1664525 + 1013904223;
        uint32_t more = lot * 22695477 + 1;
        int size = snprintf(
            one, sizeof one,
            "{\"id\":%u,\"customer\":\"c-%06x\",\"state\":\"%s\",\"total\":\"%u.%02u\",\"lines\":["
            "{\"sku\":\"A-%04u\",\"quantity\":%u,\"gift\":false}]},\n",
            lot >> 4, more >> 8, states[lot >> 30], lot >> 22 & 1023, more % 100, more >> 18, (more & 7) + 1);
        size_t room = sizeof orders - at;
        memcpy(orders + at, one, (size_t)size < room ? (size_t)size : room);
        at += (size_t)size;
    }
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: responder PORT\n");
        return 2;
    }
    memset(body, 'x', sizeof body);
    write_orders();
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll_fd < 0) {
        die("epoll_create1");
    }
    for (size_t i = 0; i < ADDRESSES; i++) {
        listen_on(i, (uint16_t)strtoul(arguments[1], NULL, 10));
    }
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (is_listener(events[i].data.ptr)) {
                on_accept(*(const int *)events[i].data.ptr);
            } else {
                on_event(events[i].data.ptr);
            }
        }
    }
}
