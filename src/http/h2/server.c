#include "http/h2/server.h"

#include "http/h2/server_internal.h"

#include <stdlib.h>

/* ---- the end ---- */

static bool is_over(struct http_connection *connection)
{
    struct h2_server *server = (struct h2_server *)connection;
    if (server->stream_count > 0 || server->resume.queued || server->flush.queued || server->running ||
        server->inside) {
        return false;
    }
    buffer_done(&server->out);
    nghttp2_session_del(server->session);
    free(server->own);
    return true;
}

void h2_server_drop_head(struct h2_server *server)
{
    struct h2_shared *shared = server->shared;
    if (server->head != NULL && shared->head == NULL) {
        shared->head = server->head;
    } else {
        free(server->head);
    }
    server->head = NULL;
}

/* Off the lists of who had something to do: nothing is done any more. */
static void forget_lists(struct h2_server *server)
{
    for (struct h2_stream *stream = server->streams; stream != NULL; stream = stream->next) {
        stream->dirty = stream->woken = stream->sent_listed = false;
        stream->open = false;
    }
    server->dirty = server->woken = server->sent = NULL;
    server->sent_last = &server->sent;
}

void h2_server_abort(struct h2_server *server, enum http_abort why)
{
    if (server->state == H2_SERVER_CLOSED) {
        return;
    }
    server->state = H2_SERVER_CLOSED;
    deadline_clear(&server->write_deadline);
    h2_server_drop_head(server);
    http_connection_close(&server->base);
    forget_lists(server);
    struct h2_stream *next;
    for (struct h2_stream *stream = server->streams; stream != NULL; stream = next) {
        next = stream->next;
        h2_stream_drop_response(stream);
        if (stream->held) {
            h2_stream_abort(stream, why);
        } else {
            h2_stream_free_if_over(stream);
        }
    }
}

void h2_server_close(struct h2_server *server)
{
    h2_server_abort(server, HTTP_ABORT_CLIENT);
}

/* Our side ends; the client's bytes are read and dropped for a while, so that it can read our last frames before a reset
 * destroys them. */
void h2_server_end_output(struct h2_server *server)
{
    struct stream *stream = &server->base.stream;
    enum stream_result result = stream->ops->shutdown(stream);
    server->shutting = result == STREAM_AGAIN;
    if (result == STREAM_FAILED || (result == STREAM_OK && server->read_ended)) {
        h2_server_close(server);
    }
}

static void linger(struct h2_server *server)
{
    server->state = H2_SERVER_LINGER;
    server->dropped = 0;
    http_connection_set_deadline(&server->base, &server->base.read_deadline,
                                 server->base.settings->timeouts.drain);
    h2_server_end_output(server);
}

void h2_server_end(struct h2_server *server)
{
    if (server->state != H2_SERVER_OPEN && server->state != H2_SERVER_HELD_OFF) {
        return;
    }
    server->state = H2_SERVER_ENDING;
    http_connection_set_deadline(&server->base, &server->base.read_deadline,
                                 server->base.settings->timeouts.drain);
    h2_output_schedule(server);
}

void h2_server_flood(struct h2_server *server, enum h2_flood kind)
{
    if (server->state != H2_SERVER_OPEN) {
        return;
    }
    const struct http_server_settings *settings = server->base.settings;
    if (settings->on_flood != NULL) {
        settings->on_flood(&server->base.facts, h2_flood_name(kind), (int)kind);
    }
    nghttp2_session_terminate_session(server->session, NGHTTP2_ENHANCE_YOUR_CALM);
    h2_server_end(server);
}

void h2_server_output_done(struct h2_server *server)
{
    bool is_written = buffer_length(&server->out) == 0;
    if (server->state == H2_SERVER_ENDING && is_written) {
        /* What is not answered by now is not answered. */
        struct h2_stream *next;
        for (struct h2_stream *stream = server->streams; stream != NULL; stream = next) {
            next = stream->next;
            h2_stream_drop_response(stream);
            h2_stream_abort(stream, HTTP_ABORT_CLIENT);
        }
        linger(server);
    } else if (server->state == H2_SERVER_OPEN && is_written &&
               nghttp2_session_want_read(server->session) == 0 &&
               nghttp2_session_want_write(server->session) == 0) {
        h2_server_end(server); /* nghttp2 has said goodbye */
    }
    h2_server_update_interest(server);
}

/* ---- drains ---- */

/* Two steps (RFC 9113 section 6.8): first the client is told, and what it sends before it knows is still taken. A round trip
 * later it is told which stream was the last. */
void h2_server_warn(struct h2_server *server)
{
    static const uint8_t opaque[8] = "drained";
    if (server->warned || (server->state != H2_SERVER_OPEN && server->state != H2_SERVER_HELD_OFF)) {
        return;
    }
    server->warned = true;
    nghttp2_submit_shutdown_notice(server->session);
    nghttp2_submit_ping(server->session, NGHTTP2_FLAG_NONE, opaque);
    if (server->state == H2_SERVER_HELD_OFF) {
        server->state = H2_SERVER_OPEN;
    }
    h2_server_await(server);
    h2_output_schedule(server);
}

void h2_server_drain(struct h2_server *server)
{
    if (!server->warned) {
        h2_server_warn(server);
        return;
    }
    if (server->draining || server->state != H2_SERVER_OPEN) {
        return;
    }
    server->draining = true;
    nghttp2_submit_goaway(server->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(server->session), NGHTTP2_NO_ERROR, NULL,
                          0);
    h2_output_schedule(server);
    if (server->stream_count == 0) {
        h2_server_end(server);
    }
}

/* ---- time ---- */

static bool is_young(const struct h2_server *server)
{
    return server->base.requests == 0;
}

void h2_server_await(struct h2_server *server)
{
    const struct http_server_timeouts *timeouts = &server->base.settings->timeouts;
    if (server->state != H2_SERVER_OPEN) {
        return;
    }
    int64_t limit = 0;
    if (server->head != NULL || (server->stream_count == 0 && is_young(server))) {
        limit = timeouts->head;
    } else if (server->stream_count == 0) {
        limit = server->warned ? timeouts->drain : timeouts->idle;
    }
    http_connection_set_deadline(&server->base, &server->base.read_deadline, limit);
}

void h2_server_stream_over(struct h2_server *server)
{
    if (server->state == H2_SERVER_CLOSED) {
        http_connection_free_if_over(&server->base);
        return;
    }
    if (server->stream_count == H2_STREAMS_HELD_MAX - 1) {
        h2_output_schedule(server); /* it is listened to again */
    }
    if (server->stream_count > 0 || server->state != H2_SERVER_OPEN) {
        return;
    }
    if (server->draining || server->read_ended) {
        h2_server_end(server);
    } else if (server->hold_off > 0 && server->head == NULL && !server->warned) {
        server->state = H2_SERVER_HELD_OFF;
        http_connection_set_deadline(&server->base, &server->base.read_deadline, server->hold_off);
        server->hold_off = 0;
        h2_output_schedule(server);
    } else {
        h2_server_await(server);
    }
}

static void end_hold_off(struct h2_server *server)
{
    const struct http_handler *handler = server->own->idle.handler;
    int64_t more = handler->on_held_off != NULL ? handler->on_held_off(&server->own->idle) : 0;
    if (more > 0) {
        http_connection_set_deadline(&server->base, &server->base.read_deadline, more);
        return;
    }
    server->state = H2_SERVER_OPEN;
    server->own->idle.held_off = true;
    h2_server_await(server);
    net_loop_post(server->base.stream.loop, &server->resume);
    h2_server_update_interest(server);
}

static void on_read_deadline(struct deadline *deadline)
{
    struct h2_server *server =
        (struct h2_server *)((char *)deadline - offsetof(struct h2_server, base.read_deadline));
    switch (server->state) {
    case H2_SERVER_HELD_OFF:
        end_hold_off(server);
        break;
    case H2_SERVER_OPEN:
        nghttp2_session_terminate_session(server->session, NGHTTP2_NO_ERROR);
        h2_server_end(server);
        break;
    default:
        h2_server_close(server);
    }
}

static void on_write_deadline(struct deadline *deadline)
{
    struct h2_server *server =
        (struct h2_server *)((char *)deadline - offsetof(struct h2_server, write_deadline));
    stream_reset_on_close(&server->base.stream);
    h2_server_abort(server, HTTP_ABORT_SLOW_READER);
}

/* ---- tasks ---- */

/* Streams whose handler asked for more of their body, and what TLS holds. */
static void resume(struct net_task *task)
{
    struct h2_server *server = (struct h2_server *)((char *)task - offsetof(struct h2_server, resume));
    if (server->state == H2_SERVER_CLOSED) {
        http_connection_free_if_over(&server->base);
        return;
    }
    struct h2_stream *next;
    for (struct h2_stream *stream = server->streams; stream != NULL; stream = next) {
        next = stream->next;
        if ((stream->open || stream->tunnel) && stream->held && !stream->body_done && !stream->paused) {
            h2_stream_deliver(stream);
        }
    }
    if (h2_server_may_read(server) && server->base.stream.ops->pending(&server->base.stream)) {
        h2_server_read(server);
    }
    h2_output_schedule(server);
}

static void flush(struct net_task *task)
{
    struct h2_server *server = (struct h2_server *)((char *)task - offsetof(struct h2_server, flush));
    if (server->state == H2_SERVER_CLOSED) {
        http_connection_free_if_over(&server->base);
        return;
    }
    h2_output_run(server);
}

/* ---- what every connection does ---- */

static bool set_up(struct h2_server *server)
{
    struct http_connection *connection = &server->base;
    server->shared = h2_shared_of(connection->list);
    server->own = server->shared != NULL ? malloc(sizeof *server->own) : NULL;
    if (server->own == NULL) {
        return false;
    }
    *server->own = (struct h2_own){
        .idle = { .ops = &h2_stream_ops,
                  .handler = connection->settings->handler,
                  .connection = &connection->facts,
                  .late = connection->late },
        .account = { .memory = &server->shared->memory, .maximum = HTTP2_SESSION_MEMORY_MAX },
    };
    return h2_session_open(server);
}

static void begin(struct http_connection *connection, struct slice early)
{
    struct h2_server *server = (struct h2_server *)connection;
    connection->stream.on_ready = h2_server_on_ready;
    connection->read_deadline.expired = on_read_deadline;
    server->write_deadline.expired = on_write_deadline;
    server->resume.run = resume;
    server->flush.run = flush;
    server->sent_last = &server->sent;
    buffer_init(&server->out, HTTP_WRITE_BUFFER_MAX);
    patience_reset(&server->writing, connection->settings->timeouts.write);
    if (!set_up(server)) {
        h2_server_close(server);
        return;
    }
    h2_server_await(server);
    if (connection->list->draining) {
        h2_server_warn(server);
    }
    if (early.len > 0) {
        h2_server_take(server, early);
    }
    h2_output_schedule(server);
    if (h2_server_may_read(server)) {
        h2_server_read(server);
    }
    h2_server_update_interest(server);
}

static void warn_connection(struct http_connection *connection)
{
    h2_server_warn((struct h2_server *)connection);
}

static void drain_connection(struct http_connection *connection)
{
    h2_server_drain((struct h2_server *)connection);
}

static void abort_connection(struct http_connection *connection, enum http_abort why)
{
    h2_server_abort((struct h2_server *)connection, why);
}

const struct http_protocol h2_server_protocol = {
    .name = "h2",
    .size = sizeof(struct h2_server),
    .begin = begin,
    .warn = warn_connection,
    .drain = drain_connection,
    .abort = abort_connection,
    .is_over = is_over,
};
