/* What frames become: nghttp2's callbacks, and how it is set up. */
#include "http/h2/server_internal.h"

#include <stdlib.h>

/* nghttp2 stops reading: the connection ends. */
#define STOP NGHTTP2_ERR_CALLBACK_FAILURE

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- frames, counted ---- */

static bool counts(struct h2_server *server, enum h2_flood kind)
{
    if (h2_defences_count(&server->own->defences, kind, server->base.stream.loop->now)) {
        return true;
    }
    h2_server_flood(server, kind);
    return false;
}

static bool count_continuation(struct h2_server *server)
{
    if (++server->continuations <= HTTP2_CONTINUATIONS_MAX) {
        return true;
    }
    h2_server_flood(server, H2_FLOOD_CONTINUATION);
    return false;
}

/* nghttp2 passes PRIORITY over, wherever it stands: it means nothing here (RFC 9113 section 6.3). */
static bool check_priority(struct h2_server *server, const nghttp2_frame_hd *head)
{
    if (head->stream_id != 0 || head->type != NGHTTP2_PRIORITY) {
        return true;
    }
    nghttp2_session_terminate_session(server->session, NGHTTP2_PROTOCOL_ERROR);
    h2_server_end(server);
    return false;
}

/* The head of every frame, before anything is done with it. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *user)
{
    (void)session;
    struct h2_server *server = user;
    bool ok = true;
    switch (head->type) {
    case NGHTTP2_HEADERS:
        server->continuations = 0;
        break;
    case NGHTTP2_DATA:
        ok = head->length > 0 || (head->flags & NGHTTP2_FLAG_END_STREAM) != 0 ||
             counts(server, H2_FLOOD_EMPTY_DATA);
        break;
    case NGHTTP2_CONTINUATION:
        ok = count_continuation(server);
        break;
    case NGHTTP2_RST_STREAM:
        ok = counts(server, H2_FLOOD_RESETS);
        break;
    case NGHTTP2_SETTINGS:
        ok = (head->flags & NGHTTP2_FLAG_ACK) != 0 || counts(server, H2_FLOOD_SETTINGS);
        break;
    case NGHTTP2_PING:
        ok = counts(server, H2_FLOOD_PING);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        ok = counts(server, H2_FLOOD_WINDOW_UPDATE);
        break;
    case NGHTTP2_PRIORITY:
    case NGHTTP2_PRIORITY_UPDATE:
        ok = check_priority(server, head) && counts(server, H2_FLOOD_PRIORITY);
        break;
    default:
        ok = counts(server, H2_FLOOD_OTHER_FRAMES);
        break;
    }
    return ok ? 0 : STOP;
}

/* nghttp2 answers by a stream error of its own, or ends the session. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code, void *user)
{
    (void)session;
    (void)frame;
    (void)code;
    return counts(user, H2_FLOOD_PROVOKED) ? 0 : STOP;
}

/* ---- heads ---- */

static bool take_head(struct h2_server *server, enum h2_head_kind kind)
{
    struct h2_shared *shared = server->shared;
    const struct http_head_limits *limits = &server->base.settings->limits;
    struct http_head_limits of_trailers = { HTTP_TRAILERS_MAX, limits->target_max, limits->fields_max };
    if (server->head == NULL) {
        server->head = shared->head != NULL ? shared->head : malloc(sizeof *server->head);
        shared->head = NULL;
    }
    if (server->head == NULL) {
        return false;
    }
    h2_head_init(server->head, kind, kind == H2_HEAD_TRAILERS ? &of_trailers : limits);
    return true;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_server *server = user;
    int32_t id = frame->hd.stream_id;
    bool request = frame->headers.cat == NGHTTP2_HCAT_REQUEST;
    if (frame->hd.type != NGHTTP2_HEADERS || server->state != H2_SERVER_OPEN) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (!take_head(server, request ? H2_HEAD_REQUEST : H2_HEAD_TRAILERS)) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (request) {
        struct h2_stream *stream = h2_stream_new(server, id);
        if (stream == NULL) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
        nghttp2_session_set_stream_user_data(session, id, stream);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_HEADERS) == 0) {
        h2_server_await(server);
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    (void)session;
    (void)frame;
    (void)flags;
    struct h2_server *server = user;
    if (server->head == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    h2_head_field(server->head, slice_of((const char *)name, name_size),
                  slice_of((const char *)value, value_size));
    if (server->head->decoded > HTTP2_DECODED_MAX) {
        h2_server_flood(server, H2_FLOOD_HEADERS);
        return STOP;
    }
    return 0;
}

static void on_headers(struct h2_server *server, struct h2_stream *stream, const nghttp2_frame *frame)
{
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (stream == NULL || server->head == NULL) {
        return;
    }
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        h2_stream_on_head(stream, ends);
    } else if (ends && !stream->tunnel) {
        h2_stream_on_trailers(stream);
    } else {
        /* RFC 9113 section 8.1: trailers end the stream; section 8.5: a tunnel has none. */
        h2_stream_break_body(stream);
    }
    h2_server_drop_head(server);
    h2_server_await(server);
}

/* ---- the rest ---- */

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_server *server = user;
    if (server->state != H2_SERVER_OPEN) {
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS) {
        on_headers(server, stream_of(session, frame->hd.stream_id), frame);
    } else if (frame->hd.type == NGHTTP2_DATA) {
        struct h2_stream *stream =
            (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 ? stream_of(session, frame->hd.stream_id) : NULL;
        if (stream != NULL) {
            h2_stream_on_end(stream);
        }
    } else if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        if (server->warned) {
            h2_server_drain(server); /* what it sent before it knew has come: a round trip is over */
        }
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
                   void *user)
{
    (void)flags;
    struct h2_server *server = user;
    struct h2_stream *stream = stream_of(session, id);
    if (stream == NULL || server->state != H2_SERVER_OPEN) {
        nghttp2_session_consume(session, id, size);
        return 0;
    }
    h2_stream_on_data(stream, slice_of((const char *)data, size));
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void)user;
    (void)code;
    struct h2_stream *stream = stream_of(session, id);
    if (stream != NULL) {
        nghttp2_session_set_stream_user_data(session, id, NULL);
        h2_stream_on_close(stream);
    }
    return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    struct h2_stream *stream = ends ? stream_of(session, frame->hd.stream_id) : NULL;
    if (stream != NULL) {
        h2_output_finished(stream);
    }
    return 0;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head, size_t size,
                     nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)frame;
    (void)user;
    return h2_output_data(source->ptr, frame_head, size);
}

/* ---- set up ---- */

static bool set_callbacks(struct h2_shared *shared)
{
    if (nghttp2_session_callbacks_new(&shared->callbacks) != 0) {
        return false;
    }
    nghttp2_session_callbacks *callbacks = shared->callbacks;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
    return true;
}

/* Messages are judged by head.c, which knows more than nghttp2 does; each rule stands once. */
static bool set_option(struct h2_shared *shared)
{
    if (nghttp2_option_new(&shared->option) != 0) {
        return false;
    }
    nghttp2_option *option = shared->option;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, 0);
    nghttp2_option_set_max_outbound_ack(option, HTTP2_OUTBOUND_ACKS_MAX);
    nghttp2_option_set_max_deflate_dynamic_table_size(option, HTTP2_DYNAMIC_TABLE);
    return true;
}

void h2_shared_free(struct h2_shared *shared)
{
    if (shared == NULL) {
        return;
    }
    h2_stream_free_spares(shared);
    nghttp2_session_callbacks_del(shared->callbacks);
    nghttp2_option_del(shared->option);
    h2_memory_done(&shared->memory);
    free(shared->head);
    free(shared);
}

struct h2_shared *h2_shared_of(struct http_connections *list)
{
    if (list->h2 != NULL) {
        return list->h2;
    }
    struct h2_shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL || !set_callbacks(shared) || !set_option(shared)) {
        h2_shared_free(shared);
        return NULL;
    }
    h2_memory_init(&shared->memory);
    list->h2 = shared;
    return shared;
}

static bool submit_settings(nghttp2_session *session)
{
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_MAX },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, HTTP2_STREAM_WINDOW },
        { NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, HTTP2_DYNAMIC_TABLE },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX + 32 * HTTP_HEADERS_MAX },
        /* RFC 9218: no tree of dependencies, which is nothing but a cost. */
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
        /* RFC 8441: WebSockets. Whether there are any is the route's to say, and the next reload's. */
        { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 },
    };
    return nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings,
                                   sizeof settings / sizeof settings[0]) == 0 &&
           nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, HTTP2_CONNECTION_WINDOW) == 0;
}

bool h2_session_open(struct h2_server *server)
{
    nghttp2_mem mem = h2_account_mem(&server->own->account);
    return nghttp2_session_server_new3(&server->session, server->shared->callbacks, server,
                                       server->shared->option, &mem) == 0 &&
           submit_settings(server->session);
}
