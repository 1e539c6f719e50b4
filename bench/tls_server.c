/* The floor of TLS: what OpenSSL itself costs. One thread, epoll, an accept loop; it answers every request with the same
 * 1 KiB and looks at nothing. A measure, no server.
 *
 * usage: tls_server PORT CERTIFICATE KEY */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define BODY   1024
#define HEAD   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n"

struct peer {
    int fd;
    bool complete; /* the handshake */
    SSL *ssl;
};

static int poll_fd, listen_fd;
static SSL_CTX *context;
static char answer[sizeof HEAD - 1 + BODY];

static void die(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static void drop(struct peer *peer)
{
    SSL_free(peer->ssl);
    close(peer->fd);
    free(peer);
}

/* False: it is over. */
static bool advance(struct peer *peer)
{
    static char data[16 * 1024];
    size_t got = 0, put = 0;
    ERR_clear_error();
    if (!peer->complete) {
        int done = SSL_do_handshake(peer->ssl);
        if (done != 1) {
            return SSL_get_error(peer->ssl, done) == SSL_ERROR_WANT_READ;
        }
        peer->complete = true;
    }
    while (SSL_read_ex(peer->ssl, data, sizeof data, &got) == 1) {
        bool ends = got >= 4 && memcmp(data + got - 4, "\r\n\r\n", 4) == 0;
        if (ends && SSL_write_ex(peer->ssl, answer, sizeof answer, &put) != 1) {
            return false;
        }
    }
    return SSL_get_error(peer->ssl, 0) == SSL_ERROR_WANT_READ;
}

static void on_accept(void)
{
    const int on = 1;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        die("peer");
    }
    peer->fd = fd;
    peer->ssl = SSL_new(context);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };
    if (peer->ssl == NULL || SSL_set_fd(peer->ssl, fd) != 1 ||
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("peer");
    }
    SSL_set_accept_state(peer->ssl);
    if (!advance(peer)) {
        drop(peer);
    }
}

static void start_tls(const char *certificate, const char *key)
{
    context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        die("certificate");
    }
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"bench", 5);
}

static void start_listening(const char *port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int on = 1;
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (poll_fd < 0 || listen_fd < 0 ||
        setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listen_fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listen_fd, 1024) != 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listen_fd, &event) != 0) {
        die("listen");
    }
}

int main(int count, char **arguments)
{
    if (count != 4) {
        fprintf(stderr, "usage: tls_server PORT CERTIFICATE KEY\n");
        return 2;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    memcpy(answer, HEAD, sizeof HEAD - 1);
    memset(answer + sizeof HEAD - 1, 'x', BODY);
    start_tls(arguments[2], arguments[3]);
    start_listening(arguments[1]);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct peer *peer = events[i].data.ptr;
            if (peer == NULL) {
                on_accept();
            } else if (!advance(peer)) {
                drop(peer);
            }
        }
    }
}
