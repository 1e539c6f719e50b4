#include "http/h2/client.h"

#include "http/h2/client_internal.h"

#include <stdlib.h>

static struct h2_client *of(struct http_client *client)
{
    return (struct h2_client *)client;
}

/* ---- room ---- */

/* A connection's age counts from when it is asked for more: one that serves nobody has its idle limit. */
static bool is_too_old(const struct h2_client *client)
{
    int64_t most = client->base.settings.max_age;
    return most > 0 && client->base.stream.loop->now - client->opened > most;
}

static bool takes_calls(struct h2_client *client)
{
    /* Far from the last stream identifier. */
    if (is_too_old(client) || nghttp2_session_get_next_stream_id(client->session) > UINT32_C(0x7fff0000)) {
        client->draining = true;
    }
    return client->established && !client->draining && !client->dead && !client->base.closing;
}

static size_t h2_room(struct http_client *base)
{
    struct h2_client *client = of(base);
    if (!takes_calls(client) || client->suspect) {
        return 0;
    }
    size_t allowed =
        nghttp2_session_get_remote_settings(client->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    size_t most = (size_t)client->base.settings.max_streams;
    most = allowed < most ? allowed : most;
    return client->call_count < most ? most - client->call_count : 0;
}

enum http_client_state h2_client_state(struct http_client *base)
{
    struct h2_client *client = of(base);
    bool used = client->finishing > 0;
    for (struct h2_call *call = client->calls; call != NULL && !used; call = call->next) {
        used = !call->released;
    }
    if (!used && (!takes_calls(client) || client->suspect)) {
        return HTTP_CLIENT_CLOSING;
    }
    return takes_calls(client) ? HTTP_CLIENT_USABLE : HTTP_CLIENT_DRAINING;
}

/* What has come and was not looked at yet may be a GOAWAY, or the end. */
static bool h2_is_quiet(struct http_client *base)
{
    struct h2_client *client = of(base);
    if (!client->in_session && !client->dead) {
        client->probing = true;
        h2_client_read(client);
        client->probing = false;
    }
    return h2_room(base) > 0;
}

/* ---- the connection ---- */

void h2_client_blame(struct h2_client *client, enum metric metric)
{
    client->draining = true;
    metrics_add(client->base.settings.metrics, metric, 1);
}

void h2_client_changed(struct h2_client *client)
{
    if (client->established && !client->base.closing && !client->probing) {
        client->base.settings.on_changed(&client->base);
    }
}

static struct h2_call *first_under_way(struct h2_client *client)
{
    struct h2_call *call = client->calls;
    /* What has come whole and waits for its reader is none any more. */
    while (call != NULL && !(call->state == H2_CALL_TAIL || (h2_call_is_waiting(call) && !call->ended))) {
        call = call->next;
    }
    return call;
}

void h2_client_lose(struct h2_client *client, enum deny_reason reason, const char *detail)
{
    if (client->dead || client->base.closing) {
        return;
    }
    client->dead = true;
    deadline_park(&client->base.deadline);
    stream_want(&client->base.stream, 0);
    if (client->probing) {
        return; /* who asks is told */
    }
    if (!client->established) {
        http_client_connect_failed(&client->base, reason, detail);
        return;
    }
    struct h2_call *call;
    while (!client->base.closing && (call = first_under_way(client)) != NULL) {
        struct http_call_failure failure = {
            .reason = reason,
            .detail = detail,
            /* One that was alive and only said nothing may be at work on the request: it is not sent twice. */
            .reused = call->on_kept && !call->answered && reason == DENY_UPSTREAM_CLOSED,
        };
        h2_call_fail(call, &failure, NGHTTP2_NO_ERROR);
    }
    if (!client->base.closing && h2_client_state(&client->base) == HTTP_CLIENT_CLOSING) {
        client->base.settings.on_idle_lost(&client->base);
        http_client_close(&client->base);
    }
}

/* nghttp2 has nothing more to read or to say: it has told the upstream off, or the upstream is done with us. */
static void end_if_over(struct h2_client *client)
{
    if (nghttp2_session_want_read(client->session) != 0 || nghttp2_session_want_write(client->session) != 0) {
        return;
    }
    if (client->complaint[0] != '\0') {
        h2_client_blame(client,
                        client->flooded ? METRIC_UPSTREAM_HTTP2_FLOODS : METRIC_UPSTREAM_HTTP2_BROKEN);
        h2_client_lose(client, DENY_UPSTREAM_PROTOCOL, client->complaint);
    } else {
        h2_client_lose(client, DENY_UPSTREAM_CLOSED, "closed by the upstream's GOAWAY");
    }
}

/* False: no memory, or the session is broken. */
static bool collect(struct h2_client *client)
{
    while (buffer_length(&client->out) < HTTP_WRITE_HIGH_WATER) {
        const uint8_t *data = NULL;
        client->in_session = true;
        ssize_t size = nghttp2_session_mem_send(client->session, &data);
        client->in_session = false;
        if (size < 0 ||
            !buffer_append(&client->out, slice_of((const char *)data, size > 0 ? (size_t)size : 0))) {
            return false;
        }
        if (size == 0) {
            break;
        }
    }
    return true;
}

/* Writes what waits. True: all of it has left, and there may be more. */
static bool write_out(struct h2_client *client)
{
    struct slice waiting = buffer_slice(&client->out);
    const struct iovec part = { (char *)waiting.ptr, waiting.len };
    size_t written = 0;
    enum stream_result result = client->base.stream.ops->write(&client->base.stream, &part, 1, &written);
    if (result == STREAM_OK) {
        buffer_consume(&client->out, written);
        return buffer_length(&client->out) == 0;
    }
    if (result != STREAM_AGAIN) {
        /* What the upstream has said before it went is still to be read, its GOAWAY say. */
        buffer_clear(&client->out);
        net_loop_post(client->base.stream.loop, &client->resume);
        client->draining = true;
    }
    return false;
}

void h2_client_send(struct h2_client *client)
{
    if (client->in_session || client->dead || client->base.closing) {
        return;
    }
    bool more = true;
    while (more) {
        if (!collect(client)) {
            h2_client_lose(client, DENY_UPSTREAM_PROTOCOL, "the HTTP/2 session failed");
        }
        if (client->dead || client->base.closing) {
            return;
        }
        more = buffer_length(&client->out) > 0 && write_out(client);
    }
    stream_want(&client->base.stream,
                STREAM_READABLE | (buffer_length(&client->out) > 0 ? STREAM_WRITABLE : 0));
    h2_client_tell_writable(client);
    if (!client->dead && !client->base.closing && buffer_length(&client->out) == 0) {
        end_if_over(client);
    }
}

static void on_ready(struct stream *stream, unsigned int events)
{
    struct h2_client *client = (struct h2_client *)stream;
    if ((events & STREAM_WRITABLE) != 0) {
        h2_client_send(client);
    }
    if ((events & (STREAM_READABLE | STREAM_BROKEN)) != 0) {
        h2_client_read(client);
    }
}

static void on_deadline(struct deadline *deadline)
{
    struct h2_client *client =
        (struct h2_client *)((char *)deadline - offsetof(struct h2_client, base.deadline));
    if (client->established) {
        h2_client_blame(client, METRIC_UPSTREAM_HTTP2_SILENT);
        h2_client_lose(client, DENY_UPSTREAM_TIMEOUT, "the connection does not answer");
    } else {
        h2_client_lose(client, DENY_UPSTREAM_CONNECT, "no HTTP/2 SETTINGS in time");
    }
}

static void resume(struct net_task *task)
{
    struct h2_client *client = (struct h2_client *)((char *)task - offsetof(struct h2_client, resume));
    if (client->base.closing) {
        if (client->base.closed) {
            client->base.kind->free(&client->base);
        }
        return;
    }
    h2_client_deliver(client);
    h2_client_read(client);
}

/* ---- its beginning and its end ---- */

static bool open_session(struct h2_client *client)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_mem mem = h2_account_mem(&client->account);
    bool good = nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0;
    if (good) {
        h2_client_set_callbacks(callbacks);
        nghttp2_option_set_no_auto_window_update(option, 1);
        nghttp2_option_set_no_http_messaging(option, 1); /* h2/head.h has the rules */
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_max_outbound_ack(option, HTTP2_UPSTREAM_ACKS_MAX);
        nghttp2_option_set_max_deflate_dynamic_table_size(option, HTTP2_UPSTREAM_TABLE);
        /* What the upstream allows is ours to keep to: see h2_room. */
        nghttp2_option_set_peer_max_concurrent_streams(option, UINT32_MAX);
        good = nghttp2_session_client_new3(&client->session, callbacks, client, option, &mem) == 0;
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return good;
}

static bool say_settings(struct h2_client *client)
{
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0 },
        { NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, HTTP2_UPSTREAM_TABLE },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)client->base.settings.stream_window },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX },
    };
    return nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings,
                                   sizeof settings / sizeof settings[0]) == 0 &&
           nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0,
                                                 HTTP2_UPSTREAM_CONNECTION_WINDOW) == 0;
}

static void h2_start(struct http_client *base)
{
    struct h2_client *client = of(base);
    struct net_loop *loop = base->stream.loop;
    client->resume.run = resume;
    client->opened = loop->now;
    h2_memory_init(&client->memory);
    /* What an upstream can make it hold is bounded by what it is asked for, and h2/frame_budget.h. */
    client->account = (struct h2_account){ .memory = &client->memory, .maximum = SIZE_MAX };
    base->stream.on_ready = on_ready;
    base->deadline.expired = on_deadline;
    buffer_init(&client->out, HTTP_WRITE_BUFFER_MAX + HTTP_HEAD_MAX);
    if (!open_session(client) || !say_settings(client)) {
        http_client_connect_failed(base, DENY_OVERLOADED, "no memory for an HTTP/2 session");
        return;
    }
    deadline_set(&loop->deadlines, &base->deadline, loop->now, base->settings.connect_timeout);
    h2_client_send(client);
}

/* A word to the upstream, where it can be said at once. */
static void h2_close(struct http_client *base)
{
    struct h2_client *client = of(base);
    if (client->session == NULL || client->dead || client->in_session) {
        return;
    }
    client->dead = true;
    if (nghttp2_session_terminate_session(client->session, NGHTTP2_NO_ERROR) == 0 && collect(client) &&
        buffer_length(&client->out) > 0) {
        (void)write_out(client);
    }
}

static void h2_free(struct http_client *base)
{
    struct h2_client *client = of(base);
    if (client->resume.queued) {
        return;
    }
    nghttp2_session_del(client->session);
    h2_memory_done(&client->memory);
    while (client->calls != NULL) {
        h2_call_recycle(client->calls);
    }
    h2_call_free_spares(client);
    free(client->head);
    buffer_done(&client->out);
    free(client);
}

const struct http_client_kind h2_client_kind = {
    .protocol = SLICE_INIT("h2"),
    .size = sizeof(struct h2_client),
    .start = h2_start,
    .is_quiet = h2_is_quiet,
    .room = h2_room,
    .state = h2_client_state,
    .take = h2_client_take,
    .close = h2_close,
    .free = h2_free,
};
