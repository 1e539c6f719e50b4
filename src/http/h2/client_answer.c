/* What a call's answer is, and how it reaches the caller. */
#include "http/h2/client_internal.h"

#include <stdlib.h>

/* ---- how a call ends ---- */

static void end(struct h2_call *call, const struct headers *trailers)
{
    if (call->body == BODY_TUNNEL) {
        call->state = H2_CALL_TAIL;
    } else {
        call->state = H2_CALL_OVER;
        deadline_park(&call->deadline);
    }
    call->base.events->on_end(call->base.caller, trailers);
}

static void fail(struct h2_call *call, enum deny_reason reason, const char *detail, uint32_t code)
{
    const struct http_call_failure failure = { .reason = reason, .detail = detail };
    h2_call_fail(call, &failure, code);
}

void h2_call_fail_broken(struct h2_call *call, const char *detail)
{
    h2_client_blame(call->client, METRIC_UPSTREAM_HTTP2_BROKEN);
    fail(call, DENY_UPSTREAM_PROTOCOL, detail, NGHTTP2_PROTOCOL_ERROR);
    h2_client_changed(call->client);
}

/* ---- heads ---- */

static const char too_short[] = "the body is shorter than its Content-Length";

/* In the words of HTTP/1.1, as a client's extended CONNECT is put into them (h2/head.h). False: the answer breaks the rules. */
static bool grant_tunnel(struct h2_call *call, struct http_response *response)
{
    static const struct slice accept = SLICE_INIT("sec-websocket-accept");
    struct headers *headers = &response->headers;
    size_t kept = 0;
    for (size_t i = 0; i < headers->count; i++) {
        if (!slice_equal(headers->items[i].name, accept)) {
            headers->items[kept++] = headers->items[i];
        }
    }
    headers->count = kept;
    response->status = 101;
    response->body = BODY_TUNNEL;
    return headers_find(headers, HEADER_CONTENT_LENGTH) == NULL &&
           headers_add(headers, HEADER_CONNECTION, SLICE("connection"), SLICE("upgrade")) &&
           headers_add(headers, HEADER_UPGRADE, SLICE("upgrade"), SLICE("websocket")) &&
           headers_add(headers, HEADER_OTHER, accept, slice_of(call->accept, sizeof call->accept));
}

void h2_call_take_head(struct h2_call *call, bool ends)
{
    struct h2_client *client = call->client;
    struct http_response response;
    enum h2_head_failure failure = h2_head_end(client->head, ends);
    if (failure != H2_HEAD_OK) {
        h2_call_fail_broken(call, h2_head_failure_text(failure));
        return;
    }
    h2_take_response(client->head, ends, call->method, &response);
    if (call->asks_tunnel && response.status / 100 == 2) {
        if (!grant_tunnel(call, &response)) {
            h2_call_fail_broken(call, "a tunnel with a Content-Length, or too many headers");
            return;
        }
    } else if (ends && response.body == BODY_LENGTH && response.content_length > 0) {
        h2_call_fail_broken(call, too_short);
        return;
    }
    if (response.status < 200 && response.body != BODY_TUNNEL) {
        if (++call->informational > HTTP_INFORMATIONAL_MAX) {
            h2_call_fail_broken(call, "too many informational responses");
        } else if (response.status != 100) {
            call->base.events->on_informational(call->base.caller, &response);
        }
        return;
    }
    client->proven = true;
    call->state = H2_CALL_BODY;
    call->body = response.body;
    call->body_left = response.body == BODY_LENGTH ? response.content_length : 0;
    h2_call_update_deadline(call, true);
    call->base.events->on_response(call->base.caller, &response);
}

/* What waits goes first: it is handed out in a turn of its own, and until then more may come. */
static bool must_wait(const struct h2_call *call)
{
    return call->paused || buffer_length(&call->in) > 0;
}

void h2_call_take_end(struct h2_call *call, const struct headers *trailers)
{
    call->ended = true;
    if (call->body == BODY_LENGTH && call->body_left > 0) {
        h2_call_fail_broken(call, too_short);
        return;
    }
    if (must_wait(call)) {
        if (trailers != NULL) {
            call->last_head = call->client->head;
            call->client->head = NULL;
        }
        return;
    }
    end(call, trailers);
}

void h2_call_take_trailers(struct h2_call *call, bool ends)
{
    enum h2_head_failure failure = h2_head_end(call->client->head, ends);
    if (!ends) {
        h2_call_fail_broken(call, "a second head");
    } else if (failure != H2_HEAD_OK) {
        h2_call_fail_broken(call, h2_head_failure_text(failure));
    } else {
        struct headers trailers;
        h2_take_trailers(call->client->head, &trailers);
        h2_call_take_end(call, &trailers);
    }
}

/* ---- bodies ---- */

/* Room in the stream's window for as much as the call has taken. */
static void give_window(struct h2_call *call)
{
    if (call->stream != 0 && call->unconsumed > 0) {
        (void)nghttp2_session_consume_stream(call->client->session, call->stream, call->unconsumed);
    }
    call->unconsumed = 0;
}

static void hand_out(struct h2_call *call, struct slice data)
{
    call->unconsumed += data.len;
    call->read_in_turn = true;
    call->busy = true;
    call->base.events->on_body(call->base.caller, data);
    call->busy = false;
    if (!call->released && !call->paused) {
        give_window(call);
    }
    h2_call_let_go(call);
}

void h2_call_take_data(struct h2_call *call, struct slice data)
{
    if (call->state == H2_CALL_HEAD) {
        h2_call_fail_broken(call, "data before the head");
    } else if (call->body == BODY_NONE) {
        h2_call_fail_broken(call, "a body where none may be");
    } else if (call->body == BODY_LENGTH && data.len > call->body_left) {
        h2_call_fail_broken(call, "the body is longer than its Content-Length");
    } else {
        call->body_left -= call->body == BODY_LENGTH ? data.len : 0;
        h2_call_update_deadline(call, true);
        if (!must_wait(call)) {
            hand_out(call, data);
        } else if (!buffer_append(&call->in, data)) {
            fail(call, DENY_OVERLOADED, "no memory for the response", NGHTTP2_CANCEL);
        }
    }
}

void h2_call_pause(struct http_call *base, bool paused)
{
    struct h2_call *call = h2_call_of(base);
    if (call->paused == paused || call->state != H2_CALL_BODY) {
        return;
    }
    call->paused = paused;
    h2_call_update_deadline(call, true);
    if (!paused) {
        net_loop_post(call->client->base.stream.loop, &call->client->resume);
    }
}

/* True: something was handed out, and the list may have changed. */
static bool deliver(struct h2_call *call)
{
    if (call->state != H2_CALL_BODY || call->paused) {
        return false;
    }
    if (buffer_length(&call->in) > 0) {
        /* The call may end meanwhile, and its buffer with it. */
        struct buffer data = call->in;
        buffer_init(&call->in, data.maximum);
        hand_out(call, buffer_slice(&data));
        buffer_done(&data);
        return true;
    }
    if (call->ended) {
        struct headers trailers;
        struct h2_head *head = call->last_head;
        if (head != NULL) {
            h2_take_trailers(head, &trailers);
        }
        call->last_head = NULL; /* the caller uses it when the call is given back already */
        end(call, head != NULL ? &trailers : NULL);
        free(head);
        return true;
    }
    if (call->unconsumed > 0) {
        give_window(call);
    }
    return false;
}

void h2_client_tell_pause(struct h2_client *client)
{
    struct h2_call *call = client->calls;
    while (call != NULL && !client->base.closing) {
        if (!call->read_in_turn) {
            call = call->next;
            continue;
        }
        call->read_in_turn = false;
        if (!call->released) {
            call->base.events->on_pause(call->base.caller);
            call = client->calls; /* any of them may be gone by now */
        }
    }
}

void h2_client_deliver(struct h2_client *client)
{
    struct h2_call *call = client->calls;
    while (call != NULL && !client->base.closing) {
        call = !call->released && deliver(call) ? client->calls : call->next;
    }
    h2_client_tell_pause(client);
    h2_client_send(client);
}
