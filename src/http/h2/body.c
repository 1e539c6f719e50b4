/* The request's body: what comes is handed to the exchange, or waits for it within the stream's window. */
#include "http/h2/server_internal.h"

#include <stdlib.h>

static bool wants_body(const struct h2_stream *stream)
{
    return stream->held && !stream->body_done && !stream->remote_ended &&
           (stream->discarding || (!stream->paused && !stream->tunnel));
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
    h2_stream_drop_request_trailers(stream);
}

void h2_stream_fail_body(struct h2_stream *stream, enum deny_reason reason)
{
    stream->body_done = true;
    drop_waiting(stream);
    deadline_park(&stream->read_deadline);
    if (stream->held && !stream->discarding) {
        stream->request.handler->on_body_failed(&stream->request, reason);
    }
}

void h2_stream_break_body(struct h2_stream *stream)
{
    bool wanted = stream->held && !stream->body_done && !stream->discarding && !stream->tunnel;
    /* All that the client hears is a stream error (RFC 9113 section 8.1.1); the logs tell the denial. */
    stream->malformed = true;
    if (wanted) {
        h2_stream_fail_body(stream, DENY_BAD_BODY);
    }
    if (!wanted || stream->held) {
        h2_stream_provoked(stream, NGHTTP2_PROTOCOL_ERROR);
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
        h2_stream_fail_body(stream, DENY_BAD_BODY);
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
            h2_stream_break_body(stream);
            return;
        }
        stream->body_left -= data.len;
    }
    if (!stream->tunnel && !patience_progress(&stream->reading, server->base.stream.loop->now, data.len,
                                              timeouts->body, timeouts->min_rate)) {
        h2_stream_consume(stream, data.len);
        h2_stream_fail_body(stream, DENY_REQUEST_TIMEOUT);
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
        h2_stream_break_body(stream);
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
        h2_stream_break_body(stream);
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
