/* The request's side of a stream: its head, its body, and its end. */
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

static void drop_request_trailers(struct h2_stream *stream)
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

static void set_aside(struct buffer *buffer)
{
    if (buffer->capacity > SPARE_BUFFER_MAX) {
        buffer_done(buffer);
    }
    buffer_clear(buffer);
    buffer_set_aside(buffer);
}

static void recycle(struct h2_shared *shared, struct h2_stream *stream)
{
    if (shared->spare_count >= SPARES_MAX) {
        buffer_done(&stream->head);
        buffer_done(&stream->body);
        free(stream);
        return;
    }
    set_aside(&stream->head);
    set_aside(&stream->body);
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
    drop_request_trailers(stream);
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

void h2_stream_provoked(struct h2_stream *stream, uint32_t code)
{
    struct h2_server *server = stream->server;
    bool many = !h2_defences_count(&server->own->defences, H2_FLOOD_PROVOKED, server->base.stream.loop->now);
    h2_stream_reset(stream, code);
    h2_stream_abort(stream, HTTP_ABORT_CLIENT);
    if (many) {
        h2_server_flood(server, H2_FLOOD_PROVOKED);
    }
}

void h2_stream_on_close(struct h2_stream *stream)
{
    if (!stream->finished) {
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
        return DENY_BAD_HOST;
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
}

/* ---- the body ---- */

static bool wants_body(const struct h2_stream *stream)
{
    return stream->held && !stream->body_done && !stream->remote_ended &&
           (stream->discarding || !stream->paused);
}

void h2_stream_await_body(struct h2_stream *stream)
{
    struct h2_server *server = stream->server;
    const struct http_server_timeouts *timeouts = &server->base.settings->timeouts;
    if (server->state == H2_SERVER_CLOSED) {
        return;
    }
    if (!wants_body(stream)) {
        patience_pause(&stream->reading, server->base.stream.loop->now);
        deadline_park(&stream->read_deadline);
        return;
    }
    patience_wait(&stream->reading, server->base.stream.loop->now);
    http_connection_set_deadline(&server->base, &stream->read_deadline,
                                 stream->discarding ? timeouts->drain : timeouts->body);
}

void h2_stream_consume(struct h2_stream *stream, size_t size)
{
    struct h2_server *server = stream->server;
    if (size == 0 || server->state == H2_SERVER_CLOSED) {
        return;
    }
    if (stream->open) {
        nghttp2_session_consume(server->session, stream->id, size);
    } else {
        nghttp2_session_consume_connection(server->session, size);
    }
    if (!server->inside) {
        h2_output_schedule(server);
    }
}

static void drop_waiting(struct h2_stream *stream)
{
    h2_stream_consume(stream, buffer_length(&stream->in));
    buffer_done(&stream->in);
    drop_request_trailers(stream);
}

static void fail_body(struct h2_stream *stream, enum deny_reason reason)
{
    stream->body_done = true;
    drop_waiting(stream);
    deadline_park(&stream->read_deadline);
    if (stream->held && !stream->discarding) {
        stream->request.handler->on_body_failed(&stream->request, reason);
    }
}

static void end_body(struct h2_stream *stream, const struct headers *trailers)
{
    stream->body_done = true;
    deadline_park(&stream->read_deadline);
    if (stream->held && !stream->discarding) {
        stream->request.handler->on_body_end(&stream->request, trailers);
    }
}

static void end_body_waiting(struct h2_stream *stream)
{
    struct h2_head *head = stream->request_trailers;
    struct headers trailers = { 0 };
    stream->request_trailers = NULL;
    if (head != NULL) {
        h2_take_trailers(head, &trailers);
    }
    end_body(stream, head != NULL ? &trailers : NULL);
    free(head);
}

/* Nobody wants it: it costs a window, and there is an end to that. */
static void drop(struct h2_stream *stream, size_t size)
{
    stream->dropped += size;
    h2_stream_consume(stream, size);
    if (stream->dropped > HTTP_DRAIN_MAX && !stream->body_done) {
        fail_body(stream, DENY_BAD_BODY);
    }
}

void h2_stream_on_data(struct h2_stream *stream, struct slice data)
{
    struct h2_server *server = stream->server;
    const struct http_server_timeouts *timeouts = &server->base.settings->timeouts;
    if (!stream->held || stream->body_done || stream->discarding) {
        drop(stream, data.len);
        return;
    }
    if (stream->body_kind == BODY_LENGTH) {
        if (data.len > stream->body_left) {
            h2_stream_consume(stream, data.len);
            h2_stream_provoked(stream, NGHTTP2_PROTOCOL_ERROR); /* RFC 9113 section 8.1.1 */
            return;
        }
        stream->body_left -= data.len;
    }
    if (!patience_progress(&stream->reading, server->base.stream.loop->now, data.len, timeouts->body,
                           timeouts->min_rate)) {
        h2_stream_consume(stream, data.len);
        fail_body(stream, DENY_REQUEST_TIMEOUT);
        return;
    }
    if (stream->paused || buffer_length(&stream->in) > 0) {
        if (!buffer_append(&stream->in, data)) {
            h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
            h2_stream_abort(stream, HTTP_ABORT_INTERNAL);
        }
        return;
    }
    stream->request.received += data.len;
    stream->request.handler->on_body(&stream->request, data);
    h2_stream_consume(stream, data.len);
    h2_stream_await_body(stream);
}

/* False: less has come than was said. */
static bool end_remote(struct h2_stream *stream)
{
    stream->remote_ended = true;
    if (stream->body_kind == BODY_LENGTH && stream->body_left > 0 && stream->held && !stream->body_done &&
        !stream->discarding) {
        h2_stream_provoked(stream, NGHTTP2_PROTOCOL_ERROR);
        return false;
    }
    return true;
}

/* Can the exchange be told of the end now? */
static bool may_end(const struct h2_stream *stream)
{
    return stream->held && !stream->body_done &&
           (stream->discarding || (!stream->paused && buffer_length(&stream->in) == 0));
}

void h2_stream_on_end(struct h2_stream *stream)
{
    if (!end_remote(stream)) {
        return;
    }
    if (may_end(stream)) {
        end_body(stream, NULL);
    } else {
        h2_stream_await_body(stream);
    }
}

void h2_stream_on_trailers(struct h2_stream *stream)
{
    struct h2_server *server = stream->server;
    if (h2_head_end(server->head, true) != H2_HEAD_OK) {
        h2_stream_provoked(stream, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    if (!end_remote(stream)) {
        return;
    }
    if (may_end(stream)) {
        struct headers trailers;
        h2_take_trailers(server->head, &trailers);
        end_body(stream, &trailers);
    } else if (stream->held && !stream->body_done) {
        stream->request_trailers = server->head;
        server->head = NULL;
        h2_stream_await_body(stream);
    }
}

void h2_stream_deliver(struct h2_stream *stream)
{
    stream->busy = true;
    while (stream->held && !stream->body_done && !stream->paused && buffer_length(&stream->in) > 0) {
        struct slice data = buffer_slice(&stream->in);
        /* As a whole, since the source may take no more of it; and given back only then. */
        stream->request.received += data.len;
        stream->request.handler->on_body(&stream->request, data);
        h2_stream_consume(stream, data.len);
        buffer_done(&stream->in);
    }
    if (stream->remote_ended && may_end(stream)) {
        end_body_waiting(stream);
    } else {
        h2_stream_await_body(stream);
    }
    stream->busy = false;
    h2_stream_free_if_over(stream);
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
    fail_body(stream, DENY_REQUEST_TIMEOUT);
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
