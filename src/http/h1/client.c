#include "http/h1/client.h"

#include "http/h1/client_internal.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- life and death ---- */

static struct h1_client *of(struct http_client *client)
{
    return (struct h1_client *)client;
}

void h1_client_free_if_over(struct h1_client *client)
{
    if (!client->base.closed || client->resume.queued) {
        return;
    }
    buffer_done(&client->in);
    buffer_done(&client->out);
    free(client->parser);
    free(client);
}

static void h1_free(struct http_client *client)
{
    h1_client_free_if_over(of(client));
}

static void h1_close(struct http_client *client)
{
    of(client)->state = CLIENT_CLOSED;
}

/* ---- limits in time, and what is waited for ---- */

static void set_deadline(struct h1_client *client, int64_t duration)
{
    struct net_loop *loop = client->base.stream.loop;
    client->limit = duration;
    if (duration > 0) {
        deadline_set(&loop->deadlines, &client->base.deadline, loop->now, duration);
    } else {
        deadline_park(&client->base.deadline);
    }
}

static int64_t limit_of(const struct h1_client *client)
{
    if (h1_client_is_tunnel(client)) {
        return buffer_length(&client->out) > 0 ? client->idle_timeout : 0;
    }
    if (client->state == CLIENT_BODY) {
        return client->paused ? 0 : client->idle_timeout;
    }
    if (buffer_length(&client->out) > 0) {
        return client->idle_timeout;
    }
    return client->sent || client->output_lost ? client->response_timeout : 0;
}

void h1_client_update_deadline(struct h1_client *client, bool progress)
{
    if (client->state != CLIENT_HEAD && client->state != CLIENT_BODY) {
        return;
    }
    int64_t limit = limit_of(client);
    if (progress || limit != client->limit || !deadline_is_set(&client->base.deadline)) {
        set_deadline(client, limit);
    }
}

void h1_client_update_interest(struct h1_client *client)
{
    unsigned int wanted = 0;
    switch (client->state) {
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
    stream_want(&client->base.stream, wanted);
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
    deadline_park(&client->base.deadline);
    h1_client_update_interest(client);
    client->call.events->on_failed(client->call.caller, &failure);
}

static void on_deadline(struct deadline *deadline)
{
    struct h1_client *client =
        (struct h1_client *)((char *)deadline - offsetof(struct h1_client, base.deadline));
    switch (client->state) {
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

bool h1_client_has_nothing_to_say(struct h1_client *client)
{
    char byte;
    size_t size = 0;
    return client->base.stream.ops->read(&client->base.stream, &byte, 1, &size) == STREAM_AGAIN;
}

/* Asks the socket only where this turn has not told already: by a read to the socket's end, or by the loop's look at all sockets,
 * which saw it idle and silent. */
static bool h1_is_quiet(struct http_client *base)
{
    struct h1_client *client = of(base);
    int64_t turn = client->base.stream.loop->turn_began;
    if (client->state != CLIENT_IDLE) {
        return false;
    }
    bool known =
        client->idle_since == turn ? client->emptied_in == turn : stream_was_silent(&client->base.stream);
    return known || h1_client_has_nothing_to_say(client);
}

/* What comes now comes for nobody: the end of the connection, or an answer to no question. */
static void on_idle_event(struct h1_client *client)
{
    if (h1_client_has_nothing_to_say(client)) {
        h1_client_update_interest(client); /* TLS said something for itself */
        return;
    }
    client->base.settings.on_idle_lost(&client->base);
    http_client_close(&client->base);
}

/* ---- calls ---- */

/* One call at a time. */
static size_t h1_room(struct http_client *client)
{
    (void)client;
    return 0;
}

static enum http_client_state h1_state(struct http_client *client)
{
    return of(client)->state == CLIENT_CLOSED ? HTTP_CLIENT_CLOSING : HTTP_CLIENT_USABLE;
}

static struct http_call *h1_take(struct http_client *client)
{
    return &of(client)->call;
}

static enum http_client_state h1_finish(struct http_call *call)
{
    struct h1_client *client = h1_client_of(call);
    bool reusable = client->state == CLIENT_OVER && !client->broken && client->keep_alive && client->sent &&
                    buffer_length(&client->out) == 0;
    if (!reusable) {
        http_client_close(&client->base);
        return HTTP_CLIENT_CLOSING;
    }
    buffer_done(&client->out); /* the next call's, on whichever connection, finds it in the processor's cache */
    client->state = CLIENT_IDLE;
    client->idle_since = client->base.stream.loop->turn_began;
    client->reused = true;
    client->call = (struct http_call){ .ops = call->ops };
    h1_client_update_interest(client);
    return HTTP_CLIENT_USABLE;
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

static bool h1_may_tunnel(const struct http_call *call)
{
    (void)call;
    return true;
}

static const struct http_call_ops call_ops = {
    .may_tunnel = h1_may_tunnel,
    .begin = h1_client_begin,
    .send_body = h1_client_send_body,
    .send_end = h1_client_send_end,
    .flush = h1_client_flush_call,
    .pause = h1_client_pause,
    .finish = h1_finish,
};

static void h1_start(struct http_client *base)
{
    struct h1_client *client = of(base);
    client->call.ops = &call_ops;
    client->state = CLIENT_IDLE;
    client->idle_since = base->stream.loop->turn_began;
    client->resume.run = h1_client_resume;
    client->base.stream.on_ready = on_ready;
    client->base.deadline.expired = on_deadline;
    buffer_init(&client->in, HTTP_HEAD_MAX + HTTP_BULK_BUFFER);
    buffer_init(&client->out, HTTP_WRITE_BUFFER_MAX + HTTP_HEAD_MAX);
    h1_client_update_interest(client);
    http_client_established(base);
}

const struct http_client_kind h1_client_kind = {
    .protocol = SLICE_INIT("http/1.1"),
    .size = sizeof(struct h1_client),
    .start = h1_start,
    .is_quiet = h1_is_quiet,
    .room = h1_room,
    .state = h1_state,
    .take = h1_take,
    .close = h1_close,
    .free = h1_free,
};
