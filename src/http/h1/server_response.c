/* The response's side of a client's connection: what an exchange sends. */
#include "http/h1/server_internal.h"
#include "http/h1/writer.h"
#include "http/scarcity.h"

/* A piece of body up to this size is copied behind the head, so that both leave in one write. */
#define COALESCE_MAX 8192
/* An unread body up to this size is dropped silently, and the connection goes on. */
#define DISCARD_SMALL (64 * 1024)

static struct h1_server *server_of(struct http_stream *stream)
{
    return (struct h1_server *)((char *)stream - offsetof(struct h1_server, request));
}

/* A tunnel's direction ends without its connection. True: it has, just now. */
static bool end_direction(struct h1_server *server)
{
    if (server->discarding) {
        return true; /* the connection is to end, and so it will */
    }
    if (server->half_closed) {
        return false;
    }
    enum stream_result result = server->base.stream.ops->shutdown(&server->base.stream);
    server->shutting = result == STREAM_AGAIN;
    server->half_closed = result == STREAM_OK;
    if (result == STREAM_FAILED) {
        h1_server_abort(server, HTTP_ABORT_CLIENT);
    } else {
        h1_server_update_interest(server);
    }
    return server->half_closed;
}

static void finish_if_sent(struct h1_server *server)
{
    if (server->state == SERVER_EXCHANGE && server->held && server->ended &&
        buffer_length(&server->out) == 0 && (server->body != BODY_TUNNEL || end_direction(server))) {
        server->request.handler->on_sent(&server->request);
    }
}

/* Writes `parts` now; what the kernel does not take goes behind `out`. False: the connection is dead. */
static bool write_parts(struct h1_server *server, struct iovec *parts, int count)
{
    struct net_loop *loop = server->base.stream.loop;
    size_t written = 0;
    /* Even where nothing moves: what TLS has made a record of leaves as it is. */
    server->written = true;
    enum stream_result result = server->base.stream.ops->write(&server->base.stream, parts, count, &written);
    if (result == STREAM_FAILED || result == STREAM_END) {
        h1_server_abort(server, HTTP_ABORT_CLIENT);
        return false;
    }
    if (result == STREAM_AGAIN) {
        written = 0;
    }
    const struct http_server_timeouts *timeouts = &server->base.settings->timeouts;
    if (written > 0 &&
        !patience_progress(&server->writing, loop->now, written, timeouts->write, timeouts->min_rate)) {
        stream_reset_on_close(&server->base.stream);
        h1_server_abort(server, HTTP_ABORT_SLOW_READER);
        return false;
    }
    size_t from_out = buffer_length(&server->out);
    buffer_consume(&server->out, written < from_out ? written : from_out);
    size_t skip = written < from_out ? 0 : written - from_out;
    for (int i = from_out > 0 ? 1 : 0; i < count; i++) {
        size_t taken = skip < parts[i].iov_len ? skip : parts[i].iov_len;
        skip -= taken;
        if (!buffer_append(&server->out,
                           slice_of((char *)parts[i].iov_base + taken, parts[i].iov_len - taken))) {
            h1_server_abort(server, HTTP_ABORT_SLOW_READER);
            return false;
        }
    }
    if (buffer_length(&server->out) > 0) {
        patience_wait(&server->writing, loop->now);
        /* Only what moved moves the limit: trying again is no progress. */
        if (written > 0 || !deadline_is_set(&server->write_deadline)) {
            http_connection_set_deadline(&server->base, &server->write_deadline, timeouts->write);
        }
    } else {
        deadline_park(&server->write_deadline);
    }
    return true;
}

void h1_server_flush(struct h1_server *server)
{
    if (server->state == SERVER_CLOSED) {
        return;
    }
    if (buffer_length(&server->out) > 0) {
        struct slice waiting = buffer_slice(&server->out);
        struct iovec part = { (char *)waiting.ptr, waiting.len };
        if (!write_parts(server, &part, 1)) {
            return;
        }
    }
    size_t left = buffer_length(&server->out);
    if (left == 0 && (server->state != SERVER_EXCHANGE || server->body == BODY_TUNNEL)) {
        http_connections_give_buffer(server->base.list, &server->out);
    }
    h1_server_update_interest(server);
    if (server->held && server->blocked && http_may_go_on(&server->out)) {
        server->blocked = false;
        server->request.handler->on_writable(&server->request);
    }
    finish_if_sent(server);
}

/* May the connection go on after this response? Decided when its head is written, since the head says so. */
static bool decide_keep_alive(struct h1_server *server, enum http_body body)
{
    if (!server->client_keep_alive || h1_server_is_draining(server) || body == BODY_CLOSE) {
        return false;
    }
    if (server->body_done || !server->discarding) {
        /* A response that overtakes a body which the handler still reads: its end decides, see send_end. */
        return true;
    }
    return !server->expect_continue && server->body == BODY_LENGTH && server->body_left <= DISCARD_SMALL;
}

/* What waits of the client, and what it sends from now on, belongs to the new protocol; no request follows. */
static void become_tunnel(struct h1_server *server)
{
    server->client_keep_alive = false;
    server->body = BODY_TUNNEL;
    server->body_left = UINT64_MAX;
    server->body_done = false;
}

static void stream_send_head(struct http_stream *stream, const struct http_response *response)
{
    struct h1_server *server = server_of(stream);
    struct h1_framing framing = { .body = response->body,
                                  .content_length = response->content_length,
                                  .upgrade = response->upgrade };
    if (framing.body == BODY_TUNNEL) {
        become_tunnel(server);
    }
    if (framing.body == BODY_CHUNKED && server->minor_version == 0) {
        framing.body = BODY_CLOSE;
    }
    server->chunked_out = framing.body == BODY_CHUNKED && !server->is_head;
    server->keep_alive = decide_keep_alive(server, framing.body);
    framing.close = !server->keep_alive && server->minor_version > 0 && framing.body != BODY_TUNNEL;
    framing.keep_alive = server->keep_alive && server->minor_version == 0;
    server->head_sent = true;
    server->expect_continue = false;
    http_connections_take_buffer(server->base.list, &server->out);
    server->written = false;
    server->before_head = buffer_length(&server->out);
    if (!h1_write_response(&server->out, response->status, &response->headers, &framing)) {
        /* A field that may not be written, or no room: nothing of it has left, so it can be cut cleanly. */
        stream_reset_on_close(&server->base.stream);
        h1_server_abort(server, HTTP_ABORT_INTERNAL);
    }
}

static void stream_send_informational(struct http_stream *stream, unsigned int status,
                                      const struct headers *headers)
{
    struct h1_server *server = server_of(stream);
    if (server->minor_version == 0 || server->head_sent || server->state != SERVER_EXCHANGE) {
        return;
    }
    http_connections_take_buffer(server->base.list, &server->out);
    if (h1_write_informational(&server->out, status, headers)) {
        h1_server_flush(server);
    }
}

static bool stream_send_body(struct http_stream *stream, struct slice data)
{
    struct h1_server *server = server_of(stream);
    if (server->state != SERVER_EXCHANGE || server->is_head || data.len == 0) {
        return true;
    }
    stream->sent += data.len;
    char chunk[24];
    size_t chunk_length = server->chunked_out ? h1_chunk_header(data.len, chunk) : 0;
    struct slice waiting = buffer_slice(&server->out);
    struct iovec parts[4];
    int count = 0;
    if (waiting.len > 0) {
        parts[count++] = (struct iovec){ (char *)waiting.ptr, waiting.len };
    }
    if (chunk_length > 0) {
        parts[count++] = (struct iovec){ chunk, chunk_length };
    }
    parts[count++] = (struct iovec){ (char *)data.ptr, data.len };
    if (chunk_length > 0) {
        parts[count++] = (struct iovec){ (char *)"\r\n", 2 };
    }
    bool gather = waiting.len + data.len <= COALESCE_MAX && server->body != BODY_TUNNEL;
    if (gather || server->blocked) {
        for (int i = waiting.len > 0 ? 1 : 0; i < count; i++) {
            if (!buffer_append(&server->out, slice_of(parts[i].iov_base, parts[i].iov_len))) {
                h1_server_abort(server, HTTP_ABORT_SLOW_READER);
                return true;
            }
        }
        server->blocked = server->blocked || buffer_length(&server->out) >= HTTP_WRITE_HIGH_WATER;
    } else if (write_parts(server, parts, count)) {
        server->blocked = http_must_wait(&server->out);
    } else {
        return true;
    }
    if (server->blocked || server->body == BODY_TUNNEL) {
        h1_server_update_interest(server); /* of a tunnel nobody says when it was all */
    }
    return !server->blocked;
}

static void stream_send_end(struct http_stream *stream, const struct headers *trailers)
{
    struct h1_server *server = server_of(stream);
    if (server->state != SERVER_EXCHANGE) {
        return;
    }
    if (server->chunked_out && !h1_write_last_chunk(&server->out, trailers)) {
        h1_server_abort(server, HTTP_ABORT_SLOW_READER);
        return;
    }
    /* The response is complete and the request is not: nobody will read the rest. */
    if (!server->body_done && !server->discarding) {
        server->keep_alive = false;
    }
    server->ended = true;
    h1_server_flush(server);
}

static void stream_flush(struct http_stream *stream)
{
    h1_server_flush(server_of(stream));
}

static bool stream_retract(struct http_stream *stream)
{
    struct h1_server *server = server_of(stream);
    if (server->state != SERVER_EXCHANGE || !server->head_sent || server->ended || server->written) {
        return false;
    }
    server->out.end = server->out.begin + server->before_head;
    server->head_sent = false;
    server->blocked = false;
    stream->sent = 0;
    if (!server->body_done) {
        /* Whether the client still waits for 100 is no longer known, and with it whether a body comes. */
        server->client_keep_alive = false;
    }
    return true;
}

static void stream_reset(struct http_stream *stream)
{
    struct h1_server *server = server_of(stream);
    stream_reset_on_close(&server->base.stream);
    h1_server_close(server);
}

static void stream_pause(struct http_stream *stream, bool paused)
{
    struct h1_server *server = server_of(stream);
    if (server->state != SERVER_EXCHANGE || server->paused == paused) {
        return;
    }
    server->paused = paused;
    if (paused) {
        h1_server_await_body(server);
        h1_server_update_interest(server);
        return;
    }
    /* Something of the body may be there already. While its head is worked through, that lies in `in` itself. */
    bool nothing_waits = server->processing || buffer_length(&server->in) == 0;
    if (server->expect_continue && !server->head_sent && server->request.received == 0 && nothing_waits) {
        server->expect_continue = false;
        http_connections_take_buffer(server->base.list, &server->out);
        if (h1_write_informational(&server->out, 100, NULL)) {
            h1_server_flush(server);
        }
    }
    net_loop_post(server->base.stream.loop, &server->resume);
}

static void stream_discard_body(struct http_stream *stream)
{
    struct h1_server *server = server_of(stream);
    if (server->state != SERVER_EXCHANGE || server->discarding) {
        return;
    }
    server->discarding = true;
    if (server->head_sent && !server->body_done) {
        /* The head promised to go on when the handler still read the body. How much is left nobody knows, and a client
         * that waits for 100 may never send it: what came next could be taken for it (RFC 9110 section 10.1.1). */
        server->keep_alive = false;
    }
    if (!server->processing && !server->body_done) {
        net_loop_post(server->base.stream.loop, &server->resume);
    }
}

static int64_t stream_op_waited(struct http_stream *stream)
{
    return stream_waited(server_of(stream)->base.stream.fd);
}

static int64_t stream_op_unread(struct http_stream *stream)
{
    const struct h1_server *server = server_of(stream);
    return buffer_length(&server->in) > 0 ? stream_waited(server->base.stream.fd)
                                          : stream_unread(server->base.stream.fd);
}

static void stream_hold_off(struct http_stream *stream, int64_t duration)
{
    stream->holds = 0;
    server_of(stream)->hold_off = duration;
}

static void stream_end_connection(struct http_stream *stream)
{
    server_of(stream)->draining = true;
}

static void stream_release(struct http_stream *stream)
{
    struct h1_server *server = server_of(stream);
    server->held = false;
    stream->exchange = NULL;
    if (server->state == SERVER_CLOSED) {
        http_connection_free_if_over(&server->base);
        return;
    }
    if (!server->body_done) {
        server->discarding = true;
    }
    h1_server_end_exchange(server);
    if (server->state == SERVER_CLOSED || server->processing) {
        return;
    }
    bool more = buffer_length(&server->in) > 0 || server->base.stream.ops->pending(&server->base.stream);
    if (server->state == SERVER_IDLE && !more) {
        h1_server_update_interest(server);
    } else {
        net_loop_post(server->base.stream.loop, &server->resume);
    }
}

const struct http_stream_ops h1_server_stream_ops = {
    .send_head = stream_send_head,
    .send_informational = stream_send_informational,
    .send_body = stream_send_body,
    .send_end = stream_send_end,
    .flush = stream_flush,
    .retract = stream_retract,
    .reset = stream_reset,
    .pause = stream_pause,
    .discard_body = stream_discard_body,
    .waited = stream_op_waited,
    .unread = stream_op_unread,
    .hold_off = stream_hold_off,
    .end_connection = stream_end_connection,
    .release = stream_release,
};
