/* All connections of a worker: taking them up, and ending them. */
#include "http/h1/server_internal.h"

#include <stdlib.h>
#include <unistd.h>

void h1_server_list_init(struct h1_server_list *list)
{
    *list = (struct h1_server_list){ 0 };
}

void h1_server_list_done(struct h1_server_list *list)
{
    free(list->parser);
    *list = (struct h1_server_list){ 0 };
}

static void add(struct h1_server_list *list, struct h1_server *server)
{
    server->list = list;
    server->next = list->first;
    if (list->first != NULL) {
        list->first->previous = server;
    }
    list->first = server;
    list->count++;
}

void h1_server_list_remove(struct h1_server *server)
{
    if (server->previous != NULL) {
        server->previous->next = server->next;
    } else {
        server->list->first = server->next;
    }
    if (server->next != NULL) {
        server->next->previous = server->previous;
    }
    server->list->count--;
}

static void fill(struct h1_server *server, uint64_t id, const struct address *peer,
                 const struct http_server_settings *settings)
{
    server->settings = *settings;
    server->facts = (struct http_connection_facts){
        .peer = *peer,
        .is_tls = settings->tls != NULL,
        .id = id,
        .owner = settings->owner,
    };
    server->request = (struct http_stream){
        .ops = &h1_server_stream_ops,
        .handler = settings->handler,
        .connection = &server->facts,
        .held_off = settings->late,
    };
    buffer_init(&server->in, (size_t)settings->limits.head_max + HTTP_READ_BUFFER);
    buffer_init(&server->out, HTTP_WRITE_BUFFER_MAX);
}

struct error h1_server_accept(struct h1_server_list *list, struct net_loop *loop, int fd,
                              const struct address *peer, const struct http_server_settings *settings)
{
    struct h1_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        close(fd);
        return FAIL(ERROR_MEMORY, "client connection");
    }
    struct error error = h1_server_open(server, loop, fd);
    if (failed(error)) {
        close(fd);
        free(server);
        return error;
    }
    fill(server, ++list->next_id, peer, settings);
    add(list, server);
    if (settings->tls != NULL) {
        error = tls_accept(settings->tls, &server->stream);
        if (failed(error)) {
            server->settings.on_event = NULL; /* it never was a connection */
            h1_server_close(server);
            return error;
        }
    }
    h1_server_begin(server);
    return OK;
}

static void drain(struct h1_server *server)
{
    server->draining = true;
    if (server->state == SERVER_IDLE || server->state == SERVER_HELD_OFF) {
        h1_server_linger(server);
    } else if (server->state == SERVER_HANDSHAKE) {
        h1_server_close(server);
    }
}

void h1_server_drain_owner(struct h1_server_list *list, const void *owner)
{
    struct h1_server *next;
    for (struct h1_server *server = list->first; server != NULL; server = next) {
        next = server->next;
        if (server->facts.owner == owner) {
            drain(server);
        }
    }
}

void h1_server_drain_all(struct h1_server_list *list)
{
    list->draining = true;
    struct h1_server *next;
    for (struct h1_server *server = list->first; server != NULL; server = next) {
        next = server->next;
        drain(server);
    }
}

void h1_server_close_all(struct h1_server_list *list)
{
    while (list->first != NULL) {
        h1_server_abort(list->first, HTTP_ABORT_SHUTDOWN);
    }
}
