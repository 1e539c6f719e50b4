/* What a call sends to its upstream. */
#include "http/bytes.h"
#include "http/h2/client_internal.h"

/* ---- the head ---- */

bool h2_call_may_tunnel(const struct http_call *base)
{
    const struct h2_call *call = (const struct h2_call *)base;
    return nghttp2_session_get_remote_settings(call->client->session,
                                               NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

/* A WebSocket's handshake (http/websocket.h) is an extended CONNECT here (RFC 8441), which has no key: what a grant would be called
 * over HTTP/1.1 is worked out now. */
static bool note_key(struct h2_call *call, const struct headers *headers)
{
    const struct header *key = headers_find_name(headers, SLICE("sec-websocket-key"));
    return key != NULL && websocket_accept(key->value, call->accept);
}

static bool write_head(struct h2_call *call, const struct http_call_request *request, size_t *ret_count)
{
    bool tls = call->client->base.settings.tls != NULL;
    struct h2_own_field own[6] = {
        { SLICE(":method"), request->tunnel ? SLICE("CONNECT") : request->method_text },
        { SLICE(":scheme"), tls ? SLICE("https") : SLICE("http") },
        { SLICE(":authority"), request->host },
        { SLICE(":path"), request->target },
    };
    size_t count = 4;
    if (request->tunnel) {
        own[count++] = (struct h2_own_field){ SLICE(":protocol"), SLICE("websocket") };
    }
    if (request->takes_trailers) {
        own[count++] = (struct h2_own_field){ SLICE("te"), SLICE("trailers") };
    }
    return (!request->tunnel || note_key(call, request->headers)) && http_token_valid(request->method_text) &&
           request->method != METHOD_CONNECT && http_all(request->target, HTTP_BYTE_VISIBLE) &&
           http_all(request->host, HTTP_BYTE_VISIBLE) &&
           h2_write_fields(&call->head, own, count, request->headers,
                           request->body == BODY_LENGTH ? &request->content_length : NULL, ret_count);
}

/* ---- the body ---- */

/* nghttp2 asks for the next piece; it is taken from `out` once its frame is written, see h2_on_send_data. */
static ssize_t on_read_body(nghttp2_session *session, int32_t stream, uint8_t *memory, size_t size,
                            uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_call *call = source->ptr;
    (void)memory;
    (void)user;
    size_t waiting = buffer_length(&call->out);
    if (call->released && (waiting > 0 || !call->sent)) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (waiting == 0 && !call->sent) {
        call->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (waiting > size || !call->sent) {
        return (ssize_t)(waiting < size ? waiting : size);
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (call->trailer_count > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, stream, h2_fields_of(&call->trailers), call->trailer_count) !=
            0) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)waiting;
}

int h2_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                    nghttp2_data_source *source, void *user)
{
    struct h2_client *client = user;
    struct h2_call *call = source->ptr;
    (void)session;
    (void)frame; /* we pad nothing */
    if (length > buffer_length(&call->out)) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (!buffer_reserve(&client->out, length + 9)) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    (void)buffer_append(&client->out, slice_of((const char *)head, 9));
    (void)buffer_append(&client->out, slice_part(buffer_slice(&call->out), 0, length));
    buffer_consume(&call->out, length);
    /* The upstream may answer it with a WINDOW_UPDATE or two, and one that reads in small pieces with more. */
    h2_frame_budget_earn(&client->budget, 2 + (int64_t)(length / HTTP2_UPSTREAM_UPDATE_BYTES));
    h2_call_update_deadline(call, true);
    return 0;
}

/* ---- what the caller does ---- */

bool h2_call_begin(struct http_call *base, const struct http_call_request *request)
{
    struct h2_call *call = h2_call_of(base);
    struct h2_client *client = call->client;
    bool empty = !request->tunnel && (request->body == BODY_NONE ||
                                      (request->body == BODY_LENGTH && request->content_length == 0));
    size_t count;
    const nghttp2_data_provider body = { .source = { .ptr = call }, .read_callback = on_read_body };
    if (client->dead || !write_head(call, request, &count)) {
        return false;
    }
    int32_t stream = nghttp2_submit_request(client->session, NULL, h2_fields_of(&call->head), count,
                                            empty ? NULL : &body, call);
    if (stream < 0) {
        client->draining = true;
        return false;
    }
    call->stream = stream;
    call->state = H2_CALL_HEAD;
    call->method = request->method;
    call->asks_tunnel = request->tunnel;
    call->response_timeout = request->response_timeout;
    call->idle_timeout = request->idle_timeout;
    call->on_kept = client->proven;
    h2_frame_budget_earn(&client->budget, HTTP2_UPSTREAM_CALL_FRAMES);
    h2_frame_budget_expect(&client->budget, client->base.settings.stream_window);
    return true;
}

static bool is_under_way(const struct h2_call *call)
{
    return !call->client->dead && h2_call_is_under_way(call);
}

static void go_on_sending(struct h2_call *call)
{
    struct h2_client *client = call->client;
    if (call->deferred) {
        call->deferred = false;
        (void)nghttp2_session_resume_data(client->session, call->stream);
    }
    h2_client_send(client);
}

void h2_call_flush(struct http_call *base)
{
    struct h2_call *call = h2_call_of(base);
    if (is_under_way(call)) {
        go_on_sending(call);
        h2_call_update_deadline(call, false);
    }
}

/* Must the source wait, with what waits? */
static bool must_wait(const struct h2_call *call)
{
    size_t waiting = buffer_length(&call->out);
    return waiting >= HTTP_WRITE_HIGH_WATER || (waiting > 0 && buffer_is_scarce());
}

bool h2_call_send_body(struct http_call *base, struct slice data)
{
    struct h2_call *call = h2_call_of(base);
    if (data.len == 0 || !is_under_way(call) || call->stream == 0) {
        return true;
    }
    if (!buffer_append(&call->out, data)) {
        /* No memory, or somebody sends on although they were told to wait. */
        const struct http_call_failure failure = { .reason = DENY_OVERLOADED,
                                                   .detail = "no memory for the request's body" };
        h2_call_fail(call, &failure, NGHTTP2_CANCEL);
        return true;
    }
    call->sending = true; /* not to be told of room while this is at work */
    go_on_sending(call);
    call->sending = false;
    call->blocked = must_wait(call);
    h2_call_update_deadline(call, false);
    return !call->blocked;
}

void h2_call_send_end(struct http_call *base, const struct headers *trailers)
{
    struct h2_call *call = h2_call_of(base);
    if (!is_under_way(call)) {
        return;
    }
    if (trailers != NULL &&
        !h2_write_fields(&call->trailers, NULL, 0, trailers, NULL, &call->trailer_count)) {
        const struct http_call_failure failure = { .reason = DENY_OVERLOADED,
                                                   .detail = "no memory for the request's trailers" };
        h2_call_fail(call, &failure, NGHTTP2_CANCEL);
        return;
    }
    /* What asks for a tunnel goes on sending when that is granted. */
    call->sent = !call->asks_tunnel || call->state != H2_CALL_HEAD;
    go_on_sending(call);
    h2_call_update_deadline(call, false);
}

void h2_client_tell_writable(struct h2_client *client)
{
    struct h2_call *call = client->calls;
    while (call != NULL && !client->base.closing) {
        bool may = call->blocked && is_under_way(call) && !call->sending &&
                   buffer_length(&call->out) < HTTP_WRITE_HIGH_WATER / 2 &&
                   (buffer_length(&call->out) == 0 || !buffer_is_scarce());
        if (!may) {
            call = call->next;
            continue;
        }
        call->blocked = false;
        call->base.events->on_writable(call->base.caller);
        call = client->calls; /* any of them may be gone by now */
    }
}
