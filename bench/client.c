/* The load that wrk cannot make: TLS handshakes, client certificates, connections that stay, bodies of many megabytes. Threads with blocking
 * sockets; everything is bounded by a time or a count. To 127.0.0.1 only. Prints the outcome as one line of JSON.
 *
 * usage: client handshakes PORT SECONDS full|resumed
 *        client bodies PORT SECONDS plain|tls get PATH | put SIZE
 *        client requests PORT SECONDS tls PATH FIELD        with that header field, on 64 connections
 *        client requests PORT SECONDS tls PATH CERT KEY     with that client certificate instead
 *        client hold PORT COUNT plain|tls|h2 fresh|used   opens them, says so, and keeps them until its input ends */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define THREADS    8
#define BUFFER     (256 * 1024)
#define HOLD_MAX   20000
#define UPLOAD_MAX (64UL * 1024 * 1024)
#define PATIENCE_S 20
#define HEADERS    "Host: bench.example\r\n"
#define KEPT       8 /* connections of a thread that asks on several */

struct peer {
    int fd;
    SSL *ssl; /* NULL: plain */
};

struct tally {
    unsigned long done, resumed, failed;
};

static struct sockaddr_in server;
static SSL_CTX *context;
static SSL_SESSION *session; /* what is resumed; read only once the threads run */
static double ends_at;
static bool use_tls, upload;
static const char *path, *field;
static size_t size;

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

/* ---- connections ---- */

static bool open_plain(struct peer *peer)
{
    const struct timeval patience = { .tv_sec = PATIENCE_S };
    const int on = 1;
    *peer = (struct peer){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    return peer->fd >= 0 && setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
           setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
           setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
           connect(peer->fd, (struct sockaddr *)&server, sizeof server) == 0;
}

static bool open_peer(struct peer *peer)
{
    if (!open_plain(peer)) {
        return false;
    }
    if (!use_tls) {
        return true;
    }
    peer->ssl = SSL_new(context);
    SSL_SESSION *own = session != NULL ? SSL_SESSION_dup(session) : NULL;
    bool good = peer->ssl != NULL && SSL_set_fd(peer->ssl, peer->fd) == 1 &&
                SSL_set_tlsext_host_name(peer->ssl, "bench.example") == 1 &&
                (own == NULL || SSL_set_session(peer->ssl, own) == 1) && SSL_connect(peer->ssl) == 1;
    SSL_SESSION_free(own);
    return good;
}

/* In order: close_notify, the end of our side, then what the other still says; so that nobody sees a reset. */
static void close_peer(struct peer *peer)
{
    char rest[16 * 1024];
    if (peer->ssl != NULL) {
        SSL_shutdown(peer->ssl);
        SSL_free(peer->ssl);
    }
    shutdown(peer->fd, SHUT_WR);
    while (recv(peer->fd, rest, sizeof rest, 0) > 0) {
    }
    close(peer->fd);
}

static ssize_t take(struct peer *peer, char *out, size_t room)
{
    size_t got = 0;
    if (peer->ssl == NULL) {
        return recv(peer->fd, out, room, 0);
    }
    return SSL_read_ex(peer->ssl, out, room, &got) == 1 ? (ssize_t)got : -1;
}

static bool put(struct peer *peer, const char *data, size_t left)
{
    while (left > 0) {
        size_t done = 0;
        ssize_t sent = 0;
        if (peer->ssl != NULL) {
            sent = SSL_write_ex(peer->ssl, data, left, &done) == 1 ? (ssize_t)done : -1;
        } else {
            sent = send(peer->fd, data, left, MSG_NOSIGNAL);
        }
        if (sent <= 0) {
            return false;
        }
        data += sent;
        left -= (size_t)sent;
    }
    return true;
}

/* Reads an answer by its Content-Length. False: none, or not 200. */
static bool take_answer(struct peer *peer, char *buffer)
{
    size_t have = 0;
    const char *end = NULL;
    while (end == NULL) {
        ssize_t got = take(peer, buffer + have, BUFFER - 1 - have);
        if (got <= 0) {
            return false;
        }
        have += (size_t)got;
        buffer[have] = '\0';
        end = strstr(buffer, "\r\n\r\n");
    }
    const char *length = strcasestr(buffer, "\ncontent-length:");
    if (strncmp(buffer, "HTTP/1.1 200", 12) != 0 || length == NULL || length > end) {
        return false;
    }
    size_t left = strtoul(length + 16, NULL, 10);
    size_t of_body = have - (size_t)(end + 4 - buffer);
    while (of_body < left) {
        ssize_t got = take(peer, buffer, BUFFER);
        if (got <= 0) {
            return false;
        }
        of_body += (size_t)got;
    }
    return of_body == left;
}

/* ---- what the threads do ---- */

static void *handshakes(void *argument)
{
    struct tally *tally = argument;
    while (now_s() < ends_at && tally->failed < 10) {
        struct peer peer;
        if (!open_peer(&peer)) {
            tally->failed++;
        } else {
            tally->done++;
            tally->resumed += SSL_session_reused(peer.ssl) == 1;
        }
        close_peer(&peer);
    }
    return NULL;
}

static void *bodies(void *argument)
{
    struct tally *tally = argument;
    char *buffer = malloc(BUFFER);
    char *body = calloc(1, upload ? size : 1);
    char head[512];
    int length = upload ? snprintf(head, sizeof head,
                                   "PUT /upload HTTP/1.1\r\n" HEADERS "Content-Length: %zu\r\n\r\n", size)
                        : snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n" HEADERS "\r\n", path);
    struct peer peer;
    bool good = buffer != NULL && body != NULL && open_peer(&peer);
    while (good && now_s() < ends_at) {
        good = put(&peer, head, (size_t)length) && (!upload || put(&peer, body, size)) &&
               take_answer(&peer, buffer);
        tally->done += good;
    }
    tally->failed += !good;
    close_peer(&peer);
    free(buffer);
    free(body);
    return NULL;
}

/* On each of its connections, then the answers of all: so that the other end finds several requests at a time. */
static void *requests(void *argument)
{
    struct tally *tally = argument;
    struct peer peers[KEPT];
    char *buffer = malloc(BUFFER);
    char head[4096];
    int length = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n" HEADERS "%s%s\r\n", path, field,
                          *field != '\0' ? "\r\n" : "");
    bool good = buffer != NULL && length < (int)sizeof head;
    int open = 0;
    while (good && open < KEPT) {
        good = open_peer(&peers[open++]);
    }
    while (good && now_s() < ends_at) {
        for (int i = 0; good && i < KEPT; i++) {
            good = put(&peers[i], head, (size_t)length);
        }
        for (int i = 0; good && i < KEPT; i++) {
            good = take_answer(&peers[i], buffer);
            tally->done += good;
        }
    }
    tally->failed += !good;
    while (open > 0) {
        close_peer(&peers[--open]);
    }
    free(buffer);
    return NULL;
}

static void run(void *(*work)(void *), int seconds)
{
    static struct tally tallies[THREADS];
    pthread_t threads[THREADS];
    double began = now_s();
    ends_at = began + seconds;
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, &tallies[i]) != 0) {
            die("pthread_create");
        }
    }
    struct tally sum = { 0 };
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum.done += tallies[i].done;
        sum.resumed += tallies[i].resumed;
        sum.failed += tallies[i].failed;
    }
    printf("RESULT {\"count\":%lu,\"resumed\":%lu,\"failed\":%lu,\"seconds\":%.3f}\n", sum.done, sum.resumed,
           sum.failed, now_s() - began);
}

/* ---- the ticket that is resumed ---- */

static int on_session(SSL *ssl, SSL_SESSION *fresh)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = fresh;
    return 1;
}

/* Tickets follow the handshake: they are read while a request is answered, or while the connection ends. */
static void get_ticket(void)
{
    struct peer peer;
    char buffer[4096];
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    if (!open_peer(&peer)) {
        die("first handshake");
    }
    SSL_shutdown(peer.ssl);
    shutdown(peer.fd, SHUT_WR);
    while (take(&peer, buffer, sizeof buffer) > 0) {
    }
    close_peer(&peer);
    if (session == NULL) {
        fprintf(stderr, "client: no ticket\n");
        exit(1);
    }
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_sess_set_new_cb(context, NULL);
}

/* ---- connections that stay ---- */

/* GET /orders/42 over HTTP/2, with fields that need no table: the preface, SETTINGS, HEADERS. */
static const unsigned char h2_request[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                          "\0\0\0\4\0\0\0\0\0"
                                          "\0\0\x1d\1\5\0\0\0\1"
                                          "\x82\x87\x04\x0a/orders/42\x01\x0d"
                                          "bench.example";
#define H2_PREFACE (24 + 9)

/* Reads frames up to the first SETTINGS, or the end of an answer's body. */
static bool take_frames(struct peer *peer, char *buffer, bool whole_answer)
{
    size_t have = 0;
    for (;;) {
        ssize_t got = take(peer, buffer + have, BUFFER - have);
        if (got <= 0) {
            return false;
        }
        have += (size_t)got;
        for (size_t at = 0; at + 9 <= have;) {
            const unsigned char *head = (const unsigned char *)buffer + at;
            bool is_data_end = head[3] == 0 && (head[4] & 1) != 0, is_settings = head[3] == 4 && head[4] == 0;
            at += 9 + ((size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2]);
            if (at <= have && (whole_answer ? is_data_end : is_settings)) {
                return true;
            }
        }
    }
}

static bool begin_h2(struct peer *peer, char *buffer, bool used)
{
    return put(peer, (const char *)h2_request, used ? sizeof h2_request - 1 : H2_PREFACE) &&
           take_frames(peer, buffer, used);
}

static void hold(unsigned long count, bool used, bool h2)
{
    static struct peer peers[HOLD_MAX];
    static char buffer[BUFFER];
    static const char request[] = "GET /orders/42 HTTP/1.1\r\n" HEADERS "\r\n";
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    for (unsigned long i = 0; i < count; i++) {
        if (!open_peer(&peers[i]) || (h2 && !begin_h2(&peers[i], buffer, used)) ||
            (used && !h2 &&
             (!put(&peers[i], request, sizeof request - 1) || !take_answer(&peers[i], buffer)))) {
            fprintf(stderr, "client: connection %lu failed\n", i);
            exit(1);
        }
    }
    printf("RESULT {\"count\":%lu}\n", count);
    fflush(stdout);
    while (read(STDIN_FILENO, buffer, sizeof buffer) > 0) {
    }
    /* All at once, by the end of the process. */
}

static void usage(void)
{
    fprintf(stderr, "usage: client handshakes PORT SECONDS full|resumed\n"
                    "       client bodies PORT SECONDS plain|tls get PATH | put SIZE\n"
                    "       client requests PORT SECONDS tls PATH FIELD | CERT KEY\n"
                    "       client hold PORT COUNT plain|tls|h2 fresh|used\n");
    exit(2);
}

static void start_tls(void)
{
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1) {
        die("TLS");
    }
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}

int main(int count, char **arguments)
{
    if (count < 5) {
        usage();
    }
    const char *work = arguments[1];
    unsigned long number = strtoul(arguments[3], NULL, 10);
    bool is_handshakes = strcmp(work, "handshakes") == 0;
    server = (struct sockaddr_in){ .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)strtoul(arguments[2], NULL, 10)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    bool h2 = strcmp(arguments[4], "h2") == 0;
    use_tls = is_handshakes || h2 || strcmp(arguments[4], "tls") == 0;
    if (use_tls) {
        start_tls();
    }
    if (h2 && SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x02h2", 3) != 0) {
        die("ALPN");
    }
    if (is_handshakes && number <= 60) {
        if (strcmp(arguments[4], "resumed") == 0) {
            get_ticket();
        }
        run(handshakes, (int)number);
    } else if (strcmp(work, "bodies") == 0 && count == 7 && number <= 60) {
        upload = strcmp(arguments[5], "put") == 0;
        path = arguments[6];
        size = upload ? strtoul(arguments[6], NULL, 10) : 0;
        if (size > UPLOAD_MAX) {
            usage();
        }
        run(bodies, (int)number);
    } else if (strcmp(work, "requests") == 0 && (count == 7 || count == 8) && use_tls && number <= 60) {
        path = arguments[5];
        field = count == 7 ? arguments[6] : "";
        if (count == 8 && (SSL_CTX_use_certificate_chain_file(context, arguments[6]) != 1 ||
                           SSL_CTX_use_PrivateKey_file(context, arguments[7], SSL_FILETYPE_PEM) != 1)) {
            die("client certificate");
        }
        run(requests, (int)number);
    } else if (strcmp(work, "hold") == 0 && count == 6 && number <= HOLD_MAX) {
        hold(number, strcmp(arguments[5], "used") == 0, h2);
    } else {
        usage();
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
    return 0;
}
