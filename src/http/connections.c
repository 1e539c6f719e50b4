#include "http/connections.h"

#include "http/h2/server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A write buffer that grew beyond this is not kept. */
#define SPARE_MAX (32 * 1024)

/* ---- shared settings ---- */

/* Settings that several connections have: those of a listener, until they change. */
struct http_shared_settings {
    struct http_server_settings settings; /* first: connections have its address */
    size_t references;                    /* by connections, and by the list */
};

static void unref_shared(struct http_shared_settings *shared)
{
    if (shared != NULL && --shared->references == 0) {
        free(shared);
    }
}

static bool settings_equal(const struct http_server_settings *a, const struct http_server_settings *b)
{
    return memcmp(&a->timeouts, &b->timeouts, sizeof a->timeouts) == 0 &&
           memcmp(&a->limits, &b->limits, sizeof a->limits) == 0 && a->protocols == b->protocols &&
           a->max_requests == b->max_requests && a->max_age == b->max_age && a->handler == b->handler &&
           a->tls == b->tls && a->owner == b->owner && a->on_event == b->on_event &&
           a->on_flood == b->on_flood;
}

/* Counted once for the caller; NULL without memory. */
static struct http_shared_settings *share_settings(struct http_connections *list,
                                                   const struct http_server_settings *settings)
{
    if (list->shared == NULL || !settings_equal(&list->shared->settings, settings)) {
        struct http_shared_settings *shared = malloc(sizeof *shared);
        if (shared == NULL) {
            return NULL;
        }
        *shared = (struct http_shared_settings){ .settings = *settings, .references = 1 };
        unref_shared(list->shared);
        list->shared = shared;
    }
    list->shared->references++;
    return list->shared;
}

/* ---- write buffers ---- */

void http_connections_take_buffer(struct http_connections *list, struct buffer *buffer)
{
    if (buffer->data == NULL && list->spare_count > 0) {
        *buffer = list->spares[--list->spare_count];
        buffer_take_up(buffer);
    }
}

void http_connections_give_buffer(struct http_connections *list, struct buffer *buffer)
{
    if (buffer->data == NULL) {
        return;
    }
    if (list->spare_count == HTTP_SPARE_BUFFERS || buffer->capacity > SPARE_MAX) {
        buffer_done(buffer);
        return;
    }
    buffer_set_aside(buffer, SPARE_MAX);
    list->spares[list->spare_count++] = *buffer;
    buffer_init(buffer, HTTP_WRITE_BUFFER_MAX);
}

/* ---- one connection, until its protocol is known ---- */

static void report(const struct http_connection *connection, enum http_connection_event event)
{
    if (connection->settings != NULL && connection->settings->on_event != NULL) {
        connection->settings->on_event(&connection->facts, event);
    }
}

void http_connection_free_if_over(struct http_connection *connection)
{
    if (!connection->closed || (connection->protocol != NULL && !connection->protocol->is_over(connection))) {
        return;
    }
    unref_shared((struct http_shared_settings *)connection->settings);
    free(connection);
}

static void on_stream_closed(struct stream *stream)
{
    struct http_connection *connection = (struct http_connection *)stream;
    connection->closed = true;
    http_connection_free_if_over(connection);
}

static void take_off_list(struct http_connection *connection)
{
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        connection->list->first = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    connection->list->count--;
}

void http_connection_close(struct http_connection *connection)
{
    if (connection->ended) {
        return;
    }
    connection->ended = true;
    connection->facts.tls.client = NULL; /* goes with the stream, before an exchange that still runs */
    deadline_clear(&connection->read_deadline);
    take_off_list(connection);
    report(connection, HTTP_CONNECTION_CLOSED);
    stream_close(&connection->stream, on_stream_closed);
}

static void fail_handshake(struct http_connection *connection)
{
    report(connection, HTTP_CONNECTION_HANDSHAKE_FAILED);
    http_connection_close(connection);
}

/* ---- which protocol ---- */

/* RFC 9113 section 3.4: what a client of HTTP/2 begins with. */
static const struct slice preface = SLICE_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
#define PREFACE_SIZE 24

/* Room for either protocol, and for what may become a preface. */
static size_t size_of_connection(void)
{
    size_t h1 = h1_server_protocol.size, h2 = h2_server_protocol.size;
    return h1 > h2 ? h1 : h2;
}

static bool speaks(const struct http_connection *connection, enum http_protocols protocol)
{
    unsigned int protocols = connection->settings->protocols;
    return ((protocols != 0 ? protocols : HTTP_SPEAKS_H1) & protocol) != 0;
}

/* What was read to find out lies where the protocol's own part begins. */
static void begin(struct http_connection *connection, const struct http_protocol *protocol)
{
    char early[PREFACE_SIZE];
    size_t size = connection->early_size;
    memcpy(early, connection + 1, sizeof early);
    memset(connection + 1, 0, sizeof early);
    connection->protocol = protocol;
    if (protocol == &h2_server_protocol) {
        report(connection, HTTP_CONNECTION_H2);
    }
    protocol->begin(connection, slice_of(early, size));
}

/* Plaintext, either protocol: the first bytes tell, and no request of HTTP/1.1 begins like a preface. */
static void sniff(struct http_connection *connection)
{
    char *early = (char *)(connection + 1);
    size_t size = 0;
    enum stream_result result = connection->stream.ops->read(
        &connection->stream, early + connection->early_size, PREFACE_SIZE - connection->early_size, &size);
    if (result == STREAM_OK) {
        connection->early_size = (unsigned char)(connection->early_size + size);
        bool so_far = memcmp(early, preface.ptr, connection->early_size) == 0;
        if (!so_far || connection->early_size == PREFACE_SIZE) {
            begin(connection, so_far ? &h2_server_protocol : &h1_server_protocol);
            return;
        }
    } else if (result != STREAM_AGAIN) {
        http_connection_close(connection);
        return;
    }
    stream_want(&connection->stream, STREAM_READABLE);
}

static void choose(struct http_connection *connection)
{
    bool h1 = speaks(connection, HTTP_SPEAKS_H1), h2 = speaks(connection, HTTP_SPEAKS_H2);
    connection->chosen = true;
    if (connection->facts.is_tls && h2 && slice_equal(connection->facts.tls.alpn, SLICE("h2"))) {
        begin(connection, &h2_server_protocol);
    } else if (!connection->facts.is_tls && h2) {
        http_connection_set_deadline(connection, &connection->read_deadline,
                                     connection->settings->timeouts.head);
        sniff(connection);
    } else if (h1) {
        begin(connection, &h1_server_protocol);
    } else {
        http_connection_close(connection); /* it offered nothing by ALPN, and HTTP/1.1 is not spoken here */
    }
}

static void handshake(struct http_connection *connection)
{
    switch (connection->stream.ops->handshake(&connection->stream)) {
    case STREAM_AGAIN:
        stream_want(&connection->stream, STREAM_READABLE);
        return;
    case STREAM_OK:
        break;
    default:
        fail_handshake(connection);
        return;
    }
    if (connection->facts.is_tls) {
        struct tls_facts *tls = &connection->facts.tls;
        tls_facts_of(&connection->stream, tls);
        report(connection, tls->resumed ? HTTP_CONNECTION_HANDSHAKE_RESUMED : HTTP_CONNECTION_HANDSHAKE);
    }
    choose(connection);
}

static void on_ready(struct stream *stream, unsigned int events)
{
    (void)events;
    struct http_connection *connection = (struct http_connection *)stream;
    if (connection->chosen) {
        sniff(connection);
    } else {
        handshake(connection);
    }
}

static void on_read_deadline(struct deadline *deadline)
{
    struct http_connection *connection =
        (struct http_connection *)((char *)deadline - offsetof(struct http_connection, read_deadline));
    if (connection->chosen) {
        http_connection_close(connection);
    } else {
        fail_handshake(connection);
    }
}

/* ---- all of them ---- */

void http_connections_init(struct http_connections *list)
{
    *list = (struct http_connections){ 0 };
}

void http_connections_done(struct http_connections *list)
{
    h2_shared_free(list->h2);
    unref_shared(list->shared);
    while (list->spare_count > 0) {
        buffer_take_up(&list->spares[--list->spare_count]);
        buffer_done(&list->spares[list->spare_count]);
    }
    *list = (struct http_connections){ 0 };
}

static void add(struct http_connections *list, struct http_connection *connection)
{
    connection->list = list;
    connection->next = list->first;
    if (list->first != NULL) {
        list->first->previous = connection;
    }
    list->first = connection;
    list->count++;
}

struct error http_connections_accept(struct http_connections *list, struct net_loop *loop, int fd,
                                     const struct address *peer, const struct http_server_settings *settings)
{
    struct http_connection *connection = calloc(1, size_of_connection());
    if (connection == NULL) {
        close(fd);
        return FAIL(ERROR_MEMORY, "client connection");
    }
    struct error error = stream_open(&connection->stream, loop, fd, on_ready);
    if (failed(error)) {
        close(fd);
        free(connection);
        return error;
    }
    connection->facts = (struct http_connection_facts){
        .peer = *peer,
        .is_tls = settings->tls != NULL,
        .id = ++list->next_id,
        .owner = settings->owner,
    };
    connection->late = settings->late;
    connection->opened_at = loop->now;
    connection->read_deadline.expired = on_read_deadline;
    add(list, connection);
    if (settings->tls != NULL) {
        error = tls_accept(settings->tls, &connection->stream);
    }
    struct http_shared_settings *shared = failed(error) ? NULL : share_settings(list, settings);
    if (shared == NULL) {
        http_connection_close(connection); /* without settings: it never was one, and reports nothing */
        return failed(error) ? error : FAIL(ERROR_MEMORY, "client connection");
    }
    connection->settings = &shared->settings;
    http_connection_set_deadline(connection, &connection->read_deadline, settings->timeouts.handshake);
    handshake(connection);
    return OK;
}

static void drain(struct http_connection *connection)
{
    if (connection->protocol != NULL) {
        connection->protocol->drain(connection);
    } else {
        http_connection_close(connection);
    }
}

void http_connections_drain_owner(struct http_connections *list, const void *owner)
{
    struct http_connection *next;
    for (struct http_connection *connection = list->first; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->facts.owner == owner) {
            drain(connection);
        }
    }
}

void http_connections_drain_some(struct http_connections *list,
                                 bool (*wants)(const void *context,
                                               const struct http_connection_facts *facts),
                                 const void *context)
{
    struct http_connection *next;
    for (struct http_connection *connection = list->first; connection != NULL; connection = next) {
        next = connection->next;
        if (wants(context, &connection->facts)) {
            drain(connection);
        }
    }
}

void http_connections_drain_patiently(struct http_connections *list)
{
    list->draining = list->patient = true;
    struct http_connection *next;
    for (struct http_connection *connection = list->first; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->protocol != NULL && connection->protocol->warn != NULL) {
            connection->protocol->warn(connection);
        }
    }
}

void http_connections_drain_all(struct http_connections *list)
{
    list->draining = true;
    list->patient = false;
    struct http_connection *next;
    for (struct http_connection *connection = list->first; connection != NULL; connection = next) {
        next = connection->next;
        drain(connection);
    }
}

void http_connections_close_all(struct http_connections *list)
{
    while (list->first != NULL) {
        struct http_connection *connection = list->first;
        if (connection->protocol != NULL) {
            connection->protocol->abort(connection, HTTP_ABORT_SHUTDOWN);
        } else {
            http_connection_close(connection);
        }
    }
}
