/* The response's side of a stream: what an exchange sends. It waits here until the end of the turn. */
#include "http/h2/fields.h"
#include "http/h2/server_internal.h"
#include "http/scarcity.h"

static struct h2_server *server_of(const struct http_stream *stream)
{
    return (struct h2_server *)((char *)stream->connection - offsetof(struct h2_server, base.facts));
}

/* Does anybody listen? */
static bool is_dead(const struct h2_stream *stream)
{
    return !stream->open || stream->server->state == H2_SERVER_CLOSED;
}

void h2_stream_drop_response(struct h2_stream *stream)
{
    stream->server->queued -= buffer_length(&stream->body);
    buffer_clear(&stream->body);
}

/* ---- for nghttp2 ---- */

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user)
{
    (void)out;
    (void)user;
    struct h2_stream *stream = source->ptr;
    size_t waiting = buffer_length(&stream->body);
    if (waiting == 0 && !stream->ended) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (waiting > length) {
        return (ssize_t)length;
    }
    if (stream->ended) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->trailer_count > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (nghttp2_submit_trailer(session, id, h2_fields_of(&stream->trailers), stream->trailer_count) !=
                0) {
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
            }
        }
    }
    return (ssize_t)waiting;
}

static void submit_head(struct h2_stream *stream)
{
    bool nothing = stream->ended && buffer_length(&stream->body) == 0 && stream->trailer_count == 0;
    nghttp2_data_provider provider = { .source = { .ptr = stream }, .read_callback = read_body };
    const nghttp2_data_provider *body = stream->without_body || nothing ? NULL : &provider;
    stream->submitted = true;
    if (nghttp2_submit_response(stream->server->session, stream->id, h2_fields_of(&stream->head),
                                stream->head_count, body) != 0) {
        h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
        h2_stream_abort(stream, HTTP_ABORT_INTERNAL);
    }
}

void h2_stream_submit(struct h2_stream *stream)
{
    if (is_dead(stream) || !stream->head_given) {
        return;
    }
    if (!stream->submitted) {
        submit_head(stream);
    } else if (stream->deferred && (buffer_length(&stream->body) > 0 || stream->ended)) {
        stream->deferred = false;
        nghttp2_session_resume_data(stream->server->session, stream->id);
    }
}

/* ---- back-pressure ---- */

static bool must_wait(const struct h2_stream *stream)
{
    const struct h2_server *server = stream->server;
    size_t waiting = buffer_length(&stream->body);
    return (waiting > 0 && server->queued >= HTTP2_QUEUE_HIGH_WATER) || http_must_wait(&stream->body);
}

void h2_stream_wake(struct h2_stream *stream)
{
    if (stream->held && stream->blocked && !is_dead(stream) && http_may_go_on(&stream->body)) {
        stream->blocked = false;
        stream->request.handler->on_writable(&stream->request);
    }
}

/* ---- what an exchange calls ---- */

static void give_up(struct h2_stream *stream, enum http_abort why)
{
    h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    h2_stream_abort(stream, why);
}

/* RFC 8441 section 5: what HTTP/1.1 says by 101 is 200 here. */
static bool write_tunnel_head(struct h2_stream *stream, const struct http_response *response)
{
    const struct http_response granted = { .status = 200, .body = BODY_TUNNEL, .headers = response->headers };
    stream->tunnel = true;
    stream->body_kind = BODY_TUNNEL;
    return h2_write_response(&stream->head, &granted, &stream->head_count);
}

static bool write_head(struct h2_stream *stream, const struct http_response *response)
{
    return response->body == BODY_TUNNEL ? write_tunnel_head(stream, response)
                                         : h2_write_response(&stream->head, response, &stream->head_count);
}

static void op_send_head(struct http_stream *request, const struct http_response *response)
{
    struct h2_stream *stream = h2_stream_of(request);
    if (is_dead(stream)) {
        return;
    }
    if (stream->malformed) {
        h2_stream_provoked(stream, NGHTTP2_PROTOCOL_ERROR);
        return;
    }
    if (!write_head(stream, response)) {
        give_up(stream, HTTP_ABORT_INTERNAL);
        return;
    }
    stream->without_body = stream->is_head || response->status == 204 || response->status == 304 ||
                           response->body == BODY_NONE ||
                           (response->body == BODY_LENGTH && response->content_length == 0);
    stream->head_given = true;
    h2_stream_mark_dirty(stream);
}

static void send_informational(struct h2_stream *stream, unsigned int status, const struct headers *headers)
{
    struct http_response response = { .status = status };
    size_t count = 0;
    if (headers != NULL) {
        response.headers = *headers;
    }
    if (!h2_write_response(&stream->head, &response, &count)) {
        return;
    }
    /* The memory is the final head's: nghttp2 copies. */
    nghttp2_nv *fields = (nghttp2_nv *)(void *)stream->head.data;
    for (size_t i = 0; i < count; i++) {
        fields[i].flags &= NGHTTP2_NV_FLAG_NO_INDEX;
    }
    nghttp2_submit_headers(stream->server->session, NGHTTP2_FLAG_NONE, stream->id, NULL, fields, count, NULL);
    h2_output_schedule(stream->server);
}

static void op_send_informational(struct http_stream *request, unsigned int status,
                                  const struct headers *headers)
{
    struct h2_stream *stream = h2_stream_of(request);
    if (!is_dead(stream) && !stream->head_given) {
        send_informational(stream, status, headers);
    }
}

static bool op_send_body(struct http_stream *request, struct slice data)
{
    struct h2_stream *stream = h2_stream_of(request);
    struct h2_server *server = stream->server;
    if (is_dead(stream) || stream->without_body || data.len == 0) {
        return true;
    }
    request->sent += data.len;
    if (!buffer_append(&stream->body, data)) {
        give_up(stream, HTTP_ABORT_SLOW_READER);
        return true;
    }
    server->queued += data.len;
    h2_stream_mark_dirty(stream);
    if (must_wait(stream)) {
        stream->busy = true;
        h2_output_run(server); /* as much as leaves now need not wait */
        stream->busy = false;
        stream->blocked = !is_dead(stream) && must_wait(stream);
    }
    bool goes_on = !stream->blocked;
    h2_stream_free_if_over(stream);
    return goes_on;
}

static void op_send_end(struct http_stream *request, const struct headers *trailers)
{
    struct h2_stream *stream = h2_stream_of(request);
    if (is_dead(stream)) {
        return;
    }
    if (trailers != NULL && trailers->count > 0 &&
        !h2_write_fields(&stream->trailers, NULL, 0, trailers, NULL, &stream->trailer_count)) {
        give_up(stream, HTTP_ABORT_INTERNAL);
        return;
    }
    stream->ended = true;
    h2_stream_mark_dirty(stream);
}

static void op_flush(struct http_stream *request)
{
    h2_output_schedule(server_of(request));
}

static bool op_retract(struct http_stream *request)
{
    struct h2_stream *stream = h2_stream_of(request);
    if (is_dead(stream) || !stream->head_given || stream->submitted || stream->ended) {
        return false;
    }
    h2_stream_drop_response(stream);
    stream->head_given = false;
    stream->tunnel = false;
    stream->blocked = false;
    request->sent = 0;
    return true;
}

static void op_reset(struct http_stream *request)
{
    struct h2_stream *stream = h2_stream_of(request);
    if (stream->malformed) {
        h2_stream_refuse(stream, NGHTTP2_PROTOCOL_ERROR);
    } else {
        h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    }
}

static void op_pause(struct http_stream *request, bool paused)
{
    struct h2_stream *stream = h2_stream_of(request);
    /* A tunnel whose directions have both ended may still hold bytes for its upstream. */
    if ((is_dead(stream) && (!stream->tunnel || stream->server->state == H2_SERVER_CLOSED)) ||
        stream->paused == paused) {
        return;
    }
    stream->paused = paused;
    if (paused) {
        h2_stream_await_body(stream);
        return;
    }
    if (stream->expect_continue && !stream->head_given && request->received == 0 &&
        buffer_length(&stream->in) == 0) {
        stream->expect_continue = false;
        send_informational(stream, 100, NULL);
    }
    if (buffer_length(&stream->in) > 0 || stream->remote_ended) {
        net_loop_post(stream->server->base.stream.loop, &stream->server->resume);
    } else {
        h2_stream_await_body(stream);
    }
}

static void op_discard_body(struct http_stream *request)
{
    struct h2_stream *stream = h2_stream_of(request);
    if (stream->discarding) {
        return;
    }
    stream->discarding = true;
    size_t waiting = buffer_length(&stream->in);
    buffer_done(&stream->in);
    h2_stream_consume(stream, waiting);
    stream->body_done = stream->body_done || stream->remote_ended;
    h2_stream_await_body(stream);
}

static int64_t op_waited(struct http_stream *request)
{
    return stream_waited(server_of(request)->base.stream.fd);
}

static int64_t op_unread(struct http_stream *request)
{
    return stream_unread(server_of(request)->base.stream.fd);
}

static void op_hold_off(struct http_stream *request, int64_t duration)
{
    struct h2_server *server = server_of(request);
    server->own->idle.holds = 0;
    server->hold_off = duration;
}

static void op_end_connection(struct http_stream *request)
{
    h2_server_drain(server_of(request));
}

static void op_release(struct http_stream *request)
{
    struct h2_stream *stream = h2_stream_of(request);
    stream->held = false;
    request->exchange = NULL;
    if (!stream->finished) {
        h2_stream_drop_response(stream);
    }
    h2_stream_free_if_over(stream);
}

const struct http_stream_ops h2_stream_ops = {
    .send_head = op_send_head,
    .send_informational = op_send_informational,
    .send_body = op_send_body,
    .send_end = op_send_end,
    .flush = op_flush,
    .retract = op_retract,
    .reset = op_reset,
    .pause = op_pause,
    .discard_body = op_discard_body,
    .waited = op_waited,
    .unread = op_unread,
    .hold_off = op_hold_off,
    .end_connection = op_end_connection,
    .release = op_release,
};
