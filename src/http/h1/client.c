#include "http/h1/client.h"

#include "http/h1/writer.h"

#include <stdlib.h>
#include <unistd.h>

#define WRITE_HIGH_WATER (HTTP_WRITE_BUFFER_MAX / 2)
#define COALESCE_MAX     8192
#define READ_BUDGET      4

enum client_state {
    CLIENT_CONNECTING,
    CLIENT_HANDSHAKE,
    CLIENT_IDLE,
    CLIENT_HEAD, /* a request is out or going out; the answer's head is awaited */
    CLIENT_BODY, /* the answer's body */
    CLIENT_OVER, /* the answer is complete, or failed; to be given back */
    CLIENT_CLOSED,
};

struct h1_client {
    struct stream stream;
    struct h1_client_settings settings;
    struct h1_client_call call;
    enum client_state state;
    struct buffer in, out;
    struct h1_parser parser;
    struct h1_chunked chunked;
    enum http_body body;
    uint64_t body_left;
    struct deadline deadline;
    struct net_task resume;
    unsigned int informational; /* 1xx answers so far */
    bool processing;
    bool reused;
    bool answered; /* a byte of the answer has come */
    bool sent;     /* the request is complete */
    bool chunked_out;
    bool keep_alive;
    bool paused;
    bool blocked;
    bool read_ended;
    bool broken; /* never to be used again */
    bool closed;
};

static const struct h1_limits response_limits = {
    .head_max = HTTP_HEAD_MAX,
    .target_max = HTTP_TARGET_MAX,
    .fields_max = HTTP_HEADERS_MAX,
};

static void update_interest(struct h1_client *client);

/* ---- life and death ---- */

static void free_if_over(struct h1_client *client)
{
    if (!client->closed || client->resume.queued) {
        return;
    }
    buffer_done(&client->in);
    buffer_done(&client->out);
    free(client);
}

static void on_stream_closed(struct stream *stream)
{
    struct h1_client *client = (struct h1_client *)stream;
    client->closed = true;
    free_if_over(client);
}

void h1_client_close(struct h1_client *client)
{
    if (client->state == CLIENT_CLOSED) {
        return;
    }
    client->state = CLIENT_CLOSED;
    deadline_clear(&client->deadline);
    stream_close(&client->stream, on_stream_closed);
}

void *h1_client_owner(const struct h1_client *client)
{
    return client->settings.owner;
}

static void set_deadline(struct h1_client *client, int64_t duration)
{
    struct net_loop *loop = client->stream.loop;
    if (duration > 0) {
        deadline_set(&loop->deadlines, &client->deadline, loop->now, duration);
    } else {
        deadline_clear(&client->deadline);
    }
}

static void connect_failed(struct h1_client *client, enum deny_reason reason, const char *detail)
{
    struct http_call_failure failure = { .reason = reason, .detail = detail };
    client->settings.on_connected(client, &failure);
    h1_client_close(client);
}

/* The call learns that it failed; the caller gives the connection back. */
static void fail_call(struct h1_client *client, enum deny_reason reason, const char *detail)
{
    struct http_call_failure failure = {
        .reason = reason,
        .detail = detail,
        .reused = client->reused && !client->answered,
    };
    client->state = CLIENT_OVER;
    client->broken = true;
    deadline_clear(&client->deadline);
    update_interest(client);
    client->call.events->on_failed(client->call.call, &failure);
}

static void update_interest(struct h1_client *client)
{
    unsigned int wanted = 0;
    switch (client->state) {
    case CLIENT_CONNECTING:
        wanted = STREAM_WRITABLE;
        break;
    case CLIENT_HANDSHAKE:
    case CLIENT_IDLE:
    case CLIENT_HEAD:
        wanted = STREAM_READABLE;
        break;
    case CLIENT_BODY:
        wanted = client->paused || client->read_ended ? 0 : STREAM_READABLE;
        break;
    case CLIENT_OVER:
        break;
    case CLIENT_CLOSED:
        return;
    }
    if (buffer_length(&client->out) > 0 && client->state != CLIENT_OVER) {
        wanted |= STREAM_WRITABLE;
    }
    stream_want(&client->stream, wanted);
}

/* Which limit applies now: to the head once the request is out, to the flow of bodies otherwise. */
static void update_deadline(struct h1_client *client)
{
    bool pushing = buffer_length(&client->out) > 0;
    if (client->state == CLIENT_HEAD) {
        set_deadline(client, pushing        ? client->call.idle_timeout
                             : client->sent ? client->call.response_timeout
                                            : 0);
    } else if (client->state == CLIENT_BODY) {
        set_deadline(client, client->paused ? 0 : client->call.idle_timeout);
    }
}

/* ---- the answer ---- */

/* `behind`: bytes that came after the answer. They answer no question: were the connection used again, they would be taken
 * for the next answer (response splitting). */
static void end_response(struct h1_client *client, const struct headers *trailers, size_t behind)
{
    if (behind > 0 || client->stream.ops->pending(&client->stream)) {
        client->broken = true;
    }
    client->state = CLIENT_OVER;
    deadline_clear(&client->deadline);
    client->call.events->on_end(client->call.call, trailers);
}

static void take_informational(struct h1_client *client, const struct http_response *response)
{
    if (response->status == 101) {
        /* Upgrade is never sent, so nothing may switch protocols. */
        fail_call(client, DENY_UPSTREAM_PROTOCOL, "101 without an upgrade");
        return;
    }
    if (++client->informational > HTTP_INFORMATIONAL_MAX) {
        fail_call(client, DENY_UPSTREAM_PROTOCOL, "too many informational responses");
        return;
    }
    if (response->status != 100) {
        client->call.events->on_informational(client->call.call, response);
    }
    if (client->state == CLIENT_HEAD) {
        h1_parser_init_response(&client->parser, &response_limits, client->call.method);
    }
}

static void take_response(struct h1_client *client, const struct http_response *response, struct slice data)
{
    struct slice raw = slice_part(data, 0, client->parser.head_length);
    client->state = CLIENT_BODY;
    client->body = response->body;
    client->body_left = response->body == BODY_LENGTH ? response->content_length : 0;
    client->keep_alive = response->keep_alive && response->body != BODY_CLOSE;
    h1_chunked_init(&client->chunked);
    update_deadline(client);
    client->call.events->on_response(client->call.call, response, raw);
    bool empty = client->body == BODY_NONE || (client->body == BODY_LENGTH && client->body_left == 0);
    if (client->state == CLIENT_BODY && empty) {
        end_response(client, NULL, data.len - raw.len);
    }
}

static size_t process_head(struct h1_client *client, struct slice data)
{
    switch (h1_parse(&client->parser, data.ptr, data.len)) {
    case H1_PARTIAL:
        return 0;
    case H1_FAILED:
        fail_call(client, DENY_UPSTREAM_PROTOCOL, h1_failure_text(client->parser.failure));
        return data.len;
    case H1_DONE:
    default:
        break;
    }
    struct header items[HTTP_HEADERS_MAX];
    struct http_response response;
    size_t length = client->parser.head_length;
    h1_take_response(&client->parser, data.ptr, items, HTTP_HEADERS_MAX, &response);
    if (response.status < 200) {
        take_informational(client, &response);
    } else {
        take_response(client, &response, data);
    }
    return length;
}

static size_t process_chunked(struct h1_client *client, struct slice data)
{
    size_t consumed = 0;
    struct slice piece = SLICE_NONE;
    struct slice trailers = SLICE_NONE;
    enum h1_result result =
        h1_chunked_parse(&client->chunked, data.ptr, data.len, &consumed, &piece, &trailers);
    if (result == H1_FAILED) {
        fail_call(client, DENY_UPSTREAM_PROTOCOL, h1_failure_text(client->chunked.failure));
        return data.len;
    }
    if (piece.len > 0) {
        client->call.events->on_body(client->call.call, piece);
    }
    if (result == H1_DONE && client->state == CLIENT_BODY) {
        struct header items[HTTP_HEADERS_MAX];
        struct headers fields = { .items = items, .capacity = HTTP_HEADERS_MAX };
        if (h1_parse_trailers(trailers, &fields)) {
            end_response(client, &fields, data.len - consumed);
        } else {
            fail_call(client, DENY_UPSTREAM_PROTOCOL, "malformed trailers");
        }
    }
    return consumed;
}

static size_t process_body(struct h1_client *client, struct slice data)
{
    if (client->body == BODY_CHUNKED) {
        return process_chunked(client, data);
    }
    struct slice piece = data;
    if (client->body == BODY_LENGTH) {
        piece = slice_part(data, 0, client->body_left < data.len ? (size_t)client->body_left : data.len);
        client->body_left -= piece.len;
    }
    client->call.events->on_body(client->call.call, piece);
    if (client->state == CLIENT_BODY && client->body == BODY_LENGTH && client->body_left == 0) {
        end_response(client, NULL, data.len - piece.len);
    }
    return piece.len;
}

static size_t process_data(struct h1_client *client, struct slice data)
{
    size_t consumed = 0;
    client->processing = true;
    while (consumed < data.len) {
        size_t step = 0;
        if (client->state == CLIENT_HEAD) {
            step = process_head(client, slice_from(data, consumed));
        } else if (client->state == CLIENT_BODY && !client->paused) {
            step = process_body(client, slice_from(data, consumed));
        }
        if (step == 0) {
            break;
        }
        consumed += step;
    }
    client->processing = false;
    return consumed;
}

/* The upstream has ended its direction, and all that it sent was looked at. */
static void on_read_end(struct h1_client *client)
{
    if (client->state == CLIENT_BODY && client->body == BODY_CLOSE) {
        end_response(client, NULL, 0);
    } else if (client->state == CLIENT_HEAD || client->state == CLIENT_BODY) {
        fail_call(client, DENY_UPSTREAM_CLOSED,
                  client->answered ? "closed within the response" : "closed before the response");
    }
}

static void process(struct h1_client *client)
{
    if (client->processing) {
        return;
    }
    if (buffer_length(&client->in) > 0) {
        size_t consumed = process_data(client, buffer_slice(&client->in));
        buffer_consume(&client->in, consumed);
    }
    if (client->read_ended && !client->paused) {
        on_read_end(client);
    }
}

/* ---- reading ---- */

/* One read of the answer. False: nothing more now. */
static bool read_once(struct h1_client *client)
{
    size_t room = client->in.maximum - buffer_length(&client->in);
    room = room < HTTP_READ_BUFFER ? room : HTTP_READ_BUFFER;
    if (room == 0 || !buffer_reserve(&client->in, room)) {
        fail_call(client, DENY_UPSTREAM_PROTOCOL, "response head too large");
        return false;
    }
    size_t size = 0;
    switch (client->stream.ops->read(&client->stream, client->in.data + client->in.end, room, &size)) {
    case STREAM_OK:
        client->answered = true;
        buffer_commit(&client->in, size);
        update_deadline(client);
        process(client);
        return client->state == CLIENT_HEAD || (client->state == CLIENT_BODY && !client->paused);
    case STREAM_AGAIN:
        return false;
    case STREAM_END:
        client->read_ended = true;
        client->broken = true;
        process(client);
        return false;
    default:
        fail_call(client, DENY_UPSTREAM_CLOSED, client->answered ? "reset within the response" : "reset");
        return false;
    }
}

static void read_answer(struct h1_client *client)
{
    bool more = true;
    for (int budget = READ_BUDGET; more && budget > 0; budget--) {
        more = read_once(client) && client->stream.ops->pending(&client->stream);
    }
    if (client->state == CLIENT_BODY || client->state == CLIENT_OVER) {
        if (client->call.events != NULL) {
            client->call.events->on_pause(client->call.call);
        }
    }
    if (more && client->state != CLIENT_CLOSED && client->state != CLIENT_IDLE) {
        net_loop_post(client->stream.loop, &client->resume);
    }
    update_interest(client);
}

/* Nobody waits for these bytes: the end of the connection, or an answer to no question. */
static void lose_idle(struct h1_client *client)
{
    client->settings.on_idle_lost(client);
    h1_client_close(client);
}

static bool idle_is_quiet(struct h1_client *client)
{
    char byte;
    size_t size = 0;
    return client->stream.ops->read(&client->stream, &byte, 1, &size) == STREAM_AGAIN;
}

static void resume(struct net_task *task)
{
    struct h1_client *client = (struct h1_client *)((char *)task - offsetof(struct h1_client, resume));
    if (client->state == CLIENT_CLOSED) {
        free_if_over(client);
        return;
    }
    if (client->state != CLIENT_BODY && client->state != CLIENT_HEAD) {
        return;
    }
    process(client);
    if (client->state == CLIENT_BODY && !client->paused && !client->read_ended &&
        client->stream.ops->pending(&client->stream)) {
        read_answer(client);
    } else if (client->state == CLIENT_BODY || client->state == CLIENT_OVER) {
        client->call.events->on_pause(client->call.call);
    }
    update_interest(client);
}

/* ---- connecting ---- */

static void handshake(struct h1_client *client)
{
    switch (client->stream.ops->handshake(&client->stream)) {
    case STREAM_AGAIN:
        update_interest(client);
        return;
    case STREAM_OK:
        break;
    default:
        connect_failed(client, DENY_UPSTREAM_TLS, tls_failure(&client->stream));
        return;
    }
    client->state = CLIENT_IDLE;
    deadline_clear(&client->deadline);
    update_interest(client);
    client->settings.on_connected(client, NULL);
}

static void connected(struct h1_client *client)
{
    if (stream_connected(client->stream.fd) != 0) {
        connect_failed(client, DENY_UPSTREAM_CONNECT, "connection refused or unreachable");
        return;
    }
    if (client->settings.tls != NULL &&
        failed(tls_connect(client->settings.tls, &client->stream, client->settings.host))) {
        connect_failed(client, DENY_UPSTREAM_TLS, "TLS could not be started");
        return;
    }
    client->state = CLIENT_HANDSHAKE;
    handshake(client);
}

static void on_deadline(struct deadline *deadline)
{
    struct h1_client *client = (struct h1_client *)((char *)deadline - offsetof(struct h1_client, deadline));
    switch (client->state) {
    case CLIENT_CONNECTING:
        connect_failed(client, DENY_UPSTREAM_CONNECT, "connecting took too long");
        break;
    case CLIENT_HANDSHAKE:
        connect_failed(client, DENY_UPSTREAM_TLS, "the TLS handshake took too long");
        break;
    case CLIENT_HEAD:
    case CLIENT_BODY:
        fail_call(client, DENY_UPSTREAM_TIMEOUT,
                  client->state == CLIENT_HEAD ? "no response in time" : "the response stopped");
        break;
    default:
        break;
    }
}

/* ---- writing ---- */

static void write_parts(struct h1_client *client, struct iovec *parts, int count)
{
    size_t written = 0;
    enum stream_result result = client->stream.ops->write(&client->stream, parts, count, &written);
    if (result == STREAM_FAILED || result == STREAM_END) {
        /* An early answer may still be readable: reading decides what the call learns. */
        client->broken = true;
        buffer_clear(&client->out);
        client->sent = true;
        return;
    }
    if (result == STREAM_AGAIN) {
        written = 0;
    }
    size_t from_out = buffer_length(&client->out);
    buffer_consume(&client->out, written < from_out ? written : from_out);
    size_t skip = written < from_out ? 0 : written - from_out;
    for (int i = from_out > 0 ? 1 : 0; i < count; i++) {
        size_t taken = skip < parts[i].iov_len ? skip : parts[i].iov_len;
        skip -= taken;
        if (!buffer_append(&client->out,
                           slice_of((char *)parts[i].iov_base + taken, parts[i].iov_len - taken))) {
            client->broken = true;
        }
    }
}

void h1_client_flush(struct h1_client *client)
{
    if (client->state != CLIENT_HEAD && client->state != CLIENT_BODY) {
        return;
    }
    if (buffer_length(&client->out) > 0) {
        struct slice waiting = buffer_slice(&client->out);
        struct iovec part = { (char *)waiting.ptr, waiting.len };
        write_parts(client, &part, 1);
    }
    update_deadline(client);
    update_interest(client);
    if (client->blocked && buffer_length(&client->out) < WRITE_HIGH_WATER / 2) {
        client->blocked = false;
        client->call.events->on_writable(client->call.call);
    }
}

bool h1_client_send_body(struct h1_client *client, struct slice data)
{
    if (data.len == 0 || client->broken || (client->state != CLIENT_HEAD && client->state != CLIENT_BODY)) {
        return true;
    }
    char chunk[24];
    struct slice waiting = buffer_slice(&client->out);
    struct iovec parts[4];
    int count = 0;
    if (waiting.len > 0) {
        parts[count++] = (struct iovec){ (char *)waiting.ptr, waiting.len };
    }
    if (client->chunked_out) {
        parts[count++] = (struct iovec){ chunk, h1_chunk_header(data.len, chunk) };
    }
    parts[count++] = (struct iovec){ (char *)data.ptr, data.len };
    if (client->chunked_out) {
        parts[count++] = (struct iovec){ (char *)"\r\n", 2 };
    }
    if (waiting.len + data.len <= COALESCE_MAX || client->blocked) {
        for (int i = waiting.len > 0 ? 1 : 0; i < count; i++) {
            if (!buffer_append(&client->out, slice_of(parts[i].iov_base, parts[i].iov_len))) {
                client->broken = true;
            }
        }
    } else {
        write_parts(client, parts, count);
    }
    update_deadline(client);
    update_interest(client);
    client->blocked = buffer_length(&client->out) >= WRITE_HIGH_WATER;
    return !client->blocked;
}

void h1_client_send_end(struct h1_client *client, const struct headers *trailers)
{
    if (client->state != CLIENT_HEAD && client->state != CLIENT_BODY) {
        return;
    }
    if (client->chunked_out && !client->broken && !h1_write_last_chunk(&client->out, trailers)) {
        client->broken = true;
    }
    client->sent = true;
    h1_client_flush(client);
}

/* ---- calls ---- */

struct buffer *h1_client_begin(struct h1_client *client, const struct h1_client_call *call)
{
    client->call = *call;
    client->state = CLIENT_HEAD;
    client->informational = 0;
    client->answered = false;
    client->sent = false;
    client->chunked_out = call->body == BODY_CHUNKED;
    client->paused = false;
    client->blocked = false;
    client->keep_alive = false;
    h1_parser_init_response(&client->parser, &response_limits, call->method);
    buffer_clear(&client->in);
    return &client->out;
}

void h1_client_pause(struct h1_client *client, bool paused)
{
    if (client->paused == paused || client->state != CLIENT_BODY) {
        return;
    }
    client->paused = paused;
    update_deadline(client);
    update_interest(client);
    if (!paused) {
        net_loop_post(client->stream.loop, &client->resume);
    }
}

bool h1_client_finish(struct h1_client *client)
{
    bool reusable = client->state == CLIENT_OVER && !client->broken && client->keep_alive && client->sent &&
                    buffer_length(&client->out) == 0;
    if (!reusable) {
        h1_client_close(client);
        return false;
    }
    client->state = CLIENT_IDLE;
    client->reused = true;
    client->call = (struct h1_client_call){ 0 };
    update_interest(client);
    return true;
}

static void on_ready(struct stream *stream, unsigned int events)
{
    struct h1_client *client = (struct h1_client *)stream;
    switch (client->state) {
    case CLIENT_CONNECTING:
        connected(client);
        return;
    case CLIENT_HANDSHAKE:
        handshake(client);
        return;
    case CLIENT_IDLE:
        if (!idle_is_quiet(client)) {
            lose_idle(client);
        }
        return;
    case CLIENT_HEAD:
    case CLIENT_BODY:
        if ((events & STREAM_WRITABLE) != 0) {
            h1_client_flush(client);
        }
        if ((events & (STREAM_READABLE | STREAM_BROKEN)) != 0 &&
            (client->state == CLIENT_HEAD || (client->state == CLIENT_BODY && !client->paused))) {
            read_answer(client);
        } else if ((events & STREAM_BROKEN) != 0 && client->state == CLIENT_BODY) {
            fail_call(client, DENY_UPSTREAM_CLOSED, "reset within the response");
        }
        return;
    default:
        return;
    }
}

struct error h1_client_open(const struct h1_client_settings *settings, const struct sockaddr *address,
                            socklen_t size, struct h1_client **ret_client)
{
    int fd = -1;
    TRY(stream_connect(address, size, &fd));
    struct h1_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        close(fd);
        return FAIL(ERROR_MEMORY, "upstream connection");
    }
    struct error error = stream_open(&client->stream, settings->loop, fd, on_ready);
    if (failed(error)) {
        close(fd);
        free(client);
        return error;
    }
    client->settings = *settings;
    client->state = CLIENT_CONNECTING;
    client->resume.run = resume;
    client->deadline.expired = on_deadline;
    buffer_init(&client->in, HTTP_HEAD_MAX + HTTP_READ_BUFFER);
    buffer_init(&client->out, HTTP_WRITE_BUFFER_MAX + HTTP_HEAD_MAX);
    set_deadline(client, settings->connect_timeout);
    update_interest(client);
    *ret_client = client;
    return OK;
}
