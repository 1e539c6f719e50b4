/* Writing: once per turn for all streams of a connection, in as few pieces as the socket takes. */
#include "http/h2/frame.h"
#include "http/h2/server_internal.h"

/* Fills of `out` in one go, before others get their turn. */
#define ROUNDS_MAX 16

void h2_output_schedule(struct h2_server *server)
{
    if (server->state != H2_SERVER_CLOSED) {
        net_loop_at_end(server->base.stream.loop, &server->flush);
    }
}

void h2_stream_mark_dirty(struct h2_stream *stream)
{
    struct h2_server *server = stream->server;
    if (!stream->dirty) {
        stream->dirty = true;
        stream->next_dirty = server->dirty;
        server->dirty = stream;
    }
    h2_output_schedule(server);
}

static void list_woken(struct h2_stream *stream)
{
    struct h2_server *server = stream->server;
    if (!stream->woken) {
        stream->woken = true;
        stream->next_woken = server->woken;
        server->woken = stream;
    }
}

/* ---- what nghttp2 makes ---- */

int h2_output_data(struct h2_stream *stream, const uint8_t *frame_head, size_t size)
{
    struct h2_server *server = stream->server;
    const struct http_server_timeouts *timeouts = &server->base.settings->timeouts;
    struct net_loop *loop = server->base.stream.loop;
    if (buffer_length(&server->out) >= HTTP_WRITE_HIGH_WATER) {
        return NGHTTP2_ERR_WOULDBLOCK; /* and is asked again */
    }
    if (!buffer_reserve(&server->out, H2_FRAME_HEAD + size) ||
        !buffer_append(&server->out, slice_of((const char *)frame_head, H2_FRAME_HEAD)) ||
        !buffer_append(&server->out, slice_part(buffer_slice(&stream->body), 0, size))) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    server->put += H2_FRAME_HEAD + size;
    server->queued -= size;
    server->sent_bytes += size;
    buffer_consume(&stream->body, size);
    if (deadline_is_set(&stream->write_deadline)) {
        deadline_park(&stream->write_deadline); /* set again where something waits still */
        if (!patience_progress(&stream->writing, loop->now, size, timeouts->write, timeouts->min_rate)) {
            stream->starved = true;
        }
    }
    list_woken(stream);
    return 0;
}

void h2_output_finished(struct h2_stream *stream)
{
    struct h2_server *server = stream->server;
    if (stream->finished) {
        return;
    }
    stream->finished = true;
    deadline_park(&stream->write_deadline);
    stream->end_at = server->put;
    stream->sent_listed = true;
    stream->next_sent = NULL;
    *server->sent_last = stream;
    server->sent_last = &stream->next_sent;
    if (!stream->remote_ended && (!stream->tunnel || stream->discarding)) {
        /* The answer is complete and the request is not: nobody will read the rest (RFC 9113 section 8.1). */
        nghttp2_submit_rst_stream(server->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    }
}

/* Frames into `out`, up to its high water. False: the session is broken. */
static bool produce(struct h2_server *server)
{
    while (buffer_length(&server->out) < HTTP_WRITE_HIGH_WATER) {
        const uint8_t *data;
        ssize_t size = nghttp2_session_mem_send(server->session, &data);
        if (size < 0 || !buffer_append(&server->out, slice_of((const char *)data, (size_t)size))) {
            return false;
        }
        if (size == 0) {
            return true;
        }
        server->put += (uint64_t)size;
    }
    return true;
}

static void submit_all(struct h2_server *server)
{
    struct h2_stream *stream = server->dirty;
    server->dirty = NULL;
    while (stream != NULL) {
        struct h2_stream *next = stream->next_dirty;
        stream->dirty = false;
        h2_stream_submit(stream);
        if (buffer_length(&stream->body) > 0) {
            list_woken(stream); /* where none of it can leave, the client has so long to change that */
        }
        h2_stream_free_if_over(stream);
        stream = next;
    }
}

/* ---- the socket ---- */

/* False: the connection is dead. */
static bool write_out(struct h2_server *server)
{
    struct stream *stream = &server->base.stream;
    const struct http_server_timeouts *timeouts = &server->base.settings->timeouts;
    struct slice waiting = buffer_slice(&server->out);
    struct iovec part = { (char *)waiting.ptr, waiting.len };
    size_t written = 0;
    enum stream_result result = stream->ops->write(stream, &part, 1, &written);
    if (result == STREAM_FAILED || result == STREAM_END) {
        h2_server_abort(server, HTTP_ABORT_CLIENT);
        return false;
    }
    if (result == STREAM_AGAIN) {
        written = 0;
    }
    buffer_consume(&server->out, written);
    server->written += written;
    if (written > 0 && !patience_progress(&server->writing, stream->loop->now, written, timeouts->write,
                                          timeouts->min_rate)) {
        stream_reset_on_close(stream);
        h2_server_abort(server, HTTP_ABORT_SLOW_READER);
        return false;
    }
    if (written < waiting.len) {
        patience_wait(&server->writing, stream->loop->now);
        /* Only what moved moves the limit: trying again is no progress. */
        if (written > 0 || !deadline_is_set(&server->write_deadline)) {
            http_connection_set_deadline(&server->base, &server->write_deadline, timeouts->write);
        }
    } else {
        patience_pause(&server->writing, stream->loop->now);
        deadline_park(&server->write_deadline);
    }
    return true;
}

/* ---- what follows ---- */

static void tell_sent(struct h2_server *server)
{
    while (server->sent != NULL && server->sent->end_at <= server->written) {
        struct h2_stream *stream = server->sent;
        server->sent = stream->next_sent;
        if (server->sent == NULL) {
            server->sent_last = &server->sent;
        }
        stream->sent_listed = false;
        if (stream->held && stream->request.exchange != NULL) {
            stream->request.handler->on_sent(&stream->request);
        } else {
            h2_stream_free_if_over(stream);
        }
    }
}

/* Body waits for the client's window: for so long, and not longer. */
static void await_window(struct h2_stream *stream)
{
    struct h2_server *server = stream->server;
    if (stream->finished || !stream->open || buffer_length(&stream->body) == 0) {
        return;
    }
    patience_wait(&stream->writing, server->base.stream.loop->now);
    if (!deadline_is_set(&stream->write_deadline)) {
        http_connection_set_deadline(&server->base, &stream->write_deadline,
                                     server->base.settings->timeouts.write);
    }
}

static void tell_woken(struct h2_server *server)
{
    struct h2_stream *stream = server->woken;
    server->woken = NULL;
    while (stream != NULL) {
        struct h2_stream *next = stream->next_woken;
        stream->woken = false;
        if (stream->starved) {
            h2_stream_reset(stream, NGHTTP2_CANCEL);
            h2_stream_abort(stream, HTTP_ABORT_SLOW_READER);
        } else {
            await_window(stream);
            h2_stream_wake(stream);
        }
        h2_stream_free_if_over(stream);
        stream = next;
    }
}

/* One fill of `out` and one write. False: nothing more can be done now. */
static bool run_round(struct h2_server *server)
{
    submit_all(server);
    if (!produce(server)) {
        h2_server_abort(server, HTTP_ABORT_INTERNAL);
        return false;
    }
    if (server->sent_bytes > 0) {
        h2_defences_earn(&server->own->defences, H2_FLOOD_WINDOW_UPDATE, server->base.stream.loop->now,
                         server->sent_bytes / HTTP2_WINDOW_UPDATE_BYTES);
        server->sent_bytes = 0;
    }
    bool any = buffer_length(&server->out) > 0;
    if (any && !write_out(server)) {
        return false;
    }
    tell_sent(server);
    tell_woken(server);
    return server->state != H2_SERVER_CLOSED && buffer_length(&server->out) == 0 &&
           (any || server->dirty != NULL);
}

void h2_output_run(struct h2_server *server)
{
    if (server->state == H2_SERVER_CLOSED || server->inside || server->running) {
        return;
    }
    server->running = true;
    http_connections_take_buffer(server->base.list, &server->out);
    int rounds = 0;
    while (rounds < ROUNDS_MAX && run_round(server)) {
        rounds++;
    }
    server->running = false;
    if (server->state == H2_SERVER_CLOSED) {
        http_connection_free_if_over(&server->base);
        return;
    }
    if (rounds == ROUNDS_MAX) {
        net_loop_post(server->base.stream.loop, &server->resume);
    }
    if (buffer_length(&server->out) == 0) {
        http_connections_give_buffer(server->base.list, &server->out);
    }
    h2_server_output_done(server);
}
