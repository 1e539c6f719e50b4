/* What a call sends to its upstream. */
#include "base/decimal.h"
#include "http/h2/client_internal.h"

#include <stdlib.h>

/* Fields of a request: the client's, ours (relay/request.c), and pseudo-headers, Content-Length and TE. */
#define FIELDS_MAX (HTTP_HEADERS_MAX + 80)

/* ---- the head ---- */

struct field_writer {
    nghttp2_nv *items;
    size_t count;
};

/* A secret must not stand in the table of HPACK, which the requests of all callers share (RFC 7541 section 7.1.3), and what
 * differs in each request is not worth its place there. */
static bool is_kept_out_of_table(enum header_id id)
{
    return id == HEADER_AUTHORIZATION || id == HEADER_COOKIE || id == HEADER_DPOP ||
           id == HEADER_TRACEPARENT || id == HEADER_X_REQUEST_ID;
}

/* nghttp2 copies it, and makes names lower-case. */
static bool add(struct field_writer *writer, struct slice name, struct slice value)
{
    if (writer->count == FIELDS_MAX) {
        return false;
    }
    writer->items[writer->count++] = (nghttp2_nv){
        .name = (uint8_t *)name.ptr,
        .namelen = name.len,
        .value = (uint8_t *)(value.len > 0 ? value.ptr : ""),
        .valuelen = value.len,
    };
    return true;
}

/* What frames a message, or belongs to one connection, is written from the arguments or not at all. */
static bool is_written_by_us(enum header_id id)
{
    switch (id) {
    case HEADER_CONNECTION:
    case HEADER_CONTENT_LENGTH:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_CONNECTION:
    case HEADER_TE:
    case HEADER_UPGRADE:
    case HEADER_HTTP2_SETTINGS:
    case HEADER_HOST:
        return true;
    default:
        return false;
    }
}

/* By name, whatever a field's number says; the last line of defence against injection, as in h1/writer.h. */
static bool add_fields(struct field_writer *writer, const struct headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        if (!http_token_valid(header->name) || !http_field_value_valid(header->value)) {
            return false;
        }
        enum header_id id = header_id_of(header->name);
        if (is_written_by_us(id)) {
            continue;
        }
        if (!add(writer, header->name, header->value)) {
            return false;
        }
        if (is_kept_out_of_table(id)) {
            writer->items[writer->count - 1].flags = NGHTTP2_NV_FLAG_NO_INDEX;
        }
    }
    return true;
}

static bool is_visible(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') {
            return false;
        }
    }
    return text.len > 0;
}

static bool write_head(const struct http_call_request *request, bool tls, char length[24],
                       struct field_writer *writer)
{
    if (!http_token_valid(request->method_text) || request->method == METHOD_CONNECT ||
        !is_visible(request->target) || !is_visible(request->host)) {
        return false;
    }
    bool good = add(writer, SLICE(":method"), request->method_text) &&
                add(writer, SLICE(":scheme"), tls ? SLICE("https") : SLICE("http")) &&
                add(writer, SLICE(":authority"), request->host) &&
                add(writer, SLICE(":path"), request->target) && add_fields(writer, request->headers);
    if (good && request->body == BODY_LENGTH) {
        good = add(writer, SLICE("content-length"),
                   slice_of(length, (size_t)(decimal_put(length, request->content_length) - length)));
    }
    return good && (!request->takes_trailers || add(writer, SLICE("te"), SLICE("trailers")));
}

/* ---- the body ---- */

static int submit_trailers(struct h2_call *call, int32_t stream)
{
    HEADERS_SCRATCH(items);
    nghttp2_nv fields[HTTP_HEADERS_MAX];
    struct headers trailers;
    struct field_writer writer = { .items = fields };
    h2_field_list_take(call->trailers, items, &trailers);
    return add_fields(&writer, &trailers) &&
                   nghttp2_submit_trailer(call->client->session, stream, writer.items, writer.count) == 0
               ? 0
               : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* nghttp2 asks for the next piece; it is taken from `out` once its frame is written, see h2_on_send_data. */
static ssize_t on_read_body(nghttp2_session *session, int32_t stream, uint8_t *memory, size_t size,
                            uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_call *call = source->ptr;
    (void)session;
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
    if (call->trailers != NULL) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        int failure = submit_trailers(call, stream);
        if (failure != 0) {
            return failure;
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

void h2_call_drop_request(struct h2_call *call)
{
    buffer_done(&call->out);
    if (call->trailers != NULL) {
        h2_field_list_done(call->trailers);
        free(call->trailers);
        call->trailers = NULL;
    }
}

/* ---- what the caller does ---- */

bool h2_call_begin(struct http_call *base, const struct http_call_request *request)
{
    struct h2_call *call = h2_call_of(base);
    struct h2_client *client = call->client;
    bool empty = request->body == BODY_NONE || (request->body == BODY_LENGTH && request->content_length == 0);
    __attribute__((uninitialized)) nghttp2_nv fields[FIELDS_MAX];
    char length[24];
    struct field_writer writer = { .items = fields };
    const nghttp2_data_provider body = { .source = { .ptr = call }, .read_callback = on_read_body };
    if (client->dead || !write_head(request, client->base.settings.tls != NULL, length, &writer)) {
        return false;
    }
    int32_t stream =
        nghttp2_submit_request(client->session, NULL, writer.items, writer.count, empty ? NULL : &body, call);
    if (stream < 0) {
        client->draining = true;
        return false;
    }
    call->stream = stream;
    call->state = H2_CALL_HEAD;
    call->method = request->method;
    call->response_timeout = request->response_timeout;
    call->idle_timeout = request->idle_timeout;
    call->on_kept = client->proven;
    h2_frame_budget_earn(&client->budget, HTTP2_UPSTREAM_CALL_FRAMES);
    h2_frame_budget_expect(&client->budget, client->base.settings.stream_window);
    return true;
}

static bool is_under_way(const struct h2_call *call)
{
    return !call->client->dead && (call->state == H2_CALL_HEAD || call->state == H2_CALL_BODY);
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
    if (trailers != NULL && trailers->count > 0) {
        call->trailers = malloc(sizeof *call->trailers);
        if (call->trailers != NULL) {
            h2_field_list_init(call->trailers, HTTP_HEAD_MAX);
        }
        if (call->trailers == NULL || !h2_field_list_copy(call->trailers, trailers)) {
            const struct http_call_failure failure = { .reason = DENY_OVERLOADED,
                                                       .detail = "no memory for the request's trailers" };
            h2_call_fail(call, &failure, NGHTTP2_CANCEL);
            return;
        }
    }
    call->sent = true;
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
