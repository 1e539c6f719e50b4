#include "gateway/status.h"

#include "gateway/listeners.h"
#include "gateway/status_internal.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- sockets ---- */

static void on_accept(struct acceptor *acceptor, int fd, const struct address *peer)
{
    struct status_socket *socket = (struct status_socket *)acceptor;
    struct status_server *status = socket->status;
    const struct listener_settings *settings =
        &status->current->snapshot->settings->listeners[socket->listener];
    if (status->connections.count >= (size_t)settings->max_connections) {
        close(fd);
        return;
    }
    struct http_server_settings server = {
        .timeouts = listener_http_timeouts(settings),
        .limits = listener_http_limits(settings),
        .handler = &status_handler,
        .tls = status->current->tls[socket->listener],
        .owner = socket,
    };
    /* A refusal concerns this one peer, and it sees its connection closed. */
    struct error error = http_connections_accept(&status->connections, status->loop, fd, peer, &server);
    (void)error;
}

static void free_socket(struct status_socket *socket)
{
    free(socket->name);
    free(socket);
}

static void on_closed(struct acceptor *acceptor)
{
    ((struct status_socket *)acceptor)->closed = true;
}

static void on_closed_last(struct acceptor *acceptor)
{
    free_socket((struct status_socket *)acceptor);
}

static int find_listener(const struct snapshot *snapshot, struct slice name)
{
    const struct settings *settings = snapshot->settings;
    for (size_t i = 0; i < settings->listener_count; i++) {
        if (settings->listeners[i].status && slice_equal(settings->listeners[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}

bool status_add_socket(struct status_server *status, struct slice listener, int fd)
{
    for (struct status_socket *socket = status->sockets; socket != NULL; socket = socket->next) {
        if (socket->open && socket->acceptor.inode == acceptor_inode(fd)) {
            socket->wanted = true;
            close(fd);
            return true;
        }
    }
    int index = find_listener(status->current->snapshot, listener);
    struct status_socket *socket = calloc(1, sizeof *socket);
    char *name = socket != NULL ? strndup(listener.ptr, listener.len) : NULL;
    if (index < 0 || name == NULL || failed(acceptor_open(&socket->acceptor, status->loop, fd, on_accept))) {
        free(name);
        free(socket);
        close(fd);
        return false;
    }
    socket->status = status;
    socket->name = name;
    socket->listener = index;
    socket->open = socket->wanted = true;
    socket->next = status->sockets;
    status->sockets = socket;
    return true;
}

/* ---- configurations ---- */

static bool make_change(struct snapshot *snapshot, struct status_change **ret_change)
{
    struct status_change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        return false;
    }
    change->snapshot = snapshot_ref(snapshot);
    change->tls = calloc(snapshot->settings->listener_count + 1, sizeof(struct tls_server *));
    if (change->tls == NULL) {
        status_change_free(change);
        return false;
    }
    *ret_change = change;
    return true;
}

struct error status_prepare(struct snapshot *snapshot, struct tls_tickets *tickets,
                            struct status_change **ret_change)
{
    const struct settings *settings = snapshot->settings;
    struct status_change *change;
    if (!make_change(snapshot, &change)) {
        return FAIL(ERROR_MEMORY, "status listener");
    }
    for (size_t i = 0; i < settings->listener_count; i++) {
        const struct listener_settings *listener = &settings->listeners[i];
        int certificate = -1;
        if (!listener->status || listener->tls == NULL) {
            continue;
        }
        struct error error =
            tls_server_new(listener->tls, tickets, SLICE("\x08http/1.1"), &change->tls[i], &certificate);
        if (failed(error)) {
            status_change_free(change);
            return error;
        }
    }
    *ret_change = change;
    return OK;
}

void status_change_free(struct status_change *change)
{
    if (change == NULL) {
        return;
    }
    for (size_t i = 0; change->tls != NULL && i < change->snapshot->settings->listener_count; i++) {
        if (change->tls[i] != NULL) {
            tls_server_free(change->tls[i]);
        }
    }
    free(change->tls);
    snapshot_unref(change->snapshot);
    free(change);
}

static void mark_unwanted(struct status_server *status)
{
    for (struct status_socket *socket = status->sockets; socket != NULL; socket = socket->next) {
        socket->wanted = false;
    }
}

void status_commit(struct status_server *status, struct status_change *change)
{
    status_change_free(status->current);
    status->current = change;
    mark_unwanted(status);
}

void status_settle(struct status_server *status)
{
    for (struct status_socket *socket = status->sockets; socket != NULL; socket = socket->next) {
        int index = find_listener(status->current->snapshot, slice_from_string(socket->name));
        if (!socket->open || (socket->wanted && index >= 0)) {
            socket->listener = index;
            continue;
        }
        socket->open = false;
        acceptor_close(&socket->acceptor, on_closed);
        http_connections_drain_owner(&status->connections, socket);
    }
}

void status_retire(struct status_server *status)
{
    if (status->current != NULL) {
        mark_unwanted(status);
        status_settle(status);
    }
}

void status_set_remark(struct status_server *status, const char *(*remark)(const void *context),
                       const void *context)
{
    status->remark = remark;
    status->remark_context = context;
}

void status_set_ready(struct status_server *status, const char *why_not)
{
    status->why_not_ready = why_not;
}

/* ---- life ---- */

struct error status_new(struct net_loop *loop, struct metrics *metrics, struct status_server **ret_status)
{
    struct status_server *status = calloc(1, sizeof *status);
    if (status == NULL) {
        return FAIL(ERROR_MEMORY, "status listener");
    }
    http_connections_init(&status->connections);
    status->loop = loop;
    status->metrics = metrics;
    status->why_not_ready = "starting\n";
    *ret_status = status;
    return OK;
}

void status_free(struct status_server *status)
{
    http_connections_close_all(&status->connections);
    http_connections_done(&status->connections);
    while (status->sockets != NULL) {
        struct status_socket *socket = status->sockets;
        status->sockets = socket->next;
        if (socket->open) {
            acceptor_close(&socket->acceptor, on_closed_last);
        } else if (socket->closed) {
            free_socket(socket);
        } else {
            socket->acceptor.on_closed = on_closed_last;
        }
    }
    status_change_free(status->current);
    free(status);
}
