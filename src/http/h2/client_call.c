/* A call from its beginning to its end: memory, limits in time, and how it fails. */
#include "http/h2/client_internal.h"

#include <stdlib.h>

#define SPARES_MAX       64         /* calls of a connection that wait for the next request */
#define SPARE_BUFFER_MAX (8 * 1024) /* bytes that each of their buffers keeps */

/* ---- calls ---- */

static void list_remove(struct h2_call *call)
{
    struct h2_call **from_before = call->previous != NULL ? &call->previous->next : &call->client->calls;
    *from_before = call->next;
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
}

static void free_spare(struct h2_call *call)
{
    buffer_take_up(&call->head);
    buffer_take_up(&call->out);
    buffer_done(&call->head);
    buffer_done(&call->out);
    free(call);
}

void h2_call_free_spares(struct h2_client *client)
{
    while (client->spare != NULL) {
        struct h2_call *call = client->spare;
        client->spare = call->next;
        free_spare(call);
    }
    client->spare_count = 0;
}

/* What the call holds goes; the struct waits for the next one, and some memory for its request with it. */
void h2_call_recycle(struct h2_call *call)
{
    struct h2_client *client = call->client;
    list_remove(call);
    client->call_count--;
    deadline_clear(&call->deadline);
    buffer_set_aside(&call->head, SPARE_BUFFER_MAX);
    buffer_set_aside(&call->out, SPARE_BUFFER_MAX);
    buffer_done(&call->trailers);
    buffer_done(&call->in);
    free(call->last_head);
    *call = (struct h2_call){ .head = call->head, .out = call->out, .next = client->spare };
    if (client->spare_count == SPARES_MAX) {
        free_spare(call);
        return;
    }
    client->spare = call;
    client->spare_count++;
}

void h2_call_let_go(struct h2_call *call)
{
    if (call->released && !call->busy && (call->stream == 0 || call->client->dead)) {
        h2_call_recycle(call);
    }
}

static int64_t limit_of(const struct h2_call *call)
{
    bool tunnel = call->body == BODY_TUNNEL;
    if (call->state == H2_CALL_BODY && !tunnel) {
        return call->paused ? 0 : call->idle_timeout;
    }
    if (buffer_length(&call->out) > 0) {
        return call->idle_timeout;
    }
    /* How long a tunnel may be silent is its owner's business. */
    return !tunnel && (call->sent || call->asks_tunnel) ? call->response_timeout : 0;
}

void h2_call_update_deadline(struct h2_call *call, bool progress)
{
    if (!h2_call_is_under_way(call)) {
        return;
    }
    int64_t limit = limit_of(call);
    if (!progress && limit == call->limit && deadline_is_set(&call->deadline)) {
        return;
    }
    struct net_loop *loop = call->client->base.stream.loop;
    call->limit = limit;
    if (limit > 0) {
        deadline_set(&loop->deadlines, &call->deadline, loop->now, limit);
    } else {
        deadline_park(&call->deadline);
    }
}

static void reset_stream(struct h2_call *call, uint32_t code)
{
    struct h2_client *client = call->client;
    if (call->stream != 0 && !call->reset && !client->dead) {
        call->reset = true;
        (void)nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, call->stream, code);
        h2_client_send(client);
    }
}

void h2_call_fail(struct h2_call *call, const struct http_call_failure *failure, uint32_t code)
{
    call->state = H2_CALL_OVER;
    deadline_park(&call->deadline);
    reset_stream(call, code);
    call->base.events->on_failed(call->base.caller, failure);
}

/* A call waited in vain. Is it the call, or the connection? Until something comes no further call is risked on it, and where a
 * PING is not answered either, it is over. */
static void suspect(struct h2_client *client)
{
    struct net_loop *loop = client->base.stream.loop;
    if (client->suspect || client->dead) {
        return;
    }
    client->suspect = true;
    (void)nghttp2_submit_ping(client->session, NGHTTP2_FLAG_NONE, NULL);
    deadline_set(&loop->deadlines, &client->base.deadline, loop->now, client->base.settings.connect_timeout);
    h2_client_changed(client);
}

static void on_call_deadline(struct deadline *deadline)
{
    struct h2_call *call = (struct h2_call *)((char *)deadline - offsetof(struct h2_call, deadline));
    const char *detail = call->body == BODY_TUNNEL        ? "what was sent was not taken in time"
                         : call->state == H2_CALL_BODY    ? "the response stopped"
                         : buffer_length(&call->out) == 0 ? "no response in time"
                                                          : "the request was not taken in time";
    const struct http_call_failure failure = { .reason = DENY_UPSTREAM_TIMEOUT, .detail = detail };
    suspect(call->client);
    h2_call_fail(call, &failure, NGHTTP2_CANCEL);
}

/* ---- taken and given back ---- */

static enum http_client_state h2_finish(struct http_call *base)
{
    struct h2_call *call = h2_call_of(base);
    struct h2_client *client = call->client;
    /* What is sent may end other calls, and the connection: it is closed once, by the outermost. */
    client->finishing++;
    call->released = true;
    deadline_park(&call->deadline);
    call->state = H2_CALL_OVER;
    if (!call->ended || !call->sent || buffer_length(&call->out) > 0) {
        reset_stream(call, NGHTTP2_CANCEL);
    }
    h2_call_let_go(call);
    client->finishing--;
    enum http_client_state state = h2_client_state(&client->base);
    if (state == HTTP_CLIENT_CLOSING) {
        http_client_close(&client->base);
    }
    return state;
}

static const struct http_call_ops call_ops = {
    .may_tunnel = h2_call_may_tunnel,
    .begin = h2_call_begin,
    .send_body = h2_call_send_body,
    .send_end = h2_call_send_end,
    .flush = h2_call_flush,
    .pause = h2_call_pause,
    .finish = h2_finish,
};

static struct h2_call *take_spare(struct h2_client *client)
{
    struct h2_call *call = client->spare;
    if (call != NULL) {
        client->spare = call->next;
        client->spare_count--;
        return call;
    }
    call = malloc(sizeof *call);
    if (call != NULL) {
        buffer_init(&call->head, H2_FIELDS_MAX);
        buffer_init(&call->out, HTTP_WRITE_BUFFER_MAX);
    }
    return call;
}

struct http_call *h2_client_take(struct http_client *base)
{
    struct h2_client *client = (struct h2_client *)base;
    struct h2_call *call = take_spare(client);
    if (call == NULL) {
        return NULL;
    }
    struct buffer head = call->head, out = call->out;
    buffer_take_up(&head);
    buffer_take_up(&out);
    *call = (struct h2_call){
        .base.ops = &call_ops, .client = client, .head = head, .out = out, .next = client->calls
    };
    call->deadline.expired = on_call_deadline;
    buffer_init(&call->trailers, H2_FIELDS_MAX);
    buffer_init(&call->in, (size_t)client->base.settings.stream_window);
    if (client->calls != NULL) {
        client->calls->previous = call;
    }
    client->calls = call;
    client->call_count++;
    return &call->base;
}
