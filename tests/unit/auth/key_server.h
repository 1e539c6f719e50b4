/* A small HTTP server in a thread of its own, plain or TLS, which answers by path and counts. For tests only. */
#ifndef SALLYPORT_TESTS_KEY_SERVER_H
#define SALLYPORT_TESTS_KEY_SERVER_H

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY_SERVER_BIG  (50 * 1024 * 1024)
#define KEY_SERVER_HELD 64

struct key_server {
    int fd;
    unsigned short port;
    SSL_CTX *tls; /* NULL: plain */
    pthread_t thread;
    bool stopping, failing; /* atomic */
    int requests;           /* atomic */
    int keys_requests;      /* of /keys; atomic */
    size_t sent;            /* bytes of the last big answer that were taken; atomic */
    size_t exact_size;      /* of /exact */
    int metadata_requests;  /* atomic */
    char metadata[512];     /* the issuer's; empty: 404. Changed while nobody asks */
    char host[128];         /* the last Host field; read after the answer */
    int held[KEY_SERVER_HELD];
    int held_count;
};

struct key_server_connection {
    int fd;
    SSL *ssl;
};

static inline bool key_server_write(struct key_server_connection *connection, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t put = connection->ssl != NULL ? SSL_write(connection->ssl, text, (int)size)
                                              : send(connection->fd, text, size, MSG_NOSIGNAL);
        if (put <= 0) {
            return false;
        }
        text += put;
        size -= (size_t)put;
    }
    return true;
}

static inline void key_server_answer(struct key_server_connection *connection, const char *status,
                                     const char *more, const char *body)
{
    char text[1024];
    int size =
        snprintf(text, sizeof text, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                 status, more, strlen(body), body);
    key_server_write(connection, text, (size_t)size);
}

static inline void key_server_fill(struct key_server *server, struct key_server_connection *connection,
                                   size_t size)
{
    static char block[65536];
    size_t sent = 0;
    memset(block, ' ', sizeof block);
    while (sent < size) {
        size_t part = size - sent < sizeof block ? size - sent : sizeof block;
        if (!key_server_write(connection, block, part)) {
            break;
        }
        sent += part;
    }
    __atomic_store_n(&server->sent, sent, __ATOMIC_SEQ_CST);
}

static inline void key_server_keys(struct key_server *server, struct key_server_connection *connection)
{
    char body[256];
    int number = __atomic_add_fetch(&server->keys_requests, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&server->failing, __ATOMIC_SEQ_CST)) {
        key_server_answer(connection, "503 Down", "", "");
        return;
    }
    snprintf(body, sizeof body,
             "{\"keys\":["
             "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%d\",\"x\":\"11qYAYKxCrfVS_"
             "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
             "]}",
             number);
    key_server_answer(connection, "200 OK", "", body);
}

/* True where the connection is to be held open. */
static inline bool key_server_serve(struct key_server *server, struct key_server_connection *connection,
                                    const char *path)
{
    char text[256];
    if (strcmp(path, "/keys") == 0) {
        key_server_keys(server, connection);
    } else if (strcmp(path, "/redirect") == 0) {
        snprintf(text, sizeof text, "Location: http://127.0.0.1:%d/keys\r\n", server->port);
        key_server_answer(connection, "302 Found", text, "{\"keys\":[]}");
    } else if (strcmp(path, "/big") == 0) {
        key_server_write(connection, "HTTP/1.0 200 OK\r\n\r\n", 19);
        key_server_fill(server, connection, KEY_SERVER_BIG);
    } else if (strcmp(path, "/big-length") == 0) {
        int size =
            snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", KEY_SERVER_BIG);
        key_server_write(connection, text, (size_t)size);
        key_server_fill(server, connection, KEY_SERVER_BIG);
    } else if (strcmp(path, "/big-head") == 0) {
        key_server_write(connection, "HTTP/1.1 200 OK\r\n", 17);
        for (int i = 0;
             i < 100000 && key_server_write(connection, "X-Filler: 0123456789012345678901234567\r\n", 40);
             i++) {
        }
    } else if (strcmp(path, "/exact") == 0) {
        static const char keys[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
                                   "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
        key_server_write(connection, "HTTP/1.0 200 OK\r\n\r\n", 19);
        key_server_write(connection, keys, strlen(keys));
        key_server_fill(server, connection, server->exact_size - strlen(keys));
    } else if (strstr(path, "/.well-known/openid-configuration") != NULL) {
        __atomic_add_fetch(&server->metadata_requests, 1, __ATOMIC_SEQ_CST);
        snprintf(text, sizeof text, "Location: http://127.0.0.1:%d/metadata\r\n", server->port);
        bool moved = strcmp(server->metadata, "moved") == 0;
        key_server_answer(connection,
                          moved                         ? "302 Found"
                          : server->metadata[0] == '\0' ? "404 Not Found"
                                                        : "200 OK",
                          moved ? text : "", server->metadata);
    } else if (strcmp(path, "/slow") == 0) {
        return true;
    } else if (strcmp(path, "/http09") == 0) {
        key_server_write(connection, "{\"keys\":[]}", 11);
    } else if (strcmp(path, "/html") == 0) {
        key_server_answer(connection, "200 OK", "", "<html>");
    } else if (strcmp(path, "/array") == 0) {
        key_server_answer(connection, "200 OK", "", "[{\"keys\":[]}]");
    } else if (strcmp(path, "/no-list") == 0) {
        key_server_answer(connection, "200 OK", "", "{\"keys\":{}}");
    } else if (strcmp(path, "/twice") == 0) {
        key_server_answer(connection, "200 OK", "", "{\"keys\":[],\"keys\":[]}");
    } else {
        key_server_answer(connection, "404 Not Found", "", "");
    }
    return false;
}

static inline void key_server_connection_run(struct key_server *server, int fd)
{
    char head[4096], path[256] = "";
    size_t size = 0;
    struct key_server_connection connection = { .fd = fd };
    bool hold = false;
    if (server->tls != NULL) {
        connection.ssl = SSL_new(server->tls);
        SSL_set_fd(connection.ssl, fd);
        if (SSL_accept(connection.ssl) != 1) {
            goto end;
        }
    }
    head[0] = '\0';
    while (size + 1 < sizeof head && strstr(head, "\r\n\r\n") == NULL) {
        ssize_t got = connection.ssl != NULL
                          ? SSL_read(connection.ssl, head + size, (int)(sizeof head - 1 - size))
                          : recv(fd, head + size, sizeof head - 1 - size, 0);
        if (got <= 0) {
            goto end;
        }
        size += (size_t)got;
        head[size] = '\0';
    }
    const char *host = strstr(head, "\r\nHost: ");
    if (host == NULL || sscanf(host, "\r\nHost: %127[^\r]", server->host) != 1) {
        server->host[0] = '\0';
    }
    if (sscanf(head, "GET %255s", path) == 1) {
        __atomic_add_fetch(&server->requests, 1, __ATOMIC_SEQ_CST);
        hold = key_server_serve(server, &connection, path);
    }
end:
    if (hold && server->held_count < KEY_SERVER_HELD) {
        server->held[server->held_count++] = fd;
        return;
    }
    if (connection.ssl != NULL) {
        SSL_shutdown(connection.ssl);
        SSL_free(connection.ssl);
    }
    shutdown(fd, SHUT_WR);
    close(fd);
}

static inline void *key_server_run(void *argument)
{
    struct key_server *server = argument;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        if (__atomic_load_n(&server->stopping, __ATOMIC_SEQ_CST)) {
            close(fd);
            return NULL;
        }
        if (fd >= 0) {
            key_server_connection_run(server, fd);
        }
    }
}

static inline void key_server_start(struct key_server *server, SSL_CTX *tls)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    memset(server, 0, sizeof *server);
    server->tls = tls;
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->fd, 64), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, key_server_run, server), 0);
}

static inline void key_server_stop(struct key_server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(server->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    __atomic_store_n(&server->stopping, true, __ATOMIC_SEQ_CST);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    connect(fd, (struct sockaddr *)&address, sizeof address); /* wakes accept */
    pthread_join(server->thread, NULL);
    close(fd);
    for (int i = 0; i < server->held_count; i++) {
        close(server->held[i]);
    }
    close(server->fd);
}

#endif
