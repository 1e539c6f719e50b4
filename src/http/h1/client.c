#include "http/h1/client.h"

#include "http/h1/client_internal.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- life and death ---- */

void h1_client_free_if_over(struct h1_client *client)
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
    h1_client_free_if_over(client);
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
    client->limit = duration;
    if (duration > 0) {
        deadline_set(&loop->deadlines, &client->deadline, loop->now, duration);
    } else {
        deadline_park(&client->deadline);
    }
}

static int64_t limit_of(const struct h1_client *client)
{
    if (h1_client_is_tunnel(client)) {
        return buffer_length(&client->out) > 0 ? client->call.idle_timeout : 0;
    }
    if (client->state == CLIENT_BODY) {
        return client->paused ? 0 : client->call.idle_timeout;
    }
    if (buffer_length(&client->out) > 0) {
        return client->call.idle_timeout;
    }
    return client->sent || client->output_lost ? client->call.response_timeout : 0;
}

void h1_client_update_deadline(struct h1_client *client, bool progress)
{
    if (client->state != CLIENT_HEAD && client->state != CLIENT_BODY) {
        return;
    }
    int64_t limit = limit_of(client);
    if (progress || limit != client->limit || !deadline_is_set(&client->deadline)) {
        set_deadline(client, limit);
    }
}

void h1_client_update_interest(struct h1_client *client)
{
    unsigned int wanted = 0;
    switch (client->state) {
    case CLIENT_CONNECTING:
        wanted = STREAM_WRITABLE;
        break;
    case CLIENT_HANDSHAKE:
    case CLIENT_IDLE:
        wanted = STREAM_READABLE;
        break;
    case CLIENT_HEAD:
    case CLIENT_BODY:
        wanted = h1_client_may_read(client) ? STREAM_READABLE : 0;
        if (buffer_length(&client->out) > 0 || client->shutting) {
            wanted |= STREAM_WRITABLE;
        }
        break;
    case CLIENT_OVER:
        break;
    case CLIENT_CLOSED:
        return;
    }
    stream_want(&client->stream, wanted);
}

void h1_client_fail(struct h1_client *client, enum deny_reason reason, const char *detail)
{
    struct http_call_failure failure = {
        .reason = reason,
        .detail = detail,
        /* One that was alive and only said nothing may be at work on the request: it is not sent twice. */
        .reused = client->reused && !client->answered && reason == DENY_UPSTREAM_CLOSED,
    };
    client->state = CLIENT_OVER;
    client->broken = true;
    deadline_park(&client->deadline);
    h1_client_update_interest(client);
    client->call.events->on_failed(client->call.call, &failure);
}

/* ---- connecting ---- */

static void connect_failed(struct h1_client *client, enum deny_reason reason, const char *detail)
{
    struct http_call_failure failure = { .reason = reason, .detail = detail };
    client->settings.on_connected(client, &failure);
    h1_client_close(client);
}

static void handshake(struct h1_client *client)
{
    switch (client->stream.ops->handshake(&client->stream)) {
    case STREAM_AGAIN:
        h1_client_update_interest(client);
        return;
    case STREAM_OK:
        break;
    default:
        connect_failed(client, DENY_UPSTREAM_TLS, tls_failure(&client->stream));
        return;
    }
    client->state = CLIENT_IDLE;
    deadline_clear(&client->deadline);
    h1_client_update_interest(client);
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
        h1_client_fail(client, DENY_UPSTREAM_TIMEOUT,
                       client->sent && buffer_length(&client->out) == 0
                           ? "no response in time"
                           : "the request was not taken in time");
        break;
    case CLIENT_BODY:
        h1_client_fail(client, DENY_UPSTREAM_TIMEOUT,
                       client->body == BODY_TUNNEL ? "what was sent was not taken in time"
                                                   : "the response stopped");
        break;
    default:
        break;
    }
}

/* ---- idle ---- */

static bool has_nothing_to_say(struct h1_client *client)
{
    char byte;
    size_t size = 0;
    return client->stream.ops->read(&client->stream, &byte, 1, &size) == STREAM_AGAIN;
}

bool h1_client_is_quiet(struct h1_client *client)
{
    return client->state == CLIENT_IDLE &&
           (client->emptied_in == client->stream.loop->turn_began || has_nothing_to_say(client));
}

/* What comes now comes for nobody: the end of the connection, or an answer to no question. */
static void on_idle_event(struct h1_client *client)
{
    if (has_nothing_to_say(client)) {
        h1_client_update_interest(client); /* TLS said something for itself */
        return;
    }
    client->settings.on_idle_lost(client);
    h1_client_close(client);
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
    h1_client_expect_head(client);
    buffer_clear(&client->in);
    return &client->out;
}

void h1_client_hand_over(struct h1_client *client, const struct http_call_events *events, void *call)
{
    client->call.events = events;
    client->call.call = call;
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
    h1_client_update_interest(client);
    return true;
}

static void on_call_event(struct h1_client *client, unsigned int events)
{
    if ((events & STREAM_WRITABLE) != 0) {
        h1_client_flush(client);
    }
    if ((events & (STREAM_READABLE | STREAM_BROKEN)) == 0) {
        return;
    }
    if (h1_client_may_read(client)) {
        h1_client_read(client);
    } else if ((events & STREAM_BROKEN) != 0 && client->state == CLIENT_BODY) {
        h1_client_lose_output(client); /* what has come of the answer is still there to be read */
    }
}

static void on_ready(struct stream *stream, unsigned int events)
{
    struct h1_client *client = (struct h1_client *)stream;
    switch (client->state) {
    case CLIENT_CONNECTING:
        connected(client);
        break;
    case CLIENT_HANDSHAKE:
        handshake(client);
        break;
    case CLIENT_IDLE:
        on_idle_event(client);
        break;
    case CLIENT_HEAD:
    case CLIENT_BODY:
        on_call_event(client, events);
        break;
    default:
        break;
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
    client->resume.run = h1_client_resume;
    client->deadline.expired = on_deadline;
    buffer_init(&client->in, HTTP_HEAD_MAX + HTTP_BULK_BUFFER);
    buffer_init(&client->out, HTTP_WRITE_BUFFER_MAX + HTTP_HEAD_MAX);
    set_deadline(client, settings->connect_timeout);
    h1_client_update_interest(client);
    *ret_client = client;
    return OK;
}
