/* A stream's life: its head, its resets, its time limits. */
#include "http/h2/server_internal.h"

#include <assert.h>
#include <stdlib.h>

/* Streams that are kept for the next ones, per thread. */
#define SPARES_MAX 256
/* Their buffers for heads and bodies stay with them; not those that grew beyond this. */
#define SPARE_BUFFER_MAX (8 * 1024)

/* ---- life and death ---- */

static void on_read_deadline(struct deadline *deadline);
static void on_write_deadline(struct deadline *deadline);

static struct h2_stream *take_spare(struct h2_shared *shared)
{
    struct h2_stream *stream = shared->spares;
    if (stream == NULL) {
        return calloc(1, sizeof *stream);
    }
    shared->spares = stream->next;
    shared->spare_count--;
    struct buffer head = stream->head, body = stream->body;
    buffer_take_up(&head);
    buffer_take_up(&body);
    *stream = (struct h2_stream){ .head = head, .body = body };
    return stream;
}

struct h2_stream *h2_stream_new(struct h2_server *server, int32_t id)
{
    struct h2_stream *stream = take_spare(server->shared);
    if (stream == NULL) {
        return NULL;
    }
    const struct http_server_settings *settings = server->base.settings;
    stream->request = (struct http_stream){
        .ops = &h2_stream_ops,
        .handler = settings->handler,
        .connection = &server->base.facts,
        .minor_version = 2,
        .held_off = server->own->idle.held_off,
        .late = server->own->idle.late,
        .holds = server->own->idle.holds,
    };
    stream->server = server;
    stream->id = id;
    stream->open = true;
    stream->paused = true;
    if (stream->head.data == NULL) {
        buffer_init(&stream->head, H2_FIELDS_MAX);
    }
    if (stream->body.data == NULL) {
        buffer_init(&stream->body, HTTP_WRITE_BUFFER_MAX);
    }
    buffer_init(&stream->in, HTTP2_STREAM_WINDOW + HTTP_BULK_BUFFER);
    buffer_init(&stream->trailers, H2_FIELDS_MAX);
    patience_reset(&stream->reading, settings->timeouts.body);
    patience_reset(&stream->writing, settings->timeouts.write);
    stream->read_deadline.expired = on_read_deadline;
    stream->write_deadline.expired = on_write_deadline;
    stream->next = server->streams;
    if (stream->next != NULL) {
        stream->next->previous = stream;
    }
    server->streams = stream;
    server->stream_count++;
    return stream;
}

void h2_stream_drop_request_trailers(struct h2_stream *stream)
{
    free(stream->request_trailers);
    stream->request_trailers = NULL;
}

static void take_off_list(struct h2_stream *stream)
{
    struct h2_server *server = stream->server;
    if (stream->previous != NULL) {
        stream->previous->next = stream->next;
    } else {
        server->streams = stream->next;
    }
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
    server->stream_count--;
}

static void recycle(struct h2_shared *shared, struct h2_stream *stream)
{
    if (shared->spare_count >= SPARES_MAX) {
        buffer_done(&stream->head);
        buffer_done(&stream->body);
        free(stream);
        return;
    }
    buffer_set_aside(&stream->head, SPARE_BUFFER_MAX);
    buffer_set_aside(&stream->body, SPARE_BUFFER_MAX);
    stream->next = shared->spares;
    shared->spares = stream;
    shared->spare_count++;
}

void h2_stream_free_if_over(struct h2_stream *stream)
{
    if (stream->open || stream->held || stream->busy || stream->dirty || stream->woken ||
        stream->sent_listed) {
        return;
    }
    struct h2_server *server = stream->server;
    deadline_clear(&stream->read_deadline);
    deadline_clear(&stream->write_deadline);
    h2_stream_drop_response(stream);
    h2_stream_drop_request_trailers(stream);
    buffer_done(&stream->in);
    buffer_done(&stream->trailers);
    take_off_list(stream);
    recycle(server->shared, stream);
    h2_server_stream_over(server);
}

void h2_stream_free_spares(struct h2_shared *shared)
{
    while (shared->spares != NULL) {
        struct h2_stream *stream = shared->spares;
        shared->spares = stream->next;
        buffer_take_up(&stream->head);
        buffer_take_up(&stream->body);
        buffer_done(&stream->head);
        buffer_done(&stream->body);
        free(stream);
    }
    shared->spare_count = 0;
}

/* ---- resets ---- */

void h2_stream_reset(struct h2_stream *stream, uint32_t code)
{
    struct h2_server *server = stream->server;
    h2_stream_drop_response(stream);
    stream->body_done = true;
    deadline_park(&stream->read_deadline);
    deadline_park(&stream->write_deadline);
    if (stream->open && server->state != H2_SERVER_CLOSED) {
        nghttp2_submit_rst_stream(server->session, NGHTTP2_FLAG_NONE, stream->id, code);
        h2_output_schedule(server);
    }
}

void h2_stream_abort(struct h2_stream *stream, enum http_abort why)
{
    stream->body_done = true;
    deadline_park(&stream->read_deadline);
    deadline_park(&stream->write_deadline);
    if (stream->held && stream->request.exchange != NULL) {
        stream->request.handler->on_abort(&stream->request, why);
    }
}

void h2_stream_refuse(struct h2_stream *stream, uint32_t code)
{
    struct h2_server *server = stream->server;
    bool many = !h2_defences_count(&server->own->defences, H2_FLOOD_PROVOKED, server->base.stream.loop->now);
    h2_stream_reset(stream, code);
    if (many) {
        h2_server_flood(server, H2_FLOOD_PROVOKED);
    }
}

void h2_stream_provoked(struct h2_stream *stream, uint32_t code)
{
    h2_stream_refuse(stream, code);
    h2_stream_abort(stream, HTTP_ABORT_CLIENT);
}

void h2_stream_on_close(struct h2_stream *stream)
{
    bool half_open = stream->tunnel && !stream->remote_ended; /* ours has ended, the client's was reset */
    if (!stream->finished || half_open) {
        h2_stream_drop_response(stream);
        h2_stream_abort(stream, HTTP_ABORT_CLIENT);
    }
    stream->open = false; /* last: until then it is not over */
    h2_stream_free_if_over(stream);
}

/* ---- the head ---- */

static enum deny_reason reason_of(enum h2_head_failure failure)
{
    switch (failure) {
    case H2_HEAD_TOO_LARGE:
    case H2_HEAD_TOO_MANY_HEADERS:
        return DENY_HEAD_TOO_LARGE;
    case H2_HEAD_TARGET_TOO_LONG:
        return DENY_TARGET_TOO_LONG;
    case H2_HEAD_BAD_TARGET:
        return DENY_BAD_TARGET;
    case H2_HEAD_NO_HOST:
    case H2_HEAD_TWO_HOSTS:
        return DENY_BAD_HOST;
    case H2_HEAD_UNKNOWN_PROTOCOL:
        return DENY_METHOD_NOT_IMPLEMENTED;
    default:
        return DENY_BAD_REQUEST;
    }
}

void h2_stream_on_head(struct h2_stream *stream, bool ends)
{
    struct h2_server *server = stream->server;
    struct h2_head *head = server->head;
    enum h2_head_failure failure = h2_head_end(head, ends);
    const struct http_handler *handler = stream->request.handler;
    server->base.requests++;
    server->own->idle.held_off = false;
    server->own->idle.late = false;
    if (http_connection_is_used_up(&server->base)) {
        h2_server_warn(server);
    }
    stream->held = true;
    stream->remote_ended = ends;
    stream->body_done = ends;
    if (failure != H2_HEAD_OK) {
        stream->malformed = h2_head_is_malformed(failure);
        stream->body_done = true;
        handler->on_reject(&stream->request, reason_of(failure), h2_head_failure_text(failure));
        return;
    }
    struct http_request request;
    h2_take_request(head, ends, &request);
    stream->body_kind = request.body;
    stream->body_left = request.content_length;
    stream->is_head = request.method == METHOD_HEAD;
    stream->expect_continue = request.expect_continue;
    handler->on_request(&stream->request, &request, slice_of(head->text, head->size));
    stream->request.held_off = false;
    stream->request.late = false;
}

/* ---- time limits ---- */

static void on_read_deadline(struct deadline *deadline)
{
    struct h2_stream *stream =
        (struct h2_stream *)((char *)deadline - offsetof(struct h2_stream, read_deadline));
    if (stream->discarding) {
        stream->body_done = true; /* the answer is all that is left */
        if (stream->finished) {
            h2_stream_reset(stream, NGHTTP2_NO_ERROR);
        }
        return;
    }
    h2_stream_fail_body(stream, DENY_REQUEST_TIMEOUT);
}

static void on_write_deadline(struct deadline *deadline)
{
    struct h2_stream *stream =
        (struct h2_stream *)((char *)deadline - offsetof(struct h2_stream, write_deadline));
    struct h2_server *server = stream->server;
    if (buffer_length(&server->out) > 0) {
        /* The socket is what it waits for, and that has a limit of its own. */
        http_connection_set_deadline(&server->base, deadline, server->base.settings->timeouts.write);
        return;
    }
    h2_stream_reset(stream, NGHTTP2_CANCEL);
    h2_stream_abort(stream, HTTP_ABORT_SLOW_READER);
}
