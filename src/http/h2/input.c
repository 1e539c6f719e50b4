/* Reading: what comes, and who is to be listened to. */
#include "http/h2/server_internal.h"

/* Reads per turn of the loop, so that one busy client does not starve the others. */
#define READ_BUDGET 4

bool h2_server_may_read(const struct h2_server *server)
{
    if (server->read_ended) {
        return false;
    }
    switch (server->state) {
    case H2_SERVER_OPEN:
        return server->stream_count < H2_STREAMS_HELD_MAX;
    case H2_SERVER_ENDING:
    case H2_SERVER_LINGER:
        return server->dropped <= HTTP_DRAIN_MAX;
    default:
        return false;
    }
}

void h2_server_update_interest(struct h2_server *server)
{
    if (server->state == H2_SERVER_CLOSED) {
        return;
    }
    unsigned int wanted = h2_server_may_read(server) ? STREAM_READABLE : 0;
    if (buffer_length(&server->out) > 0 || server->shutting) {
        wanted |= STREAM_WRITABLE;
    }
    stream_want(&server->base.stream, wanted);
}

/* What nghttp2 cannot go on after. What it ends itself, it says itself. */
static void on_session_failure(struct h2_server *server, ssize_t code)
{
    if (server->state != H2_SERVER_OPEN) {
        return; /* our own callback stopped it */
    }
    if (code == NGHTTP2_ERR_FLOODED) {
        h2_server_flood(server, H2_FLOOD_PING);
    } else if (server->own->account.exceeded) {
        h2_server_flood(server, H2_FLOOD_MEMORY);
    } else if (code == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
        h2_server_close(server);
    } else {
        nghttp2_session_terminate_session(server->session, NGHTTP2_INTERNAL_ERROR);
        h2_server_end(server);
    }
}

void h2_server_take(struct h2_server *server, struct slice data)
{
    if (server->state != H2_SERVER_OPEN) {
        server->dropped += data.len;
        return;
    }
    server->inside = true;
    ssize_t taken = nghttp2_session_mem_recv(server->session, (const uint8_t *)data.ptr, data.len);
    server->inside = false;
    if (taken < 0) {
        on_session_failure(server, taken);
    }
    h2_output_schedule(server);
}

static void on_read_end(struct h2_server *server, bool clean)
{
    server->read_ended = true;
    if (!clean || server->stream_count == 0 || server->state != H2_SERVER_OPEN) {
        h2_server_close(server);
        return;
    }
    /* Half-closed: it still wants its answers, to what it has asked for whole. */
    struct h2_stream *next;
    for (struct h2_stream *stream = server->streams; stream != NULL; stream = next) {
        next = stream->next;
        if (!stream->remote_ended) {
            h2_stream_reset(stream, NGHTTP2_CANCEL);
            h2_stream_abort(stream, HTTP_ABORT_CLIENT);
        }
    }
    h2_output_schedule(server);
}

/* One read. False: nothing more to read now. */
static bool read_once(struct h2_server *server)
{
    struct stream *stream = &server->base.stream;
    char *memory = net_loop_take_scratch(stream->loop);
    size_t size = 0;
    enum stream_result result = stream->ops->read(stream, memory, HTTP_READ_BUFFER, &size);
    if (result == STREAM_OK) {
        h2_server_take(server, slice_of(memory, size));
    }
    net_loop_give_scratch(stream->loop);
    if (result == STREAM_END || result == STREAM_FAILED) {
        on_read_end(server, result == STREAM_END);
    }
    return result == STREAM_OK && server->state != H2_SERVER_CLOSED;
}

void h2_server_read(struct h2_server *server)
{
    struct stream *stream = &server->base.stream;
    for (int budget = READ_BUDGET; budget > 0 && h2_server_may_read(server); budget--) {
        if (!read_once(server) || !stream->ops->pending(stream)) {
            return;
        }
    }
    if (h2_server_may_read(server)) {
        net_loop_post(stream->loop, &server->resume);
    }
}

void h2_server_on_ready(struct stream *stream, unsigned int events)
{
    struct h2_server *server = (struct h2_server *)stream;
    if ((events & STREAM_BROKEN) != 0 && !h2_server_may_read(server)) {
        h2_server_close(server);
        return;
    }
    if ((events & STREAM_WRITABLE) != 0) {
        if (server->state == H2_SERVER_LINGER) {
            h2_server_end_output(server);
        } else {
            h2_output_run(server);
        }
    }
    if ((events & (STREAM_READABLE | STREAM_BROKEN)) != 0 && h2_server_may_read(server)) {
        h2_server_read(server);
    }
    h2_server_update_interest(server);
}
