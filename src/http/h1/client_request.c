/* What a call sends to its upstream. */
#include "http/h1/client_internal.h"
#include "http/h1/writer.h"
#include "http/scarcity.h"

/* A piece of body up to this size is copied behind what waits, so that both leave in one write. */
#define COALESCE_MAX 8192

bool h1_client_begin(struct http_call *call, const struct http_call_request *request)
{
    struct h1_client *client = h1_client_of(call);
    const struct h1_framing framing = {
        .body = request->body,
        .content_length = request->content_length,
        .upgrade = request->tunnel,
    };
    client->state = CLIENT_HEAD;
    client->method = request->method;
    client->response_timeout = request->response_timeout;
    client->idle_timeout = request->idle_timeout;
    client->informational = 0;
    client->asked = false;
    client->answered = false;
    client->sent = false;
    client->chunked_out = request->body == BODY_CHUNKED;
    client->paused = false;
    client->blocked = false;
    client->keep_alive = false;
    client->asks_tunnel = request->tunnel;
    buffer_clear(&client->in);
    return h1_write_request(&client->out, request->method_text, request->target, request->host,
                            request->headers, &framing);
}

void h1_client_lose_output(struct h1_client *client)
{
    client->broken = true;
    client->output_lost = true;
    buffer_clear(&client->out);
    net_loop_post(client->base.stream.loop, &client->resume);
}

/* Puts behind `out` what the kernel did not take of the parts; the first `written` bytes of all it did. */
static bool keep_rest(struct h1_client *client, const struct iovec *parts, int count, size_t written)
{
    size_t from_out = buffer_length(&client->out);
    buffer_consume(&client->out, written < from_out ? written : from_out);
    size_t skip = written < from_out ? 0 : written - from_out;
    for (int i = from_out > 0 ? 1 : 0; i < count; i++) {
        size_t taken = skip < parts[i].iov_len ? skip : parts[i].iov_len;
        skip -= taken;
        if (!buffer_append(&client->out,
                           slice_of((char *)parts[i].iov_base + taken, parts[i].iov_len - taken))) {
            return false;
        }
    }
    return true;
}

/* Writes `parts` now, of which the first is what waits in `out`, where anything does. Returns the bytes that moved. */
static size_t write_parts(struct h1_client *client, const struct iovec *parts, int count)
{
    size_t written = 0;
    enum stream_result result = client->base.stream.ops->write(&client->base.stream, parts, count, &written);
    if (result == STREAM_AGAIN) {
        written = 0;
    } else if (result != STREAM_OK) {
        h1_client_lose_output(client);
        return 0;
    }
    client->asked = client->asked || written > 0;
    if (!keep_rest(client, parts, count, written)) {
        h1_client_lose_output(client);
    }
    return written;
}

/* Nothing waits in a tunnel: it holds no memory then, and its direction ends where that was asked for. */
static void rest_tunnel(struct h1_client *client)
{
    buffer_done(&client->out);
    if (client->sent && !client->half_closed) {
        enum stream_result result = client->base.stream.ops->shutdown(&client->base.stream);
        client->shutting = result == STREAM_AGAIN;
        client->half_closed = result == STREAM_OK;
        if (result == STREAM_FAILED) {
            h1_client_lose_output(client);
        }
    }
}

void h1_client_flush(struct h1_client *client)
{
    if (client->state != CLIENT_HEAD && client->state != CLIENT_BODY) {
        return;
    }
    size_t written = 0;
    if (buffer_length(&client->out) > 0) {
        struct slice waiting = buffer_slice(&client->out);
        const struct iovec part = { (char *)waiting.ptr, waiting.len };
        written = write_parts(client, &part, 1);
    }
    if (h1_client_is_tunnel(client) && buffer_length(&client->out) == 0) {
        rest_tunnel(client);
    }
    h1_client_update_deadline(client, written > 0);
    h1_client_update_interest(client);
    if (client->blocked && http_may_go_on(&client->out)) {
        client->blocked = false;
        client->call.events->on_writable(client->call.caller);
    }
}

void h1_client_flush_call(struct http_call *call)
{
    h1_client_flush(h1_client_of(call));
}

bool h1_client_send_body(struct http_call *call, struct slice data)
{
    struct h1_client *client = h1_client_of(call);
    if (data.len == 0 || client->output_lost ||
        (client->state != CLIENT_HEAD && client->state != CLIENT_BODY)) {
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
    size_t written = 0;
    bool gather = waiting.len + data.len <= COALESCE_MAX && client->body != BODY_TUNNEL;
    if (gather || client->blocked) {
        if (!keep_rest(client, parts, count, 0)) {
            h1_client_lose_output(client);
        }
        client->blocked = client->blocked || buffer_length(&client->out) >= HTTP_WRITE_HIGH_WATER;
    } else {
        written = write_parts(client, parts, count);
        client->blocked = http_must_wait(&client->out);
    }
    h1_client_update_deadline(client, written > 0);
    h1_client_update_interest(client);
    return !client->blocked;
}

void h1_client_send_end(struct http_call *call, const struct headers *trailers)
{
    struct h1_client *client = h1_client_of(call);
    if (client->state != CLIENT_HEAD && client->state != CLIENT_BODY) {
        return;
    }
    if (client->chunked_out && !client->output_lost && !h1_write_last_chunk(&client->out, trailers)) {
        h1_client_lose_output(client);
    }
    client->sent = true;
    h1_client_flush(client);
}
