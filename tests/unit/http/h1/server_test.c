#include "unit.h"

#include "base/clock.h"
#include "http/connections.h"
#include "http/scarcity.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection over a socket pair, its handler an echo that the tests steer. */
struct fixture {
    struct net_loop loop;
    struct http_connections list;
    int peer;
    struct http_stream *stream;
    char received[1 << 20]; /* request bodies */
    size_t received_size, largest_piece;
    unsigned int requests, rejects, aborts, body_failures, ends;
    enum deny_reason reason;
    bool answer_at_once; /* within on_request: a denial, the body unread */
    bool hold;           /* answer only when the test says so */
    unsigned int events, writables;
    int owner; /* something to point to */
    char printed[4 << 20];
    size_t printed_size;
};

static struct fixture *fixture;
static bool held_off_seen; /* of the last request */

static void answer(struct http_stream *stream, unsigned int status, struct slice body, bool chunked)
{
    struct http_response response = {
        .status = status,
        .body = chunked ? BODY_CHUNKED : BODY_LENGTH,
        .content_length = body.len,
    };
    stream->ops->send_head(stream, &response);
    stream->ops->send_body(stream, body);
    stream->ops->send_end(stream, NULL);
}

static void on_request(struct http_stream *stream, const struct http_request *request, struct slice raw)
{
    (void)raw;
    fixture->stream = stream;
    fixture->requests++;
    held_off_seen = stream->held_off;
    bool has_body =
        request->body == BODY_CHUNKED || (request->body == BODY_LENGTH && request->content_length > 0);
    if (fixture->answer_at_once) {
        stream->ops->discard_body(stream);
        answer(stream, 403, SLICE("no"), false);
    } else if (has_body && !fixture->hold) {
        stream->ops->pause(stream, false);
    } else if (!fixture->hold) {
        answer(stream, 200, request->target, false);
    }
}

static void on_reject(struct http_stream *stream, enum deny_reason reason, const char *why)
{
    fixture->rejects++;
    fixture->reason = reason;
    answer(stream, deny_infos[reason].status, slice_from_string(why), false);
}

static void on_body(struct http_stream *stream, struct slice data)
{
    (void)stream;
    assert_true(fixture->received_size + data.len <= sizeof fixture->received);
    memcpy(fixture->received + fixture->received_size, data.ptr, data.len);
    fixture->received_size += data.len;
    fixture->largest_piece = data.len > fixture->largest_piece ? data.len : fixture->largest_piece;
}

static void on_body_end(struct http_stream *stream, const struct headers *trailers)
{
    (void)trailers;
    fixture->ends++;
    answer(stream, 200, slice_of(fixture->received, fixture->received_size), true);
}

static void on_body_failed(struct http_stream *stream, enum deny_reason reason)
{
    fixture->body_failures++;
    fixture->reason = reason;
    answer(stream, deny_infos[reason].status, SLICE("bad body"), false);
}

static void on_writable(struct http_stream *stream)
{
    (void)stream;
    fixture->writables++;
}

static void on_abort(struct http_stream *stream, enum http_abort why)
{
    (void)why;
    fixture->aborts++;
    stream->ops->release(stream);
}

static void on_sent(struct http_stream *stream)
{
    stream->ops->release(stream);
}

static unsigned int hold_again;

static int64_t on_held_off(struct http_stream *stream)
{
    assert_int_equal(stream->ops->unread(stream), -1); /* no TCP: not known */
    if (hold_again == 0) {
        return 0;
    }
    hold_again--;
    return NS_PER_MS;
}

static const struct http_handler handler = {
    .on_held_off = on_held_off,
    .on_request = on_request,
    .on_reject = on_reject,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_body_failed = on_body_failed,
    .on_writable = on_writable,
    .on_abort = on_abort,
    .on_sent = on_sent,
};

static void on_event(const struct http_connection_facts *facts, enum http_connection_event event)
{
    assert_ptr_equal(facts->owner, &fixture->owner);
    (void)event;
    fixture->events++;
}

static struct http_server_settings settings_of(int64_t drain, int64_t write)
{
    return (struct http_server_settings){
        .timeouts = { .handshake = 60 * NS_PER_S,
                      .head = 60 * NS_PER_S,
                      .body = 60 * NS_PER_S,
                      .idle = 60 * NS_PER_S,
                      .write = write,
                      .drain = drain,
                      .min_rate = 500 },
        .limits = { .head_max = 4096, .target_max = 1024, .fields_max = 50 },
        .handler = &handler,
        .owner = &fixture->owner,
        .on_event = on_event,
    };
}

static void make_fixture(int ends[2])
{
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->loop));
    http_connections_init(&fixture->list);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    fixture->peer = ends[1];
}

static int accept_with(int fd, int64_t drain, int64_t write)
{
    struct http_server_settings settings = settings_of(drain, write);
    struct address peer = { .port = 1 };
    assert_ok(http_connections_accept(&fixture->list, &fixture->loop, fd, &peer, &settings));
    return 0;
}

static int setup(void **state)
{
    (void)state;
    int ends[2];
    make_fixture(ends);
    return accept_with(ends[0], 60 * NS_PER_S, 60 * NS_PER_S);
}

/* Unread bodies are waited for no longer than 30 ms. */
static int setup_short_drain(void **state)
{
    (void)state;
    int ends[2];
    make_fixture(ends);
    return accept_with(ends[0], 30 * NS_PER_MS, 60 * NS_PER_S);
}

static int setup_short_write(void **state)
{
    (void)state;
    int ends[2];
    make_fixture(ends);
    return accept_with(ends[0], 60 * NS_PER_S, 60 * NS_PER_MS);
}

/* Over TCP, where a reset is told from an end. */
static int setup_tcp(void **state)
{
    (void)state;
    int ends[2];
    make_fixture(ends);
    close(ends[0]);
    close(ends[1]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    fixture->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fixture->peer, (struct sockaddr *)&address, size), 0);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fixture->peer, F_SETFL, O_NONBLOCK), 0);
    close(listener);
    return accept_with(fd, 60 * NS_PER_S, 60 * NS_PER_S);
}

static int teardown(void **state)
{
    (void)state;
    close(fixture->peer);
    http_connections_close_all(&fixture->list);
    assert_int_equal(fixture->list.count, 0);
    net_loop_done(&fixture->loop);
    http_connections_done(&fixture->list);
    free(fixture);
    return 0;
}

static void turn(void)
{
    for (int i = 0; i < 6; i++) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
        ssize_t got = read(fixture->peer, fixture->printed + fixture->printed_size,
                           sizeof fixture->printed - fixture->printed_size - 1);
        fixture->printed_size += got > 0 ? (size_t)got : 0;
    }
}

static void say(const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fixture->peer, text, size);
        if (written > 0) {
            text += written;
            size -= (size_t)written;
        }
        turn();
    }
}

static void say_string(const char *text)
{
    say(text, strlen(text));
}

static bool peer_sees_end(void)
{
    char byte;
    turn();
    return read(fixture->peer, &byte, 1) == 0;
}

static size_t count_printed(const char *text)
{
    size_t count = 0;
    for (const char *at = fixture->printed; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    return count;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void keeps_the_connection(void **state)
{
    (void)state;
    say_string(GET("/one"));
    say_string(GET("/two"));
    assert_int_equal(fixture->requests, 2);
    assert_int_equal(count_printed("HTTP/1.1 200"), 2);
    assert_int_equal(count_printed("onnection: close"), 0);
    assert_false(peer_sees_end());
}

static void answers_pipelined_requests_in_order(void **state)
{
    (void)state;
    say_string(GET("/first") GET("/second") GET("/third"));
    assert_int_equal(fixture->requests, 3);
    char *first = strstr(fixture->printed, "/first");
    char *second = strstr(fixture->printed, "/second");
    char *third = strstr(fixture->printed, "/third");
    assert_true(first != NULL && first < second && second < third);
}

static void pipelined_requests_wait_for_the_answer(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/first") GET("/second"));
    assert_int_equal(fixture->requests, 1);
    fixture->hold = false;
    answer(fixture->stream, 200, SLICE("slow"), false);
    turn();
    assert_int_equal(fixture->requests, 2);
}

static void bytes_one_by_one_give_the_same(void **state)
{
    (void)state;
    const char *text = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n" GET("/after");
    for (const char *at = text; *at != '\0'; at++) {
        say(at, 1);
    }
    assert_int_equal(fixture->ends, 1);
    assert_int_equal(fixture->requests, 2);
    assert_memory_equal(fixture->received, "hello world", 11);
    assert_non_null(strstr(fixture->printed, "b\r\nhello world\r\n0\r\n\r\n"));
}

static void sends_100_only_when_asked_for_the_body(void **state)
{
    (void)state;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(count_printed("HTTP/1.1 100 Continue\r\n\r\n"), 1);
    say_string("ok");
    assert_int_equal(count_printed("HTTP/1.1 200"), 1);
}

static void a_denial_sends_no_100_and_closes(void **state)
{
    (void)state;
    fixture->answer_at_once = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(count_printed("HTTP/1.1 100"), 0);
    assert_int_equal(count_printed("HTTP/1.1 403"), 1);
    assert_int_equal(count_printed("onnection: close"), 1);
    assert_true(peer_sees_end());
}

static void a_small_unread_body_is_dropped_and_the_connection_goes_on(void **state)
{
    (void)state;
    fixture->answer_at_once = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    assert_int_equal(count_printed("HTTP/1.1 403"), 1);
    say_string("01234");
    fixture->answer_at_once = false;
    say_string(GET("/next"));
    assert_int_equal(fixture->requests, 2);
    assert_int_equal(count_printed("HTTP/1.1 200"), 1);
}

/* Sends junk until the server closes the connection; how much it took. */
static size_t flood(size_t most)
{
    static char junk[64 * 1024];
    size_t sent = 0;
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (sent < most && clock_monotonic_ns() < limit) {
        ssize_t written = send(fixture->peer, junk, sizeof junk, MSG_NOSIGNAL);
        if (written < 0 && errno != EAGAIN) {
            break;
        }
        sent += written > 0 ? (size_t)written : 0;
        turn();
    }
    return sent;
}

static void a_large_unread_body_is_dropped_within_bounds(void **state)
{
    (void)state;
    fixture->answer_at_once = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    assert_true(flood(8 * HTTP_DRAIN_MAX) < 8 * HTTP_DRAIN_MAX);
    assert_int_equal(count_printed("HTTP/1.1 403"), 1);
    assert_int_equal(fixture->received_size, 0);
    assert_int_equal(fixture->list.count, 0);
}

/* Past the bound the connection is not cut, for the reset would destroy the answer: it is only read no more. */
static void a_large_unread_body_does_not_destroy_the_answer(void **state)
{
    (void)state;
    fixture->answer_at_once = true;
    static char junk[64 * 1024];
    size_t sent = 0;
    const char *head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n";
    assert_int_equal(write(fixture->peer, head, strlen(head)), (ssize_t)strlen(head));
    for (int i = 0; i < 2000; i++) {
        ssize_t written = send(fixture->peer, junk, sizeof junk, MSG_NOSIGNAL);
        sent += written > 0 ? (size_t)written : 0;
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_true(sent > HTTP_DRAIN_MAX && sent < 4 * HTTP_DRAIN_MAX);
    assert_int_equal(fixture->list.count, 1);
    turn();
    assert_int_equal(count_printed("HTTP/1.1 403"), 1);
}

static void turn_for(int64_t duration)
{
    int64_t limit = clock_monotonic_ns() + duration;
    while (clock_monotonic_ns() < limit) {
        turn();
    }
}

/* The exchange of a discarded body used to be closed without being told, and stayed for ever. */
static void an_unread_body_that_stops_does_not_lose_the_exchange(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    struct http_stream *stream = fixture->stream;
    stream->ops->discard_body(stream);
    turn_for(60 * NS_PER_MS);
    assert_int_equal(fixture->list.count, 1);
    assert_int_equal(fixture->aborts, 0);
    answer(stream, 200, SLICE("late"), false);
    turn_for(60 * NS_PER_MS);
    assert_non_null(strstr(fixture->printed, "late"));
    assert_int_equal(fixture->list.count, 0);
}

static void an_unread_body_is_bounded_while_the_answer_waits(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    struct http_stream *stream = fixture->stream;
    stream->ops->discard_body(stream);
    static char junk[64 * 1024];
    size_t sent = 0;
    for (int i = 0; i < 400; i++) {
        ssize_t written = send(fixture->peer, junk, sizeof junk, MSG_NOSIGNAL);
        sent += written > 0 ? (size_t)written : 0;
        turn();
    }
    assert_true(sent < 4 * HTTP_DRAIN_MAX);
    assert_int_equal(fixture->aborts, 0);
    answer(stream, 200, SLICE("in the end"), false);
    turn();
    assert_non_null(strstr(fixture->printed, "in the end"));
}

/* The rest of a body whose answer has begun may be of any length, or never come where 100 is waited for: the connection
 * must not go on, whatever the head said. */
static void an_answer_that_overtakes_its_request_ends_the_connection(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 413, .body = BODY_NONE };
    stream->ops->send_head(stream, &response);
    stream->ops->discard_body(stream);
    stream->ops->send_end(stream, NULL);
    fixture->hold = false;
    say_string(GET("/next"));
    assert_int_equal(fixture->requests, 1);
    assert_true(peer_sees_end());
}

static void a_half_closed_client_with_an_unread_body_is_closed_at_once(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    struct http_stream *stream = fixture->stream;
    stream->ops->discard_body(stream);
    shutdown(fixture->peer, SHUT_WR);
    turn();
    assert_int_equal(fixture->aborts, 0);
    answer(stream, 200, SLICE("enough"), false);
    turn();
    assert_non_null(strstr(fixture->printed, "enough"));
    assert_int_equal(fixture->list.count, 0);
}

/* Each piece that is added behind what the client does not take tries to write again: that is no progress of the client. */
static void a_source_that_trickles_does_not_extend_the_write_limit(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/slow"));
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 200, .body = BODY_LENGTH, .content_length = 1 << 30 };
    stream->ops->send_head(stream, &response);
    static char piece[16384];
    while (stream->ops->send_body(stream, slice_of(piece, sizeof piece))) {
    }
    int64_t limit = clock_monotonic_ns() + 2 * NS_PER_S;
    while (fixture->aborts == 0 && clock_monotonic_ns() < limit) {
        stream->ops->flush(stream);
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(fixture->aborts, 1);
}

static void what_has_not_left_can_be_taken_back(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/x"));
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 200, .body = BODY_CHUNKED };
    assert_false(stream->ops->retract(stream)); /* there is nothing */
    stream->ops->send_head(stream, &response);
    stream->ops->send_body(stream, SLICE("theirs"));
    assert_true(stream->ops->retract(stream));
    assert_false(stream->ops->retract(stream));
    assert_int_equal(stream->sent, 0);
    answer(stream, 502, SLICE("ours"), false);
    turn();
    assert_memory_equal(fixture->printed, "HTTP/1.1 502", 12);
    assert_non_null(strstr(fixture->printed, "\r\n\r\nours"));
    assert_null(strstr(fixture->printed, "theirs"));
    assert_null(strstr(fixture->printed, "200"));
    fixture->hold = false;
    say_string(GET("/next")); /* the connection goes on */
    assert_int_equal(fixture->requests, 2);
}

static void what_has_left_cannot_be_taken_back(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/x"));
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 200, .body = BODY_CHUNKED };
    stream->ops->send_head(stream, &response);
    stream->ops->flush(stream);
    assert_false(stream->ops->retract(stream));
    stream->ops->send_body(stream, SLICE("theirs"));
    assert_false(stream->ops->retract(stream));
    stream->ops->send_end(stream, NULL);
    turn();
    assert_non_null(strstr(fixture->printed, "theirs"));
}

/* The first head took back the promise of 100: whether a body comes nobody knows. */
static void an_answer_in_place_of_another_ends_a_connection_whose_body_is_open(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 200, .body = BODY_CHUNKED };
    stream->ops->send_head(stream, &response);
    assert_true(stream->ops->retract(stream));
    stream->ops->discard_body(stream);
    answer(stream, 502, SLICE("ours"), false);
    assert_true(peer_sees_end());
    assert_non_null(strstr(fixture->printed, "Connection: close"));
}

/* Where memory is scarce the source waits with the first byte that the client does not take, and until all of it is gone. */
static void where_memory_is_scarce_little_waits(void **state)
{
    (void)state;
    static _Atomic int64_t bytes;
    static char piece[16384];
    fixture->hold = true;
    bytes = 0;
    buffer_count_in(&bytes);
    for (int scarce = 0; scarce < 2; scarce++) {
        say_string(GET("/slow"));
        struct http_stream *stream = fixture->stream;
        struct http_response response = { .status = 200, .body = BODY_LENGTH, .content_length = 1 << 20 };
        size_t sent = 0, printed = fixture->printed_size;
        buffer_set_budget(scarce ? 2 : INT64_C(1) << 40);
        fixture->writables = 0;
        stream->ops->send_head(stream, &response);
        for (bool more = true; more; sent += sizeof piece) {
            more = stream->ops->send_body(stream, slice_of(piece, sizeof piece));
        }
        if (scarce) {
            assert_in_range(bytes, 1, 2 * sizeof piece);
        } else {
            assert_in_range(bytes, HTTP_WRITE_HIGH_WATER, HTTP_WRITE_BUFFER_MAX);
        }
        /* All that it was sent comes; the source goes on, and the rest passes. */
        while (sent < response.content_length) {
            unsigned int before = fixture->writables;
            for (int i = 0; i < 100 && fixture->writables == before; i++) {
                turn();
            }
            assert_int_equal(fixture->writables, before + 1);
            bool more = true;
            while (more && sent < response.content_length) {
                more = stream->ops->send_body(stream, slice_of(piece, sizeof piece));
                sent += sizeof piece;
            }
            if (more) {
                break;
            }
        }
        stream->ops->send_end(stream, NULL);
        for (int i = 0; i < 100; i++) {
            turn();
        }
        assert_true(fixture->printed_size - printed > response.content_length);
    }
    buffer_set_budget(0);
    buffer_count_in(NULL);
}

/* Also where it is others that hold the memory, and nothing waits here. */
static void where_memory_is_scarce_little_is_read_at_once(void **state)
{
    (void)state;
    static _Atomic int64_t bytes;
    static char body[128 * 1024];
    buffer_count_in(&bytes);
    for (int scarce = 0; scarce < 2; scarce++) {
        bytes = scarce ? 2 : 0;
        buffer_set_budget(scarce ? 2 : INT64_C(1) << 40);
        fixture->received_size = fixture->largest_piece = 0;
        say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 131072\r\n\r\n");
        say(body, sizeof body);
        for (int i = 0; i < 100; i++) {
            turn();
        }
        assert_int_equal(fixture->received_size, sizeof body);
        /* The last 16 KiB may come at once: a head may follow them. */
        assert_in_range(fixture->largest_piece, scarce ? 1 : HTTP_READ_BUFFER + 1,
                        scarce ? HTTP_READ_BUFFER : HTTP_BULK_BUFFER);
    }
    buffer_set_budget(0);
    buffer_count_in(NULL);
}

static void a_cut_answer_is_a_reset(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string("GET /until-the-end HTTP/1.0\r\n\r\n");
    struct http_stream *stream = fixture->stream;
    struct http_response response = { .status = 200, .body = BODY_CHUNKED };
    stream->ops->send_head(stream, &response);
    stream->ops->send_body(stream, SLICE("half"));
    stream->ops->flush(stream);
    turn();
    assert_non_null(strstr(fixture->printed, "half"));
    http_connections_close_all(&fixture->list);
    assert_int_equal(fixture->aborts, 1);
    char byte;
    errno = 0;
    assert_int_equal(read(fixture->peer, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void a_whole_answer_is_an_orderly_end(void **state)
{
    (void)state;
    say_string("GET /until-the-end HTTP/1.0\r\n\r\n");
    assert_non_null(strstr(fixture->printed, "/until-the-end"));
    assert_true(peer_sees_end());
}

static void what_could_not_be_accepted_was_no_connection(void **state)
{
    (void)state;
    struct http_server_settings settings = settings_of(NS_PER_S, NS_PER_S);
    struct address peer = { .port = 1 };
    unsigned int before = fixture->events;
    assert_true(failed(http_connections_accept(&fixture->list, &fixture->loop, -1, &peer, &settings)));
    assert_int_equal(fixture->events, before);
    assert_int_equal(fixture->list.count, 1);
}

static void the_connections_of_one_owner_are_drained(void **state)
{
    (void)state;
    int other = 0;
    http_connections_drain_owner(&fixture->list, &other);
    turn();
    assert_int_equal(fixture->list.count, 1);
    fixture->hold = true;
    say_string(GET("/busy"));
    http_connections_drain_owner(&fixture->list, &fixture->owner);
    turn();
    assert_int_equal(fixture->aborts, 0);
    answer(fixture->stream, 200, SLICE("last"), false);
    turn();
    assert_int_equal(count_printed("onnection: close"), 1);
    assert_true(peer_sees_end());
}

static void http_1_0_closes_unless_asked(void **state)
{
    (void)state;
    say_string("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_int_equal(count_printed("onnection: keep-alive"), 1);
    assert_false(peer_sees_end());
    say_string("GET /old HTTP/1.0\r\n\r\n");
    assert_true(peer_sees_end());
    assert_int_equal(fixture->requests, 2);
}

static void head_has_no_body(void **state)
{
    (void)state;
    say_string("HEAD /12345 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(strstr(fixture->printed, "ontent-Length: 6\r\n"));
    assert_null(strstr(fixture->printed, "/12345"));
}

static void what_is_no_request_is_refused_and_closed(void **state)
{
    (void)state;
    say_string("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" GET(
        "/smuggled"));
    assert_int_equal(fixture->requests, 0);
    assert_int_equal(fixture->rejects, 1);
    assert_int_equal(fixture->reason, DENY_BAD_REQUEST);
    assert_int_equal(count_printed("HTTP/1.1 400"), 1);
    assert_true(peer_sees_end());
}

static void a_broken_chunk_is_a_failed_body(void **state)
{
    (void)state;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n");
    assert_int_equal(fixture->body_failures, 1);
    assert_int_equal(fixture->reason, DENY_BAD_BODY);
    assert_int_equal(count_printed("HTTP/1.1 400"), 1);
    assert_true(peer_sees_end());
}

static void a_head_that_is_too_large_is_431(void **state)
{
    (void)state;
    char *big = malloc(8192);
    memset(big, 'x', 8192);
    say_string("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    say(big, 8192);
    free(big);
    assert_int_equal(fixture->reason, DENY_HEAD_TOO_LARGE);
    assert_int_equal(count_printed("HTTP/1.1 431"), 1);
}

static void a_client_that_goes_aborts_its_exchange(void **state)
{
    (void)state;
    say_string("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    shutdown(fixture->peer, SHUT_RDWR);
    turn();
    assert_int_equal(fixture->aborts, 1);
    assert_int_equal(fixture->list.count, 0);
}

static void a_half_closed_client_gets_its_answer(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/half"));
    shutdown(fixture->peer, SHUT_WR);
    turn();
    assert_int_equal(fixture->aborts, 0);
    answer(fixture->stream, 200, SLICE("still here"), false);
    turn();
    assert_non_null(strstr(fixture->printed, "still here"));
}

static void draining_ends_idle_connections_and_says_so_to_busy_ones(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/busy"));
    http_connections_drain_all(&fixture->list);
    turn();
    assert_int_equal(fixture->list.count, 1);
    answer(fixture->stream, 200, SLICE("last"), false);
    turn();
    assert_int_equal(count_printed("onnection: close"), 1);
    assert_true(peer_sees_end());
}

static void a_large_answer_waits_for_a_slow_reader(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/large"));
    struct http_response response = { .status = 200, .body = BODY_LENGTH, .content_length = 64 * 16384 };
    struct http_stream *stream = fixture->stream;
    stream->ops->send_head(stream, &response);
    static char piece[16384];
    bool room = true;
    size_t pieces = 0;
    while (room && pieces < 64) {
        room = stream->ops->send_body(stream, slice_of(piece, sizeof piece));
        pieces++;
    }
    assert_true(pieces < 64); /* told to stop: the socket pair holds a few hundred KiB at the most */
}

/* What is sent before the time is over stays in the socket, and is read after it; the request knows. */
static void who_is_held_off_is_not_listened_to(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/first"));
    fixture->stream->ops->hold_off(fixture->stream, 60 * NS_PER_MS);
    answer(fixture->stream, 503, SLICE("later"), false);
    turn();
    assert_int_equal(count_printed("HTTP/1.1 503"), 1);
    assert_int_equal(count_printed("onnection: close"), 0);
    fixture->hold = false;
    int64_t until = clock_monotonic_ns() + 40 * NS_PER_MS;
    say_string(GET("/early"));
    unsigned int seen = fixture->requests;
    if (clock_monotonic_ns() < until) {
        assert_int_equal(seen, 1);
    }
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    fixture->hold = true;
    while (fixture->requests < 2 && clock_monotonic_ns() < limit) {
        turn();
    }
    assert_int_equal(fixture->requests, 2);
}

static void a_request_after_a_hold_off_knows_and_the_next_does_not(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/first"));
    fixture->stream->ops->hold_off(fixture->stream, NS_PER_MS);
    hold_again = 2;
    answer(fixture->stream, 503, SLICE("later"), false);
    turn();
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    say_string(GET("/second") GET("/third"));
    while (fixture->requests < 2 && clock_monotonic_ns() < limit) {
        turn();
    }
    assert_int_equal(fixture->requests, 2);
    assert_int_equal(hold_again, 0);
    assert_true(held_off_seen);
    answer(fixture->stream, 200, SLICE("ok"), false);
    turn();
    assert_int_equal(fixture->requests, 3);
    assert_false(held_off_seen);
}

static void one_that_is_held_off_is_drained_and_pipelined_requests_wait(void **state)
{
    (void)state;
    fixture->hold = true;
    say_string(GET("/first") GET("/second"));
    fixture->stream->ops->hold_off(fixture->stream, 60 * NS_PER_S);
    answer(fixture->stream, 503, SLICE("later"), false);
    turn();
    assert_int_equal(fixture->requests, 1);
    http_connections_drain_all(&fixture->list);
    assert_true(peer_sees_end());
    assert_int_equal(fixture->requests, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(keeps_the_connection),
        TEST(answers_pipelined_requests_in_order),
        TEST(pipelined_requests_wait_for_the_answer),
        TEST(bytes_one_by_one_give_the_same),
        TEST(sends_100_only_when_asked_for_the_body),
        TEST(a_denial_sends_no_100_and_closes),
        TEST(a_small_unread_body_is_dropped_and_the_connection_goes_on),
        cmocka_unit_test_setup_teardown(a_large_unread_body_is_dropped_within_bounds, setup_short_drain,
                                        teardown),
        TEST(http_1_0_closes_unless_asked),
        TEST(an_unread_body_is_bounded_while_the_answer_waits),
        TEST(an_answer_that_overtakes_its_request_ends_the_connection),
        TEST(a_half_closed_client_with_an_unread_body_is_closed_at_once),
        TEST(a_large_unread_body_does_not_destroy_the_answer),
        TEST(what_could_not_be_accepted_was_no_connection),
        TEST(the_connections_of_one_owner_are_drained),
        cmocka_unit_test_setup_teardown(an_unread_body_that_stops_does_not_lose_the_exchange,
                                        setup_short_drain, teardown),
        cmocka_unit_test_setup_teardown(a_source_that_trickles_does_not_extend_the_write_limit,
                                        setup_short_write, teardown),
        cmocka_unit_test_setup_teardown(what_has_not_left_can_be_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(where_memory_is_scarce_little_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(where_memory_is_scarce_little_is_read_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_left_cannot_be_taken_back, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_in_place_of_another_ends_a_connection_whose_body_is_open,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_cut_answer_is_a_reset, setup_tcp, teardown),
        cmocka_unit_test_setup_teardown(a_whole_answer_is_an_orderly_end, setup_tcp, teardown),
        TEST(head_has_no_body),
        TEST(what_is_no_request_is_refused_and_closed),
        TEST(a_broken_chunk_is_a_failed_body),
        TEST(a_head_that_is_too_large_is_431),
        TEST(a_client_that_goes_aborts_its_exchange),
        TEST(a_half_closed_client_gets_its_answer),
        TEST(draining_ends_idle_connections_and_says_so_to_busy_ones),
        TEST(a_large_answer_waits_for_a_slow_reader),
        TEST(who_is_held_off_is_not_listened_to),
        TEST(a_request_after_a_hold_off_knows_and_the_next_does_not),
        TEST(one_that_is_held_off_is_drained_and_pipelined_requests_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
