/* What an upstream sends: read by nghttp2, and given to the calls that it is for. */
#include "http/h2/client_internal.h"
#include "http/scarcity.h"

#include <stdio.h>
#include <stdlib.h>

#define READ_BUDGET 4
#define PROBE_SIZE  4096

/* ---- what nghttp2 tells ---- */

static bool is_over(const struct h2_client *client)
{
    return client->dead || client->base.closing;
}

/* What is wrong with the connection, for the log: the first thing counts. */
static void complain(struct h2_client *client, struct slice what)
{
    if (client->complaint[0] == '\0') {
        snprintf(client->complaint, sizeof client->complaint, "%.*s", SLICE_ARG(what));
    }
}

static struct h2_call *call_of(struct h2_client *client, int32_t stream)
{
    struct h2_call *call = nghttp2_session_get_stream_user_data(client->session, stream);
    return call != NULL && !call->released && h2_call_is_waiting(call) ? call : NULL;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_client *client = user;
    (void)session;
    static const struct http_head_limits of_head = { HTTP_HEAD_MAX, HTTP_TARGET_MAX, HTTP_HEADERS_MAX };
    static const struct http_head_limits of_trailers = { HTTP_TRAILERS_MAX, HTTP_TARGET_MAX,
                                                         HTTP_HEADERS_MAX };
    if (client->head == NULL) {
        client->head = malloc(sizeof *client->head);
    }
    if (client->head == NULL) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    const struct h2_call *call = call_of(client, frame->hd.stream_id);
    bool trailers = call != NULL && call->state == H2_CALL_BODY;
    h2_head_init(client->head, trailers ? H2_HEAD_TRAILERS : H2_HEAD_RESPONSE,
                 trailers ? &of_trailers : &of_head);
    return 0;
}

/* What is too much is decoded still, since the table of HPACK must stay right; not without end. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    struct h2_client *client = user;
    (void)session;
    (void)frame;
    (void)flags;
    if (is_over(client) || client->head == NULL) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    h2_head_field(client->head, slice_of((const char *)name, name_size),
                  slice_of((const char *)value, value_size));
    if (client->head->decoded > HTTP2_UPSTREAM_DECODED_MAX) {
        client->flooded = true;
        complain(client, SLICE("a response head without end"));
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size,
                   void *user)
{
    struct h2_client *client = user;
    (void)flags;
    struct h2_call *call = is_over(client) ? NULL : call_of(client, stream);
    (void)nghttp2_session_consume_connection(session, size);
    if (call != NULL) {
        call->answered = true;
        h2_call_take_data(call, slice_of((const char *)data, size));
    } else {
        (void)nghttp2_session_consume_stream(session, stream, size);
    }
    return is_over(client) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static void on_settings(struct h2_client *client)
{
    if (client->established) {
        h2_client_changed(client); /* it may allow more calls now */
        return;
    }
    client->established = true;
    deadline_park(&client->base.deadline);
    if (nghttp2_session_get_remote_settings(client->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) == 0) {
        client->established = false;
        h2_client_lose(client, DENY_UPSTREAM_PROTOCOL, "the upstream allows no stream");
        return;
    }
    http_client_established(&client->base);
}

static void on_stream_frame(struct h2_client *client, const nghttp2_frame *frame)
{
    struct h2_call *call = call_of(client, frame->hd.stream_id);
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (call == NULL) {
        return;
    }
    call->answered = true;
    if (frame->hd.type == NGHTTP2_DATA) {
        h2_frame_budget_expect(&client->budget, (int64_t)frame->hd.length);
        if (ends && call->state == H2_CALL_BODY) {
            h2_call_take_end(call, NULL);
        } else if (ends) {
            h2_call_fail_broken(call, "data before the head");
        }
    } else if (call->state == H2_CALL_BODY) {
        h2_call_take_trailers(call, ends);
    } else {
        h2_call_take_head(call, ends);
        /* Does the call still stand? It may have ended with its head. */
        call = ends ? call_of(client, frame->hd.stream_id) : NULL;
        if (call != NULL) {
            h2_call_take_end(call, NULL);
        }
    }
}

/* Does this code, in GOAWAY or RST_STREAM, ask for what we may speak instead? A request that is reset by it is one that the
 * upstream has not acted on: it says by what protocol it would (RFC 9113 section 7). */
static bool asks_for_http1(const struct h2_client *client, uint32_t code)
{
    return code == NGHTTP2_HTTP_1_1_REQUIRED && client->base.settings.protocol == HTTP_PROTOCOL_AUTO;
}

static void drain(struct h2_client *client, bool wants_http1)
{
    client->draining = true;
    client->base.wants_http1 = client->base.wants_http1 || wants_http1;
    h2_client_changed(client);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_client *client = user;
    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
            on_settings(client);
        }
        break;
    case NGHTTP2_GOAWAY:
        /* Streams above its last one are closed by nghttp2 as refused, right after this. */
        metrics_add(client->base.settings.metrics, METRIC_UPSTREAM_HTTP2_GOAWAYS, 1);
        drain(client, asks_for_http1(client, frame->goaway.error_code));
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        on_stream_frame(client, frame);
        break;
    default:
        break;
    }
    return is_over(client) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* What the log says of a stream that the upstream reset, by RFC 9113 section 7. */
static const char *reset_text(uint32_t code)
{
    static const char *const texts[] = {
        [NGHTTP2_NO_ERROR] = "stream reset: NO_ERROR",
        [NGHTTP2_PROTOCOL_ERROR] = "stream reset: PROTOCOL_ERROR",
        [NGHTTP2_INTERNAL_ERROR] = "stream reset: INTERNAL_ERROR",
        [NGHTTP2_FLOW_CONTROL_ERROR] = "stream reset: FLOW_CONTROL_ERROR",
        [NGHTTP2_SETTINGS_TIMEOUT] = "stream reset: SETTINGS_TIMEOUT",
        [NGHTTP2_STREAM_CLOSED] = "stream reset: STREAM_CLOSED",
        [NGHTTP2_FRAME_SIZE_ERROR] = "stream reset: FRAME_SIZE_ERROR",
        [NGHTTP2_REFUSED_STREAM] = "stream refused: REFUSED_STREAM, or above the last one of GOAWAY",
        [NGHTTP2_CANCEL] = "stream reset: CANCEL",
        [NGHTTP2_COMPRESSION_ERROR] = "stream reset: COMPRESSION_ERROR",
        [NGHTTP2_CONNECT_ERROR] = "stream reset: CONNECT_ERROR",
        [NGHTTP2_ENHANCE_YOUR_CALM] = "stream reset: ENHANCE_YOUR_CALM",
        [NGHTTP2_INADEQUATE_SECURITY] = "stream reset: INADEQUATE_SECURITY",
        [NGHTTP2_HTTP_1_1_REQUIRED] = "stream reset: HTTP_1_1_REQUIRED, set protocol: http1",
    };
    return code < sizeof texts / sizeof texts[0] ? texts[code] : "stream reset: an unknown code";
}

static void stream_lost(struct h2_call *call, uint32_t code)
{
    struct metrics_worker *metrics = call->client->base.settings.metrics;
    bool refused = code == NGHTTP2_REFUSED_STREAM, http1 = asks_for_http1(call->client, code);
    const struct http_call_failure failure = {
        .reason = DENY_UPSTREAM_CLOSED,
        .detail = reset_text(code),
        .refused = (refused || http1) && !call->answered,
    };
    metrics_add(metrics, refused ? METRIC_UPSTREAM_HTTP2_REFUSED : METRIC_UPSTREAM_HTTP2_RESETS, 1);
    call->stream = 0;
    if (http1) {
        drain(call->client, true);
    }
    h2_call_fail(call, &failure, code);
}

/* A tunnel's stream may go without an error: then either direction has ended. */
static bool ends_tunnel(const struct h2_call *call, uint32_t code)
{
    return call->body == BODY_TUNNEL && code == NGHTTP2_NO_ERROR;
}

static bool is_lost(const struct h2_call *call, uint32_t code)
{
    if (call->released || !h2_call_is_under_way(call) || ends_tunnel(call, code)) {
        return false;
    }
    return call->state == H2_CALL_TAIL ? !call->sent : !call->ended;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct h2_call *call = nghttp2_session_get_stream_user_data(session, stream);
    (void)user;
    if (call == NULL || call->stream != stream) {
        return 0;
    }
    if (is_lost(call, code)) {
        stream_lost(call, code);
        return 0;
    }
    call->stream = 0;
    if (call->state == H2_CALL_BODY && !call->ended && !call->released) {
        h2_call_take_end(call, NULL);
    } else {
        h2_call_let_go(call); /* the list holds it until it is given back */
    }
    return 0;
}

/* A request that was taken back before it left, or that may not leave any more. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int failure, void *user)
{
    struct h2_client *client = user;
    (void)session;
    (void)failure;
    struct h2_call *call = client->calls;
    while (call != NULL && (call->stream == 0 || call->stream != frame->hd.stream_id)) {
        call = call->next;
    }
    if (frame->hd.type != NGHTTP2_HEADERS || call == NULL || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    if (!call->released && h2_call_is_waiting(call)) {
        stream_lost(call, NGHTTP2_REFUSED_STREAM);
    } else {
        call->stream = 0;
        h2_call_let_go(call);
    }
    return 0;
}

/* nghttp2 tells the upstream what it did, and the log is told the same. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
        const char *code = nghttp2_http2_strerror(frame->goaway.error_code);
        struct slice why = slice_of((const char *)frame->goaway.opaque_data, frame->goaway.opaque_data_len);
        complain(user, why.len > 0 ? why : slice_from_string(code));
    }
    return 0;
}

static int on_error(nghttp2_session *session, int failure, const char *text, size_t size, void *user)
{
    (void)session;
    (void)text;
    (void)size;
    complain(user, failure == NGHTTP2_ERR_SETTINGS_EXPECTED ? SLICE("no HTTP/2: SETTINGS do not come first")
                                                            : slice_from_string(nghttp2_strerror(failure)));
    return 0;
}

void h2_client_set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_error);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_on_send_data);
}

/* ---- reading ---- */

/* False: the connection is over, or will be. */
static bool digest(struct h2_client *client, struct slice data)
{
    if (client->suspect) {
        client->suspect = false;
        deadline_park(&client->base.deadline);
        h2_client_changed(client);
    }
    if (!h2_frame_budget_read(&client->budget, client->base.stream.loop->now, data)) {
        h2_client_blame(client, METRIC_UPSTREAM_HTTP2_FLOODS);
        h2_client_lose(client, DENY_UPSTREAM_PROTOCOL,
                       "a flood of frames that carry nothing, or that nobody waits for");
        return false;
    }
    client->in_session = true;
    ssize_t used = nghttp2_session_mem_recv(client->session, (const uint8_t *)data.ptr, data.len);
    client->in_session = false;
    if (is_over(client)) {
        return false;
    }
    if (used < 0) {
        complain(client, slice_from_string(nghttp2_strerror((int)used)));
        bool flooded = client->flooded || used == NGHTTP2_ERR_FLOODED;
        h2_client_blame(client, flooded ? METRIC_UPSTREAM_HTTP2_FLOODS : METRIC_UPSTREAM_HTTP2_BROKEN);
        h2_client_lose(client, DENY_UPSTREAM_PROTOCOL, client->complaint);
        return false;
    }
    return true;
}

/* The upstream has ended the connection. Where it has brought no answer yet, TLS may know why. */
static void lose_ended(struct h2_client *client, const char *what)
{
    struct http_client_end end;
    if (client->proven) {
        h2_client_lose(client, DENY_UPSTREAM_CLOSED, what);
        return;
    }
    http_client_judge_end(&client->base, client->established ? what : "closed before its SETTINGS", &end);
    h2_client_lose(client, end.reason, end.detail);
}

/* One read. False: nothing more now. */
static bool read_once(struct h2_client *client, char *memory, size_t room)
{
    size_t size = 0;
    switch (client->base.stream.ops->read(&client->base.stream, memory, room, &size)) {
    case STREAM_OK:
        return digest(client, slice_of(memory, size));
    case STREAM_AGAIN:
        return false;
    case STREAM_END:
        lose_ended(client, "the connection was closed");
        return false;
    default:
        lose_ended(client, "the connection was reset");
        return false;
    }
}

void h2_client_read(struct h2_client *client)
{
    struct net_loop *loop = client->base.stream.loop;
    /* Whoever asks whether it is still good may be reading into the loop's piece of memory. */
    char probe[PROBE_SIZE];
    char *memory = client->probing ? probe : net_loop_take_scratch(loop);
    size_t room = client->probing ? sizeof probe : http_read_size();
    bool more = !is_over(client);
    for (int budget = READ_BUDGET; more && budget > 0; budget--) {
        more = read_once(client, memory, room) && client->base.stream.ops->pending(&client->base.stream);
    }
    if (!client->probing) {
        net_loop_give_scratch(loop);
    }
    h2_client_tell_pause(client);
    if (!is_over(client)) {
        h2_client_send(client);
    }
    if (more && !is_over(client)) {
        net_loop_post(loop, &client->resume);
    }
}
