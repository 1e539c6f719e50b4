/* A client's HTTP/2 connection, whole: frames of any kind come from a socket, a handler answers in the ways that an exchange may,
 * and what must hold of every stream is checked.
 *
 * The input: a byte for each of eight streams, what the handler does with it; then records of kind, flags, stream, length and
 * payload, which become frames. Kinds from 0xf0 on: the payload as it is; 0xe0: the head of an honest request before the
 * payload, which is more fields. */
#include "http/connections.h"
#include "http/h2/server_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAMS  256
#define SCRIPT   8
#define BIG      (200 * 1024)
#define CHECK(x) ((x) ? (void)0 : abort())

enum mode {
    MODE_ANSWER,
    MODE_ECHO,
    MODE_TOO_MUCH,
    MODE_RESET,
    MODE_BIG,
    MODE_WAIT,
    MODE_NO_CONTENT,
    MODE_CHANGES_ITS_MIND,
    MODE_COUNT,
};

struct exchange {
    struct http_stream *stream;
    enum mode mode;
    bool used, paused, ended, body_over, sized;
    uint64_t said, left;
};

static struct exchange exchanges[STREAMS];
static unsigned char script[SCRIPT];
static size_t begun, over;

static void done(struct exchange *exchange)
{
    CHECK(exchange->used);
    exchange->used = false;
    over++;
    exchange->stream->ops->release(exchange->stream);
}

static struct exchange *begin(struct http_stream *stream)
{
    for (size_t i = 0; i < STREAMS; i++) {
        if (!exchanges[i].used) {
            exchanges[i] = (struct exchange){
                .stream = stream, .used = true, .paused = true, .mode = script[begun % SCRIPT] % MODE_COUNT
            };
            begun++;
            stream->exchange = &exchanges[i];
            return &exchanges[i];
        }
    }
    abort(); /* more streams at once than may be */
}

static void send_head(struct http_stream *stream, unsigned int status, enum http_body body, uint64_t length)
{
    struct header items[] = { { SLICE("Content-Type"), SLICE("text/plain"), HEADER_CONTENT_TYPE },
                              { SLICE("X-Mixed"), SLICE("a, b"), HEADER_OTHER } };
    struct http_response response = {
        .status = status, .headers = { items, 2, 2 }, .body = body, .content_length = length
    };
    stream->ops->send_head(stream, &response);
}

static bool lives(const struct http_stream *stream, const struct exchange *exchange)
{
    return exchange->used && exchange->stream == stream;
}

static void answer(struct exchange *exchange, unsigned int status)
{
    struct http_stream *stream = exchange->stream;
    exchange->ended = true;
    stream->ops->discard_body(stream);
    send_head(stream, status, status == 204 ? BODY_NONE : BODY_LENGTH, status == 204 ? 0 : 5);
    if (lives(stream, exchange)) {
        stream->ops->send_body(stream, SLICE("hello"));
    }
    if (lives(stream, exchange)) {
        stream->ops->send_end(stream, NULL);
    }
}

static void send_big(struct exchange *exchange)
{
    static char piece[16 * 1024];
    struct http_stream *stream = exchange->stream;
    while (lives(stream, exchange) && exchange->left > 0) {
        size_t size = exchange->left < sizeof piece ? (size_t)exchange->left : sizeof piece;
        exchange->left -= size;
        if (!stream->ops->send_body(stream, slice_of(piece, size))) {
            return;
        }
    }
    if (lives(stream, exchange) && !exchange->ended) {
        exchange->ended = true;
        stream->ops->discard_body(stream);
        stream->ops->send_end(stream, NULL);
    }
}

static void check_request(const struct http_request *request, struct slice raw)
{
    CHECK(request->minor_version == 2 && request->method_text.len > 0);
    CHECK(headers_count(&request->headers, HEADER_HOST) == 1);
    CHECK(headers_count(&request->headers, HEADER_COOKIE) <= 1);
    CHECK(headers_count(&request->headers, HEADER_CONTENT_LENGTH) <= 1);
    for (size_t i = 0; i < request->headers.count; i++) {
        const struct header *field = &request->headers.items[i];
        CHECK(http_token_valid(field->name) && http_field_value_valid(field->value));
        CHECK(field->name.ptr >= raw.ptr && field->name.ptr + field->name.len <= raw.ptr + raw.len);
        CHECK(field->value.ptr >= raw.ptr && field->value.ptr + field->value.len <= raw.ptr + raw.len);
        CHECK(field->id != HEADER_CONNECTION && field->id != HEADER_TRANSFER_ENCODING &&
              field->id != HEADER_UPGRADE);
    }
}

static void on_request(struct http_stream *stream, const struct http_request *request, struct slice raw)
{
    struct exchange *exchange = begin(stream);
    check_request(request, raw);
    exchange->sized = request->body == BODY_LENGTH;
    exchange->said = request->content_length;
    bool has_body = request->body == BODY_CHUNKED || (exchange->sized && exchange->said > 0);
    exchange->body_over = !has_body;
    switch (exchange->mode) {
    case MODE_ECHO:
        send_head(stream, 200, BODY_CHUNKED, 0);
        exchange->paused = false;
        if (has_body) {
            stream->ops->pause(stream, false);
        } else {
            exchange->ended = true;
            stream->ops->send_end(stream, NULL);
        }
        break;
    case MODE_TOO_MUCH:
        answer(exchange, 413);
        break;
    case MODE_RESET:
        stream->ops->reset(stream);
        done(exchange);
        break;
    case MODE_BIG:
        exchange->left = BIG;
        send_head(stream, 200, BODY_LENGTH, BIG);
        if (lives(stream, exchange)) {
            send_big(exchange);
        }
        break;
    case MODE_WAIT:
        break;
    case MODE_NO_CONTENT:
        answer(exchange, 204);
        break;
    case MODE_CHANGES_ITS_MIND:
        stream->ops->send_informational(stream, 103, NULL);
        send_head(stream, 200, BODY_CHUNKED, 0);
        if (lives(stream, exchange) && stream->ops->retract(stream)) {
            answer(exchange, 502);
        }
        break;
    default:
        answer(exchange, 200);
    }
}

static void on_reject(struct http_stream *stream, enum deny_reason reason, const char *why)
{
    CHECK(reason != DENY_NONE && why != NULL);
    answer(begin(stream), 400);
}

static void on_body(struct http_stream *stream, struct slice data)
{
    struct exchange *exchange = stream->exchange;
    CHECK(lives(stream, exchange) && !exchange->paused && !exchange->body_over && data.len > 0);
    CHECK(!exchange->sized || stream->received <= exchange->said);
    if (exchange->mode == MODE_ECHO && !stream->ops->send_body(stream, data) && lives(stream, exchange)) {
        exchange->paused = true;
        stream->ops->pause(stream, true);
    }
}

static void on_body_end(struct http_stream *stream, const struct headers *trailers)
{
    struct exchange *exchange = stream->exchange;
    CHECK(lives(stream, exchange) && !exchange->body_over);
    CHECK(!exchange->sized || stream->received == exchange->said);
    exchange->body_over = true;
    if (!exchange->ended) {
        exchange->ended = true;
        stream->ops->send_end(stream, trailers);
    }
}

static void on_body_failed(struct http_stream *stream, enum deny_reason reason)
{
    (void)reason;
    struct exchange *exchange = stream->exchange;
    CHECK(lives(stream, exchange));
    exchange->body_over = true;
    stream->ops->reset(stream);
    done(exchange);
}

static void on_writable(struct http_stream *stream)
{
    struct exchange *exchange = stream->exchange;
    CHECK(lives(stream, exchange));
    if (exchange->mode == MODE_BIG) {
        send_big(exchange);
    } else if (exchange->paused) {
        exchange->paused = false;
        stream->ops->pause(stream, false);
    }
}

static void on_abort(struct http_stream *stream, enum http_abort why)
{
    (void)why;
    CHECK(lives(stream, stream->exchange));
    done(stream->exchange);
}

static void on_sent(struct http_stream *stream)
{
    struct exchange *exchange = stream->exchange;
    CHECK(lives(stream, exchange) && exchange->ended);
    done(exchange);
}

static const struct http_handler handler = {
    .on_request = on_request,
    .on_reject = on_reject,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_body_failed = on_body_failed,
    .on_writable = on_writable,
    .on_abort = on_abort,
    .on_sent = on_sent,
};

/* ---- the client ---- */

static unsigned char wire[256 * 1024];
static size_t wire_size;

static void put(const void *bytes, size_t size)
{
    if (size <= sizeof wire - wire_size) {
        memcpy(wire + wire_size, bytes, size);
        wire_size += size;
    }
}

static void put_frame(unsigned char type, unsigned char flags, unsigned char id, const void *payload,
                      size_t size)
{
    const unsigned char head[9] = { 0, (unsigned char)(size >> 8), (unsigned char)size, type, flags, 0, 0, 0,
                                    id };
    put(head, sizeof head);
    put(payload, size);
}

/* ":method: GET", ":scheme: https", ":path: /", and an authority. */
static const unsigned char honest[] = { 0x82, 0x87, 0x84, 0x41, 0x01, 'a' };

static void put_record(unsigned char kind, unsigned char flags, unsigned char id,
                       const unsigned char *payload, size_t size)
{
    if (kind >= 0xf0) {
        put(payload, size);
    } else if (kind >= 0xe0) {
        unsigned char block[sizeof honest + 256];
        memcpy(block, honest, sizeof honest);
        memcpy(block + sizeof honest, payload, size);
        put_frame(NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, id, block, sizeof honest + size);
    } else {
        put_frame(kind, flags, id, payload, size);
    }
}

static void make_wire(const unsigned char *data, size_t size)
{
    wire_size = 0;
    put("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    put_frame(NGHTTP2_SETTINGS, 0, 0, "", 0);
    while (size >= 4) {
        size_t length = data[3] < size - 4 ? data[3] : size - 4;
        put_record(data[0], data[1], data[2], data + 4, length);
        data += 4 + length;
        size -= 4 + length;
    }
}

/* What we write is frames, one after the other, and nothing else. */
static struct {
    unsigned char head[9];
    size_t head_size, left;
} reading;

static void read_frames(const unsigned char *data, size_t size)
{
    while (size > 0) {
        if (reading.left > 0) {
            size_t step = reading.left < size ? reading.left : size;
            reading.left -= step;
            data += step;
            size -= step;
            continue;
        }
        reading.head[reading.head_size++] = *data++;
        size--;
        if (reading.head_size == sizeof reading.head) {
            reading.head_size = 0;
            reading.left = (size_t)reading.head[0] << 16 | (size_t)reading.head[1] << 8 | reading.head[2];
            CHECK(reading.left <= 16384 && reading.head[3] <= NGHTTP2_WINDOW_UPDATE);
        }
    }
}

static void play(int fd, struct net_loop *loop)
{
    static unsigned char answer_bytes[64 * 1024];
    size_t at = 0;
    for (int turn = 0; turn < 64; turn++) {
        ssize_t sent = send(fd, wire + at, wire_size - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        at += sent > 0 ? (size_t)sent : 0;
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        ssize_t got;
        while ((got = recv(fd, answer_bytes, sizeof answer_bytes, MSG_DONTWAIT)) > 0) {
            read_frames(answer_bytes, (size_t)got);
        }
        if (at == wire_size && turn > 8 && got == 0) {
            return;
        }
        if (at == wire_size && turn > 16) {
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct net_loop loop;
    static bool ready;
    if (size < SCRIPT) {
        return 0;
    }
    if (!ready) {
        ready = true;
        CHECK(!failed(net_loop_init(&loop)));
    }
    memcpy(script, data, SCRIPT);
    make_wire(data + SCRIPT, size - SCRIPT);
    memset(&reading, 0, sizeof reading);
    begun = over = 0;
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    struct http_connections list;
    http_connections_init(&list);
    const struct http_server_settings settings = {
        .timeouts = { .head = NS_PER_S,
                      .idle = NS_PER_S,
                      .body = NS_PER_S,
                      .write = NS_PER_S,
                      .drain = NS_PER_S },
        .limits = { 16 * 1024, 8 * 1024, 100 },
        .protocols = HTTP_SPEAKS_H1 | HTTP_SPEAKS_H2,
        .handler = &handler,
    };
    const struct address peer = { 0 };
    CHECK(!failed(http_connections_accept(&list, &loop, fds[0], &peer, &settings)));
    play(fds[1], &loop);
    http_connections_close_all(&list);
    for (int turn = 0; turn < 4; turn++) {
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    CHECK(list.count == 0);
    CHECK(begun == over);
    http_connections_done(&list);
    close(fds[1]);
    return 0;
}
