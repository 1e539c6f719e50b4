#include "http/h1/server_internal.h"
#include "http/scarcity.h"

/* Reads per turn of the loop, so that one busy client does not starve the others. */
#define READ_BUDGET 4

/* ---- life and death ---- */

static bool is_over(struct http_connection *connection)
{
    struct h1_server *server = (struct h1_server *)connection;
    if (server->held || server->resume.queued) {
        return false;
    }
    buffer_done(&server->in);
    buffer_done(&server->out);
    return true;
}

void h1_server_close(struct h1_server *server)
{
    if (server->state == SERVER_CLOSED) {
        return;
    }
    server->state = SERVER_CLOSED;
    deadline_clear(&server->write_deadline);
    h1_server_drop_parser(server);
    http_connection_close(&server->base);
}

void h1_server_abort(struct h1_server *server, enum http_abort why)
{
    if (server->state == SERVER_CLOSED) {
        return;
    }
    bool told = server->state == SERVER_EXCHANGE && server->held;
    if (told && server->head_sent) {
        /* An orderly end could be taken for the end of a response that ends with its connection. */
        stream_reset_on_close(&server->base.stream);
    }
    h1_server_close(server);
    if (told) {
        server->request.handler->on_abort(&server->request, why);
    }
}

void h1_server_end_output(struct h1_server *server)
{
    enum stream_result result = server->base.stream.ops->shutdown(&server->base.stream);
    server->shutting = result == STREAM_AGAIN;
    bool over = result == STREAM_FAILED || (result == STREAM_OK && server->read_ended);
    if (over) {
        h1_server_close(server);
    }
}

void h1_server_linger(struct h1_server *server)
{
    server->state = SERVER_LINGER;
    server->dropped = 0;
    buffer_clear(&server->in);
    http_connection_set_deadline(&server->base, &server->base.read_deadline,
                                 server->base.settings->timeouts.drain);
    h1_server_end_output(server);
    h1_server_update_interest(server);
}

void h1_server_update_interest(struct h1_server *server)
{
    unsigned int wanted = h1_server_may_read(server) ? STREAM_READABLE : 0;
    if (buffer_length(&server->out) > 0 || server->shutting) {
        wanted |= STREAM_WRITABLE;
    }
    stream_want(&server->base.stream, wanted);
}

bool h1_server_may_read(const struct h1_server *server)
{
    if (server->read_ended) {
        return false;
    }
    switch (server->state) {
    case SERVER_EXCHANGE:
        /* With nothing waiting, reading on also tells us of a client that resets. */
        return h1_server_wants_body(server) || (server->body_done && buffer_length(&server->in) == 0);
    case SERVER_LINGER:
        return server->dropped <= HTTP_DRAIN_MAX;
    case SERVER_HELD_OFF:
        return false;
    default:
        return server->state != SERVER_CLOSED;
    }
}

/* ---- reading ---- */

static void on_read_end(struct h1_server *server, bool clean)
{
    server->read_ended = true;
    bool answered = server->state != SERVER_EXCHANGE || !server->held;
    bool broken_off = !clean || (!server->body_done && !server->discarding);
    if (clean && h1_server_is_tunnel(server)) {
        h1_server_process(server);
    } else if (server->state == SERVER_EXCHANGE && broken_off) {
        h1_server_abort(server, HTTP_ABORT_CLIENT);
    } else if (answered) {
        h1_server_close(server);
    } else {
        /* Half-closed: it still wants its answer. */
        if (!server->body_done) {
            h1_server_give_up_body(server);
        }
        h1_server_update_interest(server);
    }
}

/* False: the body comes too slowly. */
static bool count_progress(struct h1_server *server, size_t size)
{
    const struct http_server_timeouts *timeouts = &server->base.settings->timeouts;
    if (server->state == SERVER_EXCHANGE && !server->body_done && server->body != BODY_TUNNEL &&
        !patience_progress(&server->reading, server->base.stream.loop->now, size, timeouts->body,
                           timeouts->min_rate)) {
        h1_server_fail_body(server, DENY_REQUEST_TIMEOUT);
        return false;
    }
    return true;
}

/* A read behind what waits already, a head in parts: room for the rest, and never more than the maximum. */
static enum stream_result read_behind(struct h1_server *server)
{
    size_t left = server->in.maximum - buffer_length(&server->in);
    size_t room = left < HTTP_READ_BUFFER ? left : HTTP_READ_BUFFER;
    if (room == 0 || !buffer_reserve(&server->in, room)) {
        return STREAM_FAILED;
    }
    size_t size = 0;
    enum stream_result result =
        server->base.stream.ops->read(&server->base.stream, server->in.data + server->in.end, room, &size);
    if (result == STREAM_OK && count_progress(server, size)) {
        buffer_commit(&server->in, size);
        h1_server_process(server);
    }
    return result;
}

/* How much is read at once. A body comes in large pieces; but no more of it than is known to be left, since what follows it
 * has to be kept. */
static size_t room_of_read(struct h1_server *server)
{
    uint64_t left = 0;
    if (h1_server_wants_body(server)) {
        left = server->body == BODY_CHUNKED ? server->chunked.left : server->body_left;
    }
    if (left <= HTTP_READ_BUFFER) {
        return HTTP_READ_BUFFER;
    }
    size_t most = http_read_size();
    return left < most ? (size_t)left : most;
}

/* The usual read: what it brings is worked through where it lies, and only the rest is kept. */
static enum stream_result read_fresh(struct h1_server *server)
{
    struct net_loop *loop = server->base.stream.loop;
    char *memory = net_loop_take_scratch(loop);
    size_t size = 0;
    bool kept = true;
    enum stream_result result =
        server->base.stream.ops->read(&server->base.stream, memory, room_of_read(server), &size);
    if (result == STREAM_OK && count_progress(server, size)) {
        size_t consumed = h1_server_process_data(server, slice_of(memory, size));
        kept = server->state == SERVER_CLOSED ||
               buffer_append(&server->in, slice_of(memory + consumed, size - consumed));
    }
    net_loop_give_scratch(loop);
    if (!kept) {
        return STREAM_FAILED;
    }
    if (result == STREAM_OK) {
        h1_server_process(server);
    }
    return result;
}

/* One read. False: nothing more to read now. */
static bool read_once(struct h1_server *server)
{
    switch (buffer_length(&server->in) > 0 ? read_behind(server) : read_fresh(server)) {
    case STREAM_OK:
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

static void read_some(struct h1_server *server)
{
    for (int budget = READ_BUDGET; budget > 0 && h1_server_may_read(server); budget--) {
        if (!read_once(server) || !server->base.stream.ops->pending(&server->base.stream)) {
            return;
        }
    }
    if (h1_server_may_read(server)) {
        net_loop_post(server->base.stream.loop, &server->resume);
    }
}

static void resume(struct net_task *task)
{
    struct h1_server *server = (struct h1_server *)((char *)task - offsetof(struct h1_server, resume));
    if (server->state == SERVER_CLOSED) {
        http_connection_free_if_over(&server->base);
        return;
    }
    h1_server_process(server);
    /* Bytes inside TLS raise no readiness. */
    if (h1_server_may_read(server) && server->base.stream.ops->pending(&server->base.stream)) {
        read_some(server);
    }
}

static void on_ready(struct stream *stream, unsigned int events)
{
    struct h1_server *server = (struct h1_server *)stream;
    if ((events & STREAM_BROKEN) != 0 && !h1_server_may_read(server)) {
        h1_server_abort(server, HTTP_ABORT_CLIENT);
        return;
    }
    if ((events & STREAM_WRITABLE) != 0) {
        if (server->state == SERVER_LINGER) {
            h1_server_end_output(server);
        } else {
            h1_server_flush(server);
        }
    }
    if ((events & (STREAM_READABLE | STREAM_BROKEN)) != 0 && h1_server_may_read(server)) {
        read_some(server);
    }
    h1_server_update_interest(server);
}

static void end_hold_off(struct h1_server *server)
{
    const struct http_handler *handler = server->request.handler;
    int64_t more = handler->on_held_off != NULL ? handler->on_held_off(&server->request) : 0;
    if (more > 0) {
        http_connection_set_deadline(&server->base, &server->base.read_deadline, more);
        return;
    }
    server->state = SERVER_IDLE;
    server->request.held_off = true;
    http_connection_set_deadline(&server->base, &server->base.read_deadline,
                                 server->base.settings->timeouts.idle);
    h1_server_process(server);
}

static void on_read_deadline(struct deadline *deadline)
{
    struct h1_server *server =
        (struct h1_server *)((char *)deadline - offsetof(struct h1_server, base.read_deadline));
    switch (server->state) {
    case SERVER_HEAD:
        h1_server_reject(server, DENY_REQUEST_TIMEOUT, "the request's head did not come in time");
        h1_server_process(server);
        break;
    case SERVER_EXCHANGE:
        if (!server->held) {
            h1_server_close(server);
        } else {
            h1_server_fail_body(server, DENY_REQUEST_TIMEOUT);
            h1_server_update_interest(server);
        }
        break;
    case SERVER_HELD_OFF:
        end_hold_off(server);
        break;
    default:
        h1_server_close(server);
    }
}

static void on_write_deadline(struct deadline *deadline)
{
    struct h1_server *server =
        (struct h1_server *)((char *)deadline - offsetof(struct h1_server, write_deadline));
    stream_reset_on_close(&server->base.stream);
    h1_server_abort(server, HTTP_ABORT_SLOW_READER);
}

/* ---- what every connection does ---- */

static void begin(struct http_connection *connection, struct slice early)
{
    struct h1_server *server = (struct h1_server *)connection;
    const struct http_server_settings *settings = connection->settings;
    connection->stream.on_ready = on_ready;
    connection->read_deadline.expired = on_read_deadline;
    server->write_deadline.expired = on_write_deadline;
    server->resume.run = resume;
    server->request = (struct http_stream){
        .ops = &h1_server_stream_ops,
        .handler = settings->handler,
        .connection = &connection->facts,
        .minor_version = 1,
        .late = connection->late,
    };
    server->state = SERVER_IDLE;
    buffer_init(&server->in, (size_t)settings->limits.head_max + HTTP_READ_BUFFER);
    buffer_init(&server->out, HTTP_WRITE_BUFFER_MAX);
    http_connection_set_deadline(connection, &connection->read_deadline, settings->timeouts.head);
    if (!buffer_append(&server->in, early)) {
        h1_server_close(server);
        return;
    }
    h1_server_process(server);
    if (h1_server_may_read(server)) {
        read_some(server);
    }
}

static void drain(struct http_connection *connection)
{
    struct h1_server *server = (struct h1_server *)connection;
    server->draining = true;
    if (server->state == SERVER_IDLE || server->state == SERVER_HELD_OFF) {
        h1_server_linger(server);
    }
}

static void abort_connection(struct http_connection *connection, enum http_abort why)
{
    h1_server_abort((struct h1_server *)connection, why);
}

const struct http_protocol h1_server_protocol = {
    .name = "http/1.1",
    .size = sizeof(struct h1_server),
    .begin = begin,
    .drain = drain,
    .abort = abort_connection,
    .is_over = is_over,
};
