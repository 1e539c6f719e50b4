/* What an upstream answers: read with the same strictness as a client's request. */
#include "http/h1/client_internal.h"
#include "http/scarcity.h"

#include <stdlib.h>

#define READ_BUDGET 4

/* `behind`: bytes that came after the answer. They answer no question: were the connection used again, they would be taken
 * for the next answer (response splitting). */
static void end_response(struct h1_client *client, const struct headers *trailers, size_t behind)
{
    if (behind > 0 || client->base.stream.ops->pending(&client->base.stream)) {
        client->broken = true;
    }
    client->state = CLIENT_OVER;
    deadline_park(&client->base.deadline);
    client->call.events->on_end(client->call.caller, trailers);
}

/* ---- the head ---- */

static const struct http_head_limits response_limits = {
    .head_max = HTTP_HEAD_MAX,
    .target_max = HTTP_TARGET_MAX,
    .fields_max = HTTP_HEADERS_MAX,
};

static void drop_parser(struct h1_client *client)
{
    free(client->parser);
    client->parser = NULL;
}

static void take_informational(struct h1_client *client, const struct http_response *response)
{
    if (response->status == 101) {
        /* Nobody asked, so nothing may switch protocols. */
        h1_client_fail(client, DENY_UPSTREAM_PROTOCOL, "101 without an upgrade");
        return;
    }
    if (++client->informational > HTTP_INFORMATIONAL_MAX) {
        h1_client_fail(client, DENY_UPSTREAM_PROTOCOL, "too many informational responses");
        return;
    }
    if (response->status != 100) {
        client->call.events->on_informational(client->call.caller, response);
    }
}

/* `behind`: bytes that came after the head. */
static void take_response(struct h1_client *client, const struct http_response *response, size_t behind)
{
    client->state = CLIENT_BODY;
    client->body = response->body;
    client->body_left = response->body == BODY_LENGTH ? response->content_length : 0;
    /* Who was asked to switch protocols and did not say so plainly may have done it all the same. */
    client->keep_alive = response->keep_alive && response->body != BODY_CLOSE && !client->asks_tunnel;
    h1_chunked_init(&client->chunked);
    client->call.events->on_response(client->call.caller, response);
    bool empty = client->body == BODY_NONE || (client->body == BODY_LENGTH && client->body_left == 0);
    if (client->state == CLIENT_BODY && empty) {
        end_response(client, NULL, behind);
    }
}

static void take_head(struct h1_client *client, const struct h1_parser *parser, struct slice data)
{
    HEADERS_SCRATCH(items);
    struct http_response response;
    size_t behind = data.len - parser->head_length;
    h1_take_response(parser, data.ptr, items, HTTP_HEADERS_MAX, &response);
    drop_parser(client);
    if (response.status == 101 && client->asks_tunnel) {
        response.body = BODY_TUNNEL;
        client->sent = false; /* there is more to send than the request */
        take_response(client, &response, behind);
    } else if (response.status < 200) {
        take_informational(client, &response);
    } else {
        take_response(client, &response, behind);
    }
}

static size_t process_head(struct h1_client *client, struct slice data)
{
    H1_PARSER_SCRATCH(fresh);
    struct h1_parser *parser = client->parser;
    if (parser == NULL) {
        parser = &fresh;
        h1_parser_init_response(parser, &response_limits, client->method);
    }
    switch (h1_parse(parser, data.ptr, data.len)) {
    case H1_PARTIAL:
        client->parser = parser == &fresh ? h1_parser_keep(parser) : parser;
        if (client->parser == NULL) {
            h1_client_fail(client, DENY_UPSTREAM_PROTOCOL, "no room for the response");
        }
        return 0;
    case H1_FAILED:
        h1_client_fail(client, DENY_UPSTREAM_PROTOCOL, h1_failure_text(parser->failure));
        return data.len;
    case H1_DONE:
    default:
        break;
    }
    size_t length = parser->head_length;
    take_head(client, parser, data);
    return length;
}

/* ---- the body ---- */

static size_t process_chunked(struct h1_client *client, struct slice data)
{
    size_t consumed = 0;
    struct slice piece = SLICE_NONE;
    struct slice trailers = SLICE_NONE;
    enum h1_result result =
        h1_chunked_parse(&client->chunked, data.ptr, data.len, &consumed, &piece, &trailers);
    if (result == H1_FAILED) {
        h1_client_fail(client, DENY_UPSTREAM_PROTOCOL, h1_failure_text(client->chunked.failure));
        return data.len;
    }
    if (piece.len > 0) {
        client->call.events->on_body(client->call.caller, piece);
    }
    if (result == H1_DONE && client->state == CLIENT_BODY) {
        HEADERS_SCRATCH(items);
        struct headers fields = { .items = items, .capacity = HTTP_HEADERS_MAX };
        if (h1_parse_trailers(trailers, &fields)) {
            end_response(client, &fields, data.len - consumed);
        } else {
            h1_client_fail(client, DENY_UPSTREAM_PROTOCOL, "malformed trailers");
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
    client->call.events->on_body(client->call.caller, piece);
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

/* Nothing more comes. Where nothing has come at all, TLS may know why. */
static void fail_ended(struct h1_client *client, const char *before, const char *within)
{
    struct http_client_end end;
    if (client->answered) {
        h1_client_fail(client, DENY_UPSTREAM_CLOSED, within);
    } else if (client->reused) {
        h1_client_fail(client, DENY_UPSTREAM_CLOSED, before);
    } else {
        http_client_judge_end(&client->base, before, &end);
        if (end.reason == DENY_UPSTREAM_TLS) { /* which is what it is, though it was told late */
            metrics_add(client->base.settings.metrics, METRIC_UPSTREAM_CONNECT_FAILURES, 1);
        }
        h1_client_fail(client, end.reason, end.detail);
    }
}

/* The upstream has ended its direction, and all that it sent was looked at. */
static void on_read_end(struct h1_client *client)
{
    if (h1_client_is_tunnel(client)) {
        if (!client->end_told) {
            client->end_told = true;
            client->call.events->on_end(client->call.caller, NULL);
        }
    } else if (client->state == CLIENT_BODY && client->body == BODY_CLOSE) {
        end_response(client, NULL, 0);
    } else if (client->state == CLIENT_HEAD || client->state == CLIENT_BODY) {
        fail_ended(client, "closed before the response", "closed within the response");
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
        if (buffer_length(&client->in) == 0) {
            buffer_done(&client->in);
        }
    }
    /* Half a head or half a trailer may be left over: nothing will complete it. */
    if (client->read_ended && !client->paused) {
        on_read_end(client);
    }
}

/* ---- reading ---- */

bool h1_client_may_read(const struct h1_client *client)
{
    return !client->read_ended &&
           (client->state == CLIENT_HEAD || (client->state == CLIENT_BODY && !client->paused));
}

/* A read behind what waits already: the rest of a head, or of a chunk's line. */
static enum stream_result read_behind(struct h1_client *client)
{
    size_t room = client->in.maximum - buffer_length(&client->in);
    room = room < HTTP_READ_BUFFER ? room : HTTP_READ_BUFFER;
    if (room == 0 || !buffer_reserve(&client->in, room)) {
        h1_client_fail(client, DENY_UPSTREAM_PROTOCOL, "response head too large");
        return STREAM_FAILED;
    }
    size_t size = 0;
    enum stream_result result =
        client->base.stream.ops->read(&client->base.stream, client->in.data + client->in.end, room, &size);
    if (result == STREAM_OK) {
        client->answered = true;
        client->emptied_in = 0;
        buffer_commit(&client->in, size);
        process(client);
    }
    return result;
}

/* The usual read: what it brings is worked through where it lies, and only the rest is kept. */
static enum stream_result read_fresh(struct h1_client *client)
{
    struct net_loop *loop = client->base.stream.loop;
    char *memory = net_loop_take_scratch(loop);
    size_t size = 0, room = http_read_size();
    enum stream_result result = client->base.stream.ops->read(&client->base.stream, memory, room, &size);
    if (result == STREAM_OK) {
        client->answered = true;
        /* Behind what fills the room more may lie; of TLS a read gives one record, whatever lies behind it. */
        client->emptied_in = size < room && client->base.settings.tls == NULL ? loop->turn_began : 0;
        size_t consumed = process_data(client, slice_of(memory, size));
        bool goes_on = client->state == CLIENT_HEAD || client->state == CLIENT_BODY;
        if (goes_on && !buffer_append(&client->in, slice_of(memory + consumed, size - consumed))) {
            h1_client_fail(client, DENY_UPSTREAM_PROTOCOL, "no room for the response");
        }
    }
    net_loop_give_scratch(loop);
    return result;
}

/* One read of the answer. False: nothing more now. */
static bool read_once(struct h1_client *client)
{
    switch (buffer_length(&client->in) > 0 ? read_behind(client) : read_fresh(client)) {
    case STREAM_OK:
        /* A head that trickles in is not in time, however often something comes. */
        h1_client_update_deadline(client, client->state == CLIENT_BODY);
        return h1_client_may_read(client);
    case STREAM_AGAIN:
        if (client->output_lost) {
            h1_client_fail(client, DENY_UPSTREAM_CLOSED, "the request could not be sent");
        }
        return false;
    case STREAM_END:
        client->read_ended = true;
        client->broken = true;
        process(client);
        return false;
    default:
        if (client->state == CLIENT_HEAD || client->state == CLIENT_BODY) {
            fail_ended(client, "reset", "reset within the response");
        }
        return false;
    }
}

static void tell_pause(struct h1_client *client)
{
    if (client->state == CLIENT_BODY || client->state == CLIENT_OVER) {
        client->call.events->on_pause(client->call.caller);
    }
}

void h1_client_read(struct h1_client *client)
{
    if (!client->asked && !h1_client_has_nothing_to_say(client)) {
        /* As of an idle one: it would be the answer to no question. */
        h1_client_fail(client, DENY_UPSTREAM_CLOSED, "closed, or spoke, before it was asked");
        return;
    }
    bool more = true;
    for (int budget = READ_BUDGET; more && budget > 0; budget--) {
        more = read_once(client) && client->base.stream.ops->pending(&client->base.stream);
    }
    tell_pause(client);
    if (more && h1_client_may_read(client)) {
        net_loop_post(client->base.stream.loop, &client->resume);
    }
    h1_client_update_interest(client);
}

void h1_client_resume(struct net_task *task)
{
    struct h1_client *client = (struct h1_client *)((char *)task - offsetof(struct h1_client, resume));
    if (client->state == CLIENT_CLOSED) {
        h1_client_free_if_over(client);
        return;
    }
    if (client->state != CLIENT_BODY && client->state != CLIENT_HEAD) {
        return;
    }
    process(client);
    if (client->output_lost && client->read_ended && h1_client_is_tunnel(client)) {
        h1_client_fail(client, DENY_UPSTREAM_CLOSED, "closed"); /* nothing goes either way any more */
        return;
    }
    if (h1_client_may_read(client) &&
        (client->output_lost || client->base.stream.ops->pending(&client->base.stream))) {
        h1_client_read(client);
        return;
    }
    tell_pause(client);
    h1_client_update_interest(client);
}

void h1_client_pause(struct http_call *call, bool paused)
{
    struct h1_client *client = h1_client_of(call);
    if (client->paused == paused || client->state != CLIENT_BODY) {
        return;
    }
    client->paused = paused;
    h1_client_update_deadline(client, true);
    h1_client_update_interest(client);
    if (!paused) {
        net_loop_post(client->base.stream.loop, &client->resume);
    }
}
