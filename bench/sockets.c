/* WebSockets on both sides of a contestant: the upstream that echoes, and the load that asks. One thread with epoll each; messages of
 * one size, 64 bytes, so that nothing has to be taken apart. To 127.0.0.1 only.
 *
 * usage: sockets serve PORT
 *        sockets echo PORT SECONDS COUNT     each of COUNT sockets sends the next message when the last has come back
 *        sockets hold PORT COUNT             opens them, says so, and keeps them until its input ends */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE    64
#define ASKED      (2 + 4 + MESSAGE) /* bytes of a client's frame, with its mask */
#define ECHOED     (2 + MESSAGE)
#define SOCKETS    20000
#define KEY        "dGhlIHNhbXBsZSBub25jZQ=="
#define PATIENCE_S 20

struct socket {
    bool open;         /* the handshake is over */
    unsigned int have; /* bytes of the message that comes */
    unsigned int head; /* bytes of the handshake that came */
    char buffer[2048];
};

static struct socket *sockets; /* by descriptor */
static int events;
static char asked[ASKED], echoed[ECHOED];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void set_up(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    sockets = calloc(SOCKETS + 64, sizeof *sockets);
    events = epoll_create1(EPOLL_CLOEXEC);
    if (sockets == NULL || events < 0) {
        die("sockets");
    }
    memset(asked, 'x', sizeof asked);
    memset(echoed, 0, sizeof echoed);
    asked[0] = echoed[0] = (char)0x82;
    asked[1] = (char)(0x80 | MESSAGE);
    echoed[1] = MESSAGE;
}

static void watch(int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (fd >= SOCKETS || epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("epoll");
    }
    sockets[fd] = (struct socket){ 0 };
}

static bool put(int fd, const char *data, size_t size)
{
    return send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* The end of a head in what came; NULL: not yet. */
static char *take_head(int fd)
{
    struct socket *socket = &sockets[fd];
    ssize_t got = recv(fd, socket->buffer + socket->head, sizeof socket->buffer - 1 - socket->head, 0);
    socket->head += got > 0 ? (unsigned int)got : 0;
    socket->buffer[socket->head] = '\0';
    return got > 0 ? strstr(socket->buffer, "\r\n\r\n") : NULL;
}

/* ---- the upstream ---- */

static bool switch_protocols(int fd)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH];
    char text[128], accept[64], answer[256];
    const char *key = strcasestr(sockets[fd].buffer, "\r\nsec-websocket-key:");
    if (key == NULL) {
        static const char ok[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        return put(fd, ok, sizeof ok - 1);
    }
    key += strlen("\r\nsec-websocket-key:");
    key += strspn(key, " ");
    int length = snprintf(text, sizeof text, "%.24s%s", key, guid);
    SHA1((unsigned char *)text, (size_t)length, digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof digest);
    length = snprintf(answer, sizeof answer,
                      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Accept: %s\r\n\r\n",
                      accept);
    sockets[fd].open = true;
    return put(fd, answer, (size_t)length);
}

static bool echo(int fd)
{
    char data[16 * 1024];
    ssize_t got = recv(fd, data, sizeof data, 0);
    bool good = got > 0;
    for (sockets[fd].have += good ? (unsigned int)got : 0; good && sockets[fd].have >= ASKED;
         sockets[fd].have -= ASKED) {
        good = put(fd, echoed, sizeof echoed);
    }
    return good;
}

static int listen_at(int port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0) {
        die("listen");
    }
    return fd;
}

static void accept_all(int listening)
{
    const int on = 1;
    for (int fd; (fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(fd);
    }
}

static void serve(int port)
{
    int listening = listen_at(port);
    watch(listening);
    for (;;) {
        struct epoll_event ready[256];
        int count = epoll_wait(events, ready, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == listening) {
                accept_all(listening);
                continue;
            }
            bool good = sockets[fd].open        ? echo(fd)
                        : take_head(fd) == NULL ? sockets[fd].head > 0
                                                : switch_protocols(fd);
            if (!good) {
                close(fd);
            }
        }
    }
}

/* ---- the load ---- */

static int open_socket(int port)
{
    static const char request[] =
        "GET /socket HTTP/1.1\r\nHost: bench.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n";
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timeval patience = { .tv_sec = PATIENCE_S };
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        die("connect");
    }
    watch(fd);
    if (!put(fd, request, sizeof request - 1)) {
        die("handshake");
    }
    while (take_head(fd) == NULL) {
        if (sockets[fd].head == 0) {
            die("handshake");
        }
    }
    if (strncmp(sockets[fd].buffer, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "sockets: %.200s\n", sockets[fd].buffer);
        exit(1);
    }
    return fd;
}

static void ask(int port, double seconds, unsigned long count)
{
    unsigned long done = 0, before = 0;
    int *all = calloc(count, sizeof *all);
    for (unsigned long i = 0; i < count; i++) {
        all[i] = open_socket(port);
    }
    printf("OPEN\n"); /* from here on it is measured */
    fflush(stdout);
    (void)getchar();
    double began = now_s(), ends = began + seconds;
    for (unsigned long i = 0; i < count; i++) {
        if (!put(all[i], asked, sizeof asked)) {
            die("send");
        }
    }
    while (now_s() < ends) {
        struct epoll_event ready[256];
        int some = epoll_wait(events, ready, 256, 1000);
        before = done;
        for (int i = 0; i < some; i++) {
            char data[4096];
            int fd = ready[i].data.fd;
            ssize_t got = recv(fd, data, sizeof data, 0);
            if (got <= 0) {
                die("a socket was closed");
            }
            sockets[fd].have += (unsigned int)got;
            if (sockets[fd].have >= ECHOED) {
                sockets[fd].have -= ECHOED;
                done++;
                if (!put(fd, asked, sizeof asked)) {
                    die("send");
                }
            }
        }
        if (some == 0 && done == before) {
            break;
        }
    }
    printf("RESULT {\"count\":%lu,\"seconds\":%.3f}\n", done, now_s() - began);
    fflush(stdout);
    (void)getchar();
}

static void hold(int port, unsigned long count)
{
    for (unsigned long i = 0; i < count; i++) {
        (void)open_socket(port);
    }
    printf("RESULT {\"count\":%lu}\n", count);
    fflush(stdout);
    while (getchar() != EOF) {
    }
}

int main(int count, char **arguments)
{
    int port = count > 2 ? (int)strtoul(arguments[2], NULL, 10) : 0;
    set_up();
    if (count == 3 && strcmp(arguments[1], "serve") == 0) {
        serve(port);
    } else if (count == 5 && strcmp(arguments[1], "echo") == 0) {
        ask(port, strtod(arguments[3], NULL), strtoul(arguments[4], NULL, 10));
    } else if (count == 4 && strcmp(arguments[1], "hold") == 0) {
        hold(port, strtoul(arguments[3], NULL, 10));
    } else {
        fprintf(stderr, "usage: sockets serve PORT\n       sockets echo PORT SECONDS COUNT\n       sockets "
                        "hold PORT COUNT\n");
        return 2;
    }
    return 0;
}
