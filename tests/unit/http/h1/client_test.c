#include "unit.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/limits.h"
#include "http/client.h"
#include "net/stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

/* A connection to a socket that the test plays the upstream on. */
struct fixture {
    struct net_loop loop;
    int listener, upstream;
    struct sockaddr_in address;
    struct http_client *client;
    struct http_call *call;
    bool connected, connect_failed, idle_lost, finished, kept;
    unsigned int responses, ends, failures, informational;
    unsigned int status;
    struct http_call_failure failure;
    char body[1 << 20];
    size_t body_size;
    char seen[1 << 16]; /* what the upstream received */
    size_t seen_size;
    bool pause, writable;
};

static struct fixture *fixture;

static void on_response(void *caller, const struct http_response *response)
{
    (void)caller;
    fixture->responses++;
    fixture->status = response->status;
    if (fixture->pause) {
        http_call_pause(fixture->call, true);
    }
}

static void on_informational(void *caller, const struct http_response *response)
{
    (void)caller;
    (void)response;
    fixture->informational++;
}

static void on_body(void *caller, struct slice data)
{
    (void)caller;
    memcpy(fixture->body + fixture->body_size, data.ptr, data.len);
    fixture->body_size += data.len;
}

static void on_pause(void *caller)
{
    (void)caller;
}

static void finish(void)
{
    fixture->finished = true;
    fixture->kept = http_call_finish(fixture->call) == HTTP_CLIENT_USABLE;
}

static void on_end(void *caller, const struct headers *trailers)
{
    (void)caller;
    (void)trailers;
    fixture->ends++;
    finish();
}

static void on_writable(void *caller)
{
    (void)caller;
    fixture->writable = true;
}

static void on_failed(void *caller, const struct http_call_failure *failure)
{
    (void)caller;
    fixture->failures++;
    fixture->failure = *failure;
    finish();
}

static const struct http_call_events events = {
    .on_response = on_response,
    .on_informational = on_informational,
    .on_body = on_body,
    .on_pause = on_pause,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_failed = on_failed,
};

static void on_connected(struct http_client *client, const struct http_call_failure *failure)
{
    (void)client;
    fixture->connected = failure == NULL;
    fixture->connect_failed = failure != NULL;
}

static void on_idle_lost(struct http_client *client)
{
    (void)client;
    fixture->idle_lost = true;
}

/* Turns of the loop until `done`, five seconds at the most. */
static void turn_until(const bool *done)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (!*done && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_true(*done);
}

static void turn_while_nothing_happens(void)
{
    for (int i = 0; i < 50; i++) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
}

static void see_request(void)
{
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (clock_monotonic_ns() < limit && strstr(fixture->seen, "\r\n\r\n") == NULL) {
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
        ssize_t got = recv(fixture->upstream, fixture->seen + fixture->seen_size,
                           sizeof fixture->seen - fixture->seen_size - 1, MSG_DONTWAIT);
        fixture->seen_size += got > 0 ? (size_t)got : 0;
    }
}

static int setup(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof *fixture);
    assert_ok(net_loop_init(&fixture->loop));
    fixture->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fixture->address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof fixture->address;
    assert_int_equal(bind(fixture->listener, (struct sockaddr *)&fixture->address, size), 0);
    assert_int_equal(listen(fixture->listener, 4), 0);
    assert_int_equal(getsockname(fixture->listener, (struct sockaddr *)&fixture->address, &size), 0);
    struct http_client_settings settings = {
        .loop = &fixture->loop,
        .connect_timeout = 60 * NS_PER_S,
        .on_connected = on_connected,
        .on_idle_lost = on_idle_lost,
    };
    assert_ok(http_client_open(&settings, (struct sockaddr *)&fixture->address, size, &fixture->client));
    turn_until(&fixture->connected);
    fixture->upstream = accept(fixture->listener, NULL, NULL);
    assert_true(fixture->upstream >= 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (!fixture->idle_lost && (!fixture->finished || fixture->kept)) {
        http_client_close(fixture->client);
    }
    turn_while_nothing_happens(); /* what is queued frees the connection */
    close(fixture->upstream);
    close(fixture->listener);
    net_loop_done(&fixture->loop);
    free(fixture);
    return 0;
}

static void begin(enum http_method method, enum http_body body, int64_t timeout)
{
    struct headers none = { .count = 0 };
    struct http_call_request request = {
        .events = &events,
        .method = method,
        .method_text = SLICE("GET"),
        .target = SLICE("/x"),
        .host = SLICE("up"),
        .headers = &none,
        .body = body,
        .content_length = 3,
        .response_timeout = timeout,
        .idle_timeout = timeout,
    };
    fixture->finished = fixture->kept = false;
    fixture->seen_size = 0;
    memset(fixture->seen, 0, sizeof fixture->seen);
    fixture->call = http_client_take(fixture->client);
    assert_true(http_call_begin(fixture->call, &request));
    if (body == BODY_NONE) {
        http_call_send_end(fixture->call, NULL);
    } else {
        http_call_flush(fixture->call);
    }
}

static void get(void)
{
    begin(METHOD_GET, BODY_NONE, 60 * NS_PER_S);
    see_request();
    assert_non_null(strstr(fixture->seen, "GET /x HTTP/1.1\r\n"));
}

static void upstream_says(const char *text)
{
    assert_int_equal(write(fixture->upstream, text, strlen(text)), (ssize_t)strlen(text));
}

static void keeps_the_connection(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        get();
        upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        turn_until(&fixture->finished);
        assert_true(fixture->kept);
    }
    assert_int_equal(fixture->ends, 3);
    assert_memory_equal(fixture->body, "hellohellohello", 15);
}

static void split_bytes_give_the_same(void **state)
{
    (void)state;
    get();
    for (const char *at =
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n";
         *at != '\0'; at++) {
        assert_int_equal(write(fixture->upstream, at, 1), 1);
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    turn_until(&fixture->finished);
    assert_true(fixture->kept);
    assert_int_equal(fixture->body_size, 5);
    assert_memory_equal(fixture->body, "abcde", 5);
}

static void bytes_behind_the_answer_end_the_connection(void **state)
{
    (void)state;
    get();
    upstream_says(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    turn_until(&fixture->finished);
    assert_int_equal(fixture->ends, 1);
    assert_false(fixture->kept);
}

static void bytes_that_nobody_asked_for_end_an_idle_connection(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    turn_until(&fixture->finished);
    assert_true(fixture->kept);
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    turn_until(&fixture->idle_lost);
}

static void a_kept_connection_that_dies_is_told_apart(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    turn_until(&fixture->finished);
    assert_true(fixture->kept);
    begin(METHOD_GET, BODY_NONE, 60 * NS_PER_S);
    shutdown(fixture->upstream, SHUT_RDWR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->failures, 1);
    assert_true(fixture->failure.reused);
}

static void a_fresh_connection_that_dies_is_not_retried(void **state)
{
    (void)state;
    get();
    shutdown(fixture->upstream, SHUT_RDWR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_CLOSED);
    assert_false(fixture->failure.reused);
}

static void a_cut_body_is_a_failure(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    shutdown(fixture->upstream, SHUT_WR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->ends, 0);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_CLOSED);
}

static void a_body_may_end_with_the_connection(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    shutdown(fixture->upstream, SHUT_WR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->ends, 1);
    assert_false(fixture->kept);
    assert_memory_equal(fixture->body, "until the end", 13);
}

static void informational_answers_come_before(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                  "HTTP/1.1 204 No Content\r\n\r\n");
    turn_until(&fixture->finished);
    assert_int_equal(fixture->informational, 1);
    assert_int_equal(fixture->status, 204);
    assert_true(fixture->kept);
}

static void refused(const char *text)
{
    get();
    upstream_says(text);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_PROTOCOL);
    assert_int_equal(fixture->responses, 0);
    assert_false(fixture->kept);
}

static void both_lengths_are_refused(void **state)
{
    (void)state;
    refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

static void a_switch_of_protocols_is_refused(void **state)
{
    (void)state;
    refused("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
}

static void a_flood_of_informational_answers_is_refused(void **state)
{
    (void)state;
    char text[4096];
    size_t used = 0;
    for (int i = 0; i < HTTP_INFORMATIONAL_MAX + 1; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "HTTP/1.1 102 Processing\r\n\r\n");
    }
    refused(text);
}

static void rubbish_is_refused(void **state)
{
    (void)state;
    refused("SSH-2.0-OpenSSH_9.2\r\n\r\n");
}

static void an_early_answer_ends_the_connection(void **state)
{
    (void)state;
    begin(METHOD_POST, BODY_LENGTH, 60 * NS_PER_S);
    see_request();
    upstream_says("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    turn_until(&fixture->finished);
    assert_int_equal(fixture->status, 413);
    assert_false(
        fixture->kept); /* the request was not complete: what follows on it would be taken for a head */
}

static void no_answer_in_time(void **state)
{
    (void)state;
    begin(METHOD_GET, BODY_NONE, 20 * NS_PER_MS);
    int64_t limit = clock_monotonic_ns() + 5 * NS_PER_S;
    while (!fixture->finished && clock_monotonic_ns() < limit) {
        uv_run(&fixture->loop.uv, UV_RUN_ONCE);
    }
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_TIMEOUT);
}

static void a_paused_body_waits(void **state)
{
    (void)state;
    fixture->pause = true;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    turn_while_nothing_happens();
    assert_int_equal(fixture->responses, 1);
    assert_int_equal(fixture->body_size, 0);
    http_call_pause(fixture->call, false);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->body_size, 5);
    assert_true(fixture->kept);
}

/* Half a head that nothing will complete: a failure at once, not a socket that is looked at until the time is up. */
static void half_a_head_is_a_failure_at_once(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Len");
    shutdown(fixture->upstream, SHUT_WR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_CLOSED);
    assert_false(fixture->kept);
}

static void half_a_trailer_is_a_failure_at_once(void **state)
{
    (void)state;
    get();
    upstream_says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ");
    shutdown(fixture->upstream, SHUT_WR);
    turn_until(&fixture->finished);
    assert_int_equal(fixture->ends, 0);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_CLOSED);
}

/* Somebody who gets its turn before the connection does, of what one look at the sockets found: as a request that wants it. */
struct rival {
    struct stream stream; /* first */
    int other;            /* the other end */
    bool asked, quiet, closed;
};

static void on_rival_ready(struct stream *stream, unsigned int ready)
{
    struct rival *rival = (struct rival *)stream;
    (void)ready;
    rival->asked = true;
    rival->quiet = http_client_is_quiet(fixture->client);
    stream_want(stream, 0);
}

static void on_rival_closed(struct stream *stream)
{
    ((struct rival *)stream)->closed = true;
}

/* What is_quiet tells in the turn whose look at the sockets finds what `happens` at the upstream's end. */
static bool is_quiet_when(void (*happens)(void))
{
    struct rival rival = { 0 };
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    assert_ok(stream_open(&rival.stream, &fixture->loop, fds[0], on_rival_ready));
    stream_want(&rival.stream, STREAM_READABLE);
    turn_while_nothing_happens();
    assert_int_equal(write(fds[1], "x", 1), 1); /* the first to be ready is the first to be told */
    happens();
    turn_until(&rival.asked);
    stream_close(&rival.stream, on_rival_closed);
    turn_until(&rival.closed);
    close(fds[1]);
    return rival.quiet;
}

static void nothing_happens(void)
{
}

static void an_answer_comes_in_advance(void)
{
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
}

static void it_ends(void)
{
    shutdown(fixture->upstream, SHUT_WR);
}

static void become_idle(void)
{
    get();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    turn_until(&fixture->finished);
    assert_true(fixture->kept);
}

static void an_idle_connection_is_quiet(void **state)
{
    (void)state;
    become_idle();
    assert_true(http_client_is_quiet(fixture->client));
    assert_true(is_quiet_when(nothing_happens));
    assert_false(fixture->idle_lost);
}

/* An answer in advance must not become the next request's. */
static void an_idle_connection_that_speaks_is_not_quiet(void **state)
{
    (void)state;
    become_idle();
    assert_false(is_quiet_when(an_answer_comes_in_advance));
}

static void a_closed_idle_connection_is_not_quiet(void **state)
{
    (void)state;
    become_idle();
    assert_false(is_quiet_when(it_ends));
}

/* The loop's next look finds what came since. */
static void what_this_turn_has_told_is_not_asked_again(void **state)
{
    (void)state;
    become_idle();
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    assert_true(http_client_is_quiet(fixture->client));
    turn_until(&fixture->idle_lost);
}

/* Where memory is scarce less is read at once: behind an answer that fills that to the last byte there may be another one. */
static void an_answer_behind_a_read_that_was_filled_is_not_the_next_one(void **state)
{
    (void)state;
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 8151\r\n\r\n";
    char text[HTTP_SCARCE_BUFFER + 1] = { 0 };
    _Atomic int64_t bytes = INT64_C(1) << 20;
    memset(text, 'x', HTTP_SCARCE_BUFFER);
    memcpy(text, head, sizeof head - 1);
    buffer_count_in(&bytes);
    buffer_set_budget(2);
    assert_true(buffer_is_scarce());
    get();
    upstream_says(text);
    upstream_says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    turn_until(&fixture->finished);
    buffer_set_budget(0);
    buffer_count_in(NULL);
    assert_int_equal(fixture->body_size, HTTP_SCARCE_BUFFER - (sizeof head - 1));
    assert_false(fixture->kept && http_client_is_quiet(fixture->client));
}

static void a_head_that_trickles_is_not_in_time(void **state)
{
    (void)state;
    begin(METHOD_GET, BODY_NONE, 60 * NS_PER_MS);
    see_request();
    upstream_says("HTTP/1.1 200 OK\r\nX: ");
    int64_t limit = clock_monotonic_ns() + 2 * NS_PER_S;
    while (!fixture->finished && clock_monotonic_ns() < limit) {
        upstream_says("x");
        for (int i = 0; i < 20; i++) {
            uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
        }
    }
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_TIMEOUT);
    assert_int_equal(fixture->responses, 0);
}

static void a_request_that_is_not_taken_is_not_in_time(void **state)
{
    (void)state;
    begin(METHOD_POST, BODY_CHUNKED, 60 * NS_PER_MS);
    static char piece[16384];
    while (http_call_send_body(fixture->call, slice_of(piece, sizeof piece))) {
    }
    int64_t limit = clock_monotonic_ns() + 2 * NS_PER_S;
    while (!fixture->finished && clock_monotonic_ns() < limit) {
        /* The kernel's buffers grow for a while; then trying again is no progress. */
        http_call_flush(fixture->call);
        if (fixture->writable) {
            fixture->writable = http_call_send_body(fixture->call, slice_of(piece, 4096));
        }
        uv_run(&fixture->loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_TIMEOUT);
}

/* An upstream that refuses a body answers, and closes without reading the rest: what it said still counts. */
static void the_answer_of_an_upstream_that_reads_no_more_is_read(void **state)
{
    (void)state;
    begin(METHOD_POST, BODY_CHUNKED, 60 * NS_PER_S);
    see_request();
    static char piece[16384];
    while (http_call_send_body(fixture->call, slice_of(piece, sizeof piece))) {
    }
    upstream_says("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    close(fixture->upstream);
    fixture->upstream = -1;
    turn_until(&fixture->finished);
    assert_int_equal(fixture->status, 413);
    assert_int_equal(fixture->failures, 0);
    assert_false(fixture->kept);
}

static void a_request_that_cannot_be_sent_fails(void **state)
{
    (void)state;
    begin(METHOD_POST, BODY_CHUNKED, 60 * NS_PER_S);
    see_request();
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    assert_int_equal(setsockopt(fixture->upstream, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fixture->upstream);
    fixture->upstream = -1;
    static char piece[16384];
    for (int i = 0; i < 4; i++) {
        http_call_send_body(fixture->call, slice_of(piece, sizeof piece));
    }
    turn_until(&fixture->finished);
    assert_int_equal(fixture->failure.reason, DENY_UPSTREAM_CLOSED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(keeps_the_connection),
        TEST(split_bytes_give_the_same),
        TEST(bytes_behind_the_answer_end_the_connection),
        TEST(bytes_that_nobody_asked_for_end_an_idle_connection),
        TEST(a_kept_connection_that_dies_is_told_apart),
        TEST(a_fresh_connection_that_dies_is_not_retried),
        TEST(a_cut_body_is_a_failure),
        TEST(a_body_may_end_with_the_connection),
        TEST(informational_answers_come_before),
        TEST(both_lengths_are_refused),
        TEST(a_switch_of_protocols_is_refused),
        TEST(a_flood_of_informational_answers_is_refused),
        TEST(rubbish_is_refused),
        TEST(an_early_answer_ends_the_connection),
        TEST(no_answer_in_time),
        TEST(a_paused_body_waits),
        TEST(half_a_head_is_a_failure_at_once),
        TEST(half_a_trailer_is_a_failure_at_once),
        TEST(an_idle_connection_is_quiet),
        TEST(an_idle_connection_that_speaks_is_not_quiet),
        TEST(what_this_turn_has_told_is_not_asked_again),
        TEST(an_answer_behind_a_read_that_was_filled_is_not_the_next_one),
        TEST(a_closed_idle_connection_is_not_quiet),
        TEST(a_head_that_trickles_is_not_in_time),
        TEST(a_request_that_is_not_taken_is_not_in_time),
        TEST(the_answer_of_an_upstream_that_reads_no_more_is_read),
        TEST(a_request_that_cannot_be_sent_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
