/* The status server from within: shared by status.c (sockets, configurations) and status_answer.c (what it says). */
#ifndef SALLYPORT_GATEWAY_STATUS_INTERNAL_H
#define SALLYPORT_GATEWAY_STATUS_INTERNAL_H

#include "gateway/acceptor.h"
#include "gateway/status.h"
#include "http/connections.h"

/* Kept for the server's life, since connections point to it; there are as many as sockets were ever handed over. */
struct status_socket {
    struct acceptor acceptor;
    struct status_server *status;
    int listener; /* index in the snapshot */
    char *name;
    bool wanted; /* by the configuration that is being taken up */
    bool open;   /* accepts */
    bool closed; /* its handle is gone */
    struct status_socket *next;
};

struct status_change {
    struct snapshot *snapshot;
    struct tls_server **tls; /* by listener; NULL where it is plaintext */
};

struct status_server {
    struct net_loop *loop;
    struct metrics *metrics;
    struct status_change *current; /* NULL before the first */
    struct http_connections connections;
    struct status_socket *sockets;
    const char *why_not_ready;
    const char *(*remark)(const void *context); /* NULL: there is nobody to ask */
    const void *remark_context;
};

/* Answers everything; a connection's owner is its struct status_socket. */
extern const struct http_handler status_handler;

#endif
