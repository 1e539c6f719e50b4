/* The request's side of a client's connection: heads, bodies, and what follows them. */
#include "http/h1/server_internal.h"

#include <stdlib.h>

void h1_server_drop_parser(struct h1_server *server)
{
    free(server->parser);
    server->parser = NULL;
}

bool h1_server_wants_body(const struct h1_server *server)
{
    return server->state == SERVER_EXCHANGE && !server->body_done && (server->discarding || !server->paused);
}

void h1_server_await_body(struct h1_server *server)
{
    struct net_loop *loop = server->base.stream.loop;
    if (!h1_server_wants_body(server)) {
        patience_pause(&server->reading, loop->now);
        deadline_park(&server->base.read_deadline);
        return;
    }
    if (server->body == BODY_TUNNEL && !server->discarding) {
        return; /* who has made it knows how long it may be silent */
    }
    patience_wait(&server->reading, loop->now);
    http_connection_set_deadline(&server->base, &server->base.read_deadline,
                                 server->discarding ? server->base.settings->timeouts.drain
                                                    : server->base.settings->timeouts.body);
}

/* ---- the beginning ---- */

static void begin_exchange(struct h1_server *server)
{
    server->state = SERVER_EXCHANGE;
    server->held = true;
    server->paused = true;
    server->body_done = false;
    server->discarding = false;
    server->head_sent = false;
    server->ended = false;
    server->blocked = false;
    server->keep_alive = false;
    server->dropped = 0;
    server->hold_off = 0;
    server->request.handler = server->base.settings->handler; /* an event stream had another */
    server->request.exchange = NULL;
    server->request.received = 0;
    server->request.sent = 0;
    patience_reset(&server->reading, server->base.settings->timeouts.body);
    patience_reset(&server->writing, server->base.settings->timeouts.write);
    deadline_park(&server->base.read_deadline);
}

static enum deny_reason reason_of_failure(enum h1_failure failure)
{
    switch (failure) {
    case H1_HEAD_TOO_LARGE:
    case H1_TOO_MANY_HEADERS:
        return DENY_HEAD_TOO_LARGE;
    case H1_TARGET_TOO_LONG:
        return DENY_TARGET_TOO_LONG;
    case H1_BAD_TARGET:
        return DENY_BAD_TARGET;
    case H1_BAD_HOST:
        return DENY_BAD_HOST;
    default:
        return DENY_BAD_REQUEST;
    }
}

void h1_server_reject(struct h1_server *server, enum deny_reason reason, const char *why)
{
    begin_exchange(server);
    server->body_done = true;
    server->body = BODY_NONE;
    server->minor_version = 1;
    server->client_keep_alive = false;
    server->expect_continue = false;
    server->is_head = false;
    h1_server_drop_parser(server);
    server->request.handler->on_reject(&server->request, reason, why);
}

static void start_request(struct h1_server *server, const struct h1_parser *parser, const char *head)
{
    HEADERS_SCRATCH(items);
    struct http_request request;
    struct slice raw = { head, parser->head_length };
    h1_take_request(parser, head, items, HTTP_HEADERS_MAX, &request);
    h1_server_drop_parser(server);
    begin_exchange(server);
    server->body = request.body;
    server->body_left = request.body == BODY_LENGTH ? request.content_length : 0;
    server->body_done =
        request.body == BODY_NONE || (request.body == BODY_LENGTH && request.content_length == 0);
    server->minor_version = request.minor_version;
    server->client_keep_alive = request.keep_alive;
    server->expect_continue = request.expect_continue && request.minor_version > 0 && !server->body_done;
    server->is_head = request.method == METHOD_HEAD;
    h1_chunked_init(&server->chunked);
    server->base.requests++;
    server->draining = server->draining || http_connection_is_used_up(&server->base);
    server->request.handler->on_request(&server->request, &request, raw);
    server->request.held_off = false;
    server->request.late = false;
}

/* Looks for a whole head at the start of `data`; returns the bytes consumed. */
static size_t process_head(struct h1_server *server, struct slice data)
{
    H1_PARSER_SCRATCH(fresh);
    struct h1_parser *parser = server->parser;
    if (parser == NULL) {
        parser = &fresh;
        h1_parser_init_request(parser, &server->base.settings->limits);
    }
    enum h1_result result = h1_parse(parser, data.ptr, data.len);
    if (result == H1_DONE) {
        size_t length = parser->head_length;
        start_request(server, parser, data.ptr);
        return length;
    }
    if (result == H1_FAILED) {
        enum h1_failure failure = parser->failure;
        h1_server_reject(server, reason_of_failure(failure), h1_failure_text(failure));
        return data.len;
    }
    server->parser = parser == &fresh ? h1_parser_keep(parser) : parser;
    if (server->parser == NULL) {
        h1_server_close(server);
        return data.len;
    }
    if (server->state == SERVER_IDLE) {
        server->state = SERVER_HEAD;
        http_connection_set_deadline(&server->base, &server->base.read_deadline,
                                     server->base.settings->timeouts.head);
    }
    return 0;
}

/* ---- the body ---- */

void h1_server_give_up_body(struct h1_server *server)
{
    server->body_done = true;
    server->client_keep_alive = false;
    server->keep_alive = false;
    buffer_clear(&server->in);
    deadline_park(&server->base.read_deadline);
}

void h1_server_fail_body(struct h1_server *server, enum deny_reason reason)
{
    h1_server_give_up_body(server);
    if (!server->discarding) {
        server->request.handler->on_body_failed(&server->request, reason);
    }
}

void h1_server_end_body(struct h1_server *server, const struct headers *trailers)
{
    server->body_done = true;
    deadline_park(&server->base.read_deadline);
    if (!server->discarding) {
        server->request.handler->on_body_end(&server->request, trailers);
    }
}

static void deliver(struct h1_server *server, struct slice data)
{
    if (data.len == 0) {
        return;
    }
    server->request.received += data.len;
    if (server->discarding) {
        server->dropped += data.len;
    } else {
        server->request.handler->on_body(&server->request, data);
    }
}

static size_t process_chunked(struct h1_server *server, struct slice data)
{
    size_t consumed = 0;
    struct slice piece = SLICE_NONE;
    struct slice trailers = SLICE_NONE;
    enum h1_result result =
        h1_chunked_parse(&server->chunked, data.ptr, data.len, &consumed, &piece, &trailers);
    if (result == H1_FAILED) {
        h1_server_fail_body(server, DENY_BAD_BODY);
        return data.len;
    }
    deliver(server, piece);
    if (result == H1_DONE && server->state == SERVER_EXCHANGE && !server->body_done) {
        HEADERS_SCRATCH(items);
        struct headers fields = { .items = items, .capacity = HTTP_HEADERS_MAX };
        if (!h1_parse_trailers(trailers, &fields)) {
            h1_server_fail_body(server, DENY_BAD_BODY);
            return data.len;
        }
        h1_server_end_body(server, &fields);
    }
    return consumed;
}

static size_t process_body(struct h1_server *server, struct slice data)
{
    if (server->body == BODY_CHUNKED) {
        return process_chunked(server, data);
    }
    struct slice piece =
        slice_part(data, 0, server->body_left < data.len ? (size_t)server->body_left : data.len);
    server->body_left -= piece.len;
    deliver(server, piece);
    if (server->body_left == 0 && server->state == SERVER_EXCHANGE && !server->body_done) {
        h1_server_end_body(server, NULL);
    }
    return piece.len;
}

/* ---- what follows ---- */

void h1_server_end_exchange(struct h1_server *server)
{
    if (!server->keep_alive) {
        h1_server_linger(server);
        return;
    }
    if (!server->body_done) {
        return; /* a small unread body is still being dropped */
    }
    bool nothing_waits = buffer_length(&server->in) == 0;
    http_connections_give_buffer(server->base.list, &server->out);
    server->state = SERVER_IDLE;
    server->request.exchange = NULL;
    if (server->read_ended && nothing_waits) {
        h1_server_close(server);
    } else if (h1_server_is_draining(server) && !server->base.list->patient && nothing_waits) {
        h1_server_linger(server);
    } else if (server->hold_off > 0) {
        server->state = SERVER_HELD_OFF;
        http_connection_set_deadline(&server->base, &server->base.read_deadline, server->hold_off);
    } else {
        http_connection_set_deadline(&server->base, &server->base.read_deadline,
                                     server->base.settings->timeouts.idle);
    }
}

/* One step over `data`: consumed bytes, or 0 where nothing can be done with it now. */
static size_t process_step(struct h1_server *server, struct slice data)
{
    switch (server->state) {
    case SERVER_IDLE:
    case SERVER_HEAD:
        return process_head(server, data);
    case SERVER_EXCHANGE:
        return h1_server_wants_body(server) ? process_body(server, data) : 0;
    case SERVER_HELD_OFF:
        return 0;
    case SERVER_LINGER:
        server->dropped += data.len;
        return data.len;
    default:
        return data.len;
    }
}

/* What nobody wanted has been dropped: is it over, or enough? */
static void over_discarded(struct h1_server *server)
{
    if (server->state != SERVER_EXCHANGE || !server->discarding) {
        return;
    }
    if (!server->body_done && server->dropped > HTTP_DRAIN_MAX) {
        h1_server_give_up_body(server);
    }
    if (server->body_done && !server->held) {
        h1_server_end_exchange(server);
    }
}

size_t h1_server_process_data(struct h1_server *server, struct slice data)
{
    size_t consumed = 0;
    server->processing = true;
    while (consumed < data.len && server->state != SERVER_CLOSED) {
        size_t step = process_step(server, slice_from(data, consumed));
        consumed += step;
        over_discarded(server);
        if (step == 0) {
            break;
        }
    }
    server->processing = false;
    return consumed;
}

void h1_server_process(struct h1_server *server)
{
    if (server->processing || server->state == SERVER_CLOSED) {
        return;
    }
    if (buffer_length(&server->in) > 0) {
        size_t consumed = h1_server_process_data(server, buffer_slice(&server->in));
        buffer_consume(&server->in, consumed);
        if (buffer_length(&server->in) == 0) {
            buffer_done(&server->in);
        }
    }
    if (h1_server_is_tunnel(server) && server->read_ended && !server->body_done &&
        buffer_length(&server->in) == 0) {
        h1_server_end_body(server, NULL);
    }
    if (server->state == SERVER_EXCHANGE) {
        h1_server_await_body(server);
    }
    h1_server_update_interest(server);
}
