/* All connections of a worker: taking them up, and ending them. */
#include "http/h1/server_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A write buffer that grew beyond this is not kept. */
#define SPARE_MAX (16 * 1024)

/* Settings that several connections have: those of a listener, until they change. */
struct h1_server_shared {
    struct http_server_settings settings; /* first: h1_server has its address */
    size_t references;                    /* by connections, and by the list */
};

static void unref_shared(struct h1_server_shared *shared)
{
    if (shared != NULL && --shared->references == 0) {
        free(shared);
    }
}

void h1_server_drop_settings(struct h1_server *server)
{
    unref_shared((struct h1_server_shared *)server->settings);
    server->settings = NULL;
}

static bool settings_equal(const struct http_server_settings *a, const struct http_server_settings *b)
{
    return memcmp(&a->timeouts, &b->timeouts, sizeof a->timeouts) == 0 &&
           memcmp(&a->limits, &b->limits, sizeof a->limits) == 0 && a->handler == b->handler &&
           a->tls == b->tls && a->owner == b->owner && a->on_event == b->on_event;
}

/* Counted once for the caller; NULL without memory. */
static struct h1_server_shared *share_settings(struct h1_server_list *list,
                                               const struct http_server_settings *settings)
{
    if (list->shared == NULL || !settings_equal(&list->shared->settings, settings)) {
        struct h1_server_shared *shared = malloc(sizeof *shared);
        if (shared == NULL) {
            return NULL;
        }
        *shared = (struct h1_server_shared){ .settings = *settings, .references = 1 };
        unref_shared(list->shared);
        list->shared = shared;
    }
    list->shared->references++;
    return list->shared;
}

void h1_server_take_out(struct h1_server *server)
{
    struct h1_server_list *list = server->list;
    if (server->out.data == NULL && list->spare_count > 0) {
        server->out = list->spares[--list->spare_count];
        buffer_take_up(&server->out);
    }
}

void h1_server_give_out(struct h1_server *server)
{
    struct h1_server_list *list = server->list;
    if (server->out.data == NULL) {
        return;
    }
    if (list->spare_count == H1_SERVER_SPARES || server->out.capacity > SPARE_MAX) {
        buffer_done(&server->out);
        return;
    }
    buffer_set_aside(&server->out);
    list->spares[list->spare_count++] = server->out;
    buffer_init(&server->out, HTTP_WRITE_BUFFER_MAX);
}

void h1_server_list_init(struct h1_server_list *list)
{
    *list = (struct h1_server_list){ 0 };
}

void h1_server_list_done(struct h1_server_list *list)
{
    free(list->parser);
    unref_shared(list->shared);
    while (list->spare_count > 0) {
        buffer_take_up(&list->spares[--list->spare_count]);
        buffer_done(&list->spares[list->spare_count]);
    }
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
    }
    struct h1_server_shared *shared = failed(error) ? NULL : share_settings(list, settings);
    if (shared == NULL) {
        h1_server_close(server); /* without settings: it never was a connection, and reports nothing */
        return failed(error) ? error : FAIL(ERROR_MEMORY, "client connection");
    }
    server->settings = &shared->settings;
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

void h1_server_drain_patiently(struct h1_server_list *list)
{
    list->draining = list->patient = true;
}

void h1_server_drain_all(struct h1_server_list *list)
{
    list->draining = true;
    list->patient = false;
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
