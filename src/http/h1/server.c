#include "http/h1/server.h"

#include "http/h1/server_internal.h"

#include <stdlib.h>
#include <unistd.h>

/* Reads per turn of the loop, so that one busy client does not starve the others. */
#define READ_BUDGET 4

static void process(struct h1_server *server);

/* ---- life and death ---- */

void h1_server_free_if_over(struct h1_server *server)
{
    if (server->held || !server->closed || server->resume.queued) {
        return;
    }
    buffer_done(&server->in);
    buffer_done(&server->out);
    free(server);
}

static void on_stream_closed(struct stream *stream)
{
    struct h1_server *server = (struct h1_server *)stream;
    server->closed = true;
    h1_server_free_if_over(server);
}

static void drop_parser(struct h1_server *server)
{
    if (server->parser == NULL) {
        return;
    }
    if (server->list->parser == NULL) {
        server->list->parser = server->parser;
    } else {
        free(server->parser);
    }
    server->parser = NULL;
}

static void report(const struct h1_server *server, enum http_connection_event event)
{
    if (server->settings.on_event != NULL) {
        server->settings.on_event(server->settings.owner, event);
    }
}

void h1_server_close(struct h1_server *server)
{
    if (server->state == SERVER_CLOSED) {
        return;
    }
    server->state = SERVER_CLOSED;
    deadline_clear(&server->read_deadline);
    deadline_clear(&server->write_deadline);
    drop_parser(server);
    if (server->previous != NULL) {
        server->previous->next = server->next;
    } else {
        server->list->first = server->next;
    }
    if (server->next != NULL) {
        server->next->previous = server->previous;
    }
    server->list->count--;
    report(server, HTTP_CONNECTION_CLOSED);
    stream_close(&server->stream, on_stream_closed);
}

void h1_server_abort(struct h1_server *server, enum http_abort why)
{
    if (server->state == SERVER_CLOSED) {
        return;
    }
    bool told = server->state == SERVER_EXCHANGE && server->held;
    h1_server_close(server);
    if (told) {
        server->request.handler->on_abort(&server->request, why);
    }
}

void h1_server_set_deadline(struct h1_server *server, struct deadline *deadline, int64_t duration)
{
    struct net_loop *loop = server->stream.loop;
    if (duration > 0) {
        deadline_set(&loop->deadlines, deadline, loop->now, duration);
    } else {
        deadline_clear(deadline);
    }
}

/* Our side ends; the client's bytes are read and dropped for a while, so that it can read our answer before a reset
 * destroys it (RFC 9112 section 9.6). */
static void linger(struct h1_server *server)
{
    server->state = SERVER_LINGER;
    server->dropped = 0;
    buffer_clear(&server->in);
    server->stream.ops->shutdown(&server->stream);
    if (server->read_ended) {
        h1_server_close(server);
        return;
    }
    h1_server_set_deadline(server, &server->read_deadline, server->settings.timeouts.drain);
    h1_server_update_interest(server);
}

/* ---- the request's side ---- */

static bool wants_body(const struct h1_server *server)
{
    return server->state == SERVER_EXCHANGE && !server->body_done && (server->discarding || !server->paused);
}

void h1_server_update_interest(struct h1_server *server)
{
    unsigned int wanted = 0;
    switch (server->state) {
    case SERVER_HANDSHAKE:
    case SERVER_IDLE:
    case SERVER_HEAD:
    case SERVER_LINGER:
        wanted |= STREAM_READABLE;
        break;
    case SERVER_EXCHANGE:
        /* With nothing waiting, reading on also tells us of a client that resets. */
        if (!server->read_ended &&
            (wants_body(server) || (server->body_done && buffer_length(&server->in) == 0))) {
            wanted |= STREAM_READABLE;
        }
        break;
    case SERVER_CLOSED:
        return;
    }
    if (buffer_length(&server->out) > 0) {
        wanted |= STREAM_WRITABLE;
    }
    stream_want(&server->stream, wanted);
}

void h1_server_await_body(struct h1_server *server)
{
    struct net_loop *loop = server->stream.loop;
    if (!wants_body(server)) {
        patience_pause(&server->reading, loop->now);
        deadline_clear(&server->read_deadline);
        return;
    }
    patience_wait(&server->reading, loop->now);
    h1_server_set_deadline(server, &server->read_deadline,
                           server->discarding ? server->settings.timeouts.drain
                                              : server->settings.timeouts.body);
}

static void fail_body(struct h1_server *server, enum deny_reason reason)
{
    server->body_done = true; /* nothing more of it is looked at */
    server->client_keep_alive = false;
    server->keep_alive = false;
    buffer_clear(&server->in);
    deadline_clear(&server->read_deadline);
    if (server->discarding) {
        return;
    }
    server->request.handler->on_body_failed(&server->request, reason);
}

static enum deny_reason reason_of_failure(enum h1_failure failure)
{
    switch (failure) {
    case H1_HEAD_TOO_LARGE:
    case H1_TOO_MANY_HEADERS:
        return DENY_HEAD_TOO_LARGE;
    case H1_TARGET_TOO_LONG:
        return DENY_TARGET_TOO_LONG;
    case H1_BAD_HOST:
        return DENY_BAD_HOST;
    default:
        return DENY_BAD_REQUEST;
    }
}

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
    server->request.exchange = NULL;
    server->request.received = 0;
    server->request.sent = 0;
    deadline_clear(&server->read_deadline);
}

static void reject(struct h1_server *server, enum deny_reason reason, const char *why)
{
    begin_exchange(server);
    server->body_done = true;
    server->body = BODY_NONE;
    server->minor_version = 1;
    server->client_keep_alive = false;
    server->expect_continue = false;
    server->is_head = false;
    drop_parser(server);
    server->request.handler->on_reject(&server->request, reason, why);
}

static void start_request(struct h1_server *server, const char *head)
{
    struct header items[HTTP_HEADERS_MAX];
    struct http_request request;
    struct slice raw = { head, server->parser->head_length };
    h1_take_request(server->parser, head, items, HTTP_HEADERS_MAX, &request);
    drop_parser(server);
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
    patience_reset(&server->reading, server->settings.timeouts.body);
    patience_reset(&server->writing, server->settings.timeouts.write);
    server->request.handler->on_request(&server->request, &request, raw);
}

/* Looks for a whole head at the start of `data`; returns the bytes consumed. */
static size_t process_head(struct h1_server *server, struct slice data)
{
    if (server->parser == NULL) {
        server->parser = server->list->parser != NULL ? server->list->parser : malloc(sizeof *server->parser);
        server->list->parser = NULL;
        if (server->parser == NULL) {
            h1_server_close(server);
            return data.len;
        }
        h1_parser_init_request(server->parser, &server->settings.limits);
    }
    enum h1_result result = h1_parse(server->parser, data.ptr, data.len);
    if (result == H1_DONE) {
        size_t length = server->parser->head_length;
        start_request(server, data.ptr);
        return length;
    }
    if (result == H1_FAILED) {
        enum h1_failure failure = server->parser->failure;
        reject(server, reason_of_failure(failure), h1_failure_text(failure));
        return data.len;
    }
    if (server->state == SERVER_IDLE) {
        server->state = SERVER_HEAD;
        h1_server_set_deadline(server, &server->read_deadline, server->settings.timeouts.head);
    }
    return 0;
}

static void end_body(struct h1_server *server, const struct headers *trailers)
{
    server->body_done = true;
    deadline_clear(&server->read_deadline);
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
        fail_body(server, DENY_BAD_BODY);
        return data.len;
    }
    deliver(server, piece);
    if (result == H1_DONE && server->state == SERVER_EXCHANGE && !server->body_done) {
        struct header items[HTTP_HEADERS_MAX];
        struct headers fields = { .items = items, .capacity = HTTP_HEADERS_MAX };
        if (!h1_parse_trailers(trailers, &fields)) {
            fail_body(server, DENY_BAD_BODY);
            return data.len;
        }
        end_body(server, &fields);
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
        end_body(server, NULL);
    }
    return piece.len;
}

void h1_server_end_exchange(struct h1_server *server)
{
    if (!server->keep_alive) {
        linger(server);
        return;
    }
    if (!server->body_done) {
        return; /* a small unread body is still being dropped */
    }
    server->state = SERVER_IDLE;
    server->request.exchange = NULL;
    if (server->read_ended && buffer_length(&server->in) == 0) {
        h1_server_close(server);
        return;
    }
    if (server->list->draining && buffer_length(&server->in) == 0) {
        linger(server);
        return;
    }
    h1_server_set_deadline(server, &server->read_deadline, server->settings.timeouts.idle);
}

/* One step over `data`: consumed bytes, or 0 where nothing can be done with it now. */
static size_t process_step(struct h1_server *server, struct slice data)
{
    switch (server->state) {
    case SERVER_IDLE:
    case SERVER_HEAD:
        return process_head(server, data);
    case SERVER_EXCHANGE:
        return wants_body(server) ? process_body(server, data) : 0;
    case SERVER_LINGER:
        server->dropped += data.len;
        return data.len;
    default:
        return data.len;
    }
}

static void over_discarded(struct h1_server *server)
{
    if (server->state == SERVER_EXCHANGE && server->discarding && !server->held) {
        if (server->body_done) {
            h1_server_end_exchange(server);
        }
    } else if (server->dropped > HTTP_DRAIN_MAX && server->state == SERVER_LINGER) {
        h1_server_close(server);
    }
}

/* Works through `data`; returns how much of it is done with. */
static size_t process_data(struct h1_server *server, struct slice data)
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

/* Goes on with what waits in the buffer. */
static void process(struct h1_server *server)
{
    if (server->processing || server->state == SERVER_CLOSED) {
        return;
    }
    if (buffer_length(&server->in) > 0) {
        size_t consumed = process_data(server, buffer_slice(&server->in));
        buffer_consume(&server->in, consumed);
        if (buffer_length(&server->in) == 0) {
            buffer_done(&server->in);
        }
    }
    if (server->state == SERVER_EXCHANGE) {
        h1_server_await_body(server);
    }
    h1_server_update_interest(server);
}

/* ---- reading ---- */

static void on_read_end(struct h1_server *server, bool clean)
{
    server->read_ended = true;
    switch (server->state) {
    case SERVER_EXCHANGE:
        if (!clean || (!server->body_done && !server->discarding)) {
            h1_server_abort(server, HTTP_ABORT_CLIENT);
        } else if (!server->held) {
            h1_server_close(server);
        } else {
            h1_server_update_interest(server); /* half-closed: it still wants its answer */
        }
        break;
    default:
        h1_server_close(server);
    }
}

/* Puts what was read where it belongs; data lies in the shared scratch buffer or at the end of `in`. */
static void take_read(struct h1_server *server, char *memory, size_t size)
{
    struct net_loop *loop = server->stream.loop;
    if (server->state == SERVER_EXCHANGE && !server->body_done) {
        const struct http_server_timeouts *timeouts = &server->settings.timeouts;
        if (!patience_progress(&server->reading, loop->now, size, timeouts->body, timeouts->min_rate)) {
            fail_body(server, DENY_REQUEST_TIMEOUT);
            return;
        }
    }
    if (memory == NULL) {
        buffer_commit(&server->in, size);
        process(server);
        return;
    }
    size_t consumed = process_data(server, slice_of(memory, size));
    if (consumed < size && server->state != SERVER_CLOSED &&
        !buffer_append(&server->in, slice_of(memory + consumed, size - consumed))) {
        h1_server_abort(server, HTTP_ABORT_CLIENT);
        return;
    }
    process(server);
}

/* One read. False: nothing more to read now. */
static bool read_once(struct h1_server *server)
{
    char *memory = NULL;
    char *target;
    size_t room = HTTP_READ_BUFFER;
    if (buffer_length(&server->in) == 0) {
        target = memory = server->list->scratch;
    } else {
        /* A head in parts: room for the rest, and never more than the maximum. */
        size_t left = server->in.maximum - buffer_length(&server->in);
        room = left < room ? left : room;
        if (room == 0 || !buffer_reserve(&server->in, room)) {
            return false;
        }
        target = server->in.data + server->in.end;
    }
    size_t size = 0;
    switch (server->stream.ops->read(&server->stream, target, room, &size)) {
    case STREAM_OK:
        take_read(server, memory, size);
        return server->state != SERVER_CLOSED;
    case STREAM_AGAIN:
        return false;
    case STREAM_END:
        on_read_end(server, true);
        return false;
    case STREAM_FAILED:
    default:
        on_read_end(server, false);
        return false;
    }
}

static bool may_read(const struct h1_server *server)
{
    if (server->read_ended || server->state == SERVER_CLOSED) {
        return false;
    }
    return server->state != SERVER_EXCHANGE || wants_body(server) ||
           (server->body_done && buffer_length(&server->in) == 0);
}

static void read_some(struct h1_server *server)
{
    for (int budget = READ_BUDGET; budget > 0 && may_read(server); budget--) {
        if (!read_once(server) || !server->stream.ops->pending(&server->stream)) {
            return;
        }
    }
    if (may_read(server)) {
        net_loop_post(server->stream.loop, &server->resume);
    }
}

static void handshake(struct h1_server *server)
{
    switch (server->stream.ops->handshake(&server->stream)) {
    case STREAM_AGAIN:
        h1_server_update_interest(server);
        return;
    case STREAM_OK:
        break;
    default:
        report(server, HTTP_CONNECTION_HANDSHAKE_FAILED);
        h1_server_close(server);
        return;
    }
    if (server->facts.is_tls) {
        tls_facts_of(&server->stream, &server->facts.tls);
        report(server,
               server->facts.tls.resumed ? HTTP_CONNECTION_HANDSHAKE_RESUMED : HTTP_CONNECTION_HANDSHAKE);
    }
    server->state = SERVER_IDLE;
    h1_server_set_deadline(server, &server->read_deadline, server->settings.timeouts.head);
    h1_server_update_interest(server);
    read_some(server);
}

static void resume(struct net_task *task)
{
    struct h1_server *server = (struct h1_server *)((char *)task - offsetof(struct h1_server, resume));
    if (server->state == SERVER_CLOSED) {
        h1_server_free_if_over(server);
        return;
    }
    process(server);
    /* Bytes inside TLS raise no readiness. */
    if (may_read(server) && server->stream.ops->pending(&server->stream)) {
        read_some(server);
    }
}

static void on_ready(struct stream *stream, unsigned int events)
{
    struct h1_server *server = (struct h1_server *)stream;
    if (server->state == SERVER_HANDSHAKE) {
        handshake(server);
        return;
    }
    if ((events & STREAM_BROKEN) != 0 && !may_read(server)) {
        h1_server_abort(server, HTTP_ABORT_CLIENT);
        return;
    }
    if ((events & STREAM_WRITABLE) != 0) {
        h1_server_flush(server);
    }
    if ((events & (STREAM_READABLE | STREAM_BROKEN)) != 0 && may_read(server)) {
        read_some(server);
    }
}

static void on_read_deadline(struct deadline *deadline)
{
    struct h1_server *server =
        (struct h1_server *)((char *)deadline - offsetof(struct h1_server, read_deadline));
    switch (server->state) {
    case SERVER_HEAD:
        reject(server, DENY_REQUEST_TIMEOUT, "the request's head did not come in time");
        process(server);
        break;
    case SERVER_EXCHANGE:
        if (!server->held || server->discarding) {
            h1_server_close(server);
        } else {
            fail_body(server, DENY_REQUEST_TIMEOUT);
        }
        break;
    case SERVER_HANDSHAKE:
        report(server, HTTP_CONNECTION_HANDSHAKE_FAILED);
        h1_server_close(server);
        break;
    default:
        h1_server_close(server);
    }
}

static void on_write_deadline(struct deadline *deadline)
{
    struct h1_server *server =
        (struct h1_server *)((char *)deadline - offsetof(struct h1_server, write_deadline));
    stream_reset_on_close(&server->stream);
    h1_server_abort(server, HTTP_ABORT_SLOW_READER);
}

/* ---- the list ---- */

struct error h1_server_list_init(struct h1_server_list *list)
{
    *list = (struct h1_server_list){ 0 };
    list->scratch = malloc(HTTP_READ_BUFFER);
    return list->scratch != NULL ? OK : FAIL(ERROR_MEMORY, "read buffer");
}

void h1_server_list_done(struct h1_server_list *list)
{
    free(list->scratch);
    free(list->parser);
    *list = (struct h1_server_list){ 0 };
}

struct error h1_server_accept(struct h1_server_list *list, struct net_loop *loop, int fd,
                              const struct address *peer, const struct http_server_settings *settings)
{
    struct h1_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        close(fd);
        return FAIL(ERROR_MEMORY, "client connection");
    }
    struct error error = stream_open(&server->stream, loop, fd, on_ready);
    if (failed(error)) {
        close(fd);
        free(server);
        return error;
    }
    server->settings = *settings;
    server->list = list;
    server->facts = (struct http_connection_facts){
        .peer = *peer,
        .is_tls = settings->tls != NULL,
        .id = ++list->next_id,
        .owner = settings->owner,
    };
    server->request = (struct http_stream){
        .ops = &h1_server_stream_ops,
        .handler = settings->handler,
        .connection = &server->facts,
    };
    buffer_init(&server->in, (size_t)settings->limits.head_max + HTTP_READ_BUFFER);
    buffer_init(&server->out, HTTP_WRITE_BUFFER_MAX);
    server->resume.run = resume;
    server->read_deadline.expired = on_read_deadline;
    server->write_deadline.expired = on_write_deadline;
    server->next = list->first;
    if (list->first != NULL) {
        list->first->previous = server;
    }
    list->first = server;
    list->count++;
    if (settings->tls != NULL) {
        error = tls_accept(settings->tls, &server->stream);
        if (failed(error)) {
            h1_server_close(server);
            return error;
        }
    }
    h1_server_set_deadline(server, &server->read_deadline, settings->timeouts.handshake);
    handshake(server);
    return OK;
}

void h1_server_drain_all(struct h1_server_list *list)
{
    list->draining = true;
    struct h1_server *next;
    for (struct h1_server *server = list->first; server != NULL; server = next) {
        next = server->next;
        if (server->state == SERVER_IDLE) {
            linger(server);
        } else if (server->state == SERVER_HANDSHAKE) {
            h1_server_close(server);
        }
    }
}

void h1_server_close_all(struct h1_server_list *list)
{
    while (list->first != NULL) {
        h1_server_abort(list->first, HTTP_ABORT_SHUTDOWN);
    }
}
