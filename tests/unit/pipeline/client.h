/* A stream as the exchange sees it: what it does to it is written down. */
#ifndef SALLYPORT_TESTS_PIPELINE_CLIENT_H
#define SALLYPORT_TESTS_PIPELINE_CLIENT_H

#include "unit.h"

#include "pipeline/exchange.h"

struct client {
    struct http_stream stream;
    struct http_connection_facts facts;
    char raw[16384]; /* the request's head: overwritten after on_request, as a connection's buffer is */
    unsigned int status, heads, ends, resets, retractions, releases, informational, flushes, discards, pauses;
    unsigned int last_informational;
    char fields[16384]; /* of the response: "name: value\n" */
    enum http_body framing;
    uint64_t content_length;
    char body[1 << 20];
    size_t body_size;
    bool paused;
    bool full;           /* send_body says so */
    bool keep;           /* on_sent comes only when the test says so */
    bool gone_on_resume; /* what is written when the body is asked for (100) meets a closed connection */
    bool gone_on_head;
    bool trailers;
    int64_t waited, held_off; /* ns: what the stream says, and what it was told */
    bool ended;               /* the connection: it was told that nothing follows */
};

static inline struct client *client_of(struct http_stream *stream)
{
    return (struct client *)stream;
}

static void client_send_head(struct http_stream *stream, const struct http_response *response)
{
    struct client *client = client_of(stream);
    size_t used = 0;
    client->heads++;
    client->status = response->status;
    client->framing = response->body;
    client->content_length = response->content_length;
    for (size_t i = 0; i < response->headers.count; i++) {
        used += (size_t)snprintf(client->fields + used, sizeof client->fields - used, "%.*s: %.*s\n",
                                 SLICE_ARG(response->headers.items[i].name),
                                 SLICE_ARG(response->headers.items[i].value));
    }
    if (client->gone_on_head) {
        stream->handler->on_abort(stream, HTTP_ABORT_CLIENT);
    }
}

static void client_send_informational(struct http_stream *stream, unsigned int status,
                                      const struct headers *headers)
{
    (void)headers;
    client_of(stream)->informational++;
    client_of(stream)->last_informational = status;
}

static bool client_send_body(struct http_stream *stream, struct slice data)
{
    struct client *client = client_of(stream);
    assert_true(client->body_size + data.len <= sizeof client->body);
    if (data.len > 0) {
        memcpy(client->body + client->body_size, data.ptr, data.len);
    }
    client->body_size += data.len;
    stream->sent += data.len;
    return !client->full;
}

static void client_send_end(struct http_stream *stream, const struct headers *trailers)
{
    struct client *client = client_of(stream);
    client->ends++;
    client->trailers = trailers != NULL && trailers->count > 0;
    if (!client->keep) {
        stream->handler->on_sent(stream);
    }
}

static void client_flush(struct http_stream *stream)
{
    client_of(stream)->flushes++;
}

/* What was not flushed has not left. */
static bool client_retract(struct http_stream *stream)
{
    struct client *client = client_of(stream);
    if (client->flushes > 0) {
        return false;
    }
    client->heads = 0;
    client->body_size = 0;
    stream->sent = 0;
    client->retractions++;
    return true;
}

static void client_reset(struct http_stream *stream)
{
    client_of(stream)->resets++;
}

static void client_pause(struct http_stream *stream, bool paused)
{
    struct client *client = client_of(stream);
    client->pauses += paused ? 1 : 0;
    client->paused = paused;
    if (!paused && client->gone_on_resume) {
        stream->handler->on_abort(stream, HTTP_ABORT_CLIENT);
    }
}

static void client_discard_body(struct http_stream *stream)
{
    client_of(stream)->discards++;
}

static int64_t client_waited(struct http_stream *stream)
{
    return client_of(stream)->waited;
}

static void client_hold_off(struct http_stream *stream, int64_t duration)
{
    client_of(stream)->held_off = duration;
}

static void client_end_connection(struct http_stream *stream)
{
    client_of(stream)->ended = true;
}

static void client_release(struct http_stream *stream)
{
    struct client *client = client_of(stream);
    assert_int_equal(client->releases, 0);
    client->releases++;
    stream->exchange = NULL;
}

static const struct http_stream_ops client_ops = {
    .send_head = client_send_head,
    .send_informational = client_send_informational,
    .send_body = client_send_body,
    .send_end = client_send_end,
    .flush = client_flush,
    .retract = client_retract,
    .reset = client_reset,
    .pause = client_pause,
    .discard_body = client_discard_body,
    .waited = client_waited,
    .unread = client_waited,
    .hold_off = client_hold_off,
    .end_connection = client_end_connection,
    .release = client_release,
};

#endif
